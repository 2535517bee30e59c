"""Run a flow on this machine, through jobflow's local manager, with progress, resume and failures.

jobflow's manager logs the exception of a failed job and goes on with the jobs that do not depend on
it; :class:`RunMonitor` listens to that log, so that every failure is known by name and can be stored.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from jobflow import CURRENT_JOB, Flow, JobStore
from jobflow.managers.local import run_locally
from pymongo.errors import PyMongoError

from surfalign.errors import DatabaseUnreachableError
from surfalign.workflows.identity import without_finished

#: Engines report what they are doing through this logger.
PROGRESS_LOGGER = "surfalign.progress"


@dataclass(frozen=True)
class StepFailure:
    """A job that raised, and why."""

    uuid: str
    name: str
    metadata: dict[str, Any]
    error: BaseException


@dataclass
class RunMonitor(logging.Handler):
    """Listens to jobflow's log while a flow runs.

    Parameters
    ----------
    on_event
        Called with a line for people: a job started, finished, failed, or the engine's progress.
    """

    on_event: Callable[[str], None]
    failures: list[StepFailure] = field(default_factory=list)

    def __post_init__(self) -> None:
        logging.Handler.__init__(self, level=logging.INFO)

    __hash__ = object.__hash__

    def emit(self, record: logging.LogRecord) -> None:
        """Translate one log record."""
        message = record.getMessage()
        if record.name == PROGRESS_LOGGER:
            self.on_event(message)
        elif message.startswith("Starting job - "):
            self.on_event(f"{_job_name(message)}: started")
        elif "failed with exception" in message:
            self._note_failure(sys.exc_info()[1])

    def _note_failure(self, error: BaseException | None) -> None:
        # jobflow resets CURRENT_JOB after success only, so here it still is the job that raised.
        job = CURRENT_JOB.job
        if error is None or job is None:
            return
        self.failures.append(StepFailure(job.uuid, job.name, dict(job.metadata), error))
        self.on_event(f"{job.name}: failed: {type(error).__name__}: {error}")


def _job_name(message: str) -> str:
    return message.removeprefix("Starting job - ").rpartition(" (")[0]


def run_flow(
    flow: Flow,
    store: JobStore,
    directory: Path,
    *,
    reuse: bool = True,
    on_event: Callable[[str], None] = lambda line: None,
) -> list[StepFailure]:
    """Run a flow to its end; steps that finished in an earlier run are not run again.

    Parameters
    ----------
    flow
        With content-derived uuids (:mod:`surfalign.workflows.identity`).
    store
        Where outputs are kept.
    directory
        Where a folder for this run is made; it is removed if the jobs leave nothing there.
    reuse
        Whether outputs in the store are taken over.
    on_event
        Called with a line at every event.

    Returns
    -------
    list of StepFailure
        One entry for each job that raised; jobs that depend on it did not run.

    Raises
    ------
    DatabaseUnreachableError
        When the store is lost on the way.
    """
    remaining = without_finished(flow, store) if reuse else flow
    if remaining is None:
        return []
    monitor = RunMonitor(on_event)
    loggers = [logging.getLogger(name) for name in ("jobflow", PROGRESS_LOGGER)]
    for logger in loggers:
        logger.addHandler(monitor)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    directory.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix="run-", dir=directory))
    try:
        with warnings.catch_warnings():
            # Surfaces of one crystal do not depend on each other: nothing to warn of.
            warnings.filterwarnings("ignore", message="Some jobs are not connected")
            warnings.filterwarnings("ignore", message="cd is deprecated", category=FutureWarning)
            run_locally(remaining, log=False, store=store, create_folders=True, root_dir=folder)
    finally:
        for logger in loggers:
            logger.removeHandler(monitor)
        _remove_empty(folder)
    _raise_when_database_lost(monitor.failures)
    return monitor.failures


def _remove_empty(folder: Path) -> None:
    """Remove the jobs' folders, unless something was left in them."""
    for path in [*folder.iterdir(), folder]:
        with suppress(OSError):
            path.rmdir()


def _raise_when_database_lost(failures: list[StepFailure]) -> None:
    for failure in failures:
        if isinstance(failure.error, PyMongoError):
            raise DatabaseUnreachableError(
                f"the database was lost during '{failure.name}' ({type(failure.error).__name__})",
                "a database that answers until the end of the run",
                "bring it back (surfalign db status) and run the same command: "
                "finished steps are stored",
            ) from failure.error
