"""Error on ternary slabs against the share of ternary data, with and without pretraining on binaries.

    python benchmarks/learner_transfer.py SLABS.json.gz --work transfer [--figure curve.png]

Slabs as in learner_accuracy.py, tested where the gap is above 0.3 eV. Each point is one line of the record
in the work folder; the same command goes on where it stopped (a run of Lightning goes on after its last
epoch).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from learner_accuracy import PROPERTIES, gapped, prepared
from matplotlib.figure import Figure

from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.descriptors.density_cache import DensityCache
from surfalign.ml.ensemble.transfer import transfer_curve

FRACTIONS = (0.0, 0.25, 0.5, 1.0)
SEEDS = (0, 1, 2)
REPRESENTATIONS = ("learnable", "ordinary")
Curves = dict[tuple[str, bool], dict[float, list[dict[str, float]]]]


def configuration(representation: str) -> LearnerConfiguration:
    return LearnerConfiguration.model_validate(
        {
            "network": {"representation": representation},
            "targets": {"properties": PROPERTIES},
            "training": {"epochs": 30},
        }
    )


def run(arguments: argparse.Namespace, record: Path) -> None:
    """Compute the curves that are missing."""
    records = prepared(arguments.slabs, 0.3)
    done = {(e["representation"], e["seed"]) for e in entries(record)}
    start = time.monotonic()
    for seed in SEEDS:
        for representation in REPRESENTATIONS:
            if (representation, seed) in done:
                continue
            if time.monotonic() - start > 60.0 * arguments.minutes:
                print("time is over; the same command goes on")
                return
            points = []
            for point in transfer_curve(
                records,
                configuration(representation),
                fractions=FRACTIONS,
                seeds=(seed,),
                directory=arguments.work / representation,
                cache=DensityCache(arguments.cache),
                is_tested=gapped,
            ):
                points.append(dataclasses.asdict(point))
                print(representation, point, flush=True)
            entry = {"representation": representation, "seed": seed, "points": points}
            with record.open("a") as file:
                file.write(json.dumps(entry) + "\n")


def entries(record: Path) -> list[dict]:
    return [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []


def curves(record: Path) -> Curves:
    """Collect the errors of all seeds, by kind of curve and share."""
    found: Curves = defaultdict(lambda: defaultdict(list))
    for entry in entries(record):
        for point in entry["points"]:
            kind = entry["representation"], point["pretrained"]
            found[kind][point["fraction"]].append(point["errors"])
    return found


def title(kind: tuple[str, bool]) -> str:
    names = {"learnable": "L-SOAP", "ordinary": "ordinary SOAP"}
    return f"{names[kind[0]]}, {'pretrained on binaries' if kind[1] else 'from scratch'}"


def statistics(errors: list[dict[str, float]], name: str) -> tuple[float, float]:
    values = [e[name] for e in errors]
    spread = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return float(np.mean(values)), float(spread)


def table(found: Curves) -> None:
    for name in PROPERTIES:
        print(f"\n| {name} (eV) | " + " | ".join(f"{100 * f:g} %" for f in FRACTIONS) + " |")
        print("|---" * (1 + len(FRACTIONS)) + "|")
        for kind, points in sorted(found.items(), reverse=True):
            cells = [
                "{:.2f} ± {:.2f}".format(*statistics(points[f], name)) if f in points else "-"
                for f in FRACTIONS
            ]
            print(f"| {title(kind)} | {' | '.join(cells)} |")


def draw(found: Curves, path: Path) -> None:
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    for panel, name in zip(figure.subplots(1, 2), PROPERTIES, strict=True):
        for kind, points in sorted(found.items()):
            shares = sorted(points)
            means, spreads = zip(*(statistics(points[f], name) for f in shares), strict=True)
            panel.errorbar(shares, means, spreads, marker="o", capsize=3, label=title(kind))
        panel.set(xlabel="share of ternary formulas", ylabel=f"error of {name} (eV)")
    panel.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slabs", type=Path)
    parser.add_argument("--work", type=Path, default=Path("transfer"))
    parser.add_argument("--cache", type=Path, default=Path("densities"))
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--minutes", type=float, default=1e6)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    arguments.work.mkdir(parents=True, exist_ok=True)
    record = arguments.work / "curves.jsonl"
    run(arguments, record)
    found = curves(record)
    table(found)
    if arguments.figure:
        draw(found, arguments.figure)


if __name__ == "__main__":
    main()
