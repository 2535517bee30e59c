"""Compare surfalign's surfaces with pymatgen's SlabGenerator: completeness and speed, one core.

Both see the same crystals (random, seed stated, the seven crystal systems in turn) in the same
process, one after the other. Of SlabGenerator's slabs those count that are symmetric, nonpolar (with
guessed oxidation states) and stoichiometric; each must be found by surfalign too (StructureMatcher on
slabs of equal thickness), unless no operation reverses its normal within surfalign's tolerance
(``is_symmetric`` allows 0.1 angstrom). Every fifth crystal is compared up to index 2 as well. SlabGenerator has a
time budget for each crystal; where it is cut, both are timed on the orientations that it did.

Each crystal is one line of the record; the same command goes on where it stopped. Examples::

    python benchmarks/surfaces.py crystals.json.gz --crystals 300 --out surfaces.jsonl
    python benchmarks/surfaces.py --out surfaces.jsonl --summary
    python benchmarks/surfaces.py crystals.json.gz --out surfaces.jsonl --beyond 20

The input is a JSON list of records with ``structure`` (or ``structure_pbesol``), ``nsites``,
``space_group`` and an identifier.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure
from pymatgen.core.surface import get_symmetrically_distinct_miller_indices
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from slab_generator import (
    SLAB,
    VACUUM,
    Index,
    crystal_system,
    load,
    own_counterpart,
    proof,
    run_slab_generator,
    turns_over,
)

from surfalign.physics.lattice.orientations import (
    canonical_miller_index,
    convert_miller_index,
    nonpolar_orientations,
)
from surfalign.physics.lattice.symmetry import SymmetricCrystal, symmetrize
from surfalign.physics.slabs.enumeration import SurfaceSlab, survey_orientation

#: Every n-th crystal is compared up to index 2.
DEEP = 5


def own_slabs(
    structure: Structure | SymmetricCrystal,
    max_index: int = 1,
    corrugated: bool = True,
    indices: list[Index] | None = None,
) -> list[SurfaceSlab]:
    """Return surfalign's surfaces, their pymatgen structures made: as much as SlabGenerator does."""
    slabs = found_slabs(symmetrize(structure), max_index, corrugated, indices)
    for slab in slabs:
        _ = slab.slab
    return slabs


def found_slabs(
    crystal: SymmetricCrystal,
    max_index: int = 1,
    corrugated: bool = True,
    indices: list[Index] | None = None,
) -> list[SurfaceSlab]:
    """Return surfalign's surfaces, with their atoms and names, but no pymatgen structures."""
    if indices is None:
        indices = [o.miller_index for o in nonpolar_orientations(crystal, max_index)]
    slabs = []
    for index in indices:
        survey = survey_orientation(
            crystal,
            index,
            slab_thickness=SLAB,
            vacuum_thickness=VACUUM,
            corrugated=corrugated,
        )
        slabs += survey.slabs
    return slabs


def timed_slabs(structure: Structure, **options: Any) -> tuple[list[SurfaceSlab], float]:
    start = time.process_time()
    slabs = own_slabs(structure, **options)
    return slabs, time.process_time() - start


def conventional_cell(structure: Structure) -> tuple[Structure, Structure | None, dict]:
    """Return pymatgen's conventional cell, plain and with oxidation states (None: no guess)."""
    plain = SpacegroupAnalyzer(structure).get_conventional_standard_structure()
    guesses = plain.composition.oxi_state_guesses(max_sites=-1)
    if not guesses:
        return plain, None, {}
    charged = plain.copy()
    charged.add_oxidation_state_by_element(guesses[0])
    return plain, charged, guesses[0]


def compare(name: str, structure: Structure, depth: int, budget: float) -> dict[str, Any]:
    """Compare one crystal: all orientations whose largest index is ``depth``."""
    plain, charged, _ = conventional_cell(structure)
    if charged is None:
        return {"id": name, "depth": depth, "skipped": "no oxidation states"}
    indices = [
        index
        for index in get_symmetrically_distinct_miller_indices(plain, depth)
        if max(map(abs, index)) == depth
    ]
    random.Random(name).shuffle(indices)
    run = run_slab_generator(charged, indices, budget)
    crystal = symmetrize(plain)
    standard = [
        canonical_miller_index(crystal, convert_miller_index(plain, index)) for index in run.indices
    ]
    done = list(dict.fromkeys(standard))
    planar, planar_seconds = timed_slabs(plain, indices=done, corrugated=False)
    slabs, seconds = timed_slabs(plain, indices=done)
    found = [own_counterpart(crystal, plain, i, s) for i, s in run.accepted]
    absent = [
        {"index": index, "slab": slab.as_dict(), "turns_over": turns_over(slab)}
        for (index, slab), own in zip(run.accepted, found, strict=True)
        if own is None
    ]
    return {
        "id": name, "depth": depth, "formula": plain.composition.reduced_formula,
        "space_group": crystal.space_group_number, "sites": len(crystal.numbers),
        "conventional_sites": len(plain), "orientations": len(indices), "orientations_cut": run.left,
        "miller_indices": [list(i) for i in done],
        "slabs": len(slabs), "types": {p: sum(s.termination_class == p for s in slabs) for p in "ABC"},
        "seconds": seconds, "planar_seconds": planar_seconds, "planar_slabs": len(planar),
        "reference_seconds": run.seconds, "reference_slabs": run.n_slabs,
        "reference_accepted": len(run.accepted),
        "matched": sorted({s.name for s in found if s}),
        "missed": [x for x in absent if x["turns_over"]],
        "not_symmetric": [x for x in absent if not x["turns_over"]],
    }  # fmt: skip


def run_all(arguments: argparse.Namespace) -> None:
    """Compare crystals until there are enough; append each to the record."""
    done = {(r["id"], r["depth"]): r for r in read(arguments.out)}
    crystals = load(arguments.data, arguments.max_sites, arguments.seed)
    own_slabs(crystals[0][1])  # imports and first calls are no part of the comparison
    n_compared = 0
    with arguments.out.open("a") as stream:
        for name, structure in crystals:
            if n_compared == arguments.crystals:
                break
            deep = n_compared % DEEP == 0
            for depth in (1, 2) if deep else (1,):
                if (name, depth) not in done:
                    record = compare(name, structure, depth, arguments.limit)
                    done[name, depth] = record
                    stream.write(json.dumps(record) + "\n")
                    stream.flush()
                    _tell(n_compared, record)
                if "skipped" in done[name, depth]:
                    break
            n_compared += "skipped" not in done[name, 1]
            if time.process_time() > arguments.budget:
                break


def _tell(number: int, record: dict[str, Any]) -> None:
    shown = {
        k: v
        for k, v in record.items()
        if k not in ("missed", "not_symmetric", "matched", "miller_indices")
    }
    print(number, shown, "MISSED" if record.get("missed") else "", file=sys.stderr)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def summarize(path: Path) -> None:
    """Print what the record holds."""
    records = read(path)
    for depth in (1, 2):
        done = [r for r in records if r["depth"] == depth and "missed" in r]
        if not done:
            continue
        skipped = sum(r["depth"] == depth and "skipped" in r for r in records)
        systems = sorted({crystal_system(r["space_group"]) for r in done})
        cut = [r for r in done if r["orientations_cut"]]
        print(f"index {depth}: {len(done)} crystals ({skipped} skipped), {len(systems)} systems, "
              f"{sum(r['orientations'] for r in done)} orientations, cut by the time budget: "
              f"{sum(r['orientations_cut'] for r in done)} of {len(cut)} crystals")  # fmt: skip
        accepted = sum(r["reference_accepted"] for r in done)
        missed = sum(len(r["missed"]) for r in done)
        loose = sum(len(r.get("not_symmetric", [])) for r in done)
        types = {p: sum(r["types"][p] for r in done) for p in "ABC"}
        matched = sum(len(r["matched"]) for r in done)
        print(f"  SlabGenerator: {accepted} accepted of {sum(r['reference_slabs'] for r in done)} "
              f"slabs, {loose} of them not symmetric within surfalign's tolerance; missed {missed}; "
              f"surfalign: {types}, of which matched {matched}")  # fmt: skip
        timed = [r for r in done if r["reference_seconds"] > 0 and r["miller_indices"]]
        for key, what in (("planar_seconds", "types A and B"), ("seconds", "types A, B and C")):
            ratios = np.array([r["reference_seconds"] / r[key] for r in timed])
            cost = np.array([1e3 * r[key] / len(r["miller_indices"]) for r in timed])
            print(f"  {what}: faster by {np.median(ratios):.0f} (median), {ratios.min():.1f} (least); "
                  f"ms per orientation {np.median(cost):.1f} (median), {cost.max():.0f} (most)")  # fmt: skip


def prove(arguments: argparse.Namespace) -> None:
    """Draw surfaces that SlabGenerator did not yield, and judge them by pymatgen alone."""
    records = {r["id"]: r for r in read(arguments.out) if "missed" in r and r["depth"] == 1}
    pool = [
        (name, number)
        for name, record in records.items()
        for number in range(record["slabs"] - len(record["matched"]))
    ]
    structures = dict(load(arguments.data, arguments.max_sites, arguments.seed))
    print(f"{len(pool)} surfaces beyond SlabGenerator's")
    for name, number in random.Random(arguments.seed).sample(pool, arguments.beyond):
        plain, _, states = conventional_cell(structures[name])
        record = records[name]
        slabs = own_slabs(plain, indices=[(h, k, l) for h, k, l in record["miller_indices"]])
        beyond = [s for s in slabs if s.name not in record["matched"]]
        surface = beyond[number]
        others = [s for s in slabs if s is not surface and s.miller_index == surface.miller_index]
        print(json.dumps({"id": name, **proof(surface, others, states)}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--crystals", type=int, default=300)
    parser.add_argument("--max-sites", type=int, default=40)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--limit", type=float, default=15, help="SlabGenerator's CPU s per crystal")
    parser.add_argument("--budget", type=float, default=1e9, help="CPU seconds of this command")
    parser.add_argument("--out", type=Path, default=Path("surfaces.jsonl"))
    parser.add_argument("--summary", action="store_true", help="only print the summary")
    parser.add_argument("--beyond", type=int, default=0, help="judge so many further surfaces")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.beyond:
        prove(arguments)
    else:
        if not arguments.summary:
            run_all(arguments)
        summarize(arguments.out)


if __name__ == "__main__":
    main()
