"""Held-out predictions with intervals and flags: the measure of a model's honesty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from surfalign.errors import ConfigurationError
from surfalign.ml.assessment.held_out import HeldOut, predict_held_out
from surfalign.ml.data.datasets import FrozenDataset, freeze
from surfalign.ml.ensemble.splits import SPLITS

if TYPE_CHECKING:
    from surfalign.ml.ensemble.recipe import Recipe


def hold_out_folds(
    dataset: FrozenDataset,
    recipe: Recipe,
    split: str,
    *,
    scratch: Path,
    on_progress: Callable[[str], None] | None = None,
) -> list[HeldOut]:
    """Train an ensemble on the rest of each fold and let it predict the fold.

    Parameters
    ----------
    dataset
        What to learn from.
    recipe
        How.
    split
        One of ``SPLITS``.
    scratch
        For finished members and checkpoints.
    on_progress
        Called with a line now and then.

    Raises
    ------
    ConfigurationError
        When there is no such split, or the configuration has a mistake.
    LearnerError
        When the data cannot be split so.
    """
    if split not in SPLITS:
        raise ConfigurationError(f"there is no split {split!r}", ", ".join(SPLITS), "correct it")
    recipe = recipe.for_dataset(dataset)
    found: list[HeldOut] = []
    for part in SPLITS[split](dataset.records):
        if on_progress is not None:
            on_progress(part.name)
        train = subset(dataset, part.train)
        ensemble = recipe.fit(train, scratch=scratch, on_progress=on_progress)
        found += predict_held_out(ensemble, subset(dataset, part.test), part.name)
    return found


def subset(dataset: FrozenDataset, indices: Sequence[int]) -> FrozenDataset:
    """Return a data set of some of the records, with the labels of sets that lie within them."""
    records = [dataset.records[index] for index in indices]
    names = {record.name for record in records}
    return freeze(
        dataset.name,
        records,
        set_labels=[s for s in dataset.set_labels if names.issuperset(s.members)],
        fidelities=list(dataset.fidelities.values()),
        declared=list(dataset.declared.values()),
        description=dataset.description,
    )
