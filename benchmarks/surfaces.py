"""Compare surfalign's surfaces with pymatgen's SlabGenerator: completeness and speed, one core.

Both see the same crystals (random, seed stated, the seven crystal systems in turn) in the same
process. For pymatgen every slab is kept that is symmetric, nonpolar (with guessed oxidation states)
and stoichiometric; each of these must be found by surfalign too (StructureMatcher on slabs of equal
thickness). Example::

    python benchmarks/surfaces.py crystals.json.gz --crystals 300 --max-sites 40 --out surfaces.jsonl
    python benchmarks/surfaces.py --summary surfaces.jsonl

The input is a JSON list of records with ``structure`` (or ``structure_pbesol``) and an identifier.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import signal
import sys
import time
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.core.surface import SlabGenerator, get_symmetrically_distinct_miller_indices
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from surfalign.physics.orientations import convert_miller_index, nonpolar_orientations
from surfalign.physics.slabs import SurfaceSlab, survey_orientation
from surfalign.physics.symmetry import symmetrize

SLAB, VACUUM = 12.0, 15.0
MATCHER = StructureMatcher(
    ltol=0.02, stol=0.05, angle_tol=1.0, primitive_cell=True, scale=False, attempt_supercell=False
)


class TimeLimitError(Exception):
    """The reference took too long for one crystal."""


def load(path: Path, max_sites: int, seed: int) -> list[tuple[str, Structure]]:
    with gzip.open(path, "rt") as stream:
        records = json.load(stream)
    by_system: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for index, record in enumerate(records):
        data = record.get("structure") or record.get("structure_pbesol")
        if data and record.get("nsites", 0) <= max_sites:
            name = str(record.get("mp_id", index))
            by_system[crystal_system(int(record["space_group"]))].append((name, data))
    chance = random.Random(seed)
    for members in by_system.values():
        chance.shuffle(members)
    # One of each system in turn, so that any number of crystals holds all seven.
    turns = zip(*(by_system[s] for s in sorted(by_system)), strict=False)
    return [(name, Structure.from_dict(data)) for turn in turns for name, data in turn]


def crystal_system(number: int) -> str:
    limits = [(2, "triclinic"), (15, "monoclinic"), (74, "orthorhombic"), (142, "tetragonal"),
              (167, "trigonal"), (194, "hexagonal"), (230, "cubic")]  # fmt: skip
    return next(name for limit, name in limits if number <= limit)


def upright(slab: Structure) -> Structure:
    """Return a slab with c along its normal: the same atoms, an equal cell for both codes."""
    a, b, _ = slab.lattice.matrix
    normal = np.cross(a, b) / np.linalg.norm(np.cross(a, b))
    heights = slab.cart_coords @ normal
    thickness = float(np.ptp(heights))
    lattice = Lattice([a, b, normal * (thickness + VACUUM)])
    shift = normal * (0.5 * VACUUM - heights.min())
    species = [
        site.specie.element if hasattr(site.specie, "element") else site.specie for site in slab
    ]
    return Structure(lattice, species, slab.cart_coords + shift, coords_are_cartesian=True)


def reference_slabs(
    structure: Structure, max_index: int
) -> tuple[dict[tuple[int, ...], list], int]:
    """Run SlabGenerator as its users do; return what is symmetric, nonpolar and stoichiometric."""
    formula = structure.composition.reduced_formula
    found, total = {}, 0
    for index in get_symmetrically_distinct_miller_indices(structure, max_index):
        generator = SlabGenerator(
            structure, index, SLAB, VACUUM, primitive=True, lll_reduce=True, center_slab=True
        )
        slabs = generator.get_slabs()
        total += len(slabs)
        found[index] = [
            slab
            for slab in slabs
            if slab.composition.reduced_formula == formula
            and not slab.is_polar()
            and slab.is_symmetric()
        ]
    return found, total


def own_slabs(
    structure: Structure, max_index: int, corrugated: bool
) -> tuple[list[SurfaceSlab], int]:
    crystal = symmetrize(structure)
    orientations = nonpolar_orientations(crystal, max_index)
    slabs = []
    for orientation in orientations:
        survey = survey_orientation(
            crystal,
            orientation.miller_index,
            slab_thickness=SLAB,
            vacuum_thickness=VACUUM,
            corrugated=corrugated,
        )
        slabs += survey.slabs
    for slab in slabs:
        _ = slab.slab
    return slabs, len(orientations)


def is_found(structure: Structure, index: tuple[int, ...], slab: Structure) -> bool:
    """Whether one of surfalign's slabs of this orientation and thickness is the same."""
    target = upright(slab)
    thickness = target.lattice.c - VACUUM
    standard = convert_miller_index(structure, index)
    candidates = survey_orientation(
        structure, standard, slab_thickness=thickness - 0.02, vacuum_thickness=VACUUM
    ).slabs
    return any(MATCHER.fit(upright(c.slab), target) for c in candidates)


def compare(name: str, structure: Structure, max_index: int, limit: int) -> dict[str, Any]:
    conventional = SpacegroupAnalyzer(structure).get_conventional_standard_structure()
    plain = conventional.copy()
    guesses = conventional.composition.oxi_state_guesses(max_sites=-1)
    if not guesses:
        return {"id": name, "skipped": "no oxidation states"}
    conventional.add_oxidation_state_by_element(guesses[0])
    start = time.process_time()
    own_slabs(plain, max_index, corrugated=False)
    planar_time = time.process_time() - start
    start = time.process_time()
    slabs, n_orientations = own_slabs(plain, max_index, corrugated=True)
    own_time = time.process_time() - start
    record = {
        "id": name, "formula": plain.composition.reduced_formula, "sites": len(structure),
        "conventional_sites": len(plain), "space_group": slabs[0].space_group_number if slabs else 0,
        "max_index": max_index, "orientations": n_orientations, "slabs": len(slabs),
        "types": {p: sum(s.polarity == p for s in slabs) for p in "ABC"}, "seconds": own_time, "planar_seconds": planar_time,
    }  # fmt: skip
    signal.alarm(limit)
    try:
        start = time.process_time()
        reference, total = reference_slabs(conventional, max_index)
        record["reference_seconds"] = time.process_time() - start
        signal.alarm(0)
        accepted = [(index, slab) for index, members in reference.items() for slab in members]
        record |= {"reference_slabs": total, "reference_accepted": len(accepted)}
        missed = [(i, s) for i, s in accepted if not is_found(plain, i, s)]
        record["missed"] = [
            {"index": i, "formula": s.composition.formula, "slab": s.as_dict()} for i, s in missed
        ]
    except TimeLimitError:
        record["timed_out"] = limit
    finally:
        signal.alarm(0)
    return record


def summarize(path: Path) -> None:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    done = [r for r in records if "missed" in r]
    for key, what in (("planar_seconds", "types A and B"), ("seconds", "types A, B and C")):
        ratios = np.array([r["reference_seconds"] / r[key] for r in done])
        cost = np.array([1e3 * r[key] / max(r["orientations"], 1) for r in done])
        print(
            f"{what}: speed-up median {np.median(ratios):.0f}, smallest {ratios.min():.1f}; "
            f"ms per orientation median {np.median(cost):.1f}, largest {cost.max():.0f}"
        )
    print(f"reference accepted {sum(r['reference_accepted'] for r in done)}, "
          f"missed {sum(len(r['missed']) for r in done)}")  # fmt: skip
    print("slabs by type", {p: sum(r["types"][p] for r in done) for p in "ABC"})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--crystals", type=int, default=300)
    parser.add_argument("--max-sites", type=int, default=40)
    parser.add_argument("--max-index", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--limit", type=int, default=60, help="seconds for pymatgen per crystal")
    parser.add_argument("--budget", type=float, default=1e9, help="CPU seconds for everything")
    parser.add_argument("--out", type=Path, default=Path("surfaces.jsonl"))
    parser.add_argument("--summary", type=Path)
    arguments = parser.parse_args()
    if arguments.summary:
        summarize(arguments.summary)
        return

    def stop(*_: object) -> None:
        raise TimeLimitError

    signal.signal(signal.SIGALRM, stop)
    warnings.simplefilter("ignore")
    crystals = load(arguments.data, arguments.max_sites, arguments.seed)[: arguments.crystals]
    symmetrize(crystals[0][1])  # imports and first calls are not part of the comparison
    with arguments.out.open("w") as stream:
        for number, (name, structure) in enumerate(crystals, 1):
            record = compare(name, structure, arguments.max_index, arguments.limit)
            stream.write(json.dumps(record) + "\n")
            stream.flush()
            print(number, {k: v for k, v in record.items() if k != "missed"},
                  "MISSED" if record.get("missed") else "", file=sys.stderr)  # fmt: skip
            if time.process_time() > arguments.budget:
                break
    summarize(arguments.out)


if __name__ == "__main__":
    main()
