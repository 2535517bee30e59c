"""Ordinary SOAP with fixed species, the baseline, in the interface of the learnable one.

Its spectrum has a block for each pair of species, hence hundreds of thousands of numbers for dozens of
elements, nearly all zero at any one atom. The principal components over the training atoms are what a
network can be fed; they are found from the atoms' Gram matrix, so that the full width never exists.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from surfalign.ml.configuration import DescriptorConfiguration

MAX_ATOMS = 1500
"""The components are found from at most so many atoms, evenly drawn: the cost grows with the cube."""


class OrdinarySoap(nn.Module):
    """Principal components of the fixed-species power spectrum.

    Parameters
    ----------
    descriptor
        The density expansion.
    n_components
        Number of components.
    """

    basis: Tensor
    pairs: Tensor
    block_scale: Tensor
    shift: Tensor

    def __init__(self, descriptor: DescriptorConfiguration, n_components: int) -> None:
        super().__init__()
        self.l_max, self.n_features = descriptor.l_max, n_components
        n_block = (descriptor.l_max + 1) * descriptor.n_max**2
        self.register_buffer("pairs", torch.zeros(0, 2, dtype=torch.int64))
        self.register_buffer("basis", torch.zeros(0, n_block, n_components))
        self.register_buffer("block_scale", torch.ones(n_block))
        self.register_buffer("shift", torch.zeros(n_components))

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        """Take over the number of species pairs, which only the training data know."""
        for name in ("pairs", "basis"):
            if prefix + name in state_dict:
                setattr(self, name, torch.empty_like(state_dict[prefix + name]))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(self, coefficients: Tensor, species: Tensor) -> Tensor:
        """Project the spectra; species pairs that the training atoms lack contribute nothing.

        Parameters
        ----------
        coefficients, species
            As for :class:`~surfalign.ml.descriptors.lsoap.LearnableSoap`.

        Returns
        -------
        Tensor
            Shape (n_atoms, n_components).
        """
        known = {(int(a), int(b)): k for k, (a, b) in enumerate(self.pairs.tolist())}
        projected = coefficients.new_zeros(len(coefficients), self.n_features)
        for pair, rows, block in species_pair_blocks(coefficients, species, self.l_max):
            if pair in known:
                part = (block * self.block_scale) @ self.basis[known[pair]]
                projected = projected.index_add(0, rows, part)
        return projected - self.shift

    @torch.no_grad()
    def standardise(self, atoms: Iterable[tuple[Tensor, Tensor, Tensor]]) -> None:
        """Find the components from the training atoms.

        Parameters
        ----------
        atoms
            Coefficients and species, as in :meth:`forward`, and how much each atom counts, shape (n_atoms,); some
            atoms at a time. They are asked for twice, the first time to be counted.
        """
        coefficients, species, weights = _evenly_drawn(atoms, MAX_ATOMS)
        blocks = defaultdict(list)
        for pair, rows, block in species_pair_blocks(coefficients, species, self.l_max):
            blocks[pair].append((rows, block))
        joined = {
            pair: (torch.cat([r for r, _ in parts]), torch.cat([b for _, b in parts]))
            for pair, parts in sorted(blocks.items())
        }
        squares = torch.stack([(block**2).sum(dim=0) for _, block in joined.values()]).sum(dim=0)
        scale = (squares / len(coefficients)).sqrt().clamp(min=1e-12)
        n_atoms = len(coefficients)
        shares = (weights / weights.sum()).double()
        gram = torch.zeros(n_atoms, n_atoms, dtype=torch.float64)
        for rows, block in joined.values():
            scaled = (block / scale).double()
            gram[rows[:, None], rows[None, :]] += scaled @ scaled.T
        vectors, values = _weighted_components(gram, shares, self.n_features)
        basis = torch.zeros(len(joined), len(scale), self.n_features)
        for k, (rows, block) in enumerate(joined.values()):
            basis[k, :, : vectors.shape[1]] = ((block / scale).T.double() @ vectors[rows]).float()
        # All components share one scale, so that their order by variance is kept.
        basis /= float(values.mean().sqrt())
        self.pairs = torch.tensor(list(joined), dtype=torch.int64)
        self.basis, self.block_scale = basis, 1.0 / scale
        self.shift = torch.zeros_like(self.shift)
        self.shift = shares.float() @ self(coefficients, species)


def _evenly_drawn(
    atoms: Iterable[tuple[Tensor, Tensor, Tensor]], most: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return coefficients, species and weights of so many atoms at most, with slots for all."""
    sizes = [(len(species), species.shape[1]) for _, species, _ in atoms]
    n_atoms, n_slots = sum(size for size, _ in sizes), max(slots for _, slots in sizes)
    chosen = torch.linspace(0, n_atoms - 1, min(n_atoms, most), dtype=torch.float64).round().long()
    parts, start = [], 0
    for coefficients, species, weights in atoms:
        rows = chosen[(chosen >= start) & (chosen < start + len(species))] - start
        start += len(species)
        empty = n_slots - species.shape[1]
        parts.append(
            (
                nn.functional.pad(coefficients[rows], (0, 0, 0, 0, 0, empty)),
                nn.functional.pad(species[rows], (0, empty)),
                weights[rows],
            )
        )
    joined = [torch.cat(column) for column in zip(*parts, strict=True)]
    return joined[0], joined[1], joined[2]


def species_pair_blocks(
    coefficients: Tensor, species: Tensor, l_max: int
) -> Iterator[tuple[tuple[int, int], Tensor, Tensor]]:
    """Give the power spectrum pair by pair of species.

    Parameters
    ----------
    coefficients
        c^Z_nlm, shape (n_atoms, n_slots, (l_max + 1)^2, n_max).
    species
        Atomic number of each slot, 0 where empty, shape (n_atoms, n_slots).
    l_max
        Highest angular momentum.

    Yields
    ------
    pair, rows, block
        Atomic numbers Z <= Z'; the atoms whose slabs hold both; their sum_m c^Z_nlm c^Z'_n'lm, shape
        (n_rows, (l_max + 1) * n_max^2). A pair may come more than once, with other atoms.
    """
    n_slots = species.shape[1]
    for first in range(n_slots):
        for second in range(first, n_slots):
            kinds = torch.stack([species[:, first], species[:, second]], dim=1)
            for pair in torch.unique(kinds[(kinds > 0).all(dim=1)], dim=0):
                rows = (kinds == pair).all(dim=1).nonzero()[:, 0]
                left, right = coefficients[rows, first], coefficients[rows, second]
                degrees = [
                    torch.bmm(left[:, s].transpose(1, 2), right[:, s]).flatten(1)
                    for s in (slice(k * k, (k + 1) ** 2) for k in range(l_max + 1))
                ]
                yield (int(pair[0]), int(pair[1])), rows, torch.cat(degrees, dim=1)


def _weighted_components(gram: Tensor, shares: Tensor, n_components: int) -> tuple[Tensor, Tensor]:
    """Return the combinations of atoms that make the leading components, and their variances.

    Parameters
    ----------
    gram
        Scalar products of the atoms' spectra, shape (n_atoms, n_atoms).
    shares
        Weights of the atoms, summing to 1, shape (n_atoms,).
    n_components
        How many.
    """
    centered = gram - (shares @ gram)[None, :] - (gram @ shares)[:, None] + shares @ gram @ shares
    roots = shares.sqrt()
    values, vectors = torch.linalg.eigh(roots[:, None] * centered * roots[None, :])
    kept = min(n_components, int((values > 1e-9 * values[-1]).sum()))
    values, vectors = values[-kept:].flip(0), vectors[:, -kept:].flip(1)
    # Direction in feature space: sum_i sqrt(share_i) u_i (x_i - mean) / sqrt(value).
    combination = roots[:, None] * vectors / values.sqrt()
    combination = combination - shares[:, None] * combination.sum(dim=0)
    return combination, values
