"""Race acquisitions on surfaces whose levels are known: calculations until most targets are found.

    python benchmarks/acquisition_race.py SLABS.json.gz --work race [--seeds 10] [--figure race.png]
    python benchmarks/acquisition_race.py docs/datasets/oxide-surfaces-v0.jsonl.gz --work own --first 8 --batch 4

Data as in learner_accuracy.py: a file of slabs, or results of our own. Every race begins with the same random batch of its
seed; then batches are chosen by :func:`surfalign.ml.acquisition.choice.choose`, as ``surfalign explore`` does,
until 80 % of the surfaces in a window are found. The learner is a stand-in: a Gaussian process on
composition and structure (the network would take weeks), calibrated by its leave-one-out residuals.

A second race learns: the error on formulas that are held out, against the number of labels. Each race is one
line of the record in the work folder; the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from learner_accuracy import read
from numpy.typing import NDArray

from surfalign.ml.acquisition.choice import Acquisition, choose
from surfalign.ml.acquisition.distributions import Distribution
from surfalign.ml.acquisition.pool import Pool
from surfalign.ml.acquisition.rule import Rule
from surfalign.ml.acquisition.vectors import scaled, structural_vectors
from surfalign.ml.data.equal_slabs import find_equal_slabs
from surfalign.ml.data.records import SurfaceRecord
from surfalign.workflows.planning.cost import slab_cpu_time

Array = NDArray[np.float64]
GOAL = 0.8
#: Name of a target to its level and the quantiles that bound it.
TARGETS = {
    "middle EA": ("electron_affinity", 0.45, 0.60),
    "high EA": ("electron_affinity", 0.85, 1.0),
    "low IP": ("ionization_potential", 0.0, 0.15),
}
LEARNING = ("random", "diversity", "uncertainty", "information")
SCREENING = ("random", "screening", "thompson", "diversity", "uncertainty")
COLORS = {name: f"C{i}" for i, name in enumerate(dict.fromkeys(SCREENING + LEARNING))}


@dataclass
class Process:
    """A Gaussian process with one length and one noise, chosen by marginal likelihood."""

    vectors: Array
    length: float = 1.0
    noise: float = 0.3

    def kernel(self, first: Array, second: Array) -> Array:
        """Return the covariances of two sets of vectors, shape (n_first, n_second)."""
        squares = (first**2).sum(1)[:, None] + (second**2).sum(1)[None] - 2 * first @ second.T
        return np.exp(-np.sqrt(np.maximum(squares, 0.0)) / self.length)

    def tune(self, known: NDArray[np.int_], values: Array) -> None:
        """Choose length and noise."""
        typical = float(np.median(np.linalg.norm(self.vectors - self.vectors[0], axis=1)))
        best = -np.inf
        y = (values - values.mean()) / values.std()
        for length in typical * np.array([0.25, 0.5, 1.0, 2.0, 4.0]):
            for noise in (0.1, 0.3, 0.6):
                self.length, trial = length, noise
                matrix = self.kernel(self.vectors[known], self.vectors[known])
                factor = np.linalg.cholesky(matrix + trial**2 * np.eye(len(known)))
                white = np.linalg.solve(factor, y)
                amplitude = float(white @ white) / len(y)
                likelihood = -np.log(np.diag(factor)).sum() - 0.5 * len(y) * np.log(amplitude)
                if likelihood > best:
                    best, chosen = likelihood, (length, noise)
        self.length, self.noise = chosen

    def predict(self, known: NDArray[np.int_], values: Array) -> Distribution:
        """Predict all; deviations are calibrated by the leave-one-out residuals."""
        matrix = self.kernel(self.vectors[known], self.vectors[known])
        inverse = np.linalg.inv(matrix + self.noise**2 * np.eye(len(known)))
        mean = values.mean()
        across = self.kernel(self.vectors, self.vectors[known])
        predicted = mean + across @ inverse @ (values - mean)
        variance = 1.0 + self.noise**2 - ((across @ inverse) * across).sum(axis=1)
        left_out = np.abs(inverse @ (values - mean)) / np.diag(inverse)
        deviations = np.sqrt(1.0 / np.diag(inverse))
        residuals = np.sort(left_out / deviations)
        return Distribution(predicted, np.sqrt(np.maximum(variance, 1e-6)), residuals)


class Race:
    """All surfaces with their levels, what equals what, and what they cost."""

    def __init__(self, options: argparse.Namespace, seed: int, held_out: float = 0.0) -> None:
        records, self.vectors = _known(options.slabs)
        self.first, self.batch = options.first, options.batch
        rng = np.random.default_rng(seed)
        formulas = rng.permutation(sorted({r.formula for r in records}))
        hidden = set(formulas[: int(held_out * len(formulas))].tolist())
        self.test = np.array([r.formula in hidden for r in records])
        self.rng, self.seed = rng, seed
        self.levels = {
            name: np.array([r.value(name) for r in records])
            for name in ("ionization_potential", "electron_affinity")
        }
        groups = {r.name: i for i, r in enumerate(records)}
        for equal in find_equal_slabs(records):
            groups |= dict.fromkeys(equal.names, groups[equal.names[0]])
        self.pool = Pool(
            keys=[r.name for r in records],
            vectors=self.vectors,
            costs=np.array([slab_cpu_time(r.structure) for r in records]),
            groups=np.array([groups[r.name] for r in records]),
            taken=np.zeros(len(records), bool),
        )

    def run(
        self, acquisition: Acquisition, rule: Rule | None, level: str
    ) -> Iterator[tuple[NDArray[np.int_], Distribution]]:
        """Yield what is known after each batch, and the predictions from it."""
        free = np.flatnonzero(~self.test)
        known = self.rng.permutation(free)[: self.first]
        process, turn = Process(self.vectors), 0
        while True:
            values = self.levels[level][known]
            if turn % 4 == 0:
                process.tune(known, values)
            distribution = process.predict(known, values)
            yield known, distribution
            taken = self.test.copy()
            taken[known] = True
            labels = {
                name: np.where(np.isin(np.arange(len(v)), known), v, np.nan)
                for name, v in self.levels.items()
            }
            pool = replace(
                self.pool, taken=taken, distributions={level: distribution}, labels=labels
            )
            chosen = choose(pool, acquisition, self.batch, rule=rule, seed=1000 * self.seed + turn)
            if not chosen:
                return
            known, turn = np.concatenate([known, chosen]), turn + 1


@cache
def _known(slabs: Path) -> tuple[list[SurfaceRecord], Array]:
    """Read the surfaces with both levels, and their vectors, shape (n_surfaces, n_features)."""
    records = [
        record
        for record in read(slabs)
        if np.isfinite(record.value("electron_affinity"))
        and record.value("ionization_potential") > 0
    ]
    return records, scaled(structural_vectors(records))


def screening_race(
    options: argparse.Namespace, target: str, acquisition: str, seed: int
) -> dict[str, Any]:
    """Count the calculations until 80 % of a target is found."""
    race = Race(options, seed)
    level, low, high = TARGETS[target]
    values = race.levels[level]
    bounds = [float(np.quantile(values, q)) for q in (low, high)]
    window = (None if low == 0.0 else bounds[0], None if high == 1.0 else bounds[1])
    rule = Rule.model_validate({level: window})
    hits = rule.margin(race.levels) >= 0
    # Of equal slabs one is computed: it stands for all.
    wanted = set(race.pool.groups[hits].tolist())
    curve = []
    for known, _ in race.run(Acquisition(acquisition), rule, level):
        found = len(wanted & set(race.pool.groups[known].tolist())) / len(wanted)
        curve.append([len(known), found])
        if found >= GOAL:
            break
    return {"needed": curve[-1][0], "surfaces": len(values), "targets": len(wanted), "curve": curve}


def learning_race(options: argparse.Namespace, acquisition: str, seed: int) -> dict[str, Any]:
    """Follow the error of EA on held-out formulas."""
    race = Race(options, seed, held_out=0.25)
    truth = race.levels["electron_affinity"]
    curve = []
    for known, distribution in race.run(Acquisition(acquisition), None, "electron_affinity"):
        errors = np.abs(distribution.values - truth)[race.test]
        curve.append([len(known), float(errors.mean())])
        if len(known) >= 0.8 * (~race.test).sum():
            break
    return {"curve": curve, "surfaces": len(truth)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slabs", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=12, help="random surfaces to begin with")
    parser.add_argument("--batch", type=int, default=8, help="surfaces chosen at a time")
    parser.add_argument("--thompson-seeds", type=int, default=10)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    record = options.work / "races.jsonl"
    done = {}
    if record.exists():
        done = {tuple(r["race"]): r for r in map(json.loads, record.read_text().splitlines())}
    races = [
        ("screening", target, name, seed)
        for name in SCREENING
        for seed in range(options.thompson_seeds if name == "thompson" else options.seeds)
        for target in TARGETS
    ]
    races += [
        ("learning", "error", name, seed) for seed in range(options.seeds) for name in LEARNING
    ]
    for race in races:
        kind, target, name, seed = race
        if race in done:
            continue
        result = (
            screening_race(options, target, name, seed)
            if kind == "screening"
            else learning_race(options, name, seed)
        )
        done[race] = {"race": race, **result}
        with record.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(done[race]) + "\n")
    print(summary(done))
    if options.figure:
        draw(done, options.figure)


def summary(done: dict[tuple[Any, ...], dict[str, Any]]) -> str:
    """Return the tables in Markdown."""
    lines = [
        "| target | acquisition | seeds | calculations | ratio to random |",
        "|---|---|--:|--:|--:|",
    ]
    for target in TARGETS:
        rows = {
            name: np.array([r["needed"] for k, r in sorted(done.items()) if k[:3] == ("screening", target, name)])
            for name in SCREENING
        }  # fmt: skip
        for name, needed in rows.items():
            if len(needed):
                random = rows["random"][: len(needed)]
                ratio = needed.mean() / random.mean()
                lines.append(
                    f"| {target} | {name} | {len(needed)} | {needed.mean():.0f} ± {needed.std():.0f} | {ratio:.2f} |"
                )
    lines += ["", "| labels | " + " | ".join(LEARNING) + " |", "|--:|" + "--:|" * len(LEARNING)]
    means = {name: mean_curve(done, name) for name in LEARNING}
    for number in list(means["random"])[::4]:
        cells = [
            f"{means[name][number]:.3f}" if number in means[name] else "–" for name in LEARNING
        ]
        lines.append(f"| {number} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def mean_curve(done: dict[tuple[Any, ...], dict[str, Any]], name: str) -> dict[int, float]:
    """Return the mean error by number of labels, over the seeds."""
    errors: dict[int, list[float]] = {}
    for key, result in done.items():
        if key[0] == "learning" and key[2] == name:
            for number, error in result["curve"]:
                errors.setdefault(number, []).append(error)
    most = max((len(v) for v in errors.values()), default=0)
    return {n: float(np.mean(v)) for n, v in sorted(errors.items()) if len(v) == most}


def draw(done: dict[tuple[Any, ...], dict[str, Any]], path: Path) -> None:
    """Draw the found share of each target, and the errors."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(TARGETS) + 1, figsize=(14, 3.6), layout="constrained")
    for axis, target in zip(axes, TARGETS, strict=False):
        for name in SCREENING:
            color = COLORS[name]
            curves = [r["curve"] for k, r in done.items() if k[:3] == ("screening", target, name)]
            for i, curve in enumerate(curves):
                axis.plot(*zip(*curve, strict=True), color=color, alpha=0.25, lw=0.7)
                if i == 0:
                    axis.plot([], [], color=color, label=name)
        axis.axhline(GOAL, color="0.6", ls=":")
        axis.set(title=target, xlabel="calculations", ylim=(0, 0.9))
    axes[0].set_ylabel("share of the targets found")
    axes[0].legend(fontsize=8)
    for name in LEARNING:
        curve = mean_curve(done, name)
        axes[-1].plot(list(curve), list(curve.values()), color=COLORS[name], label=name)
    axes[-1].set(title="error of EA, held-out formulas", xlabel="labels", ylabel="MAE (eV)")
    axes[-1].legend(fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
