"""Jobs for processes side by side.

In a module of its own: some packages install a folder ``tests``, and a child would look there for those of ours.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from jobflow import Flow, Response, job

from surfalign.errors import InsufficientMemoryError
from surfalign.settings import load_settings


@job
def settings_here(*after: object) -> dict[str, object]:
    settings = load_settings()
    return {"cores": settings.cores, "memory": settings.memory_limit, "folder": str(Path.cwd())}


@job
def needs_memory(gigabytes: float) -> float:
    """Fail as an engine does whose share is too small."""
    limit = load_settings().memory_limit or 0.0
    if limit < gigabytes:
        raise InsufficientMemoryError(f"{gigabytes} GB are needed", f"at most {limit} GB", "more")
    return limit


@job
def meet(folder: str, name: str, other: str) -> str:
    """Write a file and wait for that of another job: both must run at one time."""
    Path(folder, name).touch()
    while not Path(folder, other).exists():
        time.sleep(0.01)
    return name


@job
def add_two() -> Response:
    return Response(output="added", addition=Flow([settings_here(), settings_here()]))


@job
def replaced(value: int) -> Response:
    return Response(replace=same(value + 1))


@job
def same(value: object) -> object:
    return value


@job
def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
