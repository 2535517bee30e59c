"""Run the FireWorks jobs of one SLURM job, or its only one, one after the other, each in a process of its own.

``python -m surfalign.launchers.cluster.fireworks.allocation_runner members.json`` loads the packages that the jobs need,
once; each job runs in a fork of this process. So a job starts without loading anything, its memory goes
with it, and if it crashes the others go on. This process itself talks to nobody: connections and threads
do not survive a fork.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path

from pydantic import BaseModel

#: Part of the allocation's time that a job without an estimate must find left.
UNKNOWN_NEEDS = 0.5


class Member(BaseModel):
    """A job of the allocation.

    Parameters
    ----------
    fw_id, launch_id
        FireWorks' numbers of the job and of its reservation.
    directory
        Where it runs.
    seconds
        How long it takes at most by its engine's estimate (s); None where there is none.
    """

    fw_id: int
    launch_id: int
    directory: Path
    seconds: float | None = None


class Allocation(BaseModel):
    """What one SLURM job runs.

    Parameters
    ----------
    members
        Its jobs, in the order in which they run.
    seconds
        Its walltime (s).
    modules
        What its jobs load.
    launchpad, fworker
        FireWorks' files.
    """

    members: list[Member]
    seconds: float
    modules: list[str]
    launchpad: Path
    fworker: Path


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the jobs from a file and run them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("members", type=Path)
    path: Path = parser.parse_args(arguments).members
    run(Allocation.model_validate_json(path.read_text(encoding="utf-8")))


def run(allocation: Allocation) -> None:
    """Run jobs while the time suffices; give back those for which it does not."""
    ends = time.time() + allocation.seconds
    # SLURM counts from before the shell's prologue.
    ends = min(ends, float(os.environ.get("SLURM_JOB_END_TIME") or ends))
    _load(allocation.modules)
    for position, member in enumerate(allocation.members):
        needed = member.seconds or UNKNOWN_NEEDS * allocation.seconds
        # The first has all the time there is: what does not end in it, ends in none.
        if position and time.time() + needed > ends:
            rest = allocation.members[position:]
            _in_child(Path.cwd(), partial(_give_back, allocation, rest))
            return
        status = _in_child(member.directory, partial(_run_job, allocation, member))
        if status and not _ended_by_slurm(status):
            _in_child(Path.cwd(), partial(_report, allocation, member, status))


def _ended_by_slurm(status: int) -> bool:
    """Ask whether a process was asked to end, as SLURM does at the walltime or by scancel.

    Then SLURM's word on the whole job tells the cause, and the worker asks for it.
    """
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGTERM


def _load(modules: Sequence[str]) -> None:
    from fireworks.utilities.fw_utilities import get_my_host, get_my_ip

    for module in (
        "surfalign.launchers.cluster.fireworks.task",
        "fireworks.core.rocket_launcher",
        *modules,
    ):
        # What is missing here is named by the job that needs it.
        with suppress(ImportError):
            import_module(module)
    get_my_host()
    get_my_ip()
    # Pages of what is loaded stay shared with the children.
    gc.freeze()


def _in_child(directory: Path, act: Callable[[], None]) -> int:
    """Run a function in a fork, with its output in files; return its wait status, 0 where all is well."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    code = 1
    try:
        os.chdir(directory)
        for stream, name in ((1, "job.out"), (2, "job.error")):
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(descriptor, stream)
            os.close(descriptor)
        act()
        code = 0
    except BaseException:  # noqa: BLE001 (a child must not go on where its parent left off)
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _run_job(allocation: Allocation, member: Member) -> None:
    from fireworks import FWorker, LaunchPad
    from fireworks.core.rocket_launcher import launch_rocket

    launchpad = LaunchPad.from_file(str(allocation.launchpad))
    # Was it cancelled meanwhile, or given back and reserved by another allocation?
    ours = {"fw_id": member.fw_id, "launches": member.launch_id, "state": "RESERVED"}
    if launchpad.fireworks.find_one(ours, {"_id": 1}) is None:
        return
    launch_rocket(launchpad, FWorker.from_file(str(allocation.fworker)), member.fw_id)


def _give_back(allocation: Allocation, members: Sequence[Member]) -> None:
    from fireworks import LaunchPad

    launchpad = LaunchPad.from_file(str(allocation.launchpad))
    for member in members:
        ours = {"fw_id": member.fw_id, "launches": member.launch_id, "state": "RESERVED"}
        if launchpad.fireworks.find_one(ours, {"_id": 1}) is not None:
            launchpad.cancel_reservation(member.launch_id)


def _report(allocation: Allocation, member: Member, status: int) -> None:
    """Tell FireWorks of a job whose process died: SLURM's job goes on, so nobody else will notice."""
    from fireworks import LaunchPad

    from surfalign.launchers.cluster.fireworks.launcher import fail_launch
    from surfalign.launchers.cluster.launcher import Cause, classify, last_line
    from surfalign.launchers.cluster.slurm import last_words

    launchpad = LaunchPad.from_file(str(allocation.launchpad))
    active = {"launch_id": member.launch_id, "state": {"$in": ["RESERVED", "RUNNING"]}}
    if launchpad.launches.find_one(active, {"_id": 1}) is None:
        return
    words = last_words(member.directory)
    told = classify(words)
    ended = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "an exception"
    message = f"its process ended by {ended}; {last_line(words)}".removesuffix("; ")
    fail_launch(launchpad, member.launch_id, Cause.KILLED if told is Cause.ERROR else told, message)


if __name__ == "__main__":
    main()
