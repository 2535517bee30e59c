from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp import Kpoints

from surfalign.crystals.sources import load_crystal
from surfalign.stores.documents import SurfaceDescription
from surfalign.workflows.engines.vasp.inputs.kpoints import (
    bulk_mesh,
    edge_points,
    even_mesh,
    exchange_mesh,
    number_of_points,
    same_point,
    slab_mesh,
    with_zero_weights,
)


def cube(a: float) -> Structure:
    return Structure(Lattice.cubic(a), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def size(kpoints: Kpoints) -> tuple[int, ...]:
    return tuple(int(n) for n in kpoints.kpts[0])


def test_a_mesh_is_no_coarser_than_its_spacing() -> None:
    structure = cube(4.0)  # 2 pi / 4 = 1.571
    assert size(bulk_mesh(structure, 1.571)) == (1, 1, 1)
    assert size(bulk_mesh(structure, 1.0)) == (2, 2, 2)
    assert size(bulk_mesh(structure, 0.35)) == (5, 5, 5)
    assert size(exchange_mesh(structure, 0.35)) == (6, 6, 6)


def test_noise_of_the_cell_does_not_change_a_mesh() -> None:
    exact = 2 * np.pi / (5 * 0.35)
    assert size(bulk_mesh(cube(exact), 0.35)) == size(bulk_mesh(cube(exact - 1e-4), 0.35))


def test_an_even_mesh_of_a_hexagonal_cell_holds_k_and_m() -> None:
    structure = load_crystal("ZnO").structure
    n = size(even_mesh(structure, 0.3))
    assert [n[0] % 6, n[1] % 6, n[2] % 2] == [0, 0, 0]
    assert size(even_mesh(cube(4.0), 0.35)) == (6, 6, 6)


def test_slab_and_oriented_bulk_share_the_points_of_the_plane(
    mgo_surface: SurfaceDescription,
) -> None:
    slab = size(slab_mesh(mgo_surface.slab, 0.35))
    bulk = size(slab_mesh(mgo_surface.oriented_bulk, 0.35, periodic_normal=True))
    assert slab[:2] == bulk[:2]
    assert slab[2] == 1
    assert bulk[2] > 1


def test_irreducible_weights_sum_to_the_mesh_and_edges_weigh_nothing(mgo: Structure) -> None:
    mesh = exchange_mesh(mgo, 0.5)
    total = int(np.prod(size(mesh)))
    listed = with_zero_weights(mgo, mesh, [(0.0, 0.0, 0.0), (0.41, 0.0, 0.41)])
    weights = list(listed.kpts_weights or [])
    assert sum(weights) == total
    assert len(weights) == listed.num_kpts == len(listed.kpts)
    assert weights[-1] == 0
    assert tuple(listed.kpts[-1]) == (0.41, 0.0, 0.41)
    assert weights.count(0) == 1, "Gamma is on the mesh already"
    assert number_of_points(mesh, mgo) == len(weights) - 1


def test_the_same_edge_is_listed_once(mgo: Structure) -> None:
    point = (0.37, 0.37, 0.74)
    shifted = (-0.63, 0.37, 0.74)  # a reciprocal lattice vector away
    assert same_point(point, shifted)
    listed = with_zero_weights(mgo, exchange_mesh(mgo, 0.6), [point, shifted])
    assert list(listed.kpts_weights or []).count(0) == 1


def test_edges_are_where_the_bands_come_near_the_extrema() -> None:
    points = np.array([[0, 0, 0], [0.25, 0, 0], [0.5, 0, 0], [0.5, 0.5, 0]])
    valence = [1.0, 0.95, 0.2, 0.5]
    conduction = [5.0, 4.6, 4.5, 6.0]
    bands = np.array([[v - 3, v, c, c + 2] for v, c in zip(valence, conduction, strict=True)])
    found = edge_points(bands, points, n_occupied=2, window=0.2, most=4)
    assert found == [(0, 0, 0), (0.25, 0, 0), (0.5, 0, 0)]
    assert edge_points(bands, points, 2, 0.2, most=1) == [(0, 0, 0), (0.5, 0, 0)]


@pytest.mark.parametrize("name", ["MgO", "ZnO", "Ga2O3-beta", "TiO2-rutile", "Al2O3"])
def test_the_list_of_a_mesh_covers_it_for_every_lattice(name: str) -> None:
    structure = load_crystal(name).structure
    mesh = exchange_mesh(structure, 0.6)
    listed = with_zero_weights(structure, mesh, [])
    assert sum(listed.kpts_weights or []) == np.prod(size(mesh))
