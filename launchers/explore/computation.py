"""Where a batch is computed: on this machine at once, or in the queues of a profile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from surfalign.crystals.crystal import Crystal
from surfalign.launchers.campaign.results import bring_up_to_date
from surfalign.launchers.campaign.submission import engine_of, register_plan, release
from surfalign.launchers.cluster.launcher import TRANSIENT, JobRecord, JobState, Launcher
from surfalign.launchers.explore.loop_state import Failure
from surfalign.launchers.explore.outcomes import results_of
from surfalign.launchers.explore.pool import PooledSurface
from surfalign.launchers.local.run_crystals import CrystalOutcome, run_crystals
from surfalign.launchers.local.shares import Share
from surfalign.settings import Settings
from surfalign.stores.campaign_register import Method
from surfalign.stores.database import Database
from surfalign.workflows.flows import BandAlignmentMaker


@dataclass(frozen=True)
class Progress:
    """How far a batch is.

    Attributes
    ----------
    pending
        Keys of the surfaces that may still end either way.
    failures
        Key to the failure of those that have ended without a result.
    """

    pending: frozenset[str] = frozenset()
    failures: dict[str, Failure] = field(default_factory=dict)


class Computation(Protocol):
    """What a round needs of the place where surfaces are computed."""

    def build(self) -> None:
        """Bring the results up to date with what is finished."""

    def submit(self, plan: Path, campaign: str) -> None:
        """Hand over the surfaces of a plan; what was handed over before is not again."""

    def advance(self, surfaces: Sequence[PooledSurface]) -> Progress:
        """Compute, or look how far it is."""


class LocalComputation:
    """A batch on this machine, while the loop waits; finished steps are never repeated.

    Parameters
    ----------
    method
        How to compute.
    database
        Connected.
    settings
        Cores, memory and folders.
    on_event
        Called with a line at every event; what it raises ends the computation.
    """

    def __init__(
        self,
        method: Method,
        database: Database,
        settings: Settings,
        on_event: Callable[[str], None],
    ) -> None:
        self.method, self.database, self.settings = method, database, settings
        self.on_event = on_event

    def build(self) -> None:
        """Bring the results up to date."""
        bring_up_to_date(self.database)

    def submit(self, plan: Path, campaign: str) -> None:
        """Do nothing: there is no queue."""

    def advance(self, surfaces: Sequence[PooledSurface]) -> Progress:
        """Compute all surfaces that have no result."""
        done = results_of(surfaces, self.method, self.database)
        by_crystal: dict[str, list[PooledSurface]] = defaultdict(list)
        for surface in surfaces:
            if surface.key not in done:
                by_crystal[surface.edges].append(surface)
        groups = list(by_crystal.values())
        outcomes = run_crystals(
            [self._maker(group) for group in groups],
            [_crystal(group[0]) for group in groups],
            self.database,
            self.settings.data_directory / "runs",
            machine=Share.of_all(self.settings),
            on_event=self.on_event,
        )
        failures: dict[str, Failure] = {}
        for group, outcome in zip(groups, outcomes, strict=True):
            failures |= _failures(group, outcome)
        return Progress(failures=failures)

    def _maker(self, group: Sequence[PooledSurface]) -> BandAlignmentMaker:
        return BandAlignmentMaker(
            engine=engine_of(self.method),
            miller_indices=sorted({member.surface.miller_index for member in group}),
            surface_names=sorted(member.surface.name for member in group),
            relax_slabs=self.method.relax_slabs,
        )


class ClusterComputation:
    """The queues of a profile; ``surfalign worker`` serves them.

    Parameters
    ----------
    method
        How to compute.
    database
        Connected.
    launcher
        Of the profile.
    reruns
        How often the worker starts a job again that was lost.
    """

    def __init__(self, method: Method, database: Database, launcher: Launcher, reruns: int) -> None:
        self.method, self.database, self.launcher = method, database, launcher
        self.reruns = reruns

    def build(self) -> None:
        """Bring the results up to date, and submit what had waited for others."""
        bring_up_to_date(self.database, self.launcher)

    def submit(self, plan: Path, campaign: str) -> None:
        """Register the surfaces, and hand over those that nobody has handed over."""
        register_plan(plan, self.method, self.database, campaign=campaign)
        release(self.launcher, self.database)

    def advance(self, surfaces: Sequence[PooledSurface]) -> Progress:
        """Build what has finished; tell what may still come, and what has failed."""
        self.build()
        done = results_of(surfaces, self.method, self.database)
        missing = {surface.key: surface for surface in surfaces if surface.key not in done}
        if not missing:
            return Progress()
        stopped = list(self.launcher.jobs(states=[JobState.FAILED, JobState.CANCELLED]))
        failures = {
            key: failure
            for key, surface in missing.items()
            if (failure := self._failure(surface, stopped)) is not None
        }
        return Progress(frozenset(missing) - frozenset(failures), failures)

    def _failure(self, surface: PooledSurface, stopped: Sequence[JobRecord]) -> Failure | None:
        """Return why a surface will have no result; None where it still may."""
        for job in stopped:
            own = job.metadata.get("surface_name", surface.surface.name) == surface.surface.name
            if not own or job.metadata.get("crystal") != surface.bulk:
                continue
            will_be_rerun = job.cause in TRANSIENT and job.tries <= self.reruns
            if job.state is JobState.FAILED and will_be_rerun:
                continue
            cause = "cancelled" if job.state is JobState.CANCELLED else job.cause or "error"
            return Failure(cause=cause, step=job.step, message=job.message)
        return None


def _crystal(member: PooledSurface) -> Crystal:
    planned = member.crystal
    return Crystal(
        structure=member.bulk_structure,
        formula=planned.formula,
        name=planned.formula,
        source=planned.source,
        space_group_symbol="",
        space_group_number=planned.space_group_number,
        notes=planned.notes,
    )


def _failures(group: Sequence[PooledSurface], outcome: CrystalOutcome) -> dict[str, Failure]:
    """Return the failures of a crystal's surfaces; one of the crystal itself is that of each."""
    failed = {d.surface_name or d.formula: d.error for d in outcome.documents if d.error}
    found = {}
    for member in group:
        error = failed.get(member.surface.name) or failed.get(member.crystal.formula)
        if error is not None:
            found[member.key] = Failure(
                cause=error.error, step=error.step, message=error.message[:300]
            )
    return found
