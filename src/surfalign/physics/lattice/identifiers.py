"""Stable identifiers: equal surfaces get equal identifiers, whatever cell the user gave.

A surface is known by its crystal, its name (orientation, class, outermost planes, number) and its
thickness. The name is made of discrete facts and of comparisons (:mod:`.ordering`), never of rounded
numbers, so noise does not change it. The crystal is known by discrete facts too: formula, space group
and the coordination sequences of its sites (:mod:`.bond_network`), which differ between polymorphs and
change neither with the cell nor with the volume. How far that goes is measured in
docs/explanation/surfaces.md.
"""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np

from surfalign.physics.lattice.bond_network import coordination_sequences
from surfalign.physics.lattice.neighbours import bulk_density
from surfalign.physics.lattice.symmetry import SymmetricCrystal


def crystal_facts(crystal: SymmetricCrystal) -> tuple[object, ...]:
    """Return what identifies a crystal: formula, space group and coordination sequences."""
    if "facts" not in crystal.cache:
        crystal.cache["facts"] = (
            crystal.formula,
            crystal.space_group_number,
            coordination_sequences(crystal),
        )
    facts: tuple[object, ...] = crystal.cache["facts"]
    return facts


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
    facts = (*crystal_facts(crystal), name, n_atoms)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def earlier_surface_identifier(crystal: SymmetricCrystal, name: str, n_atoms: int) -> str:
    """Return the identifier that version 0.1 gave; parameters as for :func:`surface_identifier`.

    Stored results and the uuids of their steps know surfaces by it. It may go with
    :mod:`surfalign.workflows.earlier_uuids`.
    """
    density = bulk_density(crystal)
    mean = float(density.mean())
    spread = float(density.std()) / mean if mean > 0 else 0.0
    facts = (
        crystal.formula,
        crystal.space_group_number,
        tuple(sorted(Counter(crystal.numbers.tolist()).items())),
        int(np.floor(np.log(crystal.volume / len(crystal.numbers)) / 0.0307)),
        int(np.floor(spread / 0.0103 + 0.21)),
        name,
        n_atoms,
    )
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
