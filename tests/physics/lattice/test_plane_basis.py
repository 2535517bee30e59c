"""Bases of lattice planes are reduced, right-handed, and one plane high."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice

from surfalign.physics.lattice.plane_basis import plane_basis, upright

LATTICES = {
    "cubic": Lattice.cubic(4.2),
    "hexagonal": Lattice.hexagonal(3.2, 5.2),
    "face-centred": Lattice([[0, 2.1, 2.1], [2.1, 0, 2.1], [2.1, 2.1, 0]]),
    "monoclinic": Lattice.monoclinic(5.1, 3.0, 7.7, 114),
    "triclinic": Lattice.from_parameters(5.1, 6.3, 7.7, 83, 98, 106),
    "left-handed": Lattice(np.diag([1, 1, -1]) @ Lattice.monoclinic(5.1, 3.0, 7.7, 104).matrix),
}
index = st.integers(-5, 5)


@given(name=st.sampled_from(sorted(LATTICES)), h=index, k=index, l=index)
def test_any_plane_has_a_reduced_basis(name: str, h: int, k: int, l: int) -> None:
    if math.gcd(h, k, l) != 1:
        return
    normal, lattice = np.array([h, k, l]), LATTICES[name].matrix
    basis = plane_basis(normal, lattice)
    assert (basis @ normal).tolist() == [0, 0, 1]
    assert abs(round(float(np.linalg.det(basis)))) == 1
    a1, a2, up = vectors = basis @ lattice
    assert np.linalg.det(vectors) > 0
    assert a1 @ a1 <= a2 @ a2 * (1 + 1e-8)
    assert abs(a1 @ a2) <= a1 @ a1 / 2 * (1 + 1e-8)
    steps = itertools.product(range(-2, 3), repeat=2)
    others = [np.linalg.norm(up + i * a1 + j * a2) for i, j in steps]
    assert np.linalg.norm(up) <= min(others) + 1e-5


@pytest.mark.parametrize(
    ("name", "normal"), [("hexagonal", (0, 0, 1)), ("face-centred", (1, 1, 1))]
)
def test_hexagonal_nets_get_120_degrees(name: str, normal: tuple[int, int, int]) -> None:
    a1, a2, _ = plane_basis(np.array(normal), LATTICES[name].matrix) @ LATTICES[name].matrix
    assert np.linalg.norm(a1) == pytest.approx(np.linalg.norm(a2))
    assert a1 @ a2 == pytest.approx(-0.5 * a1 @ a1)


@pytest.mark.parametrize("name", sorted(LATTICES))
def test_an_upright_cell_is_only_turned(name: str) -> None:
    lattice = LATTICES[name].matrix
    vectors = plane_basis(np.array([1, 2, -1]), lattice) @ lattice
    turned = upright(vectors)
    assert turned @ turned.T == pytest.approx(vectors @ vectors.T)
    assert np.linalg.det(turned) == pytest.approx(np.linalg.det(vectors))
    assert turned[0, 0] > 0
    assert turned[1, 1] > 0
    assert turned[2, 2] > 0
    assert (turned[0, 1], turned[0, 2], turned[1, 2]) == (0.0, 0.0, 0.0)
