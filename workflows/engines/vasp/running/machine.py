"""The machine that runs a calculation: its processors, commands, and when the queue ends the job."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from dataclasses import dataclass
from os.path import expandvars

import psutil
from atomate2.settings import Atomate2Settings

from surfalign.processes import available_cores
from surfalign.settings import Settings

_SQUEUE_SECONDS = 30.0


@dataclass(frozen=True)
class Machine:
    """What a job finds where it runs.

    Parameters
    ----------
    cores
        MPI processes that the command starts.
    gpus
        Visible accelerators.
    deadline
        When the queue ends the job, seconds since the epoch; None where it does not.
    node_cores
        MPI processes on each of several nodes; None where it is one.
    """

    cores: int
    gpus: int
    deadline: float | None
    node_cores: int | None = None


def this_machine(settings: Settings) -> Machine:
    """Return what this process may use."""
    return Machine(_cores(settings), _gpus(settings), _deadline(settings), _node_cores())


def vasp_commands(settings: Settings, machine: Machine, *, spinors: bool) -> tuple[str, str]:
    """Return the command of VASP, and that of its variant for Gamma only.

    They are atomate2's (``ATOMATE2_VASP_CMD``, ``_GAMMA_CMD``, ``_NCL_CMD``, or ~/.atomate2.yaml), read
    when a calculation starts; where GPUs are visible, ``vasp_gpu_command`` or, for spinors,
    ``vasp_gpu_ncl_command`` goes first.

    Parameters
    ----------
    settings
        Settings in force.
    machine
        Where it runs.
    spinors
        Whether orbitals are spinors (spin-orbit coupling), which another executable computes.
    """
    commands = Atomate2Settings()
    if gpu := _gpu_command(settings, machine, spinors=spinors):
        return expandvars(gpu), expandvars(gpu)
    if spinors:
        return expandvars(commands.VASP_NCL_CMD), expandvars(commands.VASP_NCL_CMD)
    return expandvars(commands.VASP_CMD), expandvars(commands.VASP_GAMMA_CMD)


def gpus_used(settings: Settings, machine: Machine, *, spinors: bool) -> int:
    """Return how many GPUs the command of VASP uses: none where only the other build has one."""
    return machine.gpus if _gpu_command(settings, machine, spinors=spinors) else 0


def _gpu_command(settings: Settings, machine: Machine, *, spinors: bool) -> str | None:
    command = settings.vasp_gpu_ncl_command if spinors else settings.vasp_gpu_command
    return command if machine.gpus else None


def _cores(settings: Settings) -> int:
    if settings.cores is None and "SLURM_NTASKS" in os.environ:
        return int(os.environ["SLURM_NTASKS"])  # of all nodes: srun starts VASP on each
    return available_cores(settings)


def _node_cores() -> int | None:
    """Processes on a node where SLURM says that there are several, e.g. ``36(x2)``."""
    tasks = os.environ.get("SLURM_TASKS_PER_NODE", "")
    found = re.fullmatch(r"(\d+)\(x\d+\)", tasks)
    return int(found[1]) if found else None


def _gpus(settings: Settings) -> int:
    """GPUs that the queue gave; 0 where no executable uses them."""
    if settings.vasp_gpu_command is None and settings.vasp_gpu_ncl_command is None:
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if visible:
        return len([device for device in visible.split(",") if device not in ("", "-1")])
    return int(os.environ.get("SLURM_GPUS_ON_NODE", "0"))


def _deadline(settings: Settings) -> float | None:
    if settings.wall_time is not None:
        return float(psutil.Process().create_time()) + settings.wall_time
    if "SLURM_JOB_END_TIME" in os.environ:
        return float(os.environ["SLURM_JOB_END_TIME"])
    if "SLURM_JOB_ID" in os.environ:
        return _slurm_deadline(os.environ["SLURM_JOB_ID"])
    return None


def _slurm_deadline(job: str) -> float | None:
    """Ask SLURM, which tells a job its end only in newer versions."""
    command = shlex.split(f"squeue -h -j {job} -O TimeLeft")
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_SQUEUE_SECONDS, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    seconds = parse_slurm_time(answer)
    return None if seconds is None else time.time() + seconds


def parse_slurm_time(text: str) -> float | None:
    """Read ``days-hours:minutes:seconds``, any leading part absent; None for no limit.

    Parameters
    ----------
    text
        As ``squeue`` prints it.
    """
    days, _, clock = text.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdigit() for part in parts) or (days and not days.isdigit()):
        return None
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return float(seconds + 86400 * int(days or 0))
