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

from surfalign.physics.bond_network import coordination_sequences
from surfalign.physics.symmetry import SymmetricCrystal


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
