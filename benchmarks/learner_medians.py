"""Learn ionization potentials of oxides from formula medians alone, and compare with composition.

    python benchmarks/learner_medians.py DATA --work medians [--crystals-per-formula 2] [--minutes 14]

DATA holds ``reference/jacs2024_ip_medians_dev.csv`` and ``crystals/`` with the crystals of its formulas.
The label of a formula is the median over its surfaces; no value of a single surface is known. Five folds by
formula for each seed; a prediction of a formula is the median over its enumerated surfaces. Each fit is one
line of the record in the work folder; the same command goes on where it stopped. The recipes are the defaults of
``surfalign learn train``; errors have 95 % intervals from a bootstrap over formulas.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Composition, Structure

from surfalign.ml.assessment.metrics import estimate
from surfalign.ml.data.candidate_surfaces import CandidateCrystal
from surfalign.ml.data.datasets import FrozenDataset, read_dataset, write_dataset
from surfalign.ml.data.from_medians import import_medians
from surfalign.ml.data.records import SetLabel
from surfalign.ml.ensemble.recipe import Recipe

N_FOLDS, N_SEEDS = 5, 3
NAME = "ionization_potential"
MODELS = ("mean", "composition", "lsoap", "gaussian-process")
LARGEST_CRYSTAL = 24
MEDIANS = Path("reference", "jacs2024_ip_medians_dev.csv")
#: Crystals with their gaps by nsc-DDH, and others.
WITH_GAPS, OTHERS = "ddh_oxides_pbesol.json.gz", "mp_oxides_8717.json.gz"


def crystal_table(data: Path, name: str) -> dict[str, Any]:
    """Return the entries of a table of crystals by their identifier."""
    content = json.loads(gzip.decompress((data / "crystals" / name).read_bytes()))
    return {entry["mp_id"]: entry for entry in content}


def candidate_crystals(data: Path, per_formula: int) -> list[CandidateCrystal]:
    """Take the crystals of lowest energy of each formula, the school's own geometry first."""
    tables = {name: crystal_table(data, name) for name in (WITH_GAPS, OTHERS)}
    with (data / MEDIANS).open() as lines:
        wanted = {row["formula"] for row in csv.DictReader(lines)}
    with (data / "crystals" / "bulk_crystals_for_jacs2024_formulas.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["formula"] in wanted]
    rows.sort(key=lambda row: (float(row["ehull_ev_atom"] or 0.0), int(row["nsites"])))
    taken: Counter[str] = Counter()
    found = []
    for row in rows:
        entry = tables.get(row["file"], {}).get(row["mp_id"])
        if entry is None or int(row["nsites"]) > LARGEST_CRYSTAL:
            continue
        if taken[row["formula"]] < per_formula:
            taken[row["formula"]] += 1
            structure = Structure.from_dict(entry.get("structure") or entry["structure_pbesol"])
            found.append(CandidateCrystal(structure, row["mp_id"]))
    return found


def dataset(data: Path, work: Path, per_formula: int) -> FrozenDataset:
    """Enumerate the surfaces once; later calls read them."""
    path = work / "medians.json.gz"
    if not path.exists():
        crystals = candidate_crystals(data, per_formula)
        print(f"enumerating the surfaces of {len(crystals)} crystals", flush=True)
        write_dataset(import_medians(table_with_gaps(data, work, crystals), crystals), path)
    return read_dataset(path)


def table_with_gaps(data: Path, work: Path, crystals: list[CandidateCrystal]) -> Path:
    """Write the medians with the gap of the first crystal of each formula by the same method, where it is known."""
    known = {key: entry["gap_ddh_ev"] for key, entry in crystal_table(data, WITH_GAPS).items()}
    first = {crystal.formula: crystal.source for crystal in reversed(crystals)}
    path = work / MEDIANS.name
    with (data / MEDIANS).open() as lines, path.open("w", newline="") as file:
        rows = csv.DictReader(lines)
        writer = csv.DictWriter(file, [*(rows.fieldnames or ()), "gap_ev"])
        writer.writeheader()
        for row in rows:
            formula = Composition(row["formula"]).reduced_formula
            writer.writerow({**row, "gap_ev": known.get(first.get(formula, ""), "")})
    return path


def fit_and_predict(
    model: str, frozen: FrozenDataset, train: list[SetLabel], test: list[SetLabel], seed: int
) -> list[float]:
    """Fit to some formulas and predict the medians of others."""
    by_name = {record.name: record for record in frozen.records}
    records = [by_name[name] for label in train for name in label.members]
    recipe = Recipe(model, {} if model == "lsoap" else {"properties": (NAME,)}, seed)
    with tempfile.TemporaryDirectory() as directory:
        fitted = recipe.fit_one(records, directory=Path(directory), set_labels=train)
    medians = []
    for label in test:
        predictions = fitted.predict([by_name[name].structure for name in label.members])
        medians.append(float(np.median([p.values[NAME] for p in predictions])))
    return medians


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, default=Path("medians"))
    parser.add_argument("--crystals-per-formula", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=1e6)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    arguments.work.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    frozen = dataset(arguments.data, arguments.work, arguments.crystals_per_formula)
    labels = sorted(
        (label for label in frozen.set_labels if label.name == NAME),
        key=lambda label: label.formula,
    )
    print(f"{len(labels)} formulas, {len(frozen.records)} surfaces", flush=True)
    record = arguments.work / "errors.jsonl"
    done = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
    for seed in range(N_SEEDS):
        order = np.random.default_rng(seed).permutation(len(labels))
        for fold in range(N_FOLDS):
            test = [labels[k] for k in sorted(order[fold::N_FOLDS])]
            train = [labels[k] for k in sorted(set(order) - set(order[fold::N_FOLDS]))]
            for model in MODELS:
                if any((e["model"], e["seed"], e["fold"]) == (model, seed, fold) for e in done):
                    continue
                if time.monotonic() - start > 60.0 * arguments.minutes:
                    break
                predicted = fit_and_predict(model, frozen, train, test, seed)
                errors = [abs(p - t.value) for p, t in zip(predicted, test, strict=True)]
                entry = {
                    "model": model,
                    "seed": seed,
                    "fold": fold,
                    "formulas": [label.formula for label in test],
                    "weights": [label.weight for label in test],
                    "errors": errors,
                }
                done.append(entry)
                with record.open("a") as file:
                    file.write(json.dumps(entry) + "\n")
                print(f"{model:12s} seed {seed} fold {fold}  {np.mean(errors):.3f}", flush=True)
    table(done)


def table(done: list[dict[str, Any]]) -> None:
    """Print the mean absolute errors with their 95 % intervals, weighted and with all medians alike."""
    print("| learner | seeds | MAE (eV) | all medians alike (eV) |\n|---|---|---|---|")
    for model in MODELS:
        whole = [
            seed
            for seed in range(N_SEEDS)
            if sum((e["model"], e["seed"]) == (model, seed) for e in done) == N_FOLDS
        ]
        own = [e for e in done if e["model"] == model and e["seed"] in whole]
        if not own:
            continue
        formulas, weights, errors = (
            [value for e in own for value in e[key]] for key in ("formulas", "weights", "errors")
        )
        cells = []
        for w in (np.array(weights), np.ones(len(weights))):
            columns = np.column_stack([w, w * np.array(errors)])
            mean, bounds = estimate(columns, formulas, lambda sums: sums[..., 1] / sums[..., 0])
            low, high = bounds or (np.nan, np.nan)
            cells.append(f"{mean:.3f} ({low:.3f} to {high:.3f})")
        print(f"| {model} | {len(whole)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
