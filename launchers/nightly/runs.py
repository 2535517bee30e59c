"""Nightly work: one run at a time, each with its log and its dated report.

A report is a file below the data directory and, where the database answers, a document in it, so that
``surfalign status`` shows a failed night to everybody, also one that never came to its end.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import BaseModel, Field, ValidationError

from surfalign.errors import ConfigurationError, SurfalignError
from surfalign.files import write_whole
from surfalign.launchers.cluster.profiles import load_profile
from surfalign.launchers.database.server import local_server, open_database
from surfalign.launchers.nightly.lasting import profile_in
from surfalign.processes import is_same_process, owner
from surfalign.settings import Settings, load_settings
from surfalign.stores.database import CAMPAIGN_SURFACES, JOBS, SURFACE_LEVELS, Database

#: What can be done at night, and the command that does it. A night has the time to compare everything.
TASKS = {
    "build": ("build", "--all"),
    "retrain": ("learn", "retrain"),
    "explore": ("explore", "start", "--once"),
}
COLLECTION = "nights"
_MEANT = "Is that the one that is meant? surfalign db status shows it; database_uri names another."


class NightlyRun(BaseModel):
    """One run."""

    task: str
    command: str
    started_at: datetime
    ended_at: datetime | None = None
    exit_code: int | None = None
    summary: str = Field(default="", description="Last line of the log")
    database: str = Field(default="", description="Database of the run, without secrets")
    log_file: str
    hostname: str
    pid: int
    created: float = Field(description="When the process began, to tell it from a later one")

    @property
    def ok(self) -> bool:
        """Whether it ended well, or still runs."""
        return self.exit_code == 0 or (self.ended_at is None and not self.is_lost)

    @property
    def is_lost(self) -> bool:
        """Whether it ended silently: killed, or the machine went down."""
        if self.ended_at is not None or self.hostname != socket.gethostname():
            return False
        return not is_same_process(self.pid, self.created)


def run_nightly(task: str, arguments: Sequence[str], settings: Settings) -> NightlyRun:
    """Do the work of a night in a process of its own; log it and leave a report.

    Parameters
    ----------
    task
        One of :data:`TASKS`.
    arguments
        Further arguments of its command.
    settings
        Name the data directory, and the database where the arguments name no profile.

    Raises
    ------
    ConfigurationError
        When the task is unknown.
    """
    if task not in TASKS:
        raise ConfigurationError(f"unknown task '{task}'", f"one of {', '.join(TASKS)}", "name one")
    profile = profile_in(arguments)
    address, empty = "", ""
    with suppress(SurfalignError):  # what is wrong the command itself tells
        settings = load_profile(profile).settings() if profile else settings
        address, empty = _look(settings)
    folder = settings.data_directory.expanduser().absolute() / COLLECTION
    folder.mkdir(parents=True, exist_ok=True)
    started = datetime.now(UTC)
    stem = f"{started:%Y-%m-%dT%H-%M-%S}-{task}-{os.getpid()}"
    night = NightlyRun(
        task=task,
        command=shlex.join(["surfalign", *TASKS[task], *arguments]),
        started_at=started,
        database=address,
        log_file=str(folder / f"{stem}.log"),
        **owner(),
    )
    report = folder / f"{stem}.json"
    _leave(night, report, settings)
    try:
        with FileLock(folder / f"{task}.lock", timeout=0):
            # A retraining without data fails by itself, and may have others than the store's.
            if empty and task == "build":
                exit_code, summary = _refuse(empty, Path(night.log_file))
            else:
                exit_code, summary = _run(task, arguments, Path(night.log_file))
    except Timeout:
        exit_code, summary = _refuse(
            f"another nightly {task} is still running", Path(night.log_file)
        )
    night = night.model_copy(
        update={"ended_at": datetime.now(UTC), "exit_code": exit_code, "summary": summary}
    )
    _leave(night, report, settings)
    return night


def last_runs(database: Database | None, folder: Path | None = None) -> list[NightlyRun]:
    """Return the latest night of each task.

    Parameters
    ----------
    database
        Where reports are; None for those of the folder alone.
    folder
        Data directory whose reports count as well; that of the settings by default.
    """
    folder = (folder or load_settings().data_directory).expanduser() / COLLECTION
    latest_first: list[dict[str, Any]] = [
        {"$sort": {"started_at": -1}},
        {"$group": {"_id": "$task", "night": {"$first": "$$ROOT"}}},
    ]
    stored = {}
    if database is not None:
        for group in database.collection(COLLECTION).aggregate(latest_first):
            del group["night"]["_id"]
            stored[group["_id"]] = NightlyRun.model_validate(group["night"])
    nights: dict[str, NightlyRun] = {}
    for task in TASKS:
        found = [_read(path) for path in sorted(folder.glob(f"*-{task}-*.json"))[-1:]]
        found.append(stored.get(task))
        latest = max((n for n in found if n is not None), key=_age, default=None)
        if latest is not None:
            nights[task] = latest
    return list(nights.values())


def _age(night: NightlyRun) -> tuple[datetime, bool]:
    """Order by start; of one night's two reports the one that knows its end counts."""
    return night.started_at.replace(microsecond=0), night.ended_at is not None


def _run(task: str, arguments: Sequence[str], log_file: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "surfalign.launchers.cli.main", *TASKS[task], *arguments]
    with log_file.open("ab") as log:
        exit_code = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False
        ).returncode
    lines = log_file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    error = next((line for line in reversed(lines) if "Error" in line), None)
    last = (error if exit_code and error else lines[-1] if lines else "it said nothing").strip()
    return exit_code, last[:300]


def _refuse(reason: str, log_file: Path) -> tuple[int, str]:
    """Note why nothing is done."""
    log_file.write_text(reason + "\n", encoding="utf-8")
    return 1, reason


def _look(settings: Settings) -> tuple[str, str]:
    """Return the address of the database, and why it cannot be the one that is meant, or an empty text.

    A command that lost its address works on a new local database, which holds nothing.
    """
    if _is_unused(settings):
        folder = local_server(settings).directory
        return (
            "local",
            f"no database is configured, and there is no local one in {folder}. {_MEANT}",
        )
    with open_database(settings) as database:
        address = f"{database.name} at {database.address}"
        names = (JOBS, SURFACE_LEVELS, CAMPAIGN_SURFACES)
        if any(database.collection(name).find_one({}, {"_id": 1}) for name in names):
            return address, ""
    return address, f"the database {address} holds no job, no result and no campaign. {_MEANT}"


def _is_unused(settings: Settings) -> bool:
    """Whether the local database is meant, and was never started."""
    return settings.database_uri is None and not local_server(settings).storage.is_dir()


def _leave(night: NightlyRun, report: Path, settings: Settings) -> None:
    """Write the report; the database may be what ails."""
    write_whole(report, night.model_dump_json(indent=1))
    if _is_unused(settings):
        return  # a report is no reason to start one
    # The file tells it already.
    with suppress(SurfalignError), open_database(settings) as database:
        database.collection(COLLECTION).update_one(
            {"log_file": night.log_file, "hostname": night.hostname},
            {"$set": night.model_dump()},
            upsert=True,
        )


def _read(path: Path) -> NightlyRun | None:
    with suppress(OSError, ValidationError):
        return NightlyRun.model_validate_json(path.read_bytes())
    return None
