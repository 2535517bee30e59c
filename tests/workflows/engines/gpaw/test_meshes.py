from __future__ import annotations

import numpy as np
import pytest

from surfalign.workflows.engines.gpaw.meshes import (
    Mesh,
    bulk_mesh,
    grid_spacing,
    mesh,
    slab_mesh,
)
from surfalign.workflows.engines.gpaw.settings import PRESETS

FCC = 4.21 / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])


def test_the_bulk_mesh_is_centred_at_gamma() -> None:
    # |b| = 2 pi sqrt(3) / a = 2.585 1/angstrom
    assert bulk_mesh(FCC, 0.45) == Mesh((6, 6, 6), gamma=True)
    assert bulk_mesh(FCC, 0.65) == Mesh((4, 4, 4), gamma=True)


@pytest.mark.parametrize("spacing", [0.3, 0.45, 0.6])
def test_no_neighbours_are_farther_apart_than_the_spacing(spacing: float) -> None:
    cell = np.array([[3.0, 0.1, 0.0], [0.2, 4.5, 0.3], [-0.4, 0.2, 7.0]])
    reciprocal = 2 * np.pi * np.linalg.inv(cell).T
    steps = np.linalg.norm(reciprocal, axis=1) / bulk_mesh(cell, spacing).size
    assert (steps <= spacing * 1.001).all()


def test_rounding_noise_of_a_cell_does_not_change_its_mesh() -> None:
    length = 2 * np.pi / (0.5 * 4)  # exactly four points
    assert bulk_mesh(np.eye(3) * length, 0.5) == bulk_mesh(np.eye(3) * length * (1 - 1e-6), 0.5)


@pytest.mark.parametrize("quality", PRESETS)
def test_grids_hold_waves_up_to_twice_the_cut_off(quality: str) -> None:
    settings = PRESETS[quality]
    spacing = grid_spacing(settings.cutoff, settings.grid_spacing)
    highest = 3.80998 * (np.pi / spacing) ** 2  # hbar^2 / 2 m, eV angstrom^2
    assert highest >= 2 * settings.cutoff
    assert spacing <= settings.grid_spacing


def test_a_low_cut_off_leaves_the_wanted_grid() -> None:
    assert grid_spacing(400.0, 0.19) == 0.19
    assert grid_spacing(900.0, 0.19) < 0.15


def test_a_rectangular_face_takes_an_even_mesh_off_gamma() -> None:
    cell = np.diag([2.977, 6.5, 25.0])
    assert slab_mesh(cell, 0.45) == Mesh((6, 4, 1), gamma=False)


def test_a_hexagonal_face_is_centred_at_gamma() -> None:
    cell = np.array([[3.25, 0, 0], [-1.625, 2.8146, 0], [0, 0, 25.0]])
    found = slab_mesh(cell, 0.5)
    assert found.gamma
    assert found.size[0] == found.size[1]


def test_slab_and_oriented_bulk_share_the_mesh_in_the_plane() -> None:
    slab = np.array([[3.2, 0, 0], [0.4, 5.1, 0], [0, 0, 30.0]])
    oriented = np.array([[3.2, 0, 0], [0.4, 5.1, 0], [1.3, -0.7, 4.0]])
    in_slab, in_bulk = mesh(slab, 0.45, "slab"), mesh(oriented, 0.45, "oriented_bulk")
    assert in_slab.size[:2] == in_bulk.size[:2]
    assert in_slab.gamma == in_bulk.gamma
    assert in_slab.size[2] == 1
    assert in_bulk.size[2] == 4  # 2 pi / 4.0 over 0.45


def test_gpaw_takes_size_and_centring() -> None:
    assert Mesh((4, 4, 1), gamma=True).gpaw() == {"size": [4, 4, 1], "gamma": True}
    assert Mesh((4, 4, 1), gamma=False).gpaw() == {"size": [4, 4, 1]}
