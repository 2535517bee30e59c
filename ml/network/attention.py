"""Attention over the atoms of a slab, in two zones: near the surface, and bulk-like.

IP and EA are a bulk level plus a surface dipole, so each property gets one weighted mean over the atoms
near the faces and one over those deep inside, and reads both. With multiplicities m_i, zone weights
w_i(depth) and scores s_i

    a_i = m_i w_i exp(s_i) / sum_j m_j w_j exp(s_j).

A lateral supercell multiplies all m_i of a slab alike, so nothing changes. Both zones have a fixed width,
one counted from the faces, the other from the middle of the slab, so a thicker slab does not dilute either:
once the middle no longer sees the faces, what is pooled differs only by where the middle falls between
atomic planes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from surfalign.ml.network.batches import SlabBatch


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


def zone_share(distances: Tensor, width: float) -> Tensor:
    """Return how much an atom belongs to a zone: 1 at its plane, falling smoothly to 0 at its width.

    Parameters
    ----------
    distances
        Distance to the plane that the zone starts from (A).
    width
        Where the zone ends (A).
    """
    reduced = (distances / width).clamp(max=1.0)
    return 0.5 * (1.0 + torch.cos(torch.pi * reduced))


class AttentionPooling(nn.Module):
    """Weighted means of atom vectors over the slabs of a batch.

    Parameters
    ----------
    n_hidden
        Length of the atom vectors.
    n_properties
        Each has scores of its own.
    surface_zone, bulk_zone
        Widths of the zones, from the faces and from the middle of the slab (A).
    attention
        False gives all atoms of a zone the score 0.
    score_bound
        Scores lie between plus and minus this, so that no atom of a zone outweighs another by more
        than exp(2 score_bound) for its score alone.
    """

    def __init__(
        self,
        n_hidden: int,
        n_properties: int,
        surface_zone: float,
        bulk_zone: float,
        attention: bool,
        score_bound: float = 1.0,
    ) -> None:
        super().__init__()
        self.n_properties = n_properties
        self.surface_zone, self.bulk_zone = surface_zone, bulk_zone
        self.score_bound = score_bound
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
        zones = torch.stack(
            [
                zone_share(batch.depths, self.surface_zone),
                zone_share(batch.from_middle, self.bulk_zone),
            ],
            dim=1,
        )
        prior = batch.multiplicities[:, None] * zones
        raw = prior[:, None, :].expand(-1, self.n_properties, -1)
        if self.score is not None:
            scores = self.score(atoms).to(atoms.dtype)
            scores = self.score_bound * torch.tanh(scores / self.score_bound)
            raw = raw * scores.view(-1, self.n_properties, 2).exp()
        totals = raw.new_zeros(batch.n_slabs, *raw.shape[1:]).index_add(0, batch.slabs, raw)
        weights = raw / totals[batch.slabs]
        contributions = weights[..., None] * atoms[:, None, None, :]
        vectors = contributions.new_zeros(batch.n_slabs, *contributions.shape[1:])
        return PooledSlabs(vectors.index_add(0, batch.slabs, contributions).flatten(2), weights)
