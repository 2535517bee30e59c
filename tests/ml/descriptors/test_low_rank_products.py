"""Factors mixed for each element say what mixed densities say, to rounding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from surfalign.ml.configuration import Contraction, DescriptorConfiguration, SpectrumConfiguration
from surfalign.ml.descriptors.lsoap import LearnableSoap

ELEMENT_SETS = ([8, 12], [8, 22, 38], [8], [16, 30], [7, 8, 22, 56])
N_SLOTS, N_ATOMS = 4, 45
RANKS = [3, 32, 40]
"""Below the width of a vector, as wide as one, and between one and two."""


def random_soap(rank: int, dtype: torch.dtype, *, l_max: int = 4, n_max: int = 6) -> LearnableSoap:
    torch.manual_seed(rank)
    return LearnableSoap(
        DescriptorConfiguration(r_cut=4.0, n_max=n_max, l_max=l_max),
        SpectrumConfiguration(contraction=Contraction.LOW_RANK, n_channels=3, rank=rank),
    ).to(dtype)


def random_atoms(
    dtype: torch.dtype, *, n_atoms: int = N_ATOMS, l_max: int = 4, n_max: int = 6
) -> tuple[Tensor, Tensor]:
    """Densities and species of slabs of one to four elements, side by side."""
    generator = torch.Generator().manual_seed(1)
    shape = (n_atoms, N_SLOTS, (l_max + 1) ** 2, n_max)
    coefficients = torch.randn(shape, generator=generator, dtype=torch.float64)
    species = torch.zeros(n_atoms, N_SLOTS, dtype=torch.int64)
    for atom in range(n_atoms):
        own = ELEMENT_SETS[5 * atom // n_atoms]
        species[atom, : len(own)] = torch.tensor(own)
    return (coefficients * (species > 0)[..., None, None]).to(dtype), species


def spectrum_and_gradients(
    soap: LearnableSoap, coefficients: Tensor, species: Tensor
) -> tuple[Tensor, ...]:
    """The spectrum, and the gradients that a sum of its features' squares has in all parameters."""
    parameters = list(soap.parameters())
    spectrum = soap.spectrum(coefficients, species)
    return (spectrum.detach(), *torch.autograd.grad(spectrum.square().sum(), parameters))


def assert_equal(found: tuple[Tensor, ...], expected: tuple[Tensor, ...], tolerance: float) -> None:
    for one, other in zip(found, expected, strict=True):
        largest = float(other.abs().max())
        assert largest > 0.0
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance * largest)


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=str
)
def test_mixed_factors_equal_mixed_densities(
    rank: int, dtype: torch.dtype, tolerance: float
) -> None:
    soap = random_soap(rank, dtype)
    coefficients, species = random_atoms(dtype)
    found = spectrum_and_gradients(soap, coefficients, species)
    # Densities that have a gradient are mixed themselves.
    expected = spectrum_and_gradients(soap, coefficients.clone().requires_grad_(), species)
    assert_equal(found, expected, tolerance)


def test_gradients_equal_finite_differences() -> None:
    soap = random_soap(3, torch.float64, l_max=2, n_max=2)
    coefficients, species = random_atoms(torch.float64, n_atoms=5, l_max=2, n_max=2)

    def spectrum(*_: Tensor) -> Tensor:
        return soap.spectrum(coefficients, species)

    assert torch.autograd.gradcheck(spectrum, tuple(soap.parameters()))


def test_a_gradient_that_is_the_same_everywhere_is_read_rightly() -> None:
    """torch hands over one number for all features of all atoms."""
    soap = random_soap(32, torch.float64)
    coefficients, species = random_atoms(torch.float64)
    parameters = list(soap.parameters())
    found = torch.autograd.grad(soap.spectrum(coefficients, species).sum(), parameters)
    spectrum = soap.spectrum(coefficients, species)
    expected = torch.autograd.grad(spectrum, parameters, torch.ones_like(spectrum))
    assert_equal(found, expected, 1e-12)


def test_densities_in_empty_slots_are_not_read() -> None:
    soap = random_soap(32, torch.float32)
    coefficients, species = random_atoms(torch.float32)
    expected = spectrum_and_gradients(soap, coefficients, species)
    coefficients[species == 0] = torch.nan
    for one, other in zip(
        spectrum_and_gradients(soap, coefficients, species), expected, strict=True
    ):
        assert torch.equal(one, other)
