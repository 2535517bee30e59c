"""Planning a campaign: which surfaces of which crystals, before any calculation.

A plan depends on the set of crystals alone, not on the order or the number of files they come in:
crystals are ordered by a key of their own, surveyed in that order until there are enough surfaces, and
the surfaces are then dealt out formula by formula.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure

from surfalign.crystals.sources import make_crystal
from surfalign.errors import SurfalignError, TimeLimitError
from surfalign.files import write_whole
from surfalign.physics.lattice.neighbours import bulk_density
from surfalign.physics.lattice.orientations import nonpolar_orientations
from surfalign.physics.lattice.same_crystal import same_crystal, same_space_group
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.coordination import surface_coordination
from surfalign.physics.slabs.enumeration import survey_orientation
from surfalign.physics.slabs.surface_slab import SurfaceSlab
from surfalign.workflows.planning.crystals import UNREADABLE, Candidate
from surfalign.workflows.planning.time_limit import time_limit

#: Crystals that differ by more than these fractions are not compared any further: volumes per atom
#: (functionals differ by some per cent), mean neighbour densities, and the densities of the sites in units
#: of their mean. Of the pairs of oxides that are the same, the widest apart are 0.056, 0.10 and 0.06.
SAME_VOLUME, SAME_MEAN_DENSITY, SAME_DENSITIES = 0.06, 0.12, 0.1


@dataclass(frozen=True)
class PlanSettings:
    """What may enter a plan.

    Attributes
    ----------
    max_index
        Largest Miller index.
    limit
        Number of surfaces wanted.
    max_atoms
        Largest slab, atoms.
    max_sites
        Largest primitive cell, atoms.
    max_per_crystal
        Largest number of surfaces of one crystal.
    max_area_ratio
        Largest in-plane primitive cell in units of the crystal's smallest.
    min_band_gap
        Least band gap in eV, where the source states one.
    max_hull_energy
        Largest energy above the hull in eV/atom, where the source states one.
    elements, without
        Elements that must, and must not, be in a crystal.
    types
        Types of terminations: any of "ABC"; C only where an orientation has no A or B.
    slab_thickness, vacuum_thickness
        Angstrom.
    time_limit
        Longest examination, and longest survey, of one crystal, seconds.
    """

    max_index: int = 2
    limit: int = 3000
    max_atoms: int = 120
    max_sites: int = 40
    max_per_crystal: int = 8
    max_area_ratio: float = 2.0
    min_band_gap: float = 0.3
    max_hull_energy: float = 0.1
    elements: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    types: str = "ABC"
    slab_thickness: float = 20.0
    vacuum_thickness: float = 15.0
    time_limit: int = 60


@dataclass(frozen=True)
class PlannedCrystal:
    """A crystal that passed the filters, in its standard primitive cell."""

    key: str
    formula: str
    space_group_number: int
    source: str
    volume_per_atom: float
    densities: tuple[float, ...]
    hull_energy: float
    structure: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedSurface:
    """A surface of the plan; lengths in angstrom, time in seconds."""

    identifier: str
    name: str
    formula: str
    crystal: str
    source: str
    miller_index: tuple[int, int, int]
    termination: str
    termination_label: str
    n_atoms: int
    area: float
    slab_thickness: float
    broken_bonds_per_area: float


#: Reason against a crystal: it takes too long.
TIME_LIMIT = "time_limit"


def examine(candidate: Candidate, settings: PlanSettings) -> PlannedCrystal | str:
    """Validate a crystal and bring it to its standard cell; or name the reason against it."""
    try:
        with time_limit(settings.time_limit, candidate.source):
            return _examined(candidate, settings)
    except TimeLimitError:
        return TIME_LIMIT


def _examined(candidate: Candidate, settings: PlanSettings) -> PlannedCrystal | str:
    if candidate.fault:
        return candidate.reason
    gap = candidate.facts.get("band_gap")
    if gap is not None and gap < settings.min_band_gap:
        return "small_band_gap"
    if candidate.facts.get("hull_energy", 0.0) > settings.max_hull_energy:
        return "unstable"
    moment = abs(candidate.facts.get("magnetic_moment", 0.0))
    if moment > 0.1 or candidate.facts.get("magnetic", 0.0):
        return "magnetic"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            structure = Structure.from_dict(candidate.structure)
        except (AttributeError, LookupError, TypeError, ValueError):
            return UNREADABLE
        symbols = {element.symbol for element in structure.composition.elements}
        if not symbols >= set(settings.elements) or symbols & set(settings.without):
            return "elements"
        try:
            crystal = make_crystal(structure, candidate.source, notes=candidate.notes)
        except TimeLimitError:
            raise
        except SurfalignError as error:
            return type(error).__name__
    if len(crystal.structure) > settings.max_sites:
        return "large_cell"
    symmetric = symmetrize(crystal.structure)
    densities = tuple(float(x) for x in np.sort(bulk_density(symmetric)))
    identity = f"{crystal.formula} {crystal.space_group_number} {candidate.source}"
    return PlannedCrystal(
        key=hashlib.sha256(identity.encode()).hexdigest()[:16],
        formula=crystal.formula,
        space_group_number=crystal.space_group_number,
        source=candidate.source,
        volume_per_atom=symmetric.volume / len(symmetric.numbers),
        densities=densities,
        hull_energy=candidate.facts.get("hull_energy", 0.0),
        structure=crystal.structure.as_dict(),
        notes=tuple(dict.fromkeys(crystal.notes)),
    )


def ordered(crystals: Iterable[PlannedCrystal]) -> tuple[list[PlannedCrystal], int]:
    """Drop duplicates and order the rest: the most stable phase of every formula first.

    Returns
    -------
    crystals, n_duplicates
        Formulas follow one another in the order of a hash, so that a short plan is a random sample.
    """
    unique: dict[str, list[PlannedCrystal]] = defaultdict(list)
    n_duplicates = 0
    for crystal in sorted(crystals, key=lambda c: (c.formula, c.hull_energy, c.source, c.key)):
        if any(_same(crystal, other) for other in unique[crystal.formula]):
            n_duplicates += 1
        else:
            unique[crystal.formula].append(crystal)
    ranked = [
        (rank, hashlib.sha256(formula.encode()).hexdigest(), crystal)
        for formula, members in unique.items()
        for rank, crystal in enumerate(members)
    ]
    return [crystal for _, _, crystal in sorted(ranked, key=lambda r: r[:2])], n_duplicates


def survey_crystal(crystal: PlannedCrystal, settings: PlanSettings) -> list[PlannedSurface] | str:
    """Find the surfaces of a crystal that a plan may hold, fewest broken bonds first."""
    try:
        with time_limit(settings.time_limit, crystal.source):
            found = list(_surfaces(crystal, settings))
    except TimeLimitError:
        return TIME_LIMIT
    except SurfalignError as error:
        return type(error).__name__
    unique = {surface.identifier: surface for surface in found}
    best = sorted(unique.values(), key=lambda s: (round(s.broken_bonds_per_area, 4), s.identifier))
    return best[: settings.max_per_crystal]


def deal(surfaces: dict[str, list[PlannedSurface]], limit: int) -> list[PlannedSurface]:
    """Choose surfaces in rounds, one of every formula in each, until there are enough.

    Parameters
    ----------
    surfaces
        By crystal key, in the order of preference.
    limit
        Number wanted.
    """
    by_formula: dict[str, list[list[PlannedSurface]]] = defaultdict(list)
    for members in surfaces.values():
        if members:
            by_formula[members[0].formula].append(members)
    queues = {}
    for formula, groups in sorted(by_formula.items()):
        # The phases of a formula take turns as well.
        depth = max(len(group) for group in groups)
        queues[formula] = [g[i] for i in range(depth) for g in groups if i < len(g)]
    chosen: list[PlannedSurface] = []
    for turn in range(max((len(queue) for queue in queues.values()), default=0)):
        for queue in queues.values():
            if turn < len(queue) and len(chosen) < limit:
                chosen.append(queue[turn])
    return chosen


def summary(plan: list[PlannedSurface]) -> dict[str, dict[str, int]]:
    """Count the surfaces of a plan by number of elements, type, and size of the slab."""
    names = {2: "binary", 3: "ternary", 4: "quaternary"}
    elements = (sum(c.isupper() for c in surface.formula) for surface in plan)
    return {
        "formula class": dict(Counter(names.get(n, "higher") for n in elements)),
        "type": dict(sorted(Counter(surface.termination for surface in plan).items())),
        "atoms": dict(Counter(_size(surface.n_atoms) for surface in plan)),
    }


def write_plan(
    path: Path,
    plan: list[PlannedSurface],
    crystals: dict[str, PlannedCrystal],
    settings: PlanSettings,
) -> None:
    """Write a plan: one JSON object a line, the settings, then crystals, then surfaces."""
    used = sorted({surface.crystal for surface in plan})
    lines = [{"kind": "settings", **asdict(settings)}]
    lines += [{"kind": "crystal", **asdict(crystals[key])} for key in used]
    lines += [{"kind": "surface", **asdict(surface)} for surface in plan]
    write_whole(path, "".join(json.dumps(line) + "\n" for line in lines))


def _surfaces(crystal: PlannedCrystal, settings: PlanSettings) -> Iterator[PlannedSurface]:
    bulk = symmetrize(Structure.from_dict(crystal.structure))
    orientations = nonpolar_orientations(bulk, settings.max_index)
    smallest = min((o.area for o in orientations), default=0.0)
    for orientation in orientations:
        if orientation.area > settings.max_area_ratio * smallest * (1 + 1e-6):
            continue
        # The smallest slab of this orientation holds about as many atoms as a piece of bulk.
        if (
            orientation.area * settings.slab_thickness
            > 1.1 * settings.max_atoms * crystal.volume_per_atom
        ):
            continue
        for corrugated in (False, True):
            slabs = survey_orientation(
                bulk,
                orientation.miller_index,
                slab_thickness=settings.slab_thickness,
                vacuum_thickness=settings.vacuum_thickness,
                corrugated=corrugated,
            ).slabs
            if slabs or "C" not in settings.types:
                break
        for slab in slabs:
            if slab.n_atoms > settings.max_atoms or slab.termination_class not in settings.types:
                continue
            yield planned_surface(slab, crystal)


def planned_surface(slab: SurfaceSlab, crystal: PlannedCrystal) -> PlannedSurface:
    """Return the entry of a plan for a slab of a crystal."""
    return PlannedSurface(
        identifier=slab.identifier,
        name=slab.name,
        formula=slab.formula,
        crystal=crystal.key,
        source=crystal.source,
        miller_index=slab.miller_index,
        termination=slab.termination_class,
        termination_label=slab.label,
        n_atoms=slab.n_atoms,
        area=slab.area,
        slab_thickness=slab.slab_thickness,
        broken_bonds_per_area=surface_coordination(slab).broken_bonds_per_area,
    )


def _same(crystal: PlannedCrystal, other: PlannedCrystal) -> bool:
    if not same_space_group(crystal.space_group_number, other.space_group_number):
        return False
    if len(crystal.densities) != len(other.densities):
        return False
    if abs(crystal.volume_per_atom / other.volume_per_atom - 1.0) > SAME_VOLUME:
        return False
    first, second = np.array(crystal.densities), np.array(other.densities)
    if abs(first.mean() / second.mean() - 1.0) > SAME_MEAN_DENSITY:
        return False
    shapes = first / first.mean() - second / second.mean()
    if (np.abs(shapes) > SAME_DENSITIES).any():
        return False
    return same_crystal(
        Structure.from_dict(crystal.structure), Structure.from_dict(other.structure)
    )


def _size(n_atoms: int) -> str:
    for limit in (20, 40, 60, 80, 120):
        if n_atoms <= limit:
            return f"up to {limit}"
    return "over 120"
