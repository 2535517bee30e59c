"""What every launcher offers: flows in, states of jobs with the causes of failures out.

``fireworks`` and ``remote`` (jobflow-remote) fulfil the same small protocol, so that submission, status
and retries are written once.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, Self

from surfalign import slurm_words
from surfalign.errors import ConfigurationError
from surfalign.launchers.cluster.profiles import LAUNCHER_GROUP
from surfalign.plugins import PluginGroup, call_problem

if TYPE_CHECKING:
    from datetime import datetime
    from threading import Event

    from jobflow import Flow

    from surfalign.launchers.cluster.profiles import Profile


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"  # for other jobs
    READY = "ready"  # for a worker
    QUEUED = "queued"  # in SLURM's queue
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class Cause(StrEnum):
    """Why a job failed, as ``retry --cause`` takes it."""

    WALLTIME = "walltime"
    MEMORY = "memory"
    NODE = "node"  # the node failed or SLURM lost it
    KILLED = "killed"  # the process or SLURM job ended silently
    CANCELLED = "cancelled"  # by scancel
    DISK = "disk"  # no space in the work directory
    DATABASE = "database"  # lost on the way
    SUBMISSION = "submission"  # SLURM refused the job
    CONVERGENCE = "convergence"
    ENVIRONMENT = (
        "environment"  # modules, commands or packages of the queue, before anything computed
    )
    ERROR = "error"  # any other exception: see the message


#: Causes that say nothing against the calculation: such jobs are run again by the worker.
TRANSIENT = frozenset({Cause.NODE, Cause.KILLED, Cause.CANCELLED, Cause.DATABASE, Cause.SUBMISSION})


@dataclass(frozen=True)
class JobRecord:
    """One job of a campaign, without its inputs and outputs.

    Attributes
    ----------
    uuid, name, step
        Identity (content-derived), label and kind of step.
    state
        Where it stands.
    cause, message
        Why it failed, in one word (a :class:`Cause`) and in one line; empty where it did not.
    queue
        Queue of the profile.
    metadata
        The job's metadata: formula, source, surface_name, miller_index, result_identifiers, ...
    raised
        By what factors it asks for more ``walltime`` or ``memory`` than estimated, after failures.
    stuck
        Why it does not get on although it has not failed, e.g. held in SLURM's queue; empty where it does.
    tries
        How often it was started.
    """

    uuid: str
    name: str
    step: str
    state: JobState
    cause: str = ""
    message: str = ""
    queue: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    raised: dict[str, float] = field(default_factory=dict)
    tries: int = 0
    stuck: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None


class Launcher(Protocol):
    """A connected launcher; a context manager that closes its connections."""

    def __enter__(self) -> Self:
        """Return the launcher itself."""
        ...

    def __exit__(self, *exception: object) -> None:
        """Close the connections."""
        ...

    def submit(self, flows: Iterable[Flow]) -> int:
        """Add flows, routed to the queues of the profile; return how many were added."""
        ...

    def counts(self) -> dict[str, dict[JobState, int]]:
        """Count the jobs by step and state, in one aggregation."""
        ...

    def jobs(
        self,
        uuids: Collection[str] | None = None,
        states: Collection[JobState] | None = None,
    ) -> Iterator[JobRecord]:
        """Yield jobs, all by default, through projections that leave inputs and outputs out."""
        ...

    def rerun(self, uuids: Collection[str]) -> int:
        """Make failed or cancelled jobs ready again; return how many.

        Those that failed for want of time or memory ask for more, where their queue goes by estimates.
        """
        ...

    def cancel(self, uuids: Collection[str] | None = None) -> int:
        """End jobs that are not done, those in SLURM too; return how many."""
        ...

    def pause(self, uuids: Collection[str] | None = None) -> int:
        """Hold jobs that have not started; return how many."""
        ...

    def resume(self, uuids: Collection[str] | None = None) -> int:
        """Release held jobs; return how many."""
        ...


class BetweenRounds(Protocol):
    """What a worker calls between two rounds, so that it need not know what else there is to do."""

    def __call__(self, *, now: bool = False) -> int:
        """Do it where it is due, or ``now`` in any case; return how many flows were added."""
        ...


def nothing(*, now: bool = False) -> int:
    """Do nothing between two rounds."""
    return 0


#: Launcher name to its worker, the function ``work(launcher, between_rounds, *, once, stop)``.
WORKERS = {
    "fireworks": "surfalign.launchers.cluster.fireworks.worker:work",
    "remote": "surfalign.launchers.cluster.remote.worker:work",
}
#: The workers of surfalign and of other packages, under the names of their launchers.
WORKER_GROUP = PluginGroup(
    "surfalign.workers",
    "worker",
    WORKERS,
    lambda part: call_problem(part, "launcher", nothing, once=True, stop=None),
)


def open_launcher(profile: Profile, cluster: str | None = None) -> Launcher:
    """Return the launcher that a profile names; it connects when it is first asked for something.

    Parameters
    ----------
    profile
        Where jobs run.
    cluster
        Whose queues a worker serves; by default the only one.

    Raises
    ------
    ConfigurationError
        When the profile runs everything on this machine, without a workflow manager.
    PluginError
        When another package adds the launcher and it cannot be used.
    """
    if profile.launcher == "local":
        raise ConfigurationError(
            f"profile '{profile.name}' has the launcher '{profile.launcher}', which has no queue",
            f"one of {', '.join(LAUNCHER_GROUP.names())}",
            "compute on this machine with surfalign run, or take another profile",
        )
    launcher: Launcher = LAUNCHER_GROUP.load(profile.launcher)(profile, cluster)
    return launcher


def run_worker(
    profile: Profile,
    launcher: Launcher,
    between_rounds: BetweenRounds,
    *,
    once: bool = False,
    stop: Event | None = None,
) -> None:
    """Hand jobs to SLURM, find what was lost and run it again, until interrupted.

    Parameters
    ----------
    profile
        Names the launcher.
    launcher
        Opened.
    between_rounds
        Called between two rounds.
    once
        End when nothing is left that could still run.
    stop
        Ends the loop when it is set.
    """
    WORKER_GROUP.load(profile.launcher)(launcher, between_rounds, once=once, stop=stop)


def classify(error: str) -> Cause:
    """Name the cause of a failure from its traceback, or from the last words of its job.

    Parameters
    ----------
    error
        Traceback or message, the exception in the last lines; SLURM's own lines count wherever they are.
    """
    lines = error.strip().splitlines()
    last = "\n".join(lines[-3:])
    if any(mark in last for mark in _DISK):
        return Cause.DISK
    of_slurm = "\n".join(line for line in lines if _OF_SLURM.search(line))
    if told := slurm_words.cause_in(of_slurm) or slurm_words.cause_in(last):
        return Cause(told)
    for cause, marks in _MARKS.items():
        if any(mark in last for mark in marks):
            return cause
    return Cause.ERROR


_DISK = ("No space left on device", "Disk quota exceeded", "OutOfDisk")
_MARKS = {
    Cause.MEMORY: ("MemoryError", "InsufficientMemoryError"),
    Cause.DATABASE: (
        "pymongo.errors.",
        "ServerSelectionTimeoutError",
        "AutoReconnect",
        "DatabaseUnreachableError",
    ),
    Cause.KILLED: ("EngineKilledError", "SystemExit", "KeyboardInterrupt"),
    Cause.CONVERGENCE: ("ConvergenceError",),
    Cause.ENVIRONMENT: ("MissingDependencyError",),
}
#: Lines of SLURM's daemons, of its scripts and of the shell lines that we give it.
_OF_SLURM = re.compile(r"slurm|\bsrun\b|^\[[\dT:.-]+\] error:|surfalign:", re.IGNORECASE)


def last_line(error: str, length: int = 300) -> str:
    """Return the line of a traceback that says what happened."""
    lines = [line for line in error.strip().splitlines() if line.strip()]
    return lines[-1].strip()[:length] if lines else ""
