"""Held-out predictions with intervals and flags: the measure of a model's honesty."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from surfalign.errors import ConfigurationError
from surfalign.ml.data.datasets import FrozenDataset, freeze
from surfalign.ml.ensemble.evaluation import blind_errors
from surfalign.ml.ensemble.fitting import blind_scores, target_labels
from surfalign.ml.ensemble.splits import SPLITS

if TYPE_CHECKING:
    from surfalign.ml.data.records import SurfaceRecord
    from surfalign.ml.ensemble.ensemble import Ensemble
    from surfalign.ml.ensemble.recipe import Recipe


@dataclass(frozen=True)
class HeldOut:
    """One property of one surface that was held out.

    Attributes
    ----------
    surface, formula
        Which surface.
    name
        Property.
    label, value
        Label and prediction, in the property's unit.
    interval
        Interval that shall cover nine of ten labels; None where it was not made.
    in_domain
        Whether the surface was inside of the domain.
    fold
        What was held out.
    """

    surface: str
    formula: str
    name: str
    label: float
    value: float
    interval: tuple[float, float] | None
    in_domain: bool
    fold: str

    @property
    def covered(self) -> bool | None:
        """Whether the label lies inside of the interval; None where there is none."""
        if self.interval is None or not math.isfinite(self.interval[0]):
            return None
        return self.interval[0] <= self.label <= self.interval[1]


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
    found: list[HeldOut] = []
    for part in SPLITS[split](dataset.records):
        if on_progress is not None:
            on_progress(part.name)
        train = subset(dataset, part.train)
        ensemble = recipe.fit(train, scratch=scratch, on_progress=on_progress)
        found += predict_held_out(ensemble, [dataset.records[i] for i in part.test], part.name)
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
        description=dataset.description,
    )


def predict_held_out(
    ensemble: Ensemble, records: Sequence[SurfaceRecord], fold: str
) -> list[HeldOut]:
    """Predict labelled surfaces with a whole ensemble that has seen none of them."""
    found = []
    estimates = ensemble.predict([record.structure for record in records])
    for name in ensemble.calibrations:
        labels = target_labels(records, name, ensemble.fidelity)
        for record, estimate, label in zip(records, estimates, labels, strict=True):
            if math.isfinite(label):
                found.append(
                    HeldOut(
                        record.name, record.formula, name, float(label), estimate.values[name],
                        estimate.interval_90[name], estimate.in_domain, fold,
                    )
                )  # fmt: skip
    return found


def blind(ensemble: Ensemble, dataset: FrozenDataset) -> list[HeldOut]:
    """Return the predictions of a model's blind members; without intervals, which these calibrate."""
    records = dataset.records
    inside = blind_scores(records) <= ensemble.domain.threshold
    found = []
    for name, errors in blind_errors(ensemble, records).items():
        labels = target_labels(records, name, ensemble.fidelity)
        for i in np.flatnonzero(np.isfinite(errors)):
            record = records[i]
            value = float(labels[i] + errors[i])
            found.append(
                HeldOut(
                    record.name, record.formula, name, float(labels[i]), value, None,
                    bool(inside[i]), "blind member",
                )
            )  # fmt: skip
    return found


def summarise(found: Sequence[HeldOut]) -> dict[str, dict[str, Any]]:
    """Return errors, coverage and the worth of the domain flag for each property."""
    summary = {}
    for name in dict.fromkeys(held.name for held in found):
        own = [held for held in found if held.name == name]
        errors = np.array([held.value - held.label for held in own])
        inside = np.array([held.in_domain for held in own])
        covered = [held.covered for held in own if held.covered is not None]
        widths = [
            h.interval[1] - h.interval[0] for h in own if h.interval and h.covered is not None
        ]
        summary[name] = {
            "n": len(own),
            "mae": float(np.abs(errors).mean()),
            "rmse": float(np.sqrt((errors**2).mean())),
            "coverage": float(np.mean(covered)) if covered else None,
            "mean_width": float(np.mean(widths)) if widths else None,
            "mae_in_domain": float(np.abs(errors[inside]).mean()) if inside.any() else None,
            "mae_out_of_domain": float(np.abs(errors[~inside]).mean()) if (~inside).any() else None,
            "n_out_of_domain": int((~inside).sum()),
        }
    return summary


def as_dict(held: HeldOut) -> dict[str, Any]:
    """Return one prediction as plain JSON; an infinite bound is null."""
    plain = asdict(held)
    if held.interval is not None:
        plain["interval"] = [b if math.isfinite(b) else None for b in held.interval]
    return plain
