"""Lay computed levels beside published ones, as the table of docs/results.md.

surfalign run CaO SrO ... --quality quick --json levels.json
python benchmarks/levels_table.py levels.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

#: Measured ionization potentials (eV) of the surface named, with their source.
MEASURED = {
    ("BaO", (1, 0, 0)): (5.0, "films; Apker, Taft, Dickey 1951"),
    ("ZnO", (1, 0, 0)): (7.8, "(10-10); Klein et al., Materials 3, 4892 (2010)"),
    ("SnO2", (1, 1, 0)): (8.9, "oxidised surface; Klein et al. 2010 (reduced: 7.9)"),
    ("TiO2", (1, 1, 0)): (7.4, "Kashiwaya et al., Surfaces 1, 73 (2018)"),
    ("MgO", (1, 0, 0)): (7.15, "photoemission, about"),
}
#: Median over all surfaces of a formula (eV), how many, and their spread:
#: J. Am. Chem. Soc. 146, 9697 (2024), doi 10.1021/jacs.3c13574. A coarse check only.
MEDIANS = {"BaO": (4.64, 9, 1.60), "BeO": (9.90, 34, 2.61), "CaO": (6.25, 2, 0.31)}


def row(result: dict) -> str:
    index = tuple(result["miller_index"])
    ip = result["ionization_potential"]
    measured, source = MEASURED.get((result["formula"], index), (None, ""))
    median = MEDIANS.get(result["formula"])
    cpu = sum(step["cpu_time"] for step in result["timings"])
    cells = [
        f"{result['surface_name']}",
        f"{ip:.2f}{error(result)}",
        f"{result['electron_affinity']:.2f}",
        f"{result['band_gap']:.2f}",
        f"{result['surface_energy']:.2f}",
        f"{result['dielectric_constant']:.2f}",
        f"{measured:.2f} ({ip - measured:+.2f}) {source}" if measured else "",
        f"{median[0]:.2f} ({ip - median[0]:+.2f}; {median[1]} surfaces, spread {median[2]:.1f})"
        if median
        else "",
        ", ".join(result["failed_checks"]) or "all passed",
        f"{cpu:.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def error(result: dict) -> str:
    stated = result.get("convergence_error")
    return "" if stated is None else f" ± {stated:.2f}"


def timing_rows(results: list[dict]) -> list[str]:
    steps = [step["step"] for step in results[0]["timings"]]
    lines = ["| surface | " + " | ".join(step.replace("_", " ") for step in steps) + " |"]
    lines.append("|---" * (len(steps) + 1) + "|")
    for result in results:
        by_step = {step["step"]: step for step in result["timings"]}
        cells = [
            f"{by_step[s]['wall_time']:.0f} / {by_step[s]['cpu_time']:.0f}" if s in by_step else ""
            for s in steps
        ]
        lines.append(f"| {result['surface_name']} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    results = [
        result
        for result in json.loads(Path(sys.argv[1]).read_text())
        if result["ionization_potential"] is not None
    ]
    print(
        "| surface | IP (eV) | EA (eV) | gap (eV) | surface energy (J/m²) | ε∞ "
        "| measured IP (difference), eV | JACS 2024 median IP (difference), eV | checks | CPU (s) |"
    )
    print("|---" * 10 + "|")
    print("\n".join(row(result) for result in results))
    print("\nWall / CPU seconds of each step:\n")
    print("\n".join(timing_rows(results)))


if __name__ == "__main__":
    main()
