"""Displacements that keep a slab's symmetry."""

from __future__ import annotations

import numpy as np
import pytest
import spglib
from pymatgen.core import Lattice, Structure

from surfalign.crystals.sources import load_crystal
from surfalign.errors import InvalidStructureError
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.enumeration import enumerate_slabs
from surfalign.workflows.engines.relaxation.slab_level import central_atoms
from surfalign.workflows.engines.relaxation.symmetric_space import symmetric_space


def slab_of(name: str, index: tuple[int, int, int], thickness: float = 9.0) -> Structure:
    crystal = symmetrize(load_crystal(name).structure)
    return enumerate_slabs(crystal, index, slab_thickness=thickness, vacuum_thickness=12.0)[0].slab


def n_operations(structure: Structure) -> int:
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    return len(spglib.get_symmetry(cell, symprec=1e-4)["rotations"])


@pytest.mark.parametrize(
    ("name", "index"), [("MgO", (1, 0, 0)), ("TiO2-rutile", (1, 1, 0)), ("ZnO", (1, 0, 0))]
)
def test_every_allowed_displacement_keeps_every_operation(
    name: str, index: tuple[int, int, int]
) -> None:
    slab = slab_of(name, index)
    space = symmetric_space(slab)
    np.testing.assert_allclose(space.basis.T @ space.basis, np.eye(space.size), atol=1e-10)
    rng = np.random.default_rng(1)
    moved = slab.copy()
    shift = space.expand(0.05 * rng.normal(size=space.size))
    for atom, vector in enumerate(shift):
        moved.translate_sites([atom], vector, frac_coords=False)
    assert n_operations(moved) == n_operations(slab)


def test_layers_of_rock_salt_move_along_the_normal_alone() -> None:
    slab = slab_of("MgO", (1, 0, 0))
    space = symmetric_space(slab)
    # Each kind of atom in each pair of layers has one height; the middle layer has none, for it is a mirror.
    assert space.size == 2 * ((len(slab) // 2) // 2)
    shift = space.expand(np.ones(space.size))
    np.testing.assert_allclose(shift[:, :2], 0.0, atol=1e-12)
    np.testing.assert_allclose(shift.sum(axis=0), 0.0, atol=1e-12)


def test_coordinates_and_displacements_are_each_others_inverse() -> None:
    space = symmetric_space(slab_of("TiO2-rutile", (1, 1, 0)))
    coordinates = np.linspace(-1, 1, space.size)
    np.testing.assert_allclose(space.reduce(space.expand(coordinates)), coordinates, atol=1e-12)


def test_atoms_that_are_held_stay() -> None:
    slab = slab_of("TiO2-rutile", (1, 1, 0))
    held = central_atoms(slab)
    space = symmetric_space(slab).holding(held)
    assert 0 < space.size < symmetric_space(slab).size
    shift = space.expand(np.ones(space.size))
    np.testing.assert_allclose(shift[held], 0.0, atol=1e-10)
    assert np.abs(shift[~held]).max() > 0.01


def test_the_centre_of_a_slab_holds_every_site_of_the_bulk() -> None:
    slab = slab_of("ZnO", (1, 0, 0))
    inside = central_atoms(slab)
    sites = np.array(slab.site_properties["bulk_site"])
    assert set(sites[inside]) == set(sites)
    assert inside.sum() < len(slab)


@pytest.mark.parametrize(
    ("name", "thickness", "planes"), [("MgO", 12.0, 3), ("MgO", 14.0, 4), ("SrO", 12.0, 2)]
)
def test_three_planes_are_held_where_enough_stays_free(
    name: str, thickness: float, planes: int
) -> None:
    crystal = symmetrize(load_crystal(name).structure)
    (surface,) = enumerate_slabs(
        crystal, (1, 0, 0), slab_thickness=thickness, vacuum_thickness=12.0
    )
    held = central_atoms(surface.slab)
    assert len(set(np.round(surface.slab.cart_coords[held, 2], 2))) == planes


def test_atoms_on_one_another_are_an_error() -> None:
    slab = Structure(Lattice.cubic(4), ["Mg", "O", "O"], [[0, 0, 0], [0.5] * 3, [0.5] * 3])
    with pytest.raises(InvalidStructureError, match="distinct places"):
        symmetric_space(slab)
