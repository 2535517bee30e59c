"""Coverage of the intervals and worth of the domain flag, from held-out predictions.

Reads what benchmarks/learner_accuracy.py wrote (one JSON object a fold, with names, predictions and
labels), calibrates each fold on the residuals of the others, once with one width for all and once by
difficulty, and prints a table. Labels weigh as in training:

    python benchmarks/learner_intervals.py accuracy.jsonl --slabs slabs.json.gz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from learner_accuracy import PROPERTIES, entries, weights, with_means

from surfalign.ml.assessment.held_out import HeldOut
from surfalign.ml.assessment.metrics import metrics, with_bounds
from surfalign.ml.data.from_slab_files import freeze_slab_file
from surfalign.ml.ensemble.calibration import Calibration
from surfalign.ml.ensemble.difficulty import difficulty_features
from surfalign.ml.ensemble.domain import Domain, described
from surfalign.ml.ensemble.ensemble import DOMAIN_SHARE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--slabs", type=Path, required=True)
    arguments = parser.parse_args()
    dataset = freeze_slab_file(arguments.slabs)
    atoms = dict(zip((r.name for r in dataset.records), described(dataset), strict=True))
    records = {record.name: record for record in dataset.records}
    print(
        "| model | seed | property | intervals | coverage (95 %) | width (eV) | MAE inside | MAE outside |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for file in arguments.files:
        parts = with_means(entries(file))
        for model, seed in sorted({(part["model"], part["seed"]) for part in parts}):
            own = [part for part in parts if (part["model"], part["seed"]) == (model, seed)]
            names = [name for part in own for name in part["names"]]
            formulas = [records[name].formula for name in names]
            folds = np.concatenate([[part["fold"]] * len(part["names"]) for part in own])
            scores = np.concatenate([_scores(part["names"], atoms, records) for part in own])
            predicted = np.concatenate([part["predicted"] for part in own])
            labels = np.concatenate([part["labels"] for part in own])
            columns = dict(zip(PROPERTIES, predicted.T, strict=True))
            # Files of before 0.3 say nothing of the models' own errors.
            spread = [np.mean(p.get("spread", np.zeros((len(p["names"]), 2))), axis=1) for p in own]
            features = difficulty_features(columns, scores, np.concatenate(spread))
            weight = weights([records[name] for name in names])
            for column, name in enumerate(PROPERTIES):
                for title, chosen in (
                    ("one width", np.zeros_like(features)),
                    ("by difficulty", features),
                ):
                    held = _held_out(
                        predicted[:, column], labels[:, column], chosen, weight[:, column],
                        folds, scores, formulas,
                    )  # fmt: skip
                    print(f"| {model} | {seed} | {name} | {title} | {_row(held)} |")


def _scores(names: list[str], atoms: dict, records: dict) -> np.ndarray:
    held = {records[name].formula for name in names}
    train = [own for name, own in atoms.items() if records[name].formula not in held]
    return Domain.of(train, frozenset()).scores([atoms[name] for name in names])


def _held_out(
    predicted: np.ndarray,
    labels: np.ndarray,
    features: np.ndarray,
    weight: np.ndarray,
    folds: np.ndarray,
    scores: np.ndarray,
    formulas: list[str],
) -> list[HeldOut]:
    """Give each slab an interval that the other folds calibrate."""
    intervals = np.zeros((len(labels), 2))
    for fold in set(folds):
        test = folds == fold
        own = ~test
        calibration = Calibration.fit(
            (predicted - labels)[own], features[own], weight[own], folds[own]
        )
        intervals[test] = calibration.interval(predicted[test], features[test])
    inside = scores <= np.quantile(scores, DOMAIN_SHARE)
    return [
        HeldOut("", formulas[i], "", labels[i], predicted[i], tuple(intervals[i]), inside[i], "", weight[i])
        for i in range(len(labels))
    ]  # fmt: skip


def _row(held: list[HeldOut]) -> str:
    found = metrics(held)
    names = ("coverage", "mean_width", "mae_in_domain", "mae_out_of_domain")
    return " | ".join(with_bounds(found, name) for name in names)


if __name__ == "__main__":
    main()
