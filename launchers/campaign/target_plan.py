"""Crystals named on the command line as a small plan, so that submission has one way in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

from pymatgen.core import Structure

from surfalign.crystals.crystal import Crystal
from surfalign.crystals.sources import load_crystal
from surfalign.errors import InvalidStructureError, TerminationError
from surfalign.launchers.campaign.submission import engine_of
from surfalign.physics.lattice.orientations import MillerIndex, nonpolar_orientations
from surfalign.physics.slabs.cleavage import default_orientation
from surfalign.physics.slabs.enumeration import enumerate_slabs
from surfalign.stores.campaign_register import Method
from surfalign.workflows.planning.crystals import Candidate
from surfalign.workflows.planning.survey import (
    PlannedCrystal,
    PlannedSurface,
    PlanSettings,
    examine,
    planned_surface,
    write_plan,
)


def write_target_plan(
    path: Path,
    targets: list[str],
    wanted: Callable[[Crystal], list[MillerIndex]],
    max_index: int | None,
    method: Method,
    load: Callable[[str], Crystal] = load_crystal,
) -> None:
    """Write the plan of some targets.

    Parameters
    ----------
    path
        File to write.
    targets
        As ``surfalign run`` takes them.
    wanted
        Returns the orientations of a target in the standard cell; with none and no ``max_index`` the
        default one is taken.
    max_index
        All nonpolar orientations up to this index.
    method
        Its engine says how thick slabs are.
    load
        Loads a target.

    Raises
    ------
    InvalidStructureError
        When a target cannot be part of a campaign.
    """
    engine = engine_of(method)
    settings = PlanSettings(
        slab_thickness=engine.slab_thickness,
        vacuum_thickness=engine.vacuum_thickness,
        max_sites=1000,
        max_hull_energy=float("inf"),
        min_band_gap=0.0,
    )
    crystals: dict[str, PlannedCrystal] = {}
    surfaces: list[PlannedSurface] = []
    for target in targets:
        crystal = load(target)
        candidate = Candidate(crystal.source, crystal.structure.as_dict(), notes=crystal.notes)
        examined = examine(candidate, settings)
        if isinstance(examined, str):
            raise InvalidStructureError(
                f"{target} cannot be submitted: {examined}",
                "a nonmagnetic crystal with a gap",
                "compute it with surfalign run, or leave it out",
            )
        crystals[examined.key] = examined
        surfaces += _surfaces(crystal, examined, wanted(crystal), max_index, settings)
    write_plan(path, surfaces, crystals, settings)


def _surfaces(
    crystal: Crystal,
    planned: PlannedCrystal,
    indices: list[MillerIndex],
    max_index: int | None,
    settings: PlanSettings,
) -> list[PlannedSurface]:
    bulk = Structure.from_dict(planned.structure)
    chosen = list(indices)
    if max_index is not None:
        chosen += [o.miller_index for o in nonpolar_orientations(bulk, max_index)]
    elif not chosen:
        chosen = [crystal.default_orientation or default_orientation(bulk)]
    slabs = {}
    for index in chosen:
        # An orientation without a slab is an error only where it was asked for by name.
        asked_for = index in indices or max_index is None
        with nullcontext() if asked_for else suppress(TerminationError):
            for slab in enumerate_slabs(
                bulk,
                index,
                slab_thickness=settings.slab_thickness,
                vacuum_thickness=settings.vacuum_thickness,
            ):
                slabs[slab.name] = slab
    return [planned_surface(slab, planned) for slab in slabs.values()]
