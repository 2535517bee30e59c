"""Any property: gap and electronic dielectric constant of bulk oxides, against composition and boosted trees.

    python benchmarks/learner_properties.py ddh_oxides_pbesol.json.gz --out properties.jsonl
    python benchmarks/learner_properties.py ddh_oxides_pbesol.json.gz --out properties.jsonl --table

Five folds by formula for each of three seeds; each seed draws its own folds. All kinds have their defaults. Each
fit is one line of the record; the same command goes on where it stopped. ``mixed`` is the mean of the network and
the process, so that it needs no third fit. Intervals of a fold are calibrated on the residuals of the other folds,
as an ensemble's are. Errors are in the unit of the property, with a bootstrap over formulas.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from surfalign.ml.assessment.held_out import HeldOut
from surfalign.ml.assessment.metrics import estimate, metrics, with_bounds
from surfalign.ml.data.datasets import FrozenDataset
from surfalign.ml.data.records import Fidelity
from surfalign.ml.ensemble.calibration import Calibration
from surfalign.ml.ensemble.difficulty import difficulty_features, spread_of
from surfalign.ml.ensemble.domain import Domain, atomic_descriptions
from surfalign.ml.ensemble.ensemble import DOMAIN_SHARE
from surfalign.ml.ensemble.recipe import Recipe
from surfalign.ml.ensemble.splits import by_formula
from surfalign.ml.interface import SurfacePrediction
from surfalign.ml.learners.mixed import mean_prediction
from surfalign.ml.properties.declarations import Declarations, Declared
from surfalign.ml.properties.from_table import freeze_table
from surfalign.ml.properties.learnable import learned_spreads, on_learned_scale
from surfalign.ml.properties.property import Level, Property, Transformation

N_FOLDS, N_SEEDS = 5, 3
MEASURED = {
    "gap_ddh_ev": Property(name="band_gap", unit="eV", level=Level.CRYSTAL, minimum=0.0),
    "eps_electronic_avg": Property(
        name="dielectric_constant",
        unit="1",
        level=Level.CRYSTAL,
        transformation=Transformation.LOG,
        minimum=1.0,
    ),
}
KINDS = ("composition", "gaussian-process", "lsoap")
MIXED, PARTS, OPPONENT = "mixed", ("lsoap", "gaussian-process"), "composition"


def read(path: Path, column: str) -> FrozenDataset:
    """Return the crystals that have a number in a column."""
    declared = Declared(MEASURED[column], column, MEASURED[column].unit)
    return freeze_table(path, Declarations((declared,), Fidelity("ddh", "pbesol", "reference")))


def run(arguments: argparse.Namespace) -> None:
    """Fit what is missing in the record."""
    for seed in range(arguments.seeds):
        for column in arguments.columns:
            dataset = read(arguments.crystals, column)
            learned = on_learned_scale(dataset)
            for fold, part in enumerate(by_formula(dataset.records, N_FOLDS, seed)):
                for kind in arguments.kinds:
                    place = {"column": column, "kind": kind, "seed": seed, "fold": fold}
                    if any(place.items() <= entry.items() for entry in entries(arguments.out)):
                        continue
                    recipe = Recipe(kind, {}, seed).for_dataset(dataset)
                    with tempfile.TemporaryDirectory() as directory:
                        model = recipe.fit_one(
                            [learned.records[i] for i in part.train], directory=Path(directory)
                        )
                    test = [learned.records[i] for i in part.test]
                    found = model.predict([record.structure for record in test])
                    entry = place | {
                        "names": [record.name for record in test],
                        "values": [next(iter(p.values.values())) for p in found],
                        "spread": [next(iter(p.spread.values()), 0.0) for p in found],
                    }
                    with arguments.out.open("a") as file:
                        file.write(json.dumps(entry) + "\n")
                    labels = np.array([r.labels[0].value for r in test])
                    error = np.abs(np.array(entry["values"]) - labels).mean()
                    print(f"{column} {kind} seed {seed} fold {fold}  {error:.3f}", flush=True)


def entries(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def with_means(found: Sequence[dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    """Yield the entries of a property, with those of ``mixed`` where both of its parts are there."""
    parts = {(e["kind"], e["seed"], e["fold"]): e for e in found}
    yield from found
    for (kind, seed, fold), one in parts.items():
        other = parts.get((PARTS[1], seed, fold))
        if kind != PARTS[0] or other is None:
            continue
        means = [
            mean_prediction(
                SurfacePrediction({name: a}), SurfacePrediction({name: b}, spread={name: s})
            )
            for a, b, s in zip(one["values"], other["values"], other["spread"], strict=True)
        ]
        yield one | {
            "kind": MIXED,
            "values": [m.values[name] for m in means],
            "spread": [m.spread[name] for m in means],
        }


def held_out(dataset: FrozenDataset, own: Sequence[dict[str, Any]]) -> list[HeldOut]:
    """Give each prediction of one kind and seed an interval that the other folds calibrate."""
    (prop,) = dataset.declared.values()
    learned = {r.name: r for r in on_learned_scale(dataset).records}
    names = [name for part in own for name in part["names"]]
    folds = np.concatenate([[part["fold"]] * len(part["names"]) for part in own])
    values, spread = (np.concatenate([part[key] for part in own]) for key in ("values", "spread"))
    labels = np.array([learned[name].labels[0].value for name in names])
    scores = np.concatenate([_scores(dataset, part["names"]) for part in own])
    scales = learned_spreads(on_learned_scale(dataset), [prop.name])
    predictions = [SurfacePrediction({}, spread={prop.name: s}) for s in spread]
    features = difficulty_features(
        {prop.name: values}, scores, spread_of(predictions, scales), scales
    )
    bounds = np.zeros((len(names), 2))
    for fold in set(folds):
        test, ones = folds == fold, np.ones(int((folds != fold).sum()))
        calibration = Calibration.fit((values - labels)[~test], features[~test], ones, folds[~test])
        bounds[test] = prop.told(calibration.interval(values[test], features[test]))
    inside = scores <= np.quantile(scores, DOMAIN_SHARE)
    shown = {r.name: r for r in dataset.records}
    return [
        HeldOut(n, shown[n].formula, prop.name, shown[n].labels[0].value, float(v), (b[0], b[1]), bool(i), "")
        for n, v, b, i in zip(names, prop.told(values), bounds, inside, strict=True)
    ]  # fmt: skip


_ATOMS: dict[str, np.ndarray] = {}
_SCORES: dict[tuple[str, ...], np.ndarray] = {}


def _scores(dataset: FrozenDataset, names: Sequence[str]) -> np.ndarray:
    """Return the domain scores of a fold against the others; computed once for all kinds."""
    if tuple(names) in _SCORES:
        return _SCORES[tuple(names)]
    for record in dataset.records:
        if record.name not in _ATOMS:
            _ATOMS[record.name] = atomic_descriptions(record.structure)
    test = {record.formula for record in dataset.records if record.name in set(names)}
    train = [_ATOMS[r.name] for r in dataset.records if r.formula not in test]
    found = Domain.of(train, frozenset()).scores([_ATOMS[name] for name in names])
    return _SCORES.setdefault(tuple(names), found)


def table(arguments: argparse.Namespace) -> None:
    """Print errors, paired differences against the composition, and the coverage of the intervals."""
    print(
        "| property | kind | seeds | MAE | RMSE | MAE against composition | intervals cover (%) | "
        "of each seed (%) | mean width |\n" + "|---" * 9 + "|"
    )
    for column in arguments.columns:
        dataset = read(arguments.crystals, column)
        (prop,) = dataset.declared.values()
        own = [e for e in entries(arguments.out) if e["column"] == column]
        found: dict[str, list[list[HeldOut]]] = {}
        for kind in (*KINDS, MIXED):
            for seed in range(arguments.seeds):
                parts = [
                    e for e in with_means(own, prop.name) if (e["kind"], e["seed"]) == (kind, seed)
                ]
                if len(parts) == N_FOLDS:
                    found.setdefault(kind, []).append(held_out(dataset, parts))
        for kind, seeds in found.items():
            numbers = metrics(
                [h for one in seeds for h in one], ("mae", "rmse", "coverage", "mean_width")
            )
            bounds = numbers["coverage_interval"] or (np.nan, np.nan)
            percent = {
                "coverage": 100 * numbers["coverage"],
                "coverage_interval": [100 * bound for bound in bounds],
            }
            each = " ".join(f"{100 * np.mean([h.covered for h in one]):.0f}" for one in seeds)
            paired = _paired(seeds, found.get(OPPONENT, [])) if kind != OPPONENT else ""
            print(
                f"| {prop.quantity} | {kind} | {len(seeds)} | {with_bounds(numbers, 'mae', 3)} | "
                f"{with_bounds(numbers, 'rmse', 3)} | {paired} | {with_bounds(percent, 'coverage', 0)} | "
                f"{each} | {with_bounds(numbers, 'mean_width')} |"
            )


def _paired(one: Sequence[Sequence[HeldOut]], other: Sequence[Sequence[HeldOut]]) -> str:
    """Return the mean difference of absolute errors on the same crystals and seeds, with its 95 % interval."""
    errors: list[dict[str, float]] = []
    formulas: dict[str, str] = {}
    for side in (one[: len(other)], other[: len(one)]):
        sums: dict[str, float] = {}
        for held in (h for seed in side for h in seed):
            sums[held.surface] = sums.get(held.surface, 0.0) + abs(held.value - held.label) / len(
                side
            )
            formulas[held.surface] = held.formula
        errors.append(sums)
    names = sorted(formulas)
    difference = np.array([errors[0][name] - errors[1][name] for name in names])
    mean, bounds = estimate(
        np.column_stack([np.ones(len(names)), difference]),
        [formulas[name] for name in names],
        lambda sums: sums[..., 1] / sums[..., 0],
    )
    low, high = bounds or (np.nan, np.nan)
    return f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crystals", type=Path)
    parser.add_argument("--out", type=Path, default=Path("properties.jsonl"))
    parser.add_argument("--seeds", type=int, default=N_SEEDS)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--columns", nargs="*", choices=list(MEASURED), default=list(MEASURED))
    parser.add_argument("--table", action="store_true", help="Print the table of the record.")
    arguments = parser.parse_args()
    table(arguments) if arguments.table else run(arguments)


if __name__ == "__main__":
    main()
