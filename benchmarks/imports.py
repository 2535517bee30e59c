"""Import finished VASP calculations: a tree of odd folders to its end, and whole ones at what speed.

``python benchmarks/imports.py --folders 500`` makes the odd folders (cut files, empty ones, old logs of custodian,
NMR, GW, links, circles, ...) and says how many of them the import named. ``--baseline DIRECTORY`` reads the
same folders with another checkout, too. Speeds are CPU times of reading alone, the least of three turns for the
whole ones.
The calculations are those of the stand-in for VASP.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE / "tests" / "doubles"))
#: Where `read_folders` is, and where it was.
MODULES = (
    "surfalign.workflows.engines.vasp.imports.results",
    "surfalign.workflows.engines.vasp.importing",
)
TURNS = {"odd": 1, "whole": 3}
#: An import that takes longer hangs (CPU s).
HANGS = 300


def main() -> None:
    """Make the trees, read them with each checkout, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folders", type=int, default=500, help="odd folders")
    parser.add_argument(
        "--crystals", type=int, default=12, help="crystals of whole folders, 5 each"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--baseline", type=Path, help="another checkout to compare with")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        print(json.dumps(read(options.read)))
        return
    with tempfile.TemporaryDirectory(prefix="imports-") as folder:
        whole, odd = Path(folder) / "whole", Path(folder) / "odd"
        make_whole(whole, options.crystals)
        made = make_odd(odd, options.folders, options.seed)
        checkouts = [HERE, *([options.baseline.resolve()] if options.baseline else [])]
        print("| checkout | folders | CPU (s) | results | refused | not named |")
        print("|---|---|---|---|---|---|")
        for tree, folders in ((odd, made), (whole, sorted(whole.glob("*/*")))):
            turns: dict[Path, list[dict[str, Any]]] = {c: [] for c in checkouts}
            for _ in range(TURNS[tree.name]):
                for checkout in checkouts:
                    turns[checkout].append(in_checkout(checkout, tree))
            for checkout, reports in turns.items():
                print(row(checkout, tree.name, folders, reports), flush=True)


def make_whole(root: Path, number: int) -> None:
    """Calculations that fit together: of each crystal its bulk, hybrid, tensor, and a slab relaxed."""
    from pymatgen.core import Structure
    from stub_vasp_calculations import run_stub
    from stub_vasp_tree import slab_of

    from surfalign.crystals.sources import load_crystal

    hybrid = {"ALGO": "Damped", "NELM": 100, "LWAVE": False}
    for n in range(number):
        bulk = load_crystal("MgO").structure.copy()
        bulk.scale_lattice(bulk.volume * (1 + 0.02 * n))
        folder = root / f"{n:03d}"
        run_stub(folder / "bulk", "semilocal", bulk, (4, 4, 4))
        run_stub(folder / "hybrid", "one_shot", bulk, (4, 4, 4), **hybrid)
        run_stub(folder / "dielectric", "dielectric", bulk, (4, 4, 4))
        slab = slab_of(bulk, (1, 0, 0), 14.0)
        relaxed = run_stub(folder / "relaxation", "slab_relaxation", slab, (4, 4, 1))
        end = Structure.from_file(relaxed / "CONTCAR")
        run_stub(folder / "potential", "slab_potential", end, (4, 4, 1))


def make_odd(root: Path, number: int, seed: int) -> list[Path]:
    """Make the odd folders; return them."""
    from odd_folders import KINDS, calculations, odd_tree

    from surfalign.crystals.sources import load_crystal

    made = calculations(root.parent / "elsewhere", load_crystal("MgO").structure)
    folders = odd_tree(root, number, made, random.Random(seed))
    counted = Counter(folder.name.partition(" ")[2] for folder in folders)
    print(f"{number} odd folders of {len(KINDS)} kinds: {dict(counted)}\n")
    return folders


def in_checkout(checkout: Path, tree: Path) -> dict[str, Any]:
    """Read a tree with the code of a checkout, in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--read", str(tree)]
    environment = os.environ | {"PYTHONPATH": str(checkout / "src")}
    done = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (HANGS, HANGS + 1)),
    )
    if done.returncode:
        return {"ended by": f"nothing within {HANGS} s"}
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def read(tree: Path) -> dict[str, Any]:
    """Read a tree with the code that is on the path; say what became of each folder."""
    for name in MODULES:
        try:
            read_folders = importlib.import_module(name).read_folders
            break
        except ModuleNotFoundError:
            continue
    started = time.process_time()
    try:
        report = read_folders([tree])
    except Exception as error:  # noqa: BLE001 - what ends an import is what is measured
        return {"ended by": type(error).__name__}
    named = {d for refusal in report.refusals for d in refusal.directories} | set(report.unused)
    for result in report.results:
        named |= {c.directory for c in result.pair.calculations.values()}
    return {
        "time": time.process_time() - started,
        "results": len(report.results),
        "refused": len(report.refusals),
        "named": sorted(str(path.resolve()) for path in named),
    }


def row(checkout: Path, name: str, folders: list[Path], reports: list[dict[str, Any]]) -> str:
    """Return the line of the table for a checkout and a tree."""
    last = reports[-1]
    head = f"| {'this' if checkout == HERE else 'baseline'} | {len(folders)} {name} |"
    if "ended by" in last:
        return f"{head} ended by {last['ended by']} | | | |"
    missed = [folder for folder in folders if str(folder.resolve()) not in set(last["named"])]
    for folder in missed:
        print(f"not named: {folder.name}", file=sys.stderr)
    least = min(report["time"] for report in reports)
    return f"{head} {least:.2f} | {last['results']} | {last['refused']} | {len(missed)} |"


if __name__ == "__main__":
    main()
