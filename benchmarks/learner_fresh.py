"""What a model of ``surfalign learn train`` is worth on formulas that it never saw, by the commands alone.

    python benchmarks/learner_fresh.py SLABS.json.gz [--work fresh] [--kind mixed]

A file of slabs is cut by formula into five parts. Five times `surfalign learn train` learns from four of them, with
all defaults, and `surfalign learn score` scores the model on the fifth. The last rows are over all five: errors are
weighted as the labels are, with a 95 % interval from a bootstrap over formulas, and coverage and width are those of the intervals
that the model states. What is in the work folder is not made again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from learner_accuracy import PROPERTIES

from surfalign.ml.assessment.held_out import HeldOut
from surfalign.ml.assessment.metrics import metrics, with_bounds

N_FOLDS = 5
_COMMAND = [sys.executable, "-c", "from surfalign.launchers.cli.main import main; main()"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slabs", type=Path)
    parser.add_argument("--work", type=Path, default=Path("fresh"))
    parser.add_argument("--kind", default="mixed")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    with gzip.open(arguments.slabs, "rt", encoding="utf-8") as file:
        slabs = json.load(file)
    formulas = sorted({slab["formula"] for slab in slabs})
    order = np.random.default_rng(arguments.seed).permutation(len(formulas))
    fold_of = {formulas[k]: place % N_FOLDS for place, k in enumerate(order)}
    pooled: list[dict[str, Any]] = []
    print("| tested on | property | slabs | formulas | MAE (eV) | coverage | mean width (eV) |")
    print("|---" * 7 + "|", flush=True)
    for fold in range(N_FOLDS):
        found = score(slabs, fold_of, fold, arguments)
        rows(f"part {fold}", found)
        pooled += found
    rows("all parts", pooled)


def score(
    slabs: list[dict[str, Any]], fold_of: dict[str, int], fold: int, arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """Train on the other parts and score one; return its surfaces beside their predictions."""
    name = f"{arguments.kind}-{arguments.seed}-{fold}"
    answer = arguments.work / f"{name}.json"
    if not answer.exists():
        files = {}
        for part, own in (("train", False), ("test", True)):
            files[part] = arguments.work / f"{name}-{part}.json"
            chosen = [slab for slab in slabs if (fold_of[slab["formula"]] == fold) is own]
            files[part].write_text(json.dumps(chosen))
        registry = ["--registry", str(arguments.work / "registry")]
        call("learn", "train", "--slabs", str(files["train"]), "--kind", arguments.kind,
             "--model", name, "--seed", str(arguments.seed), "--workers", "1", *registry)  # fmt: skip
        call("learn", "score", name, str(files["test"]), "--json", str(answer), *registry)
    found: list[dict[str, Any]] = json.loads(answer.read_text())["surfaces"]
    return found


def call(*words: str) -> None:
    """Run one command."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*_COMMAND, *words], env=environment, check=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def rows(title: str, found: list[dict[str, Any]]) -> None:
    """Print the errors of surfaces with a gap."""
    for name in PROPERTIES:
        own = [
            HeldOut(**row)
            for row in found
            if row["name"] == name and not row["near_metal"] and not row["statistic"]
        ]
        errors = metrics(own)
        cells = [with_bounds(errors, what) for what in ("mae", "coverage", "mean_width")]
        short = "IP" if name == PROPERTIES[0] else "EA"
        print(
            f"| {title} | {short} | {errors['n']} | {errors['n_formulas']} | {' | '.join(cells)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
