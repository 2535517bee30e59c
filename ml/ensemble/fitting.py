"""Fitting an ensemble: one member for each fold, then its intervals and the bounds of its domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from surfalign.ml.data.datasets import FrozenDataset
from surfalign.ml.ensemble.calibration import Calibration
from surfalign.ml.ensemble.difficulty import difficulty_features
from surfalign.ml.ensemble.domain import Domain, described
from surfalign.ml.ensemble.ensemble import DOMAIN_SHARE, Ensemble
from surfalign.ml.ensemble.members import Progress, Task, fit_in_processes, fit_member, other_folds
from surfalign.ml.ensemble.splits import FOLDS, formula_fold
from surfalign.ml.ensemble.targets import Columns, Target, targets_of
from surfalign.ml.learners.kinds import get_learner, with_fidelity
from surfalign.ml.properties.learnable import beyond_known, learned_spreads, on_learned_scale
from surfalign.ml.properties.property import LEVELS
from surfalign.processes import available_cores
from surfalign.settings import load_settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Labels of full weight below which no 90 % interval can be made.
ENOUGH = 9
#: Domain scores of the last data set, by its digest.
_LAST_SCORES: dict[str, NDArray[np.float64]] = {}


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
    others = beyond_known(dataset)
    dataset = on_learned_scale(dataset)
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
        domain=Domain.of(described(dataset), dataset.elements),
        properties=others,
        scales=learned_spreads(dataset, list(others)),
    )
    say("calibrating")
    return calibrate(ensemble, dataset, say)


def calibrate(
    ensemble: Ensemble, dataset: FrozenDataset, on_progress: Progress | None = None
) -> Ensemble:
    """Return the ensemble with intervals and domain threshold from its out-of-fold predictions.

    The labels of the data set are on the scales on which they are learned, and so are the intervals. Labels weigh as in training. Near-metals are of another kind than the surfaces that the intervals are for;
    they calibrate only where the others are too few for any interval, and that is said.
    """
    say = on_progress or (lambda line: None)
    records = dataset.records
    scores = blind_scores(dataset)
    predicted, spread = ensemble.learned_blind(records)
    features = difficulty_features(predicted, scores, spread, ensemble.scales)
    groups: dict[str, list[Target]] = {
        name: [] for name in ensemble.members[0].predict([records[0].structure])[0].values
    }
    for target in targets_of(records, dataset.set_labels, ensemble.fidelity):
        if target.label.name in groups:
            groups.setdefault(calibration_key(target), []).append(target)
    notes = {}
    calibrations = {}
    for key, targets in groups.items():
        known = [t for t in targets if _is_known(t, predicted, scores)]
        gapped = [t for t in known if not t.near_metal]
        if sum(t.label.weight for t in gapped) < ENOUGH and len(gapped) < len(known):
            notes[key] = (
                f"calibrated with {len(known) - len(gapped)} near-metals, for {len(gapped)} surfaces "
                f"with a gap are fewer than {ENOUGH} of full weight"
            )
            say(f"intervals of {key}: {notes[key]}")
            gapped = known
        calibrations[key] = _calibration(gapped, predicted, features)
    finite = scores[np.isfinite(scores)]
    # Below ten scores no percentile means anything; unknown elements are flagged all the same.
    threshold = float(np.quantile(finite, DOMAIN_SHARE)) if len(finite) >= 10 else np.inf
    return replace(
        ensemble,
        calibrations=calibrations,
        domain=replace(ensemble.domain, threshold=threshold),
        notes=notes,
        correlation=_correlation(groups, calibrations, predicted, features),
    )


def _correlation(
    groups: Mapping[str, Sequence[Target]],
    calibrations: Mapping[str, Calibration],
    predicted: Columns,
    features: NDArray[np.float64],
) -> float | None:
    """Return the correlation of the errors of IP and EA of surfaces with a gap."""
    scores: list[dict[int, float]] = []
    for name in LEVELS:
        gapped = [t for t in groups.get(name, ()) if not t.near_metal]
        if name not in predicted or not gapped:
            return None
        rows = np.array([t.rows[0] for t in gapped])
        errors = predicted[name][rows] - np.array([t.label.value for t in gapped])
        known = np.isfinite(errors) & np.isfinite(features[rows]).all(axis=1)
        if not known.any() or not len(calibrations[name].residuals):
            return None
        own = calibrations[name].normal_scores(errors[known], features[rows[known]])
        scores.append(dict(zip(rows[known].tolist(), own.tolist(), strict=True)))
    both = sorted(scores[0].keys() & scores[1].keys())
    if len(both) < ENOUGH:
        return None
    pairs = np.array([[own[row] for own in scores] for row in both])
    sizes = np.sqrt(np.prod(np.sum(pairs**2, axis=0)))
    if not sizes > 0.0:  # a level without any error, as where all labels are equal
        return None
    return float(np.sum(pairs[:, 0] * pairs[:, 1]) / sizes)


def calibration_key(target: Target) -> str:
    """Return under which name the intervals of a target are kept: the property, or sets of it."""
    return (
        f"{target.statistic.value} of {target.label.name}"
        if target.statistic
        else target.label.name
    )


def _is_known(target: Target, predicted: Columns, scores: NDArray[np.float64]) -> bool:
    column = predicted.get(target.label.name)
    rows = list(target.rows)
    return column is not None and bool(
        np.isfinite(column[rows]).all() and np.isfinite(scores[rows]).all()
    )


def _calibration(
    targets: Sequence[Target], predicted: Columns, features: NDArray[np.float64]
) -> Calibration:
    errors = [t.answer(predicted[t.label.name]) - t.label.value for t in targets]
    own = [np.median(features[list(t.rows)], axis=0) for t in targets]
    return Calibration.fit(
        np.array(errors),
        np.array(own).reshape(len(own), features.shape[1]),
        np.array([t.label.weight for t in targets]),
        np.array([formula_fold(t.formula) for t in targets]),
    )


def blind_scores(dataset: FrozenDataset) -> NDArray[np.float64]:
    """Return the domain score of each record against the other folds; NaN where these are empty.

    That of the last data set is kept: a contest asks for what the calibration has just computed.
    """
    if dataset.digest not in _LAST_SCORES:
        _LAST_SCORES.clear()
        _LAST_SCORES[dataset.digest] = _blind_scores(dataset)
    return _LAST_SCORES[dataset.digest].copy()


def _blind_scores(dataset: FrozenDataset) -> NDArray[np.float64]:
    atoms, cores = described(dataset), available_cores(load_settings())
    folds = np.array([formula_fold(record.formula) for record in dataset.records])
    scores = np.full(len(folds), np.nan)
    for fold in range(FOLDS):
        own, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if len(own) and len(others):
            domain = Domain.of([atoms[i] for i in others], frozenset())
            scores[own] = domain.scores([atoms[i] for i in own], cores)
    return scores
