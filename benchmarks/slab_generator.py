"""The other side of the comparison: crystals to compare on, and pymatgen's SlabGenerator on them."""

from __future__ import annotations

import gzip
import json
import random
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import spglib
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Element, Lattice, Structure
from pymatgen.core.surface import Slab, SlabGenerator

from surfalign.physics.lattice.orientations import convert_miller_index
from surfalign.physics.lattice.symmetry import SYMPREC, SymmetricCrystal
from surfalign.physics.slabs.enumeration import SurfaceSlab, survey_orientation

SLAB, VACUUM = 12.0, 15.0
MATCHER = StructureMatcher(
    ltol=0.02, stol=0.05, angle_tol=1.0, primitive_cell=True, scale=False, attempt_supercell=False
)
#: pymatgen's reduction of a slab to its primitive cell can miss a doubled in-plane cell; this looks for it.
SUPERCELL_MATCHER = StructureMatcher(
    ltol=0.02, stol=0.05, angle_tol=1.0, primitive_cell=False, scale=False, attempt_supercell=True
)
#: A single orientation may take this many times the budget of its crystal before it is broken off.
PATIENCE = 3

Index = tuple[int, int, int]


class TimeLimitError(Exception):
    """One orientation took far too long."""


@dataclass
class ReferenceRun:
    """What SlabGenerator did for one crystal.

    Attributes
    ----------
    indices
        Orientations done, in pymatgen's conventional cell.
    left
        Number of orientations that the time budget cut.
    seconds
        CPU seconds of ``get_slabs`` alone, without the tests of polarity and symmetry.
    n_slabs
        Slabs made.
    accepted
        Orientation and upright slab of those that are symmetric, nonpolar and stoichiometric.
    """

    indices: list[Index] = field(default_factory=list)
    left: int = 0
    seconds: float = 0.0
    n_slabs: int = 0
    accepted: list[tuple[Index, Structure]] = field(default_factory=list)


def load(path: Path, max_sites: int, seed: int) -> list[tuple[str, Structure]]:
    """Return (id, structure) in random order, one of each crystal system in turn."""
    content = path.read_bytes()
    records = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    by_system: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for index, record in enumerate(records):
        data = record.get("structure") or record.get("structure_pbesol")
        if data and record.get("nsites", 0) <= max_sites:
            name = str(record.get("mp_id", index))
            by_system[crystal_system(int(record["space_group"]))].append((name, data))
    chance = random.Random(seed)
    for members in by_system.values():
        chance.shuffle(members)
    turns = zip(*(by_system[s] for s in sorted(by_system)), strict=False)
    return [(name, Structure.from_dict(data)) for turn in turns for name, data in turn]


def crystal_system(number: int) -> str:
    limits = [(2, "triclinic"), (15, "monoclinic"), (74, "orthorhombic"), (142, "tetragonal"),
              (167, "trigonal"), (194, "hexagonal"), (230, "cubic")]  # fmt: skip
    return next(name for limit, name in limits if number <= limit)


def run_slab_generator(charged: Structure, indices: list[Index], budget: float) -> ReferenceRun:
    """Run SlabGenerator as its users do, until the budget (CPU seconds) is spent."""
    formula = charged.composition.reduced_formula
    run = ReferenceRun(left=len(indices))
    for index in indices:
        if run.seconds > budget:
            break
        start = time.process_time()
        try:
            with _no_longer_than(PATIENCE * budget):
                slabs = SlabGenerator(
                    charged, index, SLAB, VACUUM, primitive=True, lll_reduce=True, center_slab=True
                ).get_slabs()
        except TimeLimitError:
            run.seconds += time.process_time() - start
            break
        run.seconds += time.process_time() - start
        run.n_slabs += len(slabs)
        run.indices.append(index)
        run.left -= 1
        run.accepted += [
            (index, upright(slab))
            for slab in slabs
            if slab.composition.reduced_formula == formula
            and not slab.is_polar()
            and slab.is_symmetric()
        ]
    return run


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeLimitError

    previous = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, previous)


def upright(slab: Structure) -> Structure:
    """Return a slab with c along its normal: the same atoms, an equal cell for both codes."""
    a, b, _ = slab.lattice.matrix
    normal = np.cross(a, b) / np.linalg.norm(np.cross(a, b))
    heights = slab.cart_coords @ normal
    lattice = Lattice([a, b, normal * (float(np.ptp(heights)) + VACUUM)])
    shift = normal * (0.5 * VACUUM - heights.min())
    elements = [Element.from_Z(site.specie.Z) for site in slab]
    return Structure(lattice, elements, slab.cart_coords + shift, coords_are_cartesian=True)


def own_counterpart(
    crystal: SymmetricCrystal, conventional: Structure, index: Index, target: Structure
) -> SurfaceSlab | None:
    """Return surfalign's slab of this orientation and thickness that is the same, if there is one."""
    thickness = target.lattice.c - VACUUM
    standard = convert_miller_index(conventional, index)
    candidates = survey_orientation(
        crystal, standard, slab_thickness=thickness - 0.02, vacuum_thickness=VACUUM
    ).slabs
    density = len(target) / in_plane_area(target)
    for slab in candidates:
        if abs(slab.slab_thickness - thickness) > 0.05:
            continue
        if abs(slab.n_atoms / slab.area / density - 1.0) > 1e-3:
            continue
        if MATCHER.fit(slab.slab, target) or SUPERCELL_MATCHER.fit(slab.slab, target):
            return slab
    return None


def turns_over(slab: Structure, symprec: float = SYMPREC) -> bool:
    """Whether an operation of the slab reverses its normal, within surfalign's own tolerance.

    ``Slab.is_symmetric`` allows 0.1 angstrom, and takes any operation with a translation along c.
    """
    cell = (slab.lattice.matrix, slab.frac_coords, [site.specie.Z for site in slab])
    rotations = spglib.get_symmetry(cell, symprec=symprec)["rotations"]
    return any(w[2, 2] == -1 and not w[2, :2].any() for w in rotations)


def in_plane_area(slab: Structure) -> float:
    a, b, _ = slab.lattice.matrix
    return float(np.linalg.norm(np.cross(a, b)))


def proof(surface: SurfaceSlab, others: list[SurfaceSlab], states: dict[str, float]) -> dict:
    """Judge one of surfalign's slabs by pymatgen alone.

    Parameters
    ----------
    surface
        The slab on trial.
    others
        All other surfaces of the same orientation.
    states
        Oxidation states by element.
    """
    slab = _pymatgen_slab(surface)
    slab.add_oxidation_state_by_element(states)
    same = [
        other.name
        for other in others
        if other.n_atoms == surface.n_atoms
        and abs(other.area / surface.area - 1.0) < 1e-3
        and MATCHER.fit(other.slab, surface.slab)
    ]
    return {
        "name": surface.name,
        "n_atoms": surface.n_atoms,
        "symmetric": bool(slab.is_symmetric()),
        "stoichiometric": slab.composition.reduced_formula == surface.formula,
        "dipole": float(np.linalg.norm(slab.dipole @ slab.normal) / slab.surface_area),
        "nonpolar": not slab.is_polar(),
        "compared_with": len(others),
        "equal_to": same,
    }


def _pymatgen_slab(surface: SurfaceSlab) -> Slab:
    structure = surface.slab
    return Slab(
        structure.lattice, structure.species, structure.frac_coords, surface.miller_index,
        surface.oriented_bulk, 0.0, np.eye(3), reorient_lattice=False,
    )  # fmt: skip
