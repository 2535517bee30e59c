"""Fitting an ensemble: one member for each fold, then its intervals and the bounds of its domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from surfalign.ml.data.datasets import FrozenDataset
from surfalign.ml.ensemble.calibration import Calibration
from surfalign.ml.ensemble.domain import Domain, atomic_descriptions
from surfalign.ml.ensemble.ensemble import DOMAIN_SHARE, Ensemble
from surfalign.ml.ensemble.members import Progress, Task, fit_in_processes, fit_member, other_folds
from surfalign.ml.ensemble.splits import FOLDS, formula_fold
from surfalign.ml.learners.kinds import get_learner, with_fidelity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from surfalign.ml.data.records import SurfaceRecord

#: Labels of full weight that are enough to calibrate without the others.
ENOUGH = 50


def main_fidelity(dataset: FrozenDataset) -> str:
    """Return the fidelity of the most labels of surfaces, else of sets; of equals the first by name."""
    own = [label for record in dataset.records for label in record.labels]
    totals: dict[str, float] = dict.fromkeys(sorted(dataset.fidelities), 0.0)
    for label in own or dataset.set_labels:
        totals[label.fidelity] += label.weight
    return max(totals, key=lambda key: totals[key])


def fit_ensemble(
    dataset: FrozenDataset,
    kind: str,
    configuration: BaseModel,
    *,
    directory: Path,
    seed: int = 0,
    workers: int = 1,
    on_progress: Progress | None = None,
) -> Ensemble:
    """Fit all members, calibrate them, and set the bounds of the domain.

    Parameters
    ----------
    dataset
        What to learn from.
    kind, configuration
        Which model.
    directory
        For what is finished and for checkpoints; the same call finds it again.
    seed
        Of everything random.
    workers
        Members of a network that are fitted at a time.
    on_progress
        Called with a line now and then.

    Raises
    ------
    EmptyDatasetError
        When a property has no label.
    LearnerError
        When the process of a member ends without a result.
    """
    say = on_progress or (lambda line: None)
    configuration, fidelity = with_fidelity(configuration, main_fidelity(dataset))
    tasks = [Task(kind, configuration, fold, seed + fold) for fold in range(FOLDS)]
    blind = [fold for fold in range(FOLDS) if other_folds(dataset, fold)]
    if get_learner(kind).iterative:
        members = fit_in_processes(dataset, tasks, directory, workers, say)
    else:
        members = [fit_member(dataset, task, directory, say) for task in tasks]
    ensemble = Ensemble(
        kind=kind,
        members=tuple(members),
        blind_folds=frozenset(blind),
        fidelity=fidelity,
        domain=Domain.of(
            [atomic_descriptions(record.structure) for record in dataset.records], dataset.elements
        ),
    )
    say("calibrating")
    return calibrate(ensemble, dataset)


def calibrate(ensemble: Ensemble, dataset: FrozenDataset) -> Ensemble:
    """Return the ensemble with intervals and domain threshold from its out-of-fold predictions.

    Labels of lower weight (near-metals, flagged results) are of another kind than those that the
    intervals are for; they calibrate only where there are not enough others.
    """
    records = dataset.records
    scores = blind_scores(records)
    predicted = ensemble.predict_blind(records)
    calibrations = {}
    for name in ensemble.members[0].predict([records[0].structure])[0].values:
        labels = target_labels(records, name, ensemble.fidelity)
        errors = predicted.get(name, np.full(len(records), np.nan)) - labels
        known = np.isfinite(errors) & np.isfinite(scores)
        full = known & (_weights(records, name, ensemble.fidelity) >= 1.0)
        if full.sum() >= ENOUGH:
            known = full
        calibrations[name] = Calibration.fit(errors[known], scores[known])
    finite = scores[np.isfinite(scores)]
    # Below ten scores no percentile means anything; unknown elements are flagged all the same.
    threshold = float(np.quantile(finite, DOMAIN_SHARE)) if len(finite) >= 10 else np.inf
    return replace(
        ensemble,
        calibrations=calibrations,
        domain=replace(ensemble.domain, threshold=threshold),
    )


def _weights(records: Sequence[SurfaceRecord], name: str, fidelity: str) -> NDArray[np.float64]:
    """Return the weights of the labels of a property at a fidelity; zero where there is none."""
    return np.array(
        [
            next(
                (l.weight for l in record.labels if l.name == name and l.fidelity == fidelity),
                0.0,
            )
            for record in records
        ]
    )


def blind_scores(records: Sequence[SurfaceRecord]) -> NDArray[np.float64]:
    """Return the domain score of each record against the other folds; NaN where these are empty."""
    described = [atomic_descriptions(record.structure) for record in records]
    folds = np.array([formula_fold(record.formula) for record in records])
    scores = np.full(len(records), np.nan)
    for fold in range(FOLDS):
        own, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if len(own) and len(others):
            domain = Domain.of([described[i] for i in others], frozenset())
            scores[own] = domain.scores([described[i] for i in own])
    return scores


def target_labels(
    records: Sequence[SurfaceRecord], name: str, fidelity: str
) -> NDArray[np.float64]:
    """Return the labels of a property at a fidelity, shape (n_records,); NaN where there is none."""
    return np.array(
        [
            next(
                (l.value for l in record.labels if l.name == name and l.fidelity == fidelity),
                np.nan,
            )
            for record in records
        ]
    )
