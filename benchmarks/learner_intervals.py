"""Coverage of the intervals and worth of the domain flag, from held-out predictions.

Reads what benchmarks/learner_accuracy.py wrote (one JSON object a fold, with names, predictions and
labels), calibrates each fold on the residuals of the others, and prints a table:

    python benchmarks/learner_intervals.py accuracy.jsonl --slabs slabs.json.gz
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from surfalign.ml.data.from_slab_files import read_training_file
from surfalign.ml.ensemble.calibration import Calibration, coverage
from surfalign.ml.ensemble.domain import Domain, atomic_descriptions
from surfalign.ml.ensemble.ensemble import DOMAIN_SHARE

PROPERTIES = ("IP", "EA")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--slabs", type=Path, required=True)
    arguments = parser.parse_args()
    records = read_training_file(arguments.slabs).records
    described = {record.name: atomic_descriptions(record.structure) for record in records}
    formulas = {record.name: record.formula for record in records}
    print("| model | seed | property | slabs | coverage | width (eV) | MAE inside | MAE outside |")
    print("|---|---|---|---|---|---|---|---|")
    for file in arguments.files:
        parts = [json.loads(line) for line in file.read_text().splitlines()]
        for model, seed in sorted({(part["model"], part["seed"]) for part in parts}):
            own = [part for part in parts if (part["model"], part["seed"]) == (model, seed)]
            scores = np.concatenate([_scores(part["names"], described, formulas) for part in own])
            folds = np.concatenate([[part["fold"]] * len(part["names"]) for part in own])
            errors = np.concatenate(
                [np.array(part["predicted"]) - np.array(part["labels"]) for part in own]
            )
            for column, name in enumerate(PROPERTIES):
                print(f"| {model} | {seed} | {name} | {_row(errors[:, column], folds, scores)} |")


def _scores(
    names: list[str], described: dict[str, np.ndarray], formulas: dict[str, str]
) -> np.ndarray:
    held = {formulas[name] for name in names}
    train = [atoms for name, atoms in described.items() if formulas[name] not in held]
    return Domain.of(train, frozenset()).scores([described[name] for name in names])


def _row(errors: np.ndarray, folds: np.ndarray, scores: np.ndarray) -> str:
    intervals = np.zeros((len(errors), 2))
    for fold in set(folds):
        test = folds == fold
        calibration = Calibration.fit(errors[~test], scores[~test])
        intervals[test] = calibration.interval(np.zeros(int(test.sum())), scores[test])
    outside = scores > np.quantile(scores, DOMAIN_SHARE)
    size = np.abs(errors)
    return (
        f"{len(errors)} | {100 * coverage(intervals, errors):.1f} % | "
        f"{np.ptp(intervals, axis=1).mean():.2f} | {size[~outside].mean():.2f} | "
        f"{size[outside].mean():.2f}"
    )


if __name__ == "__main__":
    main()
