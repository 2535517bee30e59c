"""Notes on crystals that are read well, and may still not be what was meant."""

from __future__ import annotations

import warnings

import numpy as np
import spglib
from pymatgen.core import Structure

from surfalign.crystals.distances import cell_heights
from surfalign.physics.lattice.symmetry import SymmetricCrystal

#: An empty layer of this height is that of a slab, angstrom; layered crystals stay below.
EMPTY_LAYER = 7.0
#: A tolerance for the symmetry of files that round their numbers, angstrom.
LOOSE_TOLERANCE = 0.05


def empty_layer_note(structure: Structure) -> tuple[str, ...]:
    """Note an empty layer across the cell: a slab or a molecule given as a bulk crystal."""
    heights = cell_heights(structure.lattice.matrix)
    if heights.max() < EMPTY_LAYER:
        return ()
    places = np.sort(structure.frac_coords % 1.0, axis=0)
    gaps = np.diff(np.concatenate([places, places[:1] + 1.0]), axis=0).max(axis=0) * heights
    axis = int(np.argmax(gaps))
    if gaps[axis] < EMPTY_LAYER:
        return ()
    return (
        f"{gaps[axis]:.1f} angstrom along {'abc'[axis]} are empty: this looks like a slab, "
        "and surfaces are cut from bulk crystals",
    )


def looser_tolerance_note(crystal: SymmetricCrystal) -> tuple[str, ...]:
    """Note a higher symmetry that a looser tolerance would find: files round their numbers."""
    cell = (crystal.lattice.tolist(), crystal.positions.tolist(), crystal.numbers.tolist())
    with warnings.catch_warnings():
        # spglib 2.7 and later warn about their change from returning None to raising.
        warnings.simplefilter("ignore", DeprecationWarning)
        looser = spglib.get_symmetry_dataset(cell, symprec=LOOSE_TOLERANCE)
    if looser is None or len(looser.rotations) <= len(crystal.rotations):
        return ()
    return (
        f"its space group is {crystal.space_group_symbol} ({crystal.space_group_number}) within "
        f"{crystal.symprec:g} angstrom, and would be {looser.international} ({looser.number}) within "
        f"{LOOSE_TOLERANCE:g}: a file with more digits may have more symmetry, and fewer surfaces",
    )
