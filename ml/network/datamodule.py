"""Slabs and labels as batches; the slabs of a step are read when their turn comes.

Their coefficients, by far the largest part of a data set, stay in the packs of :mod:`~surfalign.ml.descriptors.density_cache`:
memory grows with the number of slabs up to a bound only, and several processes share what the system keeps of the files.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.data.packed_structures import StructuresOf
from surfalign.ml.data.records import SetLabel, SurfaceRecord
from surfalign.ml.descriptors.density_cache import DensityCache
from surfalign.ml.descriptors.environments import Environments
from surfalign.ml.network.batches import SlabBatch, collate, inputs_of
from surfalign.ml.network.observations import Heads, Observation, observations

SLABS_AT_ONCE = 32
"""Slabs whose coefficients are in memory while the network is standardised."""


KEPT_IN_MEMORY = 128_000_000
"""Bytes of coefficients of a data set that stay in memory once they are read; the others are read at each turn."""


@dataclass(frozen=True)
class LabelledBatch:
    """What one step sees.

    Attributes
    ----------
    slabs
        The slabs of the step.
    place
        Row of each slab (by its index in the data set) in ``slabs``.
    found
        The observations about them.
    """

    slabs: SlabBatch
    place: dict[int, int]
    found: list[Observation]


class LabelledSlabs:
    """A data set: its slabs, and its items.

    An item is one slab with all its labels, or one set of slabs with its label.

    Parameters
    ----------
    environments
        One for each slab; read when they are asked for.
    found
        Observations about them.
    members_per_set
        At most so many slabs of a set are drawn.
    inputs
        Physical inputs of the slabs, shape (n_slabs, n_inputs); None where the network is not told them.
    """

    def __init__(
        self,
        environments: Sequence[Environments],
        found: Sequence[Observation],
        members_per_set: int,
        inputs: NDArray[np.float64] | None = None,
    ) -> None:
        self.environments, self.inputs = environments, inputs
        self._kept: dict[int, Environments] = {}
        self._room = KEPT_IN_MEMORY
        self.members_per_set = members_per_set
        single: dict[int, list[Observation]] = {}
        sets = []
        for o in found:
            if o.statistic is None:
                single.setdefault(o.members[0], []).append(o)
            else:
                sets.append([o])
        self.items = [*(single[index] for index in sorted(single)), *sets]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> int:
        return index

    def slabs(self, chosen: Sequence[int]) -> SlabBatch:
        """Read some of the slabs."""
        inputs = None if self.inputs is None else self.inputs[list(chosen)]
        return collate([self._environments(index) for index in chosen], inputs)

    def _environments(self, index: int) -> Environments:
        """Return one slab, from memory where it is."""
        if index in self._kept:
            return self._kept[index]
        slab = self.environments[index]
        size = slab.coefficients.nbytes
        if size <= self._room:
            self._room -= size
            self._kept[index] = slab
        return slab

    def batch(self, items: Sequence[int], *, draw: random.Random | None = None) -> LabelledBatch:
        """Return the slabs and observations of some items.

        Parameters
        ----------
        items
            Indices of the items.
        draw
            Draws the members of large sets; None takes all members.
        """
        found = [o for item in items for o in self.items[item]]
        chosen: dict[int, None] = {}
        for o in found:
            members: Sequence[int] = o.members
            if draw is not None and len(members) > self.members_per_set:
                members = draw.sample(members, self.members_per_set)
            chosen.update(dict.fromkeys(members))
        place = {slab: row for row, slab in enumerate(chosen)}
        return LabelledBatch(self.slabs(list(chosen)), place, found)


class TrainingAtoms(Iterable[tuple[Tensor, Tensor, Tensor]]):
    """The atoms of all slabs, some slabs at a time: coefficients, species and weights.

    The weights of the atoms of a slab sum to 1, so that each slab counts once however many atoms it has.

    Parameters
    ----------
    part
        The slabs.
    """

    def __init__(self, part: LabelledSlabs) -> None:
        self.part = part

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        n_slabs = len(self.part.environments)
        for start in range(0, n_slabs, SLABS_AT_ONCE):
            slabs = self.part.slabs(range(start, min(start + SLABS_AT_ONCE, n_slabs)))
            totals = torch.zeros(slabs.n_slabs).index_add(0, slabs.slabs, slabs.multiplicities)
            yield slabs.coefficients, slabs.species, slabs.multiplicities / totals[slabs.slabs]


class EpochSampler(Sampler[int]):
    """A permutation for each epoch; Lightning tells the epoch before it starts.

    Parameters
    ----------
    n_items
        Number of items.
    seed
        Of the permutations.
    """

    def __init__(self, n_items: int, seed: int) -> None:
        self.n_items, self.seed, self.epoch = n_items, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the permutation."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n_items

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(1_000_003 * self.seed + self.epoch)
        return iter(torch.randperm(self.n_items, generator=generator).tolist())


class SurfaceDataModule(pl.LightningDataModule):
    """Training and validation slabs.

    Parameters
    ----------
    train, validation
        Records; validation may be empty.
    set_labels
        Labels of sets of records; a set belongs to the part that holds its members.
    heads
        Properties and fidelities.
    configuration
        The learner's configuration.
    cache
        Where density coefficients are kept.
    seed
        Of the order of the slabs.
    """

    def __init__(
        self,
        train: Sequence[SurfaceRecord],
        validation: Sequence[SurfaceRecord],
        set_labels: Sequence[SetLabel],
        heads: Heads,
        configuration: LearnerConfiguration,
        cache: DensityCache,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.seed = seed
        self.batch_size = configuration.training.batch_size
        self.train, self.validation = (
            LabelledSlabs(
                cache.prepare(StructuresOf(part), configuration.descriptor),
                observations(part, set_labels, heads),
                configuration.training.members_per_set,
                inputs_of(StructuresOf(part), configuration),
            )
            if part
            else None
            for part in (train, validation)
        )

    def train_dataloader(self) -> DataLoader[int]:
        """Items in an order that seed and epoch decide, so that a resumed run repeats it."""
        return DataLoader(
            self.train,  # type: ignore[arg-type]  # a sequence of items serves as a dataset
            batch_size=self.batch_size,
            sampler=EpochSampler(0 if self.train is None else len(self.train), self.seed),
            collate_fn=list,
        )

    def val_dataloader(self) -> DataLoader[int] | list[DataLoader[int]]:
        """All validation items in order, or nothing."""
        if self.validation is None or not len(self.validation):
            return []
        return DataLoader(
            self.validation,  # type: ignore[arg-type]
            batch_size=4 * self.batch_size,
            collate_fn=list,
        )
