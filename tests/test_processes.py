"""Which process still runs, and how many cores an allocation gives."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import psutil
import pytest

from surfalign.processes import available_cores, available_memory, is_same_process, owner
from surfalign.settings import Settings, load_settings


def test_this_process_is_itself_and_not_one_that_had_its_number_before() -> None:
    stamp = owner()
    assert stamp["hostname"] == socket.gethostname()
    assert is_same_process(os.getpid(), stamp["created"] + 1)
    assert not is_same_process(os.getpid(), stamp["created"] - 60)


@pytest.mark.processes
def test_a_process_that_ended_is_over_even_before_its_parent_asks() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    created = psutil.Process(child.pid).create_time()
    assert is_same_process(child.pid, created)
    assert child.stdin is not None
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended and is a zombie
    assert not is_same_process(child.pid, created)
    child.wait()
    assert not is_same_process(child.pid, created)


@pytest.mark.parametrize(
    ("environment", "cores"),
    [
        ({}, 8),
        ({"SLURM_CPUS_PER_TASK": "4"}, 4),
        ({"SLURM_NTASKS": "3"}, 3),
        ({"SLURM_NTASKS": "2", "SLURM_CPUS_PER_TASK": "3", "SLURM_CPUS_ON_NODE": "8"}, 6),
        ({"SLURM_CPUS_ON_NODE": "2"}, 2),
        ({"SLURM_NTASKS": "128"}, 8),  # of many nodes; this one has eight
    ],
)
def test_cores_are_those_of_the_allocation(
    environment: dict[str, str], cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert available_cores(Settings(cores=None)) == cores
    assert available_cores(Settings(cores=12)) == 12


def test_without_an_allocation_cores_are_those_this_process_may_run_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert available_cores(Settings(cores=None)) == os.cpu_count()


def test_a_set_memory_limit_wins_over_what_is_available() -> None:
    assert available_memory(load_settings(memory_limit=1.5)) == 1.5
    assert available_memory(load_settings()) > 0.1
