"""The parts of the density expansion, each against another program."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import lpmv
from vesin import NeighborList

from surfalign.ml.configuration import DescriptorConfiguration
from surfalign.ml.descriptors.density import density_coefficients
from surfalign.ml.descriptors.kernels.harmonics import fill_harmonics, recurrence_factors
from surfalign.ml.descriptors.kernels.neighbour_bins import neighbour_bins
from surfalign.ml.descriptors.radial_basis import radial_integrals


def unit_vectors(n: int) -> np.ndarray:
    """Random directions, the poles among them, shape (3, n)."""
    vectors = np.random.default_rng(4).normal(size=(3, n))
    vectors[:, :2] = [[0.0, 0.0], [0.0, 0.0], [1.0, -1.0]]
    return np.ascontiguousarray(vectors / np.linalg.norm(vectors, axis=0))


def legendre_harmonics(vectors: np.ndarray, l_max: int) -> np.ndarray:
    """Real harmonics from scipy's Legendre functions, shape ((l_max + 1)^2, n)."""
    azimuth = np.arctan2(vectors[1], vectors[0])
    rows = []
    for degree in range(l_max + 1):
        for m in range(-degree, degree + 1):
            order = abs(m)
            ratio = math.factorial(degree - order) / math.factorial(degree + order)
            norm = np.sqrt((2 * degree + 1) / (4.0 * np.pi) * ratio * (1.0 if m == 0 else 2.0))
            turn = np.sin(order * azimuth) if m < 0 else np.cos(order * azimuth)
            # scipy's functions hold the Condon-Shortley phase.
            rows.append((-1.0) ** order * norm * lpmv(order, degree, vectors[2]) * turn)
    return np.array(rows)


@pytest.mark.parametrize("l_max", [0, 1, 4, 12])
def test_harmonics_are_those_of_legendre_functions(l_max: int) -> None:
    vectors = unit_vectors(19)
    harmonics = np.full(((l_max + 1) ** 2, 24), np.nan)
    fill_harmonics(vectors, 19, recurrence_factors(l_max + 1), np.empty((l_max + 3, 24)), harmonics)
    expected = legendre_harmonics(vectors, l_max)
    np.testing.assert_allclose(harmonics[:, :19], expected, rtol=0.0, atol=1e-13)


def random_crystal(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Atoms in and around a skewed cell: species, positions, cell, and where it repeats."""
    generator = np.random.default_rng(seed)
    cell = 4.0 * np.eye(3) + generator.normal(scale=2.0, size=(3, 3))
    positions = generator.uniform(-1.0, 2.0, size=(9, 3)) @ cell
    return generator.integers(0, 2, size=9), positions, cell, generator.integers(0, 2, 3) > 0


@pytest.mark.parametrize("seed", range(8))
def test_every_neighbour_is_found_once(seed: int) -> None:
    slots, positions, cell, repeats = random_crystal(seed)
    reach = 5.0
    bins = neighbour_bins(positions, slots, cell, repeats, reach)
    found = []
    for center, (u, v, w) in zip(bins.centers, bins.bins, strict=True):
        for slot in range(slots.max() + 1):
            for row in range(u - 1, u + 2):
                for column in range(v - 1, v + 2):
                    at = np.ravel_multi_index((row, column, w), bins.shape)
                    at += slot * np.prod(bins.shape)
                    images = bins.images[:, bins.starts[at - 1] : bins.starts[at + 2]]
                    distances = np.linalg.norm(images - center[:, None], axis=0)
                    found += distances[(distances < reach) & (distances > 1e-6)].tolist()
    (expected,) = NeighborList(cutoff=reach, full_list=True).compute(
        points=positions, box=cell, periodic=repeats.tolist(), quantities="d"
    )
    np.testing.assert_allclose(sorted(found), sorted(expected), rtol=1e-9)


@pytest.mark.parametrize(("n_max", "l_max"), [(1, 0), (3, 2), (8, 6), (11, 3)])
def test_coefficients_are_sums_over_neighbours(n_max: int, l_max: int) -> None:
    """More neighbours of one species than are summed at a time, and rows of any length."""
    generator = np.random.default_rng(n_max)
    positions = np.concatenate([np.zeros((1, 3)), generator.uniform(-3.0, 3.0, size=(130, 3))])
    numbers = np.array([8] + 130 * [12])
    descriptor = DescriptorConfiguration(r_cut=6.0, n_max=n_max, l_max=l_max)
    density = density_coefficients(
        numbers, positions, 30.0 * np.eye(3), (False, False, False), descriptor
    )
    distances = np.linalg.norm(positions[1:], axis=1)
    radial = radial_integrals(distances, r_cut=6.0, n_max=n_max, l_max=l_max, sigma=0.5)
    harmonics = legendre_harmonics((positions[1:] / distances[:, None]).T, l_max)
    degrees = np.repeat(np.arange(l_max + 1), 2 * np.arange(l_max + 1) + 1)
    expected = np.einsum("kcn,ck->cn", radial[:, degrees], harmonics)
    np.testing.assert_allclose(density.coefficients[0, 1], expected, rtol=0.0, atol=1e-9)
