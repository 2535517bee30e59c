"""Learnable SOAP: species are compressed into a few learnable channels before the power spectrum.

    c^k_nlm  = sum_Z W_Zk c^Z_nlm                              (Willatt, Musil, Ceriotti,
    p^kk'_nn'l = sum_m c^k_nlm c^k'_n'lm                        doi 10.1039/C8CP05921G)

so that size and cost do not grow with the number of elements. Three contractions of the spectrum:

full      every (kn, k'n') pair;
upper     the pairs with kn <= k'n', which hold the same information;
low-rank  y_lh = sum_m (U_l c)_hm (V_l c)_hm with learnable U, V: the spectrum is never made
          (Darby et al., doi 10.1103/PhysRevLett.131.028001).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from surfalign.ml.configuration import Contraction, DescriptorConfiguration, SpectrumConfiguration
from surfalign.ml.descriptors.element_properties import MAX_ATOMIC_NUMBER, property_embedding
from surfalign.ml.descriptors.low_rank_products import (
    LowRankProducts,
    factors_can_be_mixed,
    mixed_factor_products,
)


class SpeciesEmbedding(nn.Module):
    """W: how much of each channel an atom of each element contributes.

    Parameters
    ----------
    n_channels
        K, number of pseudo-species.
    initialisation
        ``properties`` starts from the elements' properties, ``random`` from a normal distribution.
    """

    weight: nn.Parameter

    def __init__(self, n_channels: int, initialisation: str = "properties") -> None:
        super().__init__()
        if initialisation == "properties":
            start = torch.as_tensor(property_embedding(n_channels), dtype=torch.float32)
        else:
            start = torch.randn(MAX_ATOMIC_NUMBER + 1, n_channels)
            start[0] = 0.0
        self.weight = nn.Parameter(start)

    def forward(self, coefficients: Tensor, species: Tensor) -> Tensor:
        """Compress the densities.

        Parameters
        ----------
        coefficients
            c^Z_nlm, shape (n_atoms, n_slots, (l_max + 1)^2, n_max); empty slots are zero.
        species
            Atomic number of each slot, 0 where empty, shape (n_atoms, n_slots).

        Returns
        -------
        Tensor
            c^k_nlm, shape (n_atoms, n_channels, (l_max + 1)^2, n_max).
        """
        n_atoms, n_slots = species.shape
        # Not self.weight[species]: its gradient takes longer than the sum.
        weights = (
            nn.functional.embedding(species, self.weight).transpose(1, 2).to(coefficients.dtype)
        )
        mixed = torch.bmm(weights, coefficients.reshape(n_atoms, n_slots, -1))
        return mixed.reshape(n_atoms, -1, *coefficients.shape[2:])


class PowerSpectrum(nn.Module):
    """Rotational invariants of compressed densities, in one of three contractions.

    Parameters
    ----------
    n_channels
        K, number of channels.
    n_max, l_max
        Size of the expansion.
    contraction
        Which products are formed.
    rank
        Number of products per l of the low-rank contraction.
    """

    pairs: Tensor

    def __init__(
        self, n_channels: int, n_max: int, l_max: int, contraction: Contraction, rank: int = 32
    ) -> None:
        super().__init__()
        self.contraction = contraction
        #: Components of each l.
        self.sizes = [2 * degree + 1 for degree in range(l_max + 1)]
        n_rows = n_channels * n_max
        rows, columns = np.triu_indices(n_rows)
        self.register_buffer("pairs", torch.as_tensor(rows * n_rows + columns), persistent=False)
        per_degree = {
            Contraction.FULL: n_rows**2,
            Contraction.UPPER: len(rows),
            Contraction.LOW_RANK: rank,
        }[contraction]
        self.n_features = (l_max + 1) * per_degree
        if contraction is Contraction.LOW_RANK:
            scale = n_rows**-0.5
            self.left = nn.Parameter(scale * torch.randn(l_max + 1, n_rows, rank))
            self.right = nn.Parameter(scale * torch.randn(l_max + 1, n_rows, rank))

    def forward(self, compressed: Tensor) -> Tensor:
        """Form the invariants.

        Parameters
        ----------
        compressed
            c^k_nlm, shape (n_atoms, n_channels, (l_max + 1)^2, n_max).

        Returns
        -------
        Tensor
            Shape (n_atoms, n_features); l runs slowest.
        """
        if self.contraction is Contraction.LOW_RANK:
            factors = torch.cat([self.left, self.right], dim=2).to(compressed.dtype)
            products: Tensor = LowRankProducts.apply(compressed, factors)  # type: ignore[no-untyped-call]
            return products
        blocks = []
        for part in compressed.split(self.sizes, dim=2):
            # Rows (k, n), columns m.
            matrix = part.transpose(2, 3).flatten(1, 2)
            products = torch.bmm(matrix, matrix.transpose(1, 2)).flatten(1)
            if self.contraction is Contraction.UPPER:
                products = products.index_select(1, self.pairs)
            blocks.append(products)
        return torch.cat(blocks, dim=1)


class LearnableSoap(nn.Module):
    """Species embedding and power spectrum, with features standardised over the training atoms.

    Parameters
    ----------
    descriptor
        The density expansion.
    spectrum
        Channels, initialisation, contraction.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self, descriptor: DescriptorConfiguration, spectrum: SpectrumConfiguration
    ) -> None:
        super().__init__()
        self.embedding = SpeciesEmbedding(spectrum.n_channels, spectrum.initialisation)
        self.power_spectrum = PowerSpectrum(
            spectrum.n_channels,
            descriptor.n_max,
            descriptor.l_max,
            spectrum.contraction,
            spectrum.rank,
        )
        n_invariants = self.power_spectrum.n_features
        self.n_features = n_invariants if spectrum.n_components is None else spectrum.n_components
        self.register_buffer("shift", torch.zeros(n_invariants))
        self.register_buffer("scale", torch.ones(n_invariants))
        self.projection: nn.Parameter | None = None
        if spectrum.n_components is not None:
            start = torch.randn(n_invariants, self.n_features) * n_invariants**-0.5
            self.projection = nn.Parameter(start)

    def spectrum(self, coefficients: Tensor, species: Tensor) -> Tensor:
        """Return the bare spectrum, shape (n_atoms, n_invariants)."""
        power = self.power_spectrum
        if power.contraction is Contraction.LOW_RANK and factors_can_be_mixed(coefficients):
            weight = self.embedding.weight
            return mixed_factor_products(coefficients, species, weight, power.left, power.right)
        features: Tensor = power(self.embedding(coefficients, species))
        return features

    def forward(self, coefficients: Tensor, species: Tensor) -> Tensor:
        """Return the standardised spectrum, or its combinations, shape (n_atoms, n_features)."""
        standard = (self.spectrum(coefficients, species) - self.shift) * self.scale
        return standard if self.projection is None else standard @ self.projection

    @torch.no_grad()
    def standardise(self, atoms: Iterable[tuple[Tensor, Tensor, Tensor]]) -> None:
        """Set the standardisation from the training atoms, with the present embedding.

        Parameters
        ----------
        atoms
            Coefficients and species, as in :meth:`forward`, and how much each atom counts, shape (n_atoms,); some
            atoms at a time.
        """
        moments = _Moments(with_products=self.projection is not None)
        for parts in atoms:
            for coefficients, species, weights in zip(*(p.split(512) for p in parts), strict=True):
                moments.add(self.spectrum(coefficients, species).double(), weights.double())
        deviation = moments.variance.clamp(min=0.0).sqrt()
        # A feature that hardly varies (an empty channel) must not be blown up.
        floor = 1e-3 * deviation.mean() + 1e-12
        self.shift.copy_(moments.mean)
        self.scale.copy_(1.0 / deviation.clamp(min=floor))
        if self.projection is not None:
            scale = self.scale.double()
            standard = moments.covariance * scale * scale[:, None]
            self.projection.copy_(_principal_components(standard, self.n_features))


class _Moments:
    """Weighted mean and covariance of features that come some rows at a time.

    Sums of squares are taken around the mean of the first rows, or differences of large numbers would remain.

    Parameters
    ----------
    with_products
        Whether the covariance of different features is wanted.
    """

    def __init__(self, *, with_products: bool) -> None:
        self.with_products = with_products
        self.total = 0.0
        self.origin = self.first = self.second = torch.zeros(())

    def add(self, features: Tensor, weights: Tensor) -> None:
        """Take further rows, shape (n, n_features), with their weights, shape (n,)."""
        if self.origin.ndim == 0:
            self.origin = features.mean(dim=0)
        away = features - self.origin
        weighed = weights[:, None] * away
        self.total += float(weights.sum())
        self.first = self.first + weighed.sum(dim=0)
        squares = weighed.T @ away if self.with_products else (weighed * away).sum(dim=0)
        self.second = self.second + squares

    @property
    def mean(self) -> Tensor:
        """Shape (n_features,)."""
        return self.origin + self.first / self.total

    @property
    def variance(self) -> Tensor:
        """Shape (n_features,)."""
        second = self.second.diagonal() if self.with_products else self.second
        return second / self.total - (self.first / self.total) ** 2

    @property
    def covariance(self) -> Tensor:
        """Shape (n_features, n_features)."""
        first = self.first / self.total
        return self.second / self.total - torch.outer(first, first)


def _principal_components(covariance: Tensor, n_components: int) -> Tensor:
    """Return the leading directions, shape (n_invariants, n_components), with mean variance 1.

    Parameters
    ----------
    covariance
        Of standardised features, shape (n_invariants, n_invariants).
    n_components
        How many; those beyond the rank are zero.
    """
    values, vectors = torch.linalg.eigh(covariance)
    kept = min(n_components, len(values))
    directions = covariance.new_zeros(len(values), n_components)
    directions[:, :kept] = vectors[:, -kept:].flip(1)
    scaled: Tensor = directions / values[-kept:].mean().sqrt().clamp(min=1e-12)
    return scaled
