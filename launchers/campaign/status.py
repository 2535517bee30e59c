"""Where a campaign stands: jobs by step, surfaces by state, failures by cause, rate and what remains."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from surfalign.batches import batches
from surfalign.launchers.cluster.job_table import FACTS, troubles_in
from surfalign.launchers.cluster.launcher import JobRecord, JobState
from surfalign.stores.campaign_register import CampaignRegister, SurfaceState
from surfalign.stores.database import JOBS
from surfalign.stores.jobstore import recent_jobs
from surfalign.stores.vocabulary import quantity
from surfalign.workflows.routing import STEPS

if TYPE_CHECKING:
    from surfalign.launchers.cluster.launcher import Launcher
    from surfalign.launchers.cluster.profiles import Profile
    from surfalign.stores.database import Database

#: Finished jobs from which mean times and the rate are taken.
SAMPLE_SIZE = 300
#: Jobs looked at in one go.
BATCH_SIZE = 500
#: Steps that each surface brings, though their jobs do not exist before its crystal is cut.
_SURFACE_STEPS = ("slab relaxation", "slab potential")
_STOPPED = (JobState.FAILED, JobState.CANCELLED)
_UNFINISHED = (
    JobState.WAITING, JobState.READY, JobState.QUEUED, JobState.RUNNING, JobState.PAUSED
)  # fmt: skip


class FailureGroup(BaseModel):
    """Failed jobs of one cause and step."""

    cause: str
    step: str
    jobs: int
    surfaces: int = Field(description="Surfaces that wait for them")
    example: str = Field(description="Name of one of the jobs")
    message: str = Field(description="Its message")


class StuckGroup(BaseModel):
    """Jobs that do not get on for one reason, though none has failed."""

    reason: str
    jobs: int
    example: str = Field(description="Name of one of the jobs")


class CampaignStatus(BaseModel):
    """A campaign at one moment."""

    at: datetime
    surfaces: int = Field(description="Registered surfaces")
    done: int
    failed: int = Field(description="Surfaces with a failed or cancelled step")
    running: int = Field(description="Surfaces with a step that runs or is in SLURM's queue")
    waiting: int
    unsubmitted: int = Field(description="Those among the waiting that no launcher has yet")
    steps: dict[str, dict[str, int]] = Field(description="Jobs by step and state")
    failures: list[FailureGroup]
    stuck: list[StuckGroup] = Field(description="Jobs in SLURM's queue that do not get on")
    troubles: dict[str, str] = Field(description="What keeps queues and clusters from working")
    surfaces_per_hour: float | None = quantity(
        "1/h", f"Surfaces finished per hour, over the last {SAMPLE_SIZE} jobs"
    )
    spent_node_hours: float = quantity("h", "Node hours of the jobs that are done, estimated")
    remaining_node_hours: float | None = quantity(
        "h", "Node hours of the jobs to come; None before a job of each kind is done"
    )
    finished_at: datetime | None = Field(description="Estimated end, UTC")


def campaign_status(
    launcher: Launcher,
    database: Database,
    profile: Profile,
    counts: dict[str, dict[JobState, int]],
    now: datetime | None = None,
) -> CampaignStatus:
    """Look at a campaign; everything is counted by the database or read in part.

    Parameters
    ----------
    launcher
        Connected.
    database
        Where the register and the outputs are.
    profile
        Tells how many nodes a step takes.
    counts
        Of the launcher: jobs by step and state.
    now
        The moment, UTC.
    """
    now = now or datetime.now(UTC)
    registry = CampaignRegister(database)
    total, submitted = registry.counts()
    stopped = _Affected(registry)
    groups = _failure_groups(launcher.jobs(states=_STOPPED), stopped)
    active, stuck = _Affected(registry), _Stuck()
    under_way = launcher.jobs(states=(JobState.QUEUED, JobState.RUNNING))
    for batch in batches(under_way, BATCH_SIZE):
        active.add(batch)
        stuck.add(batch)
    done = counts.get("alignment", {}).get(JobState.DONE, 0)
    failed = len(stopped.surfaces)
    running = len(active.surfaces - stopped.surfaces)
    pace = _Pace(recent_jobs(database.collection(JOBS), SAMPLE_SIZE), profile, now)
    remaining = pace.node_hours(_remaining_jobs(counts, total))
    spent = pace.node_hours({step: c.get(JobState.DONE, 0) for step, c in counts.items()})
    return CampaignStatus(
        at=now,
        surfaces=total,
        done=done,
        failed=failed,
        running=running,
        waiting=max(total - done - failed - running, 0),
        unsubmitted=total - submitted,
        steps={
            step: {state.value: number for state, number in sorted(counts[step].items())}
            for step in (*STEPS, *sorted(set(counts) - set(STEPS)))
            if step in counts
        },
        failures=groups,
        stuck=stuck.groups(),
        troubles=troubles_in(database.collection(FACTS)),
        surfaces_per_hour=pace.surfaces_per_hour,
        spent_node_hours=spent or 0.0,
        remaining_node_hours=remaining,
        finished_at=pace.end_of(remaining),
    )


class SurfaceRow(BaseModel):
    """One registered surface, for lists."""

    formula: str
    name: str
    source: str = ""
    state: str
    step: str = Field(default="", description="Step that runs, failed, or comes next")
    cause: str = ""
    message: str = ""


#: What says most of a surface comes first.
_RANK = (
    JobState.FAILED, JobState.CANCELLED, JobState.RUNNING, JobState.QUEUED, JobState.PAUSED,
    JobState.READY, JobState.WAITING, JobState.DONE,
)  # fmt: skip


def surface_rows(
    launcher: Launcher, database: Database, campaign: str | None = None
) -> Iterator[SurfaceRow]:
    """Yield the registered surfaces with their states.

    Of each job only what names it is read, and a line of it kept.

    Parameters
    ----------
    launcher, database
        Connected.
    campaign
        Only surfaces of this label.
    """
    of_crystal: dict[str, JobRecord] = {}
    of_surface: dict[tuple[str, str], JobRecord] = {}
    finished: set[tuple[str, str]] = set()
    for record in launcher.jobs():
        crystal, name = record.metadata.get("crystal", ""), record.metadata.get("surface_name")
        if name is None:
            _keep_worst(of_crystal, crystal, record)
        elif record.step == "alignment" and record.state is JobState.DONE:
            finished.add((crystal, name))
        else:
            _keep_worst(of_surface, (crystal, name), record)
    for surface in CampaignRegister(database).listed(campaign):
        key = (surface.get("bulk", ""), surface["name"])
        row = SurfaceRow(formula=surface["formula"], name=surface["name"], state="waiting")
        decisive = of_surface.get(key) or of_crystal.get(key[0])
        if key in finished:
            yield row.model_copy(update={"state": "done"})
        elif surface["state"] != SurfaceState.SUBMITTED.value or decisive is None:
            yield row.model_copy(update={"step": "submission"})
        else:
            yield _row(row, decisive, key in of_surface)


def _row(row: SurfaceRow, record: JobRecord, own: bool) -> SurfaceRow:
    state = record.state.value
    if record.state is JobState.CANCELLED:
        state = JobState.FAILED.value
    if record.state in (JobState.READY, JobState.PAUSED) or (
        record.state is JobState.DONE and not own
    ):
        state = JobState.WAITING.value
    cause = record.cause or ("cancelled" if record.state is JobState.CANCELLED else "")
    return row.model_copy(
        update={
            "state": state,
            "step": record.step,
            "source": record.metadata.get("source", ""),
            "cause": cause,
            "message": record.message or record.stuck,
        }
    )


def _keep_worst(records: dict[Any, JobRecord], key: Any, record: JobRecord) -> None:
    known = records.get(key)
    if known is None or _RANK.index(record.state) < _RANK.index(known.state):
        records[key] = record


class _Affected:
    """The surfaces that a set of jobs belongs to."""

    def __init__(self, registry: CampaignRegister) -> None:
        self.registry = registry
        self.surfaces: set[str] = set()

    def add(self, records: list[JobRecord]) -> dict[str, set[str]]:
        """Add the surfaces of some jobs; return them by job."""
        crystals = {r.metadata.get("crystal", "") for r in records if not _own(r)}
        names = self.registry.names_of(crystals)
        found: dict[str, set[str]] = {}
        for record in records:
            crystal = record.metadata.get("crystal", "")
            own = {f"{crystal} {record.metadata['surface_name']}"} if _own(record) else set()
            found[record.uuid] = own or {f"{crystal} {name}" for name in names.get(crystal, ())}
            self.surfaces |= found[record.uuid]
        return found


class _Stuck:
    """The jobs that do not get on, by reason."""

    def __init__(self) -> None:
        self._jobs: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def add(self, records: list[JobRecord]) -> None:
        """Add those of some jobs that are stuck."""
        for record in records:
            if record.stuck:
                self._jobs[record.stuck] += 1
                self._examples.setdefault(record.stuck, record.name)

    def groups(self) -> list[StuckGroup]:
        """Return the reasons, the most frequent first."""
        return [
            StuckGroup(reason=reason, jobs=number, example=self._examples[reason])
            for reason, number in self._jobs.most_common()
        ]


def _own(record: JobRecord) -> bool:
    return "surface_name" in record.metadata


def _failure_groups(records: Iterable[JobRecord], affected: _Affected) -> list[FailureGroup]:
    examples: dict[tuple[str, str], JobRecord] = {}
    jobs: Counter[tuple[str, str]] = Counter()
    surfaces: dict[tuple[str, str], set[str]] = defaultdict(set)
    for batch in batches(records, BATCH_SIZE):
        found = affected.add(batch)
        for record in batch:
            cause = record.cause or ("cancelled" if record.state is JobState.CANCELLED else "error")
            key = (cause, record.step)
            # FireWorks cancels one by one; the jobs behind a cancelled one do not count.
            examples.setdefault(key, record)
            jobs[key] += 1
            surfaces[key] |= found[record.uuid]
    return [
        FailureGroup(
            cause=cause,
            step=step,
            jobs=number,
            surfaces=len(surfaces[cause, step]),
            example=examples[cause, step].name,
            message=examples[cause, step].message,
        )
        for (cause, step), number in jobs.most_common()
    ]


def _remaining_jobs(counts: dict[str, dict[JobState, int]], total: int) -> dict[str, int]:
    """Count the jobs to come by step, those too that do not exist yet."""
    remaining = {
        step: sum(states.get(state, 0) for state in _UNFINISHED) for step, states in counts.items()
    }
    unborn = max(total - sum(counts.get("alignment", {}).values()), 0)
    for step in _SURFACE_STEPS:
        if step != "slab relaxation" or step in counts or "slab potential" not in counts:
            remaining[step] = remaining.get(step, 0) + unborn
    return remaining


class _Pace:
    """How long steps take and how much is done an hour, from the latest jobs."""

    def __init__(self, sample: list[dict[str, Any]], profile: Profile, now: datetime) -> None:
        self.now = now
        self.profile = profile
        times: dict[str, list[float]] = defaultdict(list)
        ends: list[datetime] = []
        surfaces = 0
        for job in sample:
            step, end, wall_time = job["step"], job["ended_at"], job["wall_time"]
            if end is not None:
                ends.append(end)
            if wall_time is not None:
                times[step].append(wall_time)
            surfaces += step == "alignment" and end is not None
        self.mean = {step: sum(values) / len(values) for step, values in times.items()}
        # One job tells no rate.
        self.hours = (now - min(ends)) / timedelta(hours=1) if len(ends) > 1 else 0.0
        delivered = [self._nodes(step) * sum(values) / 3600 for step, values in times.items()]
        self.node_hours_per_hour = sum(delivered) / self.hours if self.hours > 0 else 0.0
        self.surfaces_per_hour = surfaces / self.hours if self.hours > 0 else None

    def node_hours(self, jobs: dict[str, int]) -> float | None:
        """Estimate the cost of jobs; None where a kind that costs was never seen."""
        total = 0.0
        for step, number in jobs.items():
            if number and step not in self.mean and step not in ("surfaces", "alignment"):
                return None
            total += number * self.mean.get(step, 0.0) / 3600 * self._nodes(step)
        return total

    def end_of(self, remaining: float | None) -> datetime | None:
        """Estimate when so many node hours are done at the present rate."""
        if remaining is None or self.node_hours_per_hour <= 0:
            return None
        hours = remaining / self.node_hours_per_hour
        return self.now + timedelta(hours=min(hours, 24 * 365 * 100))

    def _nodes(self, step: str) -> int:
        queues = self.profile.queues
        return queues[self.profile.queue_of(step)].nodes if queues else 1
