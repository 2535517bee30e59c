"""Slabs laid side by side in tensors: atoms of all slabs in one list, with the slab each belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from surfalign.ml.descriptors.environments import Environments


@dataclass(frozen=True)
class SlabBatch:
    """The distinct atoms of several slabs.

    Attributes
    ----------
    coefficients
        Density coefficients, shape (n_atoms, n_slots, (l_max + 1)^2, n_max); empty slots are zero.
    species
        Atomic number of each slot, 0 where empty, shape (n_atoms, n_slots).
    centers
        Atomic number of each atom, shape (n_atoms,).
    multiplicities
        How many atoms of its slab each stands for, shape (n_atoms,).
    depths
        Distance to the nearest surface (A), shape (n_atoms,).
    from_middle
        How much shallower than the deepest atom of its slab (A), shape (n_atoms,).
    slabs
        Which slab each atom belongs to, ascending, shape (n_atoms,).
    n_slabs
        Number of slabs.
    """

    coefficients: Tensor
    species: Tensor
    centers: Tensor
    multiplicities: Tensor
    depths: Tensor
    from_middle: Tensor
    slabs: Tensor
    n_slabs: int

    def to(self, device: torch.device | str) -> SlabBatch:
        """Move all tensors, once."""
        moved = {
            field.name: getattr(self, field.name).to(device, non_blocking=True)
            for field in fields(self)
            if field.name != "n_slabs"
        }
        return replace(self, **moved)


def collate(environments: Sequence[Environments]) -> SlabBatch:
    """Lay slabs side by side.

    Parameters
    ----------
    environments
        Slabs with the same hyperparameters; at least one.
    """
    counts = [len(e.centers) for e in environments]
    n_slots = max(len(e.species) for e in environments)
    shape = environments[0].coefficients.shape[2:]
    coefficients = np.zeros((sum(counts), n_slots, *shape), dtype=np.float32)
    species = np.zeros((sum(counts), n_slots), dtype=np.int64)
    start = 0
    for slab, count in zip(environments, counts, strict=True):
        rows, slots = slice(start, start + count), slice(0, len(slab.species))
        coefficients[rows, slots] = slab.coefficients
        species[rows, slots] = slab.species
        start += count

    def joined(name: str, dtype: torch.dtype) -> Tensor:
        parts = [getattr(slab, name) for slab in environments]
        return torch.as_tensor(np.concatenate(parts), dtype=dtype)

    return SlabBatch(
        coefficients=torch.from_numpy(coefficients),
        species=torch.from_numpy(species),
        centers=joined("centers", torch.int64),
        multiplicities=joined("multiplicities", torch.float32),
        depths=joined("depths", torch.float32),
        from_middle=torch.as_tensor(
            np.concatenate([slab.depths.max() - slab.depths for slab in environments]),
            dtype=torch.float32,
        ),
        slabs=torch.as_tensor(np.repeat(np.arange(len(counts)), counts)),
        n_slabs=len(counts),
    )


def select(batch: SlabBatch, chosen: Tensor) -> SlabBatch:
    """Return a batch of some of the slabs, in the given order, on the same device.

    Parameters
    ----------
    batch
        All slabs, for instance the whole data set on a GPU.
    chosen
        Indices of the slabs, shape (n_chosen,), without repetition.
    """
    place = torch.full((batch.n_slabs,), -1, dtype=torch.int64, device=batch.slabs.device)
    place[chosen] = torch.arange(len(chosen), device=place.device)
    new = place[batch.slabs]
    order = torch.argsort(new, stable=True)
    rows = order[int((new < 0).sum()) :]
    return SlabBatch(
        coefficients=batch.coefficients[rows],
        species=batch.species[rows],
        centers=batch.centers[rows],
        multiplicities=batch.multiplicities[rows],
        depths=batch.depths[rows],
        from_middle=batch.from_middle[rows],
        slabs=new[rows],
        n_slabs=len(chosen),
    )
