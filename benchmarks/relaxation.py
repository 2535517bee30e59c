"""Relax the same surfaces with this checkout and with another one: cost, levels and failed checks.

``python benchmarks/relaxation.py MgO:1,0,0 TiO2-rutile:1,1,0 --baseline DIRECTORY`` runs `surfalign run` with
PBEsol band edges (the hybrid adds a constant of the bulk) on one core, surface by surface, first by the
other checkout and then by this one, each with a store of its own. ``--baseline`` may be left out;
``--start-potential none`` measures this checkout without a pretrained potential. Minutes to an hour a
surface.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[1]
_RUN = "from surfalign.launchers.cli.main import main; main()"


@dataclass(frozen=True)
class Outcome:
    """One surface by one checkout.

    Attributes
    ----------
    relaxation
        CPU seconds of relaxation and slab potential, the potential's start included.
    total
        CPU seconds of all steps.
    ip, ip_sites
        By the macroscopic average and by site potentials, PBEsol edges, eV.
    failed
        Names of failed checks.
    """

    relaxation: float
    total: float
    ip: float
    ip_sites: float
    failed: tuple[str, ...]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("surfaces", nargs="+", metavar="CRYSTAL:H,K,L")
    parser.add_argument("--quality", default="quick")
    parser.add_argument("--baseline", type=Path, help="another checkout to compare with")
    parser.add_argument("--start-potential", default="auto")
    parser.add_argument("--folder", type=Path, help="where the stores are kept; default: nowhere")
    options = parser.parse_args()
    checkouts = [options.baseline, HERE] if options.baseline else [HERE]
    print("| surface | checkout | relaxation, CPU s | all, CPU s | IP | IP by sites | failed |")
    print("|---|---|--:|--:|--:|--:|---|", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        for surface in options.surfaces:
            for checkout in checkouts:
                found = compute(checkout, surface, folder, options)
                print(row(surface, checkout, found), flush=True)


def compute(
    checkout: Path, surface: str, folder: Path, options: argparse.Namespace
) -> dict[str, Outcome]:
    """Run one orientation; return its surfaces by name."""
    crystal, _, index = surface.partition(":")
    place = folder / ("this" if checkout == HERE else "baseline")
    place.mkdir(parents=True, exist_ok=True)
    answer = place / f"{surface.replace(':', '-')}.json"
    environment = os.environ | {
        "PYTHONPATH": str(checkout / "src"),
        "SURFALIGN_DATA_DIRECTORY": str(place),
        "OMP_NUM_THREADS": "1",
    }
    if checkout == HERE:
        environment["SURFALIGN_START_POTENTIAL"] = options.start_potential
    command = [sys.executable, "-c", _RUN]
    run = ["run", crystal, "--hkl", index, "--quality", options.quality, "--functional", "pbesol"]
    try:
        subprocess.run(
            [*command, *run, "--cores", "1", "--json", str(answer)],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    finally:
        subprocess.run([*command, "db", "stop"], env=environment, capture_output=True, check=False)
    return {
        result["surface_name"]: outcome(result)
        for result in results(json.loads(answer.read_text()))
    }


def results(document: Any) -> list[dict[str, Any]]:
    """Return all results in what `surfalign run --json` writes."""
    if isinstance(document, dict) and "surface_name" in document and "timings" in document:
        return [document]
    inside = document.values() if isinstance(document, dict) else document
    if not isinstance(document, dict | list):
        return []
    return [result for part in inside for result in results(part)]


def outcome(result: dict[str, Any]) -> Outcome:
    """Return what is compared of a result."""
    spent = {timing["step"]: timing["cpu_time"] for timing in result["timings"]}
    return Outcome(
        spent.get("slab_relaxation", 0.0) + spent.get("slab_potential", 0.0),
        sum(spent.values()),
        result["ionization_potential"],
        result["ionization_potential_site_potentials"],
        tuple(result["failed_checks"]),
    )


def row(surface: str, checkout: Path, found: dict[str, Outcome]) -> str:
    """Return the rows of one orientation."""
    where = "this" if checkout == HERE else checkout.name
    return (
        "\n".join(
            f"| {name} | {where} | {o.relaxation:.0f} | {o.total:.0f} | {o.ip:.3f} | {o.ip_sites:.3f} | "
            f"{', '.join(o.failed) or 'none'} |"
            for name, o in found.items()
        )
        or f"| {surface} | {where} | | | | | no result |"
    )


if __name__ == "__main__":
    main()
