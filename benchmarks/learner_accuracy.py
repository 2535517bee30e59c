"""Compare learners on DFT slabs: unrelaxed structure in, IP and EA of the relaxed slab out.

    python benchmarks/learner_accuracy.py SLABS.json.gz --out accuracy.jsonl [--minutes 14]
    python benchmarks/learner_accuracy.py SLABS.json.gz --out accuracy.jsonl --table

Five folds by formula for each of three seeds; each seed draws its own folds. Tested are slabs with a sane
vacuum level and a gap above 0.3 eV; slabs of other formulas with a smaller gap help to train. A learner
with a list of hyperparameters chooses by an inner split, by formula, of the training folds; the test fold
is never looked at. Each fit is one line of the record; the same command goes on where
it stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.data.from_slab_files import read_training_file
from surfalign.ml.data.records import SurfaceRecord
from surfalign.ml.descriptors.density_cache import DensityCache
from surfalign.ml.learners.baselines import CompositionConfiguration, CompositionModel, MeanModel
from surfalign.ml.network.training import train_model

PROPERTIES = ("ionization_potential", "electron_affinity")
MIN_GAP = 0.3
N_FOLDS, N_SEEDS = 5, 3
Predictor = Callable[[Sequence[SurfaceRecord]], np.ndarray]

DESCRIPTOR = {"r_cut": 5.0, "n_max": 6, "l_max": 4}
#: What each learner may choose from; the networks share everything but what the table compares.
MODELS: dict[str, list[dict[str, Any]]] = {
    "mean": [{}],
    "composition": [
        {"metals": metals, "max_depth": depth} for metals in (False, True) for depth in (3, 5)
    ],
    "ordinary SOAP": [{"representation": "ordinary"}],
    "L-SOAP, equal weights": [{"attention": False}],
    "L-SOAP, attention": [{"attention": True}],
}
TITLES = {
    "mean": "mean of the training labels",
    "composition": "composition features, gradient boosting",
    "ordinary SOAP": "ordinary SOAP, same head",
    "L-SOAP, equal weights": "L-SOAP without attention",
    "L-SOAP, attention": "L-SOAP with attention",
}


def gapped(record: SurfaceRecord) -> bool:
    return record.value("band_gap") > MIN_GAP


def prepared(path: Path, metal_weight: float) -> list[SurfaceRecord]:
    """Slabs with sane vacuum levels; labels of metals count less."""
    found = []
    for record in read_training_file(path).records:
        weight = 1.0 if gapped(record) else metal_weight
        labels = tuple(
            dataclasses.replace(label, weight=weight)
            for label in record.labels
            if label.name in PROPERTIES
        )
        gap = tuple(label for label in record.labels if label.name == "band_gap")
        found.append(dataclasses.replace(record, labels=labels + gap))
    return found


def formula_folds(records: Sequence[SurfaceRecord], seed: int, n_folds: int) -> dict[str, int]:
    """Assign the formulas of the tested slabs to folds at random."""
    formulas = sorted({record.formula for record in records if gapped(record)})
    order = np.random.default_rng(seed).permutation(len(formulas))
    return {formulas[k]: place % n_folds for place, k in enumerate(order)}


def split(
    records: Sequence[SurfaceRecord], seed: int, fold: int, n_folds: int
) -> tuple[list[SurfaceRecord], list[SurfaceRecord]]:
    """Return training slabs of all kinds and tested slabs of one fold; no formula is in both."""
    folds = formula_folds(records, seed, n_folds)
    train = [r for r in records if folds.get(r.formula) != fold]
    test = [r for r in records if gapped(r) and folds[r.formula] == fold]
    return train, test


def fit(
    model: str, candidate: dict[str, Any], train: Sequence[SurfaceRecord], seed: int, cache: Path
) -> Predictor:
    """Fit one model with one choice of hyperparameters."""
    if model == "mean":
        fitted: Any = MeanModel.fit([r for r in train if gapped(r)])
    elif model == "composition":
        options = {k: v for k, v in candidate.items() if k != "metals"}
        chosen = train if candidate["metals"] else [r for r in train if gapped(r)]
        fitted = CompositionModel.fit(chosen, CompositionConfiguration(**options), seed=seed)
    else:
        configuration = LearnerConfiguration.model_validate(
            {
                "descriptor": DESCRIPTOR,
                "network": candidate,
                "targets": {"properties": PROPERTIES},
                "training": {"epochs": 30},
            }
        )
        with tempfile.TemporaryDirectory() as directory:
            fitted = train_model(
                train,
                [],
                configuration,
                directory=Path(directory),
                seed=seed,
                cache=DensityCache(cache),
            )

    def predict(records: Sequence[SurfaceRecord]) -> np.ndarray:
        predictions = fitted.predict([record.structure for record in records])
        return np.array([[p.values[name] for name in PROPERTIES] for p in predictions])

    return predict


def labels(records: Sequence[SurfaceRecord]) -> np.ndarray:
    return np.array([[record.value(name) for name in PROPERTIES] for record in records])


def choose(
    model: str, train: Sequence[SurfaceRecord], seed: int, cache: Path
) -> tuple[dict[str, Any], list[float]]:
    """Choose hyperparameters by an inner split of the training slabs."""
    candidates = MODELS[model]
    if len(candidates) == 1:
        return candidates[0], []
    inner, held_out = split(train, seed + 1000, 0, 4)
    errors = []
    for candidate in candidates:
        predict = fit(model, candidate, inner, seed, cache)
        errors.append(float(np.abs(predict(held_out) - labels(held_out)).mean()))
    return candidates[int(np.argmin(errors))], errors


def run(arguments: argparse.Namespace) -> None:
    """Fit what is missing in the record, until the time is over."""
    records = prepared(arguments.slabs, arguments.metal_weight)
    done = {(e["model"], e["seed"], e["fold"]) for e in entries(arguments.out)}
    start = time.monotonic()
    for seed in range(N_SEEDS):
        for fold in range(N_FOLDS):
            for model in arguments.models or MODELS:
                if (model, seed, fold) in done:
                    continue
                if time.monotonic() - start > 60.0 * arguments.minutes:
                    print("time is over; the same command goes on")
                    return
                train, test = split(records, seed, fold, N_FOLDS)
                candidate, errors = choose(model, train, seed, arguments.cache)
                predicted = fit(model, candidate, train, seed, arguments.cache)(test)
                entry = {
                    "model": model,
                    "seed": seed,
                    "fold": fold,
                    "candidate": candidate,
                    "inner_errors": errors,
                    "names": [r.name for r in test],
                    "predicted": predicted.tolist(),
                    "labels": labels(test).tolist(),
                }
                with arguments.out.open("a") as file:
                    file.write(json.dumps(entry) + "\n")
                error = np.abs(predicted - labels(test)).mean(axis=0)
                print(f"{model:24s} seed {seed} fold {fold}  {error.round(3)}", flush=True)


def entries(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def table(path: Path) -> None:
    """Print mean absolute errors, mean and standard error over the seeds that are complete."""
    print("| learner | MAE of IP (eV) | MAE of EA (eV) |\n|---|---|---|")
    for model, title in TITLES.items():
        errors = []
        for seed in range(N_SEEDS):
            own = [e for e in entries(path) if e["model"] == model and e["seed"] == seed]
            if len(own) == N_FOLDS:
                difference = np.concatenate(
                    [np.array(e["predicted"]) - np.array(e["labels"]) for e in own]
                )
                errors.append(np.abs(difference).mean(axis=0))
        if errors:
            mean = np.mean(errors, axis=0)
            deviation = np.std(errors, axis=0, ddof=1) if len(errors) > 1 else [np.nan] * 2
            cells = [
                f"{m:.3f} ± {s / np.sqrt(len(errors)):.3f}"
                for m, s in zip(mean, deviation, strict=True)
            ]
            print(f"| {title} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slabs", type=Path)
    parser.add_argument("--out", type=Path, default=Path("accuracy.jsonl"))
    parser.add_argument("--cache", type=Path, default=Path("densities"))
    parser.add_argument("--models", nargs="*", choices=list(MODELS))
    parser.add_argument("--metal-weight", type=float, default=0.3)
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if not arguments.table:
        run(arguments)
    table(arguments.out)


if __name__ == "__main__":
    main()
