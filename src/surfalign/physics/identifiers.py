"""Stable identifiers: equal surfaces get equal identifiers, whatever cell the user gave.

A surface is known by its crystal, its name (orientation, class, outermost planes, number) and its
thickness. The name is made of discrete facts and of comparisons (:mod:`.ordering`), never
of rounded numbers, so noise does not change it. What remains is to tell apart the crystals of one
formula and space group: two numbers on coarse grids do that.
"""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np

from surfalign.physics.neighbours import bulk_density
from surfalign.physics.symmetry import SymmetricCrystal

#: Grid steps of ln(volume per atom) and of the spread of the neighbour densities. Odd numbers, because
#: lattice parameters are often round ones.
_VOLUME_STEP, _SPREAD_STEP = 0.0307, 0.0103


def crystal_numbers(crystal: SymmetricCrystal) -> tuple[object, ...]:
    """Return what identifies a crystal, to about 1 % in lengths.

    Formula, space group, atoms of each element in the primitive cell, and the grid steps of the volume
    per atom and of the relative spread of the neighbour densities of the sites. With lengths good to
    a relative accuracy of e, one crystal in about 1 / (200 e) lies so near to a step that two of its
    cells may differ.
    """
    if "numbers" not in crystal.cache:
        crystal.cache["numbers"] = _crystal_numbers(crystal)
    numbers: tuple[object, ...] = crystal.cache["numbers"]
    return numbers


def _crystal_numbers(crystal: SymmetricCrystal) -> tuple[object, ...]:
    counts = Counter(crystal.numbers.tolist())
    density = bulk_density(crystal)
    mean = float(density.mean())
    # A single atom, alone in a large cell, sees nobody.
    spread = float(density.std()) / mean if mean > 0 else 0.0
    return (
        crystal.formula,
        crystal.space_group_number,
        tuple(sorted(counts.items())),
        int(np.floor(np.log(crystal.volume / len(crystal.numbers)) / _VOLUME_STEP)),
        # A spread of exactly zero is no border case.
        int(np.floor(spread / _SPREAD_STEP + 0.21)),
    )


def surface_identifier(crystal: SymmetricCrystal, name: str, n_atoms: int) -> str:
    """Return 16 hexadecimal digits.

    Parameters
    ----------
    crystal
        The bulk.
    name
        Name of the surface, which tells the surfaces of the crystal apart.
    n_atoms
        Number of atoms of the slab, which tells the thickness.
    """
    facts = (*crystal_numbers(crystal), name, n_atoms)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
