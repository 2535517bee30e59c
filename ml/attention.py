"""Attention over the atoms of a slab, in two zones: near the surface, and bulk-like.

IP and EA are a bulk level plus a surface dipole, so each property gets one weighted mean over the atoms
near the faces and one over those deep inside, and reads both. With multiplicities m_i, zone weights
w_i(depth) and scores s_i

    a_i = m_i w_i exp(s_i) / sum_j m_j w_j exp(s_j).

A lateral supercell multiplies all m_i of a slab alike, so nothing changes. A thicker slab adds atoms to
the bulk-like zone only, with environments that are there already.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from surfalign.ml.batches import SlabBatch

SCORE_BOUND = 4.0
"""Scores lie between plus and minus this: no atom outweighs another by more than exp(8)."""

BULK_FLOOR = 1e-4
"""Share of the bulk-like zone that the atoms at the surface keep, for slabs thinner than the zone."""


@dataclass(frozen=True)
class PooledSlabs:
    """Slab vectors and who contributed.

    Attributes
    ----------
    vectors
        Shape (n_slabs, n_properties, 2 * n_hidden): surface zone, bulk-like zone.
    weights
        Weight of each distinct atom, its multiplicity included, shape (n_atoms, n_properties, 2);
        sums to 1 over the atoms of a slab.
    """

    vectors: Tensor
    weights: Tensor


def surface_share(depths: Tensor, surface_depth: float) -> Tensor:
    """Return how much an atom belongs to the surface zone: 1 at depth 0, 0 from surface_depth on.

    Parameters
    ----------
    depths
        Distance to the nearest surface (A).
    surface_depth
        Where the bulk-like zone is all (A).
    """
    reduced = (depths / surface_depth).clamp(max=1.0)
    return 0.5 * (1.0 + torch.cos(torch.pi * reduced))


class AttentionPooling(nn.Module):
    """Weighted means of atom vectors over the slabs of a batch.

    Parameters
    ----------
    n_hidden
        Length of the atom vectors.
    n_properties
        Each has scores of its own.
    surface_depth
        Extent of the surface zone (A).
    attention
        False gives all atoms of a zone the score 0.
    """

    def __init__(
        self, n_hidden: int, n_properties: int, surface_depth: float, attention: bool
    ) -> None:
        super().__init__()
        self.n_properties, self.surface_depth = n_properties, surface_depth
        self.score = nn.Linear(n_hidden, 2 * n_properties) if attention else None
        if self.score is not None:
            # Training starts from equal weights.
            nn.init.normal_(self.score.weight, std=0.02)
            nn.init.zeros_(self.score.bias)

    def forward(self, atoms: Tensor, batch: SlabBatch) -> PooledSlabs:
        """Pool the atoms of each slab.

        Parameters
        ----------
        atoms
            Atom vectors, shape (n_atoms, n_hidden).
        batch
            The slabs they belong to.
        """
        share = surface_share(batch.depths, self.surface_depth)
        zones = torch.stack([share, 1.0 - share], dim=1)
        floor = torch.tensor([0.0, BULK_FLOOR], device=zones.device, dtype=zones.dtype)
        prior = batch.multiplicities[:, None] * (zones + floor)
        raw = prior[:, None, :].expand(-1, self.n_properties, -1)
        if self.score is not None:
            scores = SCORE_BOUND * torch.tanh(self.score(atoms).float() / SCORE_BOUND)
            raw = raw * scores.view(-1, self.n_properties, 2).exp()
        totals = raw.new_zeros(batch.n_slabs, *raw.shape[1:]).index_add(0, batch.slabs, raw)
        weights = raw / totals[batch.slabs]
        contributions = weights[..., None] * atoms.float()[:, None, None, :]
        vectors = contributions.new_zeros(batch.n_slabs, *contributions.shape[1:])
        return PooledSlabs(vectors.index_add(0, batch.slabs, contributions).flatten(2), weights)
