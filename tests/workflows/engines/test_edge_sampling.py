"""Where symmetry makes bands stationary, and what a mesh without these points misses."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure

from surfalign.crystals.sources import load_crystal
from surfalign.workflows.engines.edge_sampling import edge_sampling, holds

GAMMA = (0.0, 0.0, 0.0)
#: Textbook points of symmetry (reduced, primitive cells), and some points that are none.
POINTS = {
    "MgO": ([GAMMA, (0.5, 0, 0.5), (0.5, 0.5, 0.5), (0.5, 0.25, 0.75)], [(0.375, 0.375, 0.75)]),
    "ZnO": ([GAMMA, (1 / 3, 1 / 3, 0), (0.5, 0, 0), (1 / 3, 1 / 3, 0.5)], [(0.25, 0, 0)]),
    "TiO2-rutile": ([GAMMA, (0.5, 0, 0), (0.5, 0.5, 0), (0, 0, 0.5)], [(0.25, 0.25, 0)]),
    "SrTiO3": ([GAMMA, (0.5, 0, 0), (0.5, 0.5, 0), (0.5, 0.5, 0.5)], [(0.25, 0.25, 0.25)]),
}


def grid(divisions: int, shift: float) -> NDArray[np.float64]:
    axis = (np.arange(divisions) + shift) / divisions
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)


def band(structure: Structure, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A band with the symmetry of the lattice, largest (1) at Gamma."""
    vectors = np.array(list(product((-2, -1, 0, 1, 2), repeat=3)), dtype=float)
    lengths = np.linalg.norm(vectors @ structure.lattice.matrix, axis=1)
    nearest = vectors[(lengths > 0.1) & (lengths < 1.01 * lengths[lengths > 0.1].min())]
    return np.asarray(np.cos(2 * np.pi * points @ nearest.T).mean(axis=1))


@pytest.mark.parametrize("name", POINTS)
def test_the_points_of_the_textbooks_are_missed_one_by_one(name: str) -> None:
    structure = load_crystal(name).structure
    special, others = POINTS[name]
    points = edge_sampling(structure, [[0.1, 0.2, 0.3]], [0.0], [1.0]).missing
    assert all(any(holds(structure, [p], point) for p in points) for point in special)
    assert not any(holds(structure, points, point) for point in others)
    for left_out in points:
        rest = [p for p in points if p != left_out]
        levels = np.zeros(len(rest))
        assert edge_sampling(structure, rest, levels, levels + 1).missing == [left_out]
    assert edge_sampling(structure, points, [0.0] * len(points), [1.0] * len(points)).missing == []


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("divisions", [4, 6])
def test_what_a_shifted_mesh_misses_is_estimated(name: str, divisions: int) -> None:
    structure = load_crystal(name).structure
    points = grid(divisions, 0.5)
    f = band(structure, points)
    found = edge_sampling(structure, points, 3.0 - 0.5 * (1 - f), 8.0 + 0.8 * (1 - f))
    assert any(holds(structure, [point], GAMMA) for point in found.missing)
    assert found.valence == pytest.approx(0.5 * (1 - f.max()), rel=0.1)
    assert found.conduction == pytest.approx(0.8 * (1 - f.max()), rel=0.1)
    with_gamma = edge_sampling(
        structure, points, 3.0 - 0.5 * (1 - f), 8.0 + 0.8 * (1 - f), [GAMMA], (3.0, 8.0)
    )
    assert with_gamma.check().value < 0.02


def test_an_odd_mesh_at_gamma_misses_edges_on_the_faces_of_the_zone() -> None:
    structure = Structure(Lattice.cubic(4.0), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    points = grid(5, 0.0)
    f = band(structure, points)
    found = edge_sampling(structure, points, 3.0 - 0.5 * (1 - f), 8.0 - 0.8 * (1 - f))
    assert found.valence < 0.01
    least = band(structure, np.array([[0.5, 0.5, 0.5]]))[0]
    assert found.conduction == pytest.approx(0.8 * (f.min() - least), rel=0.1)


@pytest.mark.parametrize("points", [[[0.25, 0.25, 0.25]], [[0, 0, 0]], [[0, 0, 0], [0.25, 0, 0]]])
def test_too_few_points_cannot_tell(points: list[list[float]]) -> None:
    structure = load_crystal("TiO2-rutile").structure
    found = edge_sampling(structure, points, np.zeros(len(points)), np.ones(len(points)))
    assert np.isnan(found.valence)
    assert not found.check().passed


@pytest.mark.parametrize("divisions", [14, 16])
def test_a_dense_mesh_off_the_corner_of_a_hexagon_misses_little(divisions: int) -> None:
    structure = load_crystal("ZnO").structure
    points = grid(divisions, 0.0)
    points = points[(points <= 0.5).all(axis=1)]
    f = band(structure, points)
    corner = band(structure, np.array([[1 / 3, 1 / 3, 0.0]]))[0]
    found = edge_sampling(structure, points, 3.0 + 0.5 * (1 - f), 8.0 + 0.8 * (1 - f))
    assert any(holds(structure, [point], (1 / 3, 1 / 3, 0)) for point in found.missing)
    assert found.valence == pytest.approx(0.5 * (f.min() - corner), abs=2e-3)
    assert found.check().passed


def test_bands_that_do_not_foretell_their_own_energies_give_a_note_and_no_verdict() -> None:
    structure = load_crystal("SrTiO3").structure
    points = grid(5, 0.0)
    points = points[(points <= 0.5).all(axis=1)]
    spread = np.sqrt((points**2).sum(axis=1))  # a kink, and a rapid wave
    found = edge_sampling(structure, points, 3.0 - 4.0 * spread, 8.0 - 2.0 * np.sin(15 * spread))
    assert found.check().passed
    (note,) = found.notes
    assert note.startswith("edge_sampling_uncertain: no k-point at 0, 0, 0.5")
    assert edge_sampling(structure, grid(4, 0.0), np.zeros(64), np.ones(64)).notes == []
