"""Submission: from a plan, through the register, into a launcher; nothing twice, nothing lost.

Every surface is registered first. Then the flows of all crystals with unsubmitted surfaces are built and
handed over in batches, each crystal under a lock. A submitter may be killed at any point, and any number
may work at once: the next pass, by anybody, takes up what was left.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from jobflow import Flow
from pymatgen.core import Structure

from surfalign.batches import batches
from surfalign.errors import SurfalignError
from surfalign.launchers.cluster.launcher import JobState, Launcher
from surfalign.launchers.cluster.profiles import Profile
from surfalign.launchers.database.server import open_database
from surfalign.stores.campaign_register import (
    CampaignRegister,
    CrystalEntry,
    LockedCrystal,
    Method,
    SurfaceEntry,
)
from surfalign.stores.database import Database
from surfalign.stores.jobstore import finished_uuids
from surfalign.workflows.earlier_uuids import EarlierUuids, earlier_uuids
from surfalign.workflows.engines.engine import Engine, get_engine
from surfalign.workflows.identity import content_uuid, without_finished
from surfalign.workflows.planning.plan_file import crystal_flow, read_plan
from surfalign.workflows.planning.survey import PlannedCrystal, PlannedSurface

#: Crystals registered, or built and handed over, at a time.
BATCH_SIZE = 100

#: Seconds between two passes of a worker over the register.
RELEASE_INTERVAL = 60.0

Progress = Callable[[str, int, int], None]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SubmissionReport:
    """What a submission did.

    Parameters
    ----------
    surfaces
        Surfaces asked for.
    new
        Those that nobody had submitted before.
    flows
        Flows handed to the launcher: one a crystal.
    waiting
        Surfaces that are registered and wait for the bulk steps of their crystal, which an earlier
        submission brought under way, or that somebody else is submitting.
    """

    surfaces: int
    new: int
    flows: int
    waiting: int


def submit_plan(
    plan: Path,
    method: Method,
    launcher: Launcher,
    database: Database,
    *,
    campaign: str,
    limit: int | None = None,
    on_progress: Progress = lambda what, done, total: None,
) -> SubmissionReport:
    """Register the surfaces of a plan and hand the flows of the new ones to a launcher.

    Parameters
    ----------
    plan
        Written by ``surfalign plan``.
    method
        How to compute them.
    launcher
        Where the flows go.
    database
        Where the register is, and the outputs of finished steps.
    campaign
        Label by which these surfaces can be listed.
    limit
        How many surfaces at most, in the order of the plan's crystals; None for all.
    on_progress
        Called with what is being done, how many are done, and how many there are.

    Raises
    ------
    ConfigurationError
        When the plan cannot be read or the engine is unknown.
    """
    total, new = register_plan(
        plan, method, database, campaign=campaign, limit=limit, on_progress=on_progress
    )
    flows = release(launcher, database, on_progress=on_progress)
    waiting = CampaignRegister(database).count_waiting(campaign)
    return SubmissionReport(surfaces=total, new=new, flows=flows, waiting=waiting)


def register_plan(
    plan: Path,
    method: Method,
    database: Database,
    *,
    campaign: str,
    limit: int | None = None,
    on_progress: Progress = lambda what, done, total: None,
) -> tuple[int, int]:
    """Register the surfaces of a plan; return how many it asks for and how many were new."""
    registry = CampaignRegister(database)
    earlier = earlier_uuids(database)
    total = new = 0
    for batch in batches(_limited(read_plan(plan), limit), BATCH_SIZE):
        crystals = _crystal_entries([crystal for crystal, _ in batch], method, earlier)
        surfaces = [
            _surface_entry(surface, entry.key)
            for entry, (_, members) in zip(crystals, batch, strict=True)
            for surface in members
        ]
        new += registry.register(crystals, surfaces, campaign)
        total += len(surfaces)
        on_progress("registered", total, 0)
    return total, new


def planned(
    plan: Path, method: Method, database: Database, limit: int | None = None
) -> SubmissionReport:
    """Tell what a submission of a plan would do, without doing it."""
    registry = CampaignRegister(database)
    earlier = earlier_uuids(database)
    total = known = flows = 0
    for batch in batches(_limited(read_plan(plan), limit), BATCH_SIZE):
        crystals = _crystal_entries([crystal for crystal, _ in batch], method, earlier)
        crystal_of = {
            _surface_entry(surface, entry.key).key: entry.key
            for entry, (_, members) in zip(crystals, batch, strict=True)
            for surface in members
        }
        there = registry.known(crystal_of)
        total += len(crystal_of)
        known += len(there)
        flows += len({key for surface, key in crystal_of.items() if surface not in there})
    return SubmissionReport(surfaces=total, new=total - known, flows=flows, waiting=0)


def release(
    launcher: Launcher,
    database: Database,
    *,
    on_progress: Progress = lambda what, done, total: None,
) -> int:
    """Hand the flows of all registered surfaces that can be submitted to a launcher.

    These are the surfaces just registered, those of a submitter that died, and those whose crystal's
    bulk steps have finished since they were registered.

    Returns
    -------
    int
        Number of flows handed over.
    """
    registry, earlier = CampaignRegister(database), earlier_uuids(database)
    keys = list(registry.unsubmitted())
    done = n_flows = 0
    for group in batches(keys, BATCH_SIZE):
        locked = registry.lock(group)
        try:
            n_flows += _release(locked, registry, launcher, database, earlier)
        finally:
            registry.unlock([crystal.entry.key for crystal in locked])
        done += len(group)
        on_progress("submitted", done, len(keys))
    return n_flows


class Releaser:
    """Release registered surfaces whose crystal is free again, or whose submitter died.

    Parameters
    ----------
    profile
        Names the database.
    launcher
        Takes the flows.
    """

    def __init__(self, profile: Profile, launcher: Launcher) -> None:
        self.profile = profile
        self.launcher = launcher
        self._last = float("-inf")

    def __call__(self, *, now: bool = False) -> int:
        """Make a pass if one is due, or ``now``; return how many flows were handed over."""
        if not now and time.monotonic() - self._last < RELEASE_INTERVAL:
            return 0
        self._last = time.monotonic()
        try:
            with open_database(self.profile.settings()) as database, database.errors_named():
                return release(self.launcher, database)
        except SurfalignError as error:
            # The jobs that are under way need the loop, whatever is wrong with the register.
            logger.warning("no surfaces released: %s", error)
            return 0


def _release(
    locked: Sequence[LockedCrystal],
    registry: CampaignRegister,
    launcher: Launcher,
    database: Database,
    earlier: EarlierUuids | None,
) -> int:
    """Build and hand over the flows of crystals whose locks we hold."""
    settled = [_settle(crystal, registry, launcher) for crystal in locked]
    built = {crystal.entry.key: _flow(crystal, earlier) for crystal in settled if crystal.new}
    finished = finished_uuids(
        database.jobs, [job.uuid for flow in built.values() for job in flow.jobs]
    )
    chosen: dict[str, Flow] = {}
    for crystal in settled:
        flow = built.get(crystal.entry.key)
        if flow is None:
            continue
        bulk_steps = {job.uuid for job in flow.jobs[:-1]}
        if crystal.has_flow and not bulk_steps <= finished and _has_any(launcher, bulk_steps):
            # An earlier flow computes the bulk, or failed to: these surfaces wait for it.
            continue
        chosen[crystal.entry.key] = flow
    entries = {crystal.entry.key: crystal for crystal in settled}
    allowed = registry.begin(
        {
            key: (flow.jobs[0].uuid, flow.jobs[-1].uuid, [s.key for s in entries[key].new])
            for key, flow in chosen.items()
        }
    )
    handed = {key: flow for key, flow in chosen.items() if key in allowed}
    if not handed:
        return 0
    ends = {key: flow.jobs[-1].uuid for key, flow in handed.items()}
    launcher.submit([_remaining(flow, finished, database) for flow in handed.values()])
    registry.finish(ends)
    return len(handed)


def _settle(
    crystal: LockedCrystal, registry: CampaignRegister, launcher: Launcher
) -> LockedCrystal:
    """Find out what became of flows whose submitter died while it handed them over."""
    if not crystal.doubtful:
        return crystal
    arrived = {record.uuid for record in launcher.jobs(uuids=list(crystal.doubtful))}
    new, has_flow = list(crystal.new), crystal.has_flow
    for flow, surfaces in crystal.doubtful.items():
        if flow in arrived:
            registry.finish({crystal.entry.key: flow})
            has_flow = True
        else:
            registry.put_back(surfaces)
            new += surfaces
    return crystal.model_copy(update={"new": new, "has_flow": has_flow, "doubtful": {}})


def _has_any(launcher: Launcher, uuids: set[str]) -> bool:
    return any(
        record.state is not JobState.CANCELLED for record in launcher.jobs(uuids=list(uuids))
    )


def _flow(crystal: LockedCrystal, earlier: EarlierUuids | None) -> Flow:
    entry = crystal.entry
    return crystal_flow(
        Structure.from_dict(entry.structure),
        entry.source,
        [(surface.name, surface.miller_index) for surface in crystal.new],
        engine_of(entry.method),
        relax=entry.method.relax_slabs,
        earlier=earlier,
        notes=entry.notes,
    )


def _remaining(flow: Flow, finished: set[str], database: Database) -> Flow:
    """Leave out the steps that some earlier run has finished."""
    if not any(job.uuid in finished for job in flow.jobs):
        return flow
    # The last job, which adds the surfaces, always stays.
    return without_finished(flow, database.jobs) or flow


@lru_cache(maxsize=32)
def engine_of(method: Method) -> Engine:
    """Return the engine of a method.

    Raises
    ------
    ConfigurationError
        When the engine or one of its options is unknown.
    """
    return get_engine(
        method.engine,
        quality=method.quality.value,
        functional=method.functional.value,
        equation_of_state=method.fit_volume,
        **dict(method.options),
    )


def _crystal_entries(
    crystals: Sequence[PlannedCrystal], method: Method, earlier: EarlierUuids | None
) -> list[CrystalEntry]:
    """Return the register's entries of crystals; those from before version 0.2 keep their keys."""
    # The method counts with all its settings, as they are now.
    content = ("method", engine_of(method), method.relax_slabs)
    signature = content_uuid(*content)
    known = earlier.crystal_keys(content, crystals) if earlier is not None else {}
    return [
        CrystalEntry(
            key=known.get(crystal.key) or content_uuid("crystal", signature, crystal.structure),
            formula=crystal.formula,
            source=crystal.source,
            structure=crystal.structure,
            method=method,
            notes=list(crystal.notes),
        )
        for crystal in crystals
    ]


def _surface_entry(surface: PlannedSurface, crystal: str) -> SurfaceEntry:
    return SurfaceEntry(
        key=content_uuid("surface", crystal, surface.name),
        crystal=crystal,
        formula=surface.formula,
        name=surface.name,
        miller_index=surface.miller_index,
        termination=surface.termination,
        n_atoms=surface.n_atoms,
        identifier=surface.identifier,
    )


def _limited(
    crystals: Iterable[tuple[PlannedCrystal, list[PlannedSurface]]], limit: int | None
) -> Iterable[tuple[PlannedCrystal, list[PlannedSurface]]]:
    """Stop after so many surfaces."""
    left = limit
    for crystal, surfaces in crystals:
        members = surfaces if left is None else list(islice(surfaces, left))
        if not members:
            return
        yield crystal, members
        if left is not None:
            left -= len(members)
