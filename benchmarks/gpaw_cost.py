"""How right the embedded engine's estimates of cost are: against the finished steps of a store.

Example: python benchmarks/gpaw_cost.py

Reads all steps of the database in force (SURFALIGN_DATABASE_URI, or the local one) that ran on one core
with a preset, and prints estimated over measured processor time and memory for each kind of step: the
smallest, the median and the largest ratio.
"""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import Any

from pymatgen.core import Structure

from surfalign import open_database
from surfalign.workflows.engines.gpaw.makers import gpaw_engine
from surfalign.workflows.engines.gpaw.settings import PRESETS


def main() -> None:
    """Compare and print."""
    times: dict[str, list[float]] = defaultdict(list)
    memories: dict[str, list[float]] = defaultdict(list)
    with open_database() as database:
        for job in database.jobs.query({"output.calculation.engine": "gpaw"}):
            found = ratios(job["output"])
            if found:
                step = job["output"]["calculation"]["step"]
                times[step].append(found[0])
                memories[step].append(found[1])
    print(f"{'step':18s} {'steps':>5s}   time: least median most   memory: least median most")
    for step, values in sorted(times.items()):
        print(f"{step:18s} {len(values):5d}   {_spread(values)}   {_spread(memories[step])}")


def ratios(output: dict[str, Any]) -> tuple[float, float] | None:
    """Return estimated over measured time and memory of a step; None where they cannot be compared."""
    record = output["calculation"]
    if record["cores"] != 1 or record["quality"] not in PRESETS or not record["cpu_time"]:
        return None
    engine = gpaw_engine(record["quality"], record["settings"].get("functional", "ddh"))
    makers = {
        "bulk": engine.bulk_maker,
        "oriented_bulk": engine.oriented_bulk_maker,
        "dielectric": engine.dielectric_maker,
        "band_edges": engine.band_edges_maker,
        "slab_relaxation": engine.slab_relax_maker,
        "slab_potential": engine.slab_potential_maker,
    }
    expected = makers[record["step"]].resources(Structure.from_dict(output["structure"]))
    return (
        expected.core_hours * 3600 / record["cpu_time"],
        expected.memory / record["peak_memory"],
    )


def _spread(values: list[float]) -> str:
    return f"{min(values):10.2f} {median(values):6.2f} {max(values):4.2f}"


if __name__ == "__main__":
    main()
