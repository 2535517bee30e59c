"""Cells in which GPAW finds no group of symmetry operations."""

from __future__ import annotations

import pytest
from pymatgen.io.ase import AseAtomsAdaptor

from surfalign.crystals.sources import load_crystal
from surfalign.physics.slabs.enumeration import enumerate_slabs

ground_state = pytest.importorskip("surfalign.workflows.engines.gpaw.child.ground_state")


def n_points(index: tuple[int, int, int]) -> int:
    (slab, *_) = enumerate_slabs(load_crystal("SnO2").structure, index, slab_thickness=10.0)
    atoms = AseAtomsAdaptor.get_atoms(slab.oriented_bulk, msonable=False)
    found: int = ground_state.count_k_points(atoms, {"size": [3, 3, 3], "gamma": True})
    return found


def test_a_leaning_cell_whose_operations_gpaw_cannot_write_is_computed_without_them() -> None:
    # Time reversal alone leaves 14 of 27 points.
    assert n_points((1, 0, 1)) == 14
    assert n_points((1, 1, 0)) < 14
