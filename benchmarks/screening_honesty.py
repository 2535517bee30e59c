"""Are the probabilities of a screening honest? Stated ones against what came out, on held-out surfaces.

    python benchmarks/screening_honesty.py SLABS.json.gz [--kind gaussian-process]

Each fifth of the formulas is predicted by an ensemble that has seen none of them. Asked are windows like those
of the screening rules, moved over the whole range of levels, so that all probabilities occur: IP above or EA below a
level, IP above a level
and EA below another one 1.2 eV apart (water splitting), the same with a window of the gap, EA or IP near a work
function, and both offsets to a partner. Tested are slabs with a gap above 0.3 eV. A row of the table is one
fifth of the probabilities, stated and found; surfaces weigh as their labels do in training. In brackets 95 %,
bootstrap over formulas.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

from surfalign.ml.assessment.crossvalidation import subset
from surfalign.ml.data.from_slab_files import freeze_slab_file
from surfalign.ml.data.label_quality import METALLIC_GAP
from surfalign.ml.ensemble.level_distribution import level_distribution
from surfalign.ml.ensemble.recipe import Recipe
from surfalign.ml.ensemble.splits import SPLITS
from surfalign.ml.properties.property import LEVELS
from surfalign.physics.levels.distribution import LevelDistribution, LevelWindow

BINS = np.linspace(0.0, 1.0, 6)


def families() -> dict[str, list[list[LevelWindow]]]:
    """Return the windows of each family."""
    ip, ea, gap = (1.0, 0.0), (0.0, 1.0), (1.0, -1.0)
    steps = np.arange(1.5, 9.1, 0.5)
    return {
        # Not from either side: of a window and its complement half is met, whatever is stated.
        "one level": [
            [LevelWindow(*direction, **{side: x})]
            for direction, first, side in ((ip, 3.0, "low"), (ea, 1.0, "high"))
            for x in np.arange(first, first + 6.1, 0.5)
        ],
        "two redox levels": [
            [LevelWindow(*ip, low=x + 1.23), LevelWindow(*ea, high=x)] for x in steps
        ],
        "two redox levels and a gap": [
            [LevelWindow(*ip, low=x + 1.23), LevelWindow(*ea, high=x), LevelWindow(*gap, 1.5, 4.0)]
            for x in steps
        ],
        "EA near a work function": [[LevelWindow(*ea, high=x, low=x - 1.5)] for x in steps],
        "IP near a work function": [[LevelWindow(*ip, high=x + 3, low=x + 1.5)] for x in steps],
        "both offsets to a partner": [
            [LevelWindow(*ip, low=x + 2.1), LevelWindow(*ea, high=x - 1.0)] for x in steps
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slabs", type=Path)
    parser.add_argument("--kind", default="gaussian-process")
    arguments = parser.parse_args()
    dataset = freeze_slab_file(arguments.slabs)
    recipe = Recipe(arguments.kind, {})
    start, rows = time.process_time(), []
    for part in SPLITS["formula"](dataset.records):
        with tempfile.TemporaryDirectory() as scratch:
            ensemble = recipe.fit(subset(dataset, part.train), scratch=Path(scratch))
        test = [r for r in (dataset.records[i] for i in part.test) if _has_gap(r)]
        estimates = ensemble.predict([record.structure for record in test])
        rows.append((level_distribution(ensemble, estimates), test))
        print(f"{part.name}: {len(test)} surfaces, correlation {ensemble.correlation:.2f}")
    print(f"CPU time {time.process_time() - start:.0f} s\n")
    for title, windows in (
        *families().items(),
        ("all", [w for family in families().values() for w in family]),
    ):
        print(f"{title}\n\n| stated | mean stated | found | cases |\n|---|---|---|---|")
        print("\n".join(table(rows, windows)), "\n")


def _has_gap(record) -> bool:
    ip, ea = (record.value(name) for name in LEVELS)
    return bool(ip - ea > METALLIC_GAP)


def table(rows, windows: list[list[LevelWindow]]) -> list[str]:
    """Return one row for each fifth of the probabilities."""
    stated, met, weights, formulas = [], [], [], []
    for distribution, test in rows:
        truth = np.array([[record.value(name) for name in LEVELS] for record in test])
        sure = LevelDistribution.normal(truth, np.zeros((len(test), 2, 2)))
        weight = np.array([min(record.label(name).weight for name in LEVELS) for record in test])
        for window in windows:
            stated.append(distribution.probability(window))
            met.append(sure.probability(window) > 0.5)
            weights.append(weight)
            formulas += [record.formula for record in test]
    p, hit, w = (np.concatenate(column) for column in (stated, met, weights))
    names = np.array(formulas)
    lines = []
    for low, high in pairwise(BINS):
        own = (p >= low) & ((p < high) | (high == 1.0))
        if not own.any():
            lines.append(f"| {low:.1f} to {high:.1f} | | | 0 |")
            continue
        found = np.average(hit[own], weights=w[own])
        bounds = _bootstrap(hit[own], w[own], names[own])
        lines.append(
            f"| {low:.1f} to {high:.1f} | {np.average(p[own], weights=w[own]):.3f} | {found:.3f} "
            f"({bounds[0]:.2f} to {bounds[1]:.2f}) | {own.sum()} |"
        )
    return lines


def _bootstrap(hit: np.ndarray, weight: np.ndarray, names: np.ndarray) -> np.ndarray:
    generator = np.random.default_rng(0)
    unique, place = np.unique(names, return_inverse=True)
    total = np.bincount(place, weights=weight, minlength=len(unique))
    hits = np.bincount(place, weights=weight * hit, minlength=len(unique))
    drawn = generator.integers(0, len(unique), size=(1000, len(unique)))
    return np.quantile(hits[drawn].sum(axis=1) / total[drawn].sum(axis=1), [0.025, 0.975])


if __name__ == "__main__":
    main()
