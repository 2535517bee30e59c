"""Processes of this machine: whether one still runs, and what cores and memory this one may use."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, TypedDict

import psutil

if TYPE_CHECKING:
    from surfalign.settings import Settings

#: Two clocks make up a start time; they can drift apart by this much (s).
CLOCK_TOLERANCE = 5.0
#: Number of the option of Linux's prctl that names the signal at the parent's death.
_PR_SET_PDEATHSIG = 1


class ProcessStamp(TypedDict):
    """What tells a process from all others: a pid alone is given again to later ones."""

    hostname: str
    pid: int
    created: float


def owner() -> ProcessStamp:
    """Return the stamp of this process; ``created`` is its start in seconds since the epoch."""
    process = psutil.Process()
    return {
        "hostname": socket.gethostname(),
        "pid": process.pid,
        "created": process.create_time(),
    }


def is_same_process(pid: int, created: float) -> bool:
    """Tell whether the process of this machine that began at ``created`` (s) still runs."""
    try:
        process = psutil.Process(pid)
        # A zombie has ended, whenever its parent asks for how.
        return (
            abs(process.create_time() - created) < CLOCK_TOLERANCE
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.NoSuchProcess:
        return False


def available_cores(settings: Settings) -> int:
    """Return how many cores this process and its children may use.

    As ``cores`` of the settings says; else what SLURM gave to the job, on this machine; else those that
    the process may run on. SLURM is asked because not every cluster confines a job to its cores.
    """
    if settings.cores is not None:
        return settings.cores
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    tasks, each = os.environ.get("SLURM_NTASKS"), os.environ.get("SLURM_CPUS_PER_TASK")
    if tasks or each:
        return min(here, int(tasks or 1) * int(each or 1))
    return min(here, int(os.environ.get("SLURM_CPUS_ON_NODE") or here))


def available_memory(settings: Settings) -> float:
    """Return the memory that this process and its children may use (GB): as set, else what is free now."""
    if settings.memory_limit is not None:
        return settings.memory_limit
    return float(psutil.virtual_memory().available) / 1e9


def end_with_parent() -> None:
    """Let the kernel end this process with the one that started it (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
