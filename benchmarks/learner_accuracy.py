"""Compare learners on DFT slabs: unrelaxed structure in, IP and EA of the relaxed slab out.

    python benchmarks/learner_accuracy.py SLABS.json.gz --out accuracy.jsonl [--minutes 14]
    python benchmarks/learner_accuracy.py SLABS.json.gz --out accuracy.jsonl --table
    python benchmarks/learner_accuracy.py docs/datasets/oxide-surfaces-v0.jsonl.gz --out own.jsonl

The data and the recipes are those of ``surfalign learn train``: the slabs as ``learn freeze`` freezes them, each
label with its weight, and the defaults of each kind but for what a row names. Five folds by formula for each
seed; each seed draws its own folds. Tested are slabs with a gap above 0.3 eV; slabs of other formulas with a
smaller gap help to train. A learner with a list of choices chooses by an inner split, by formula, of the
training folds; the test fold is never looked at. Each fit is one line of the record; the same command goes on
where it stopped. Errors are stated with a bootstrap over formulas, and differences are paired.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from surfalign.ml.assessment.metrics import estimate
from surfalign.ml.data.from_results import freeze_results, read_results
from surfalign.ml.data.from_slab_files import freeze_slab_file
from surfalign.ml.data.label_quality import METALLIC_GAP
from surfalign.ml.data.records import SurfaceRecord
from surfalign.ml.ensemble.recipe import Recipe

PROPERTIES = ("ionization_potential", "electron_affinity")
N_FOLDS, N_SEEDS = 5, 3
#: Gives values and what the model says of its own errors, shape (n_surfaces, 2) each.
Predictor = Callable[[Sequence[SurfaceRecord]], tuple[np.ndarray, np.ndarray]]

#: Kind of each learner, and what it may choose from; the networks differ in what the row names alone.
MODELS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "mean": ("mean", [{"metals": False}]),
    "composition": (
        "composition",
        [{"metals": metals, "max_depth": depth} for metals in (False, True) for depth in (3, 5)],
    ),
    "ordinary SOAP": ("lsoap", [{"network": {"representation": "ordinary"}}]),
    "L-SOAP, equal weights": ("lsoap", [{"network": {"attention": False}}]),
    "L-SOAP, attention": ("lsoap", [{}]),
    "gaussian process": ("gaussian-process", [{}]),
}
#: The kind ``mixed`` fits these two to the same data and predicts their mean, so that no third fit is needed.
MIXED, PARTS = "mixed", ("L-SOAP, attention", "gaussian process")
TITLES = {
    "mean": "mean of the training labels",
    "composition": "composition features, gradient boosting",
    "ordinary SOAP": "ordinary SOAP, same head",
    "L-SOAP, equal weights": "L-SOAP without attention",
    "L-SOAP, attention": "L-SOAP with attention",
    "gaussian process": "physical inputs, Gaussian process",
    MIXED: "mean of L-SOAP with attention and the process",
}
#: What the others are compared with.
OPPONENTS = ("composition", "L-SOAP, attention")


def recipe(model: str, choice: dict[str, Any], seed: int = 0) -> Recipe:
    """Return how a learner is trained."""
    kind, _ = MODELS[model]
    return Recipe(kind, {k: v for k, v in choice.items() if k != "metals"}, seed)


def read(path: Path) -> list[SurfaceRecord]:
    """Return slabs of a file of slabs, or of our own results (JSON lines), flagged ones at a lower weight."""
    if path.name.removesuffix(".gz").endswith(".json"):
        return list(freeze_slab_file(path).records)
    return list(freeze_results(read_results(path), flagged=True).records)


def gapped(record: SurfaceRecord) -> bool:
    return record.value("band_gap") > METALLIC_GAP


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


def fit(model: str, choice: dict[str, Any], train: Sequence[SurfaceRecord], seed: int) -> Predictor:
    """Fit one model with one choice of hyperparameters."""
    chosen = train if choice.get("metals", True) else [r for r in train if gapped(r)]
    with tempfile.TemporaryDirectory() as directory:
        fitted = recipe(model, choice, seed).fit_one(chosen, directory=Path(directory))

    def predict(records: Sequence[SurfaceRecord]) -> tuple[np.ndarray, np.ndarray]:
        predictions = fitted.predict([record.structure for record in records])
        values = np.array([[p.values[name] for name in PROPERTIES] for p in predictions])
        spread = np.array([[p.spread.get(name, 0.0) for name in PROPERTIES] for p in predictions])
        return values, spread

    return predict


def labels(records: Sequence[SurfaceRecord]) -> np.ndarray:
    return np.array([[record.value(name) for name in PROPERTIES] for record in records])


def weights(records: Sequence[SurfaceRecord]) -> np.ndarray:
    found = [[record.label(name) for name in PROPERTIES] for record in records]
    return np.array([[0.0 if label is None else label.weight for label in row] for row in found])


def choose(
    model: str, train: Sequence[SurfaceRecord], seed: int
) -> tuple[dict[str, Any], list[float]]:
    """Choose hyperparameters by an inner split of the training slabs."""
    _, choices = MODELS[model]
    if len(choices) == 1:
        return choices[0], []
    inner, held_out = split(train, seed + 1000, 0, 4)
    errors = []
    for choice in choices:
        predict = fit(model, choice, inner, seed)
        size = np.abs(predict(held_out)[0] - labels(held_out))
        errors.append(float(np.average(size, weights=weights(held_out))))
    return choices[int(np.argmin(errors))], errors


def run(arguments: argparse.Namespace) -> None:
    """Fit what is missing in the record, until the time is over."""
    records = read(arguments.slabs)
    done = {(e["model"], e["seed"], e["fold"]) for e in entries(arguments.out)}
    start = time.monotonic()
    for seed in range(arguments.seeds):
        for fold in range(N_FOLDS):
            for model in arguments.models or MODELS:
                if (model, seed, fold) in done:
                    continue
                if time.monotonic() - start > 60.0 * arguments.minutes:
                    print("time is over; the same command goes on")
                    return
                train, test = split(records, seed, fold, N_FOLDS)
                choice, errors = choose(model, train, seed)
                predicted, spread = fit(model, choice, train, seed)(test)
                entry = {
                    "model": model,
                    "seed": seed,
                    "fold": fold,
                    "choice": choice,
                    "inner_errors": errors,
                    "names": [r.name for r in test],
                    "predicted": predicted.tolist(),
                    "spread": spread.tolist(),
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


def with_means(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries with those of the kind ``mixed``, where both of its parts are there."""
    by_part = {(e["model"], e["seed"], e["fold"]): e for e in found}
    means = []
    for (model, *fold), one in by_part.items():
        other = by_part.get((PARTS[1], *fold))
        if model == PARTS[0] and other is not None:
            both = np.array([one["predicted"], other["predicted"]])
            mean = {"model": MIXED, "predicted": both.mean(axis=0).tolist()}
            if "spread" in other:
                # As mixed says it: that of the process, and the distance of either part from the mean.
                spread = np.hypot(other["spread"], 0.5 * np.abs(both[0] - both[1]))
                mean["spread"] = spread.tolist()
            means.append(one | mean)
    return [*found, *means]


def errors_by_slab(path: Path, model: str, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Return the absolute errors of each slab, mean over the seeds, shape (2,) each."""
    found: dict[str, list[np.ndarray]] = {}
    for entry in with_means(entries(path)):
        if entry["model"] == model and entry["seed"] in seeds:
            size = np.abs(np.array(entry["predicted"]) - np.array(entry["labels"]))
            for name, row in zip(entry["names"], size, strict=True):
                found.setdefault(name, []).append(row)
    return {name: np.mean(rows, axis=0) for name, rows in found.items()}


def complete_seeds(path: Path, model: str) -> list[int]:
    folds = [(e["seed"], e["fold"]) for e in with_means(entries(path)) if e["model"] == model]
    return [
        s for s in sorted({s for s, _ in folds}) if len({f for t, f in folds if t == s}) == N_FOLDS
    ]


def table(path: Path, records: Sequence[SurfaceRecord]) -> None:
    """Print mean absolute errors with 95 % intervals, and paired differences against opponents."""
    by_name = {record.name: record for record in records}
    print(
        "| learner | seeds | MAE of IP (eV) | MAE of EA (eV) | IP, all labels alike | EA, all labels alike | "
        + " | ".join(f"{level} against {model}" for model in OPPONENTS for level in ("IP", "EA"))
        + " |\n"
        + "|---" * (6 + 2 * len(OPPONENTS))
        + "|"
    )
    for model, title in TITLES.items():
        seeds = complete_seeds(path, model)
        if not seeds:
            continue
        own = errors_by_slab(path, model, seeds)
        cells = [*_cells(own, by_name, weighted=True), *_cells(own, by_name, weighted=False)]
        for opponent in OPPONENTS:
            both = [seed for seed in seeds if seed in complete_seeds(path, opponent)]
            if model == opponent or not both:
                cells += ["", ""]
                continue
            one, other = (errors_by_slab(path, m, both) for m in (model, opponent))
            difference = {name: one[name] - other[name] for name in one}
            cells += _cells(difference, by_name, weighted=True, sign="+")
        print(f"| {title} | {len(seeds)} | {' | '.join(cells)} |")


def _cells(
    values: dict[str, np.ndarray],
    by_name: dict[str, SurfaceRecord],
    *,
    weighted: bool,
    sign: str = "",
) -> list[str]:
    """Return the mean of IP and of EA, each with its 95 % interval from a bootstrap over formulas."""
    records = [by_name[name] for name in values]
    own = weights(records) if weighted else np.ones((len(records), 2))
    formulas = [record.formula for record in records]
    cells = []
    for column in range(2):
        w, value = own[:, column], np.array([row[column] for row in values.values()])
        mean, bounds = estimate(
            np.column_stack([w, w * value]), formulas, lambda sums: sums[..., 1] / sums[..., 0]
        )
        low, high = bounds or (np.nan, np.nan)
        cells.append(f"{mean:{sign}.3f} ({low:{sign}.2f} to {high:{sign}.2f})")
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slabs", type=Path)
    parser.add_argument("--out", type=Path, default=Path("accuracy.jsonl"))
    parser.add_argument("--models", nargs="*", choices=list(MODELS))
    parser.add_argument("--seeds", type=int, default=N_SEEDS)
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if not arguments.table:
        run(arguments)
    table(arguments.out, read(arguments.slabs))


if __name__ == "__main__":
    main()
