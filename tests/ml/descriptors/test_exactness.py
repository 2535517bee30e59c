"""The spectrum with W = identity is dscribe's, number by number."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dscribe.descriptors import SOAP
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from surfalign.ml.configuration import (
    Contraction,
    DescriptorConfiguration,
    SpectrumConfiguration,
)
from surfalign.ml.descriptors.density import density_coefficients
from surfalign.ml.descriptors.lsoap import LearnableSoap

SPECIES_POOL = [8, 12, 22, 38, 30, 16, 7, 56, 82]


def dscribe_order(
    n_species: int, n_max: int, l_max: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return where dscribe's features stand in the full contraction, and their factors.

    dscribe runs over pairs of species Z <= Z', then l, then n and n'; pairs of one species keep
    n <= n' only. Each feature is pi sqrt(8 / (2 l + 1)) sum_m c c'.

    Parameters
    ----------
    n_species
        Number of species, one channel each, by ascending atomic number.
    n_max, l_max
        Size of the expansion.

    Returns
    -------
    columns, factors
        Shape (n_features,): a feature of dscribe is factors * full[:, columns].
    """
    n_rows = n_species * n_max
    columns, factors = [], []
    for first in range(n_species):
        for second in range(first, n_species):
            n, other = np.meshgrid(np.arange(n_max), np.arange(n_max), indexing="ij")
            kept = n <= other if first == second else np.ones_like(n, dtype=bool)
            pairs = (first * n_max + n[kept]) * n_rows + second * n_max + other[kept]
            for degree in range(l_max + 1):
                columns.append(degree * n_rows**2 + pairs)
                factors.append(np.full(len(pairs), np.pi * np.sqrt(8.0 / (2 * degree + 1))))
    return np.concatenate(columns), np.concatenate(factors)


def random_slab(n_species: int, seed: int) -> Structure:
    """A slab of atoms on a jittered grid: no symmetry hides a mistake."""
    generator = np.random.default_rng(seed)
    lattice = Lattice.from_parameters(6.0, 6.8, 24.0, 90.0, 90.0, 75.0)
    grid = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1, 2], indexing="ij"), axis=-1).reshape(-1, 3)
    cartesian = grid * [3.0, 3.3, 2.4] + generator.uniform(-0.4, 0.4, size=(len(grid), 3))
    species = np.resize(SPECIES_POOL[:n_species], len(grid))
    return Structure(lattice, generator.permutation(species), cartesian, coords_are_cartesian=True)


def our_spectrum(structure: Structure, descriptor: DescriptorConfiguration) -> np.ndarray:
    """Our spectrum with one channel for each species, in dscribe's order."""
    density = density_coefficients(
        np.array(structure.atomic_numbers),
        structure.cart_coords,
        structure.lattice.matrix,
        (True, True, True),
        descriptor,
    )
    n_species = len(density.species)
    soap = LearnableSoap(
        descriptor, SpectrumConfiguration(n_channels=n_species, contraction=Contraction.FULL)
    ).double()
    with torch.no_grad():
        soap.embedding.weight.zero_()
        for channel, atomic_number in enumerate(density.species):
            soap.embedding.weight[atomic_number, channel] = 1.0
        species = torch.as_tensor(density.species).expand(len(structure), -1)
        spectrum = soap.spectrum(torch.as_tensor(density.coefficients), species).numpy()
    columns, factors = dscribe_order(n_species, descriptor.n_max, descriptor.l_max)
    return spectrum[:, columns] * factors


@pytest.mark.parametrize("seed", range(30))
def test_identity_embedding_equals_dscribe(seed: int) -> None:
    n_species = 2 + seed % 5
    structure = random_slab(n_species, seed)
    descriptor = DescriptorConfiguration(
        n_max=8 if seed < 10 else 4, l_max=6 if seed < 10 else 3, sigma=(0.3, 0.5, 1.0)[seed % 3]
    )
    reference = SOAP(
        species=sorted(set(structure.atomic_numbers)),
        r_cut=descriptor.r_cut,
        n_max=descriptor.n_max,
        l_max=descriptor.l_max,
        sigma=descriptor.sigma,
        periodic=True,
    ).create(AseAtomsAdaptor.get_atoms(structure))
    ours = our_spectrum(structure, descriptor)
    assert ours.shape == reference.shape
    assert np.linalg.norm(ours - reference) < 1e-8 * np.linalg.norm(reference)
    # Number by number; below a millionth of the largest both are rounding.
    largest = np.abs(reference).max()
    np.testing.assert_allclose(ours, reference, rtol=1e-5, atol=1e-11 * largest)
