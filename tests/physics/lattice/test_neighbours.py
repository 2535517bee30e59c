"""Pairs of atoms and densities of neighbours, against counts by hand and another code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from surfalign.physics.lattice.neighbours import (
    CUTOFF,
    bulk_density,
    neighbour_density,
    neighbour_pairs,
    smooth_weight,
)
from surfalign.physics.lattice.symmetry import symmetrize

MakeCrystal = Callable[[str], Structure]
SIDE = 4.0  # angstrom, of a simple cubic lattice


@pytest.mark.parametrize(
    ("periodic", "cutoff", "expected"),
    [(3, 3.9, 0), (3, 4.1, 6), (3, 5.7, 18), (3, 7.0, 26), (2, 4.1, 4), (2, 5.7, 8), (2, 8.1, 12)],
)
def test_shells_of_a_simple_cubic_lattice(periodic: int, cutoff: float, expected: int) -> None:
    lattice = SIDE * np.eye(3)[:periodic]
    vectors, origins, distances, targets = neighbour_pairs(lattice, np.zeros((1, 3)), cutoff)
    assert len(vectors) == expected
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(distances)
    assert not origins.any()
    assert not targets.any()


@pytest.mark.parametrize("cutoff", [2.5, 4.5, 9.0])
def test_pairs_of_an_oblique_cell_are_those_of_pymatgen(cutoff: float) -> None:
    chance = np.random.default_rng(5)
    lattice = Lattice.from_parameters(3.1, 4.7, 6.3, 71, 98, 117)
    structure = Structure(lattice, ["O"] * 4, chance.random((4, 3)))
    outside = structure.cart_coords + chance.integers(-3, 4, (4, 3)) @ lattice.matrix
    vectors, origins, distances, targets = neighbour_pairs(lattice.matrix, outside, cutoff)
    first, second, _, expected = structure.get_neighbor_list(cutoff)
    found = sorted(zip(origins, targets, distances.round(6), strict=True))
    assert found == sorted(zip(first, second, expected.round(6), strict=True))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(distances)
    steps = (outside[origins] + vectors - outside[targets]) @ np.linalg.inv(lattice.matrix)
    assert steps == pytest.approx(np.rint(steps), abs=1e-9)


def test_partners_may_be_other_atoms() -> None:
    # The centre of the cube and its corners.
    middle, corner = np.full((1, 3), SIDE / 2), np.zeros((1, 3))
    vectors, _, distances, _ = neighbour_pairs(SIDE * np.eye(3), middle, 4.0, corner)
    assert len(vectors) == 8
    assert distances == pytest.approx(SIDE * 3**0.5 / 2)
    assert vectors.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)


def test_the_weight_of_a_neighbour_vanishes_smoothly_at_the_reach() -> None:
    reach = 4.5
    places = np.array([0.0, reach / 2**0.5, reach, reach + 1.0])
    assert smooth_weight(places, reach) == pytest.approx([1.0, 1 / 8, 0.0, 0.0])
    near = np.array([reach - 1e-3])
    assert smooth_weight(near, reach)[0] < 1e-9


def test_the_density_of_a_lattice_is_its_shell() -> None:
    # Six neighbours at 4.0 angstrom, and no others below 4.5: polonium has 84 electrons.
    density = neighbour_density(SIDE * np.eye(3), np.zeros((1, 3)), np.array([84]))
    assert density == pytest.approx([6 * (1 - (SIDE / CUTOFF) ** 2) ** 3 * 84**0.5])
    places = np.array([[0.0, 0.0, 0.0], [SIDE / 2] * 3, [SIDE / 2, 0.0, 0.0]])
    others = neighbour_density(SIDE * np.eye(3), places, np.array([84]), np.zeros((1, 3)))
    assert others[0] == pytest.approx(density[0])
    assert others[1] == pytest.approx(8 * (1 - 12 / CUTOFF**2) ** 3 * 84**0.5)
    assert others[2] > others[1]


def test_equivalent_sites_have_equal_densities_and_elements_weigh_by_their_electrons(
    crystal: MakeCrystal,
) -> None:
    bulk = symmetrize(crystal("rocksalt"))
    magnesium, oxygen = (float(bulk_density(bulk)[bulk.numbers == z][0]) for z in (12, 8))
    near, far = ((1 - (4.21 / CUTOFF) ** 2 / n) ** 3 for n in (4, 2))
    diagonal = (1 - (4.21 / CUTOFF) ** 2 * 3 / 4) ** 3
    same, other = 12 * far, 6 * near + 8 * diagonal
    fourth = 6 * (1 - (4.21 / CUTOFF) ** 2) ** 3
    assert magnesium == pytest.approx((same + fourth) * 12**0.5 + other * 8**0.5)
    assert oxygen == pytest.approx((same + fourth) * 8**0.5 + other * 12**0.5)
    assert bulk_density(bulk) is bulk_density(bulk)


def test_atoms_that_nearly_coincide_are_neighbours_and_an_atom_is_none_of_itself() -> None:
    positions = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    vectors, origins, distances, targets = neighbour_pairs(np.eye(3) * 20.0, positions, 2.0)
    assert sorted(zip(origins.tolist(), targets.tolist(), strict=True)) == [(0, 1), (1, 0)]
    assert distances == pytest.approx(0.5)
    assert np.abs(vectors) == pytest.approx(np.array([[0.5, 0, 0]] * 2))
