"""All junctions of a set: processor time and peak memory of the numbers alone, and of the best pairs of a scheme.

``python benchmarks/junctions.py --surfaces 1000`` makes surfaces of random levels, works out all pairs with the
probability of each type, and searches the best pairs of a Z-scheme. A process of its own for each, so that the peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from surfalign.physics.contacts.anderson import set_junctions
from surfalign.physics.contacts.schemes import Demands, Scheme, best_pairs
from surfalign.physics.levels.distribution import LevelDistribution
from surfalign.physics.levels.redox import redox_levels

TASKS = ("nothing", "junctions", "z-scheme")


def main() -> None:
    """Run each task in a process of its own; print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--surfaces", type=int, default=1000)
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        print(json.dumps(measure(options.task, options.surfaces)))
        return
    print("| task | surfaces | pairs | CPU (s) | wall (s) | peak memory (MB) |")
    print("|---|--:|--:|--:|--:|--:|")
    for task in TASKS:
        command = [sys.executable, str(Path(__file__).resolve()), "--task", task]
        command += ["--surfaces", str(options.surfaces)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        cpu, wall, memory = json.loads(done.stdout)
        pairs = options.surfaces**2
        print(
            f"| {task} | {options.surfaces} | {pairs} | {cpu:.2f} | {wall:.2f} | {memory:.0f} |",
            flush=True,
        )


def measure(task: str, n: int) -> tuple[float, float, float]:
    """Return CPU seconds, wall seconds and the peak memory of this process in MB."""
    random = np.random.default_rng(0)
    ip = random.normal(7.0, 1.5, n)
    means = np.column_stack([ip, ip - random.uniform(1.0, 8.0, n)])
    roots = random.normal(0.0, 0.4, (n, 2, 2))
    levels = LevelDistribution.normal(means, roots @ roots.transpose(0, 2, 1))
    water = redox_levels(["H+/H2", "O2/H2O"], ph=7.0)
    cpu, wall = time.process_time(), time.perf_counter()
    if task == "junctions":
        set_junctions(levels)
    elif task == "z-scheme":
        best_pairs(levels, Scheme.Z_SCHEME, Demands(water["H+/H2"], water["O2/H2O"]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return time.process_time() - cpu, time.perf_counter() - wall, peak


if __name__ == "__main__":
    main()
