"""Error on ternary slabs against the number of ternary formulas with a gap, for five ways to use binaries.

    python benchmarks/learner_transfer.py SLABS.json.gz --work transfer [--splits 20] [--figure curve.png]

Data (a file of slabs, or results of our own) and recipe as in learner_accuracy.py. Each split is one line of the record in the work folder; the same
command goes on where it stopped (a run of Lightning goes on after its last epoch). Errors and paired differences
are over all splits, with 95 % intervals from a bootstrap over formulas.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
import warnings
from pathlib import Path

import numpy as np
from learner_accuracy import PROPERTIES, read
from matplotlib.figure import Figure

from surfalign.ml.assessment.transfer import (
    Arm,
    TransferPoint,
    mean_error,
    paired_difference,
    transfer_points,
)
from surfalign.ml.ensemble.recipe import Recipe

#: Numbers of ternary formulas with a gap; 41 is all that JARVIS has outside of the test.
COUNTS = (0, 5, 10, 20, 41)
TITLES = {"ionization_potential": "IP", "electron_affinity": "EA"}


def run(arguments: argparse.Namespace, record: Path) -> None:
    """Train the splits that are missing."""
    records = read(arguments.slabs)
    arms = [Arm(name) for name in arguments.arms]
    done = {(p.seed, p.arm) for p in points(record)}
    start = time.monotonic()
    for seed in range(arguments.splits):
        missing = [arm for arm in arms if (seed, arm) not in done]
        if not missing:
            continue
        if time.monotonic() - start > 60.0 * arguments.minutes:
            print("time is over; the same command goes on")
            return
        found = transfer_points(
            records,
            Recipe("lsoap", {}).complete(),
            counts=arguments.counts,
            seeds=(seed,),
            arms=missing,
            directory=arguments.work,
            progress=lambda line: print(line, flush=True),
        )
        lines = [json.dumps(dataclasses.asdict(point)) for point in found]
        with record.open("a") as file:
            file.write("\n".join(lines) + "\n")


def points(record: Path) -> list[TransferPoint]:
    lines = record.read_text().splitlines() if record.exists() else []
    plain = [json.loads(line) for line in lines]
    return [TransferPoint(**p | {"arm": Arm(p["arm"])}) for p in plain]


def table(found: list[TransferPoint]) -> None:
    """Print errors, then differences against training from scratch, each with its interval."""
    counts = sorted({point.n_gapped for point in found})
    splits = len({point.seed for point in found})
    for name, short in TITLES.items():
        print(f"\n| {short} (eV), {splits} splits | " + " | ".join(map(str, counts)) + " |")
        print("|---" * (1 + len(counts)) + "|")
        for arm in Arm:
            cells = [_cell(*mean_error(found, arm, count, name)) for count in counts]
            print(f"| {arm} | {' | '.join(cells)} |")
        for arm in Arm:
            if arm is not Arm.SCRATCH:
                cells = [
                    _cell(*paired_difference(found, arm, Arm.SCRATCH, count, name), sign="+")
                    for count in counts
                ]
                print(f"| {arm} - {Arm.SCRATCH} | {' | '.join(cells)} |")


def _cell(value: float | None, bounds: list[float] | None, sign: str = "") -> str:
    if value is None:
        return "-"
    shown = f"{value:{sign}.2f}"
    return f"{shown} ({bounds[0]:{sign}.2f} to {bounds[1]:{sign}.2f})" if bounds else shown


def draw(found: list[TransferPoint], path: Path) -> None:
    figure = Figure(figsize=(9.6, 4.0), layout="constrained")
    panels = figure.subplots(1, 2)
    counts = sorted({point.n_gapped for point in found})
    for panel, name in zip(panels, PROPERTIES, strict=True):
        for shift, arm in enumerate(Arm):
            own = [(c, *mean_error(found, arm, c, name)) for c in counts]
            known = [(c, value, bounds) for c, value, bounds in own if value is not None and bounds]
            if known:
                x, y = [c + 0.25 * (shift - 2) for c, _, _ in known], [v for _, v, _ in known]
                reach = np.abs(np.array([b for _, _, b in known]) - np.array(y)[:, None]).T
                panel.errorbar(x, y, reach, marker="o", markersize=4, capsize=2, label=str(arm))
        panel.set_xlabel("ternary formulas with a gap that were learned from")
        panel.set_ylabel(f"MAE of {name.replace('_', ' ')} (eV)")
    panels[1].legend(frameon=False, fontsize=8)
    figure.suptitle("bars: 95 %, bootstrap over formulas", fontsize=9)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slabs", type=Path)
    parser.add_argument("--work", type=Path, default=Path("transfer"))
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--arms", nargs="*", default=list(Arm), choices=list(Arm))
    parser.add_argument("--counts", nargs="*", type=int, default=list(COUNTS))
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--minutes", type=float, default=1e6)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    arguments.work.mkdir(parents=True, exist_ok=True)
    record = arguments.work / "points.jsonl"
    run(arguments, record)
    table(points(record))
    if arguments.figure:
        draw(points(record), arguments.figure)


if __name__ == "__main__":
    main()
