"""Slabs laid side by side in tensors: atoms of all slabs in one list, with the slab each belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from pymatgen.core import Structure
from torch import Tensor

from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.descriptors.environments import Environments
from surfalign.ml.descriptors.physical.physical_inputs import physical_table


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
    inputs
        Physical inputs, NaN where there is none, shape (n_slabs, n_inputs); no column where the network is
        not told them.
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
    inputs: Tensor
    n_slabs: int

    def to(self, device: torch.device | str) -> SlabBatch:
        """Move all tensors, once."""
        moved = {
            field.name: getattr(self, field.name).to(device, non_blocking=True)
            for field in fields(self)
            if field.name != "n_slabs"
        }
        return replace(self, **moved)


def inputs_of(
    structures: Sequence[Structure], configuration: LearnerConfiguration
) -> NDArray[np.float64] | None:
    """Return the physical inputs of slabs, shape (n_slabs, n_inputs); None where none are told."""
    return physical_table(structures) if configuration.network.physical_inputs else None


def collate(
    environments: Sequence[Environments], inputs: NDArray[np.float64] | None = None
) -> SlabBatch:
    """Lay slabs side by side.

    Parameters
    ----------
    environments
        Slabs with the same hyperparameters; at least one.
    inputs
        Their physical inputs, shape (n_slabs, n_inputs); None tells none.
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
        inputs=torch.as_tensor(
            np.empty((len(counts), 0)) if inputs is None else inputs, dtype=torch.float32
        ),
        n_slabs=len(counts),
    )
