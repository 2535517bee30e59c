from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from surfalign.settings import Settings
from surfalign.workflows.engines.vasp.running.machine import (
    Machine,
    gpus_used,
    parse_slurm_time,
    this_machine,
    vasp_commands,
)

VARIABLES = (
    "SLURM_TASKS_PER_NODE",
    "SLURM_NTASKS", "SLURM_JOB_ID", "SLURM_JOB_END_TIME", "SLURM_GPUS_ON_NODE",
    "CUDA_VISIBLE_DEVICES", "ATOMATE2_VASP_CMD", "ATOMATE2_VASP_GAMMA_CMD", "ATOMATE2_VASP_NCL_CMD",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1:30", 90.0),
        ("2:00:00", 7200.0),
        ("1-00:00:10", 86410.0),
        ("45", 45.0),
        ("UNLIMITED", None),
        ("INVALID", None),
        ("", None),
    ],
)
def test_times_of_slurm(text: str, seconds: float | None) -> None:
    assert parse_slurm_time(text) == seconds


def test_cores_come_from_the_settings_or_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    assert this_machine(Settings(cores=12)).cores == 12
    monkeypatch.setenv("SLURM_NTASKS", "64")
    assert this_machine(Settings(cores=None)).cores == 64
    monkeypatch.delenv("SLURM_NTASKS")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    assert this_machine(Settings(cores=None)).cores == 1


def test_gpus_count_only_for_an_executable_that_uses_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    assert this_machine(Settings()).gpus == 0
    assert this_machine(Settings(vasp_gpu_command="srun vasp_gpu")).gpus == 4
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert this_machine(Settings(vasp_gpu_command="srun vasp_gpu")).gpus == 0
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("SLURM_GPUS_ON_NODE", "2")
    assert this_machine(Settings(vasp_gpu_command="srun vasp_gpu")).gpus == 2


def test_commands_are_atomate2s_and_read_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATOMATE2_VASP_CMD", "srun vasp_std")
    monkeypatch.setenv("ATOMATE2_VASP_GAMMA_CMD", "srun vasp_gam")
    monkeypatch.setenv("ATOMATE2_VASP_NCL_CMD", "srun vasp_ncl")
    settings = Settings(vasp_gpu_command="srun vasp_gpu")
    cpu, gpu = Machine(64, 0, None), Machine(4, 4, None)
    assert vasp_commands(settings, cpu, spinors=False) == ("srun vasp_std", "srun vasp_gam")
    assert vasp_commands(settings, cpu, spinors=True) == ("srun vasp_ncl", "srun vasp_ncl")
    assert vasp_commands(settings, gpu, spinors=False) == ("srun vasp_gpu", "srun vasp_gpu")


def test_spinors_go_to_gpus_only_with_a_build_for_them() -> None:
    gpu = Machine(4, 4, None)
    without = Settings(vasp_gpu_command="srun vasp_gpu")
    assert gpus_used(without, gpu, spinors=False) == 4
    assert gpus_used(without, gpu, spinors=True) == 0
    both = Settings(vasp_gpu_command="srun vasp_gpu", vasp_gpu_ncl_command="srun vasp_gpu_ncl")
    assert gpus_used(both, gpu, spinors=True) == 4
    assert vasp_commands(both, gpu, spinors=True) == ("srun vasp_gpu_ncl", "srun vasp_gpu_ncl")
    assert gpus_used(both, Machine(4, 0, None), spinors=True) == 0


@pytest.mark.parametrize(
    ("tasks", "cores"),
    [("36(x2)", 36), ("128(x4)", 128), ("36", None), ("36,12", None), ("", None)],
)
def test_nodes_of_a_job(monkeypatch: pytest.MonkeyPatch, tasks: str, cores: int | None) -> None:
    monkeypatch.setenv("SLURM_TASKS_PER_NODE", tasks)
    assert this_machine(Settings()).node_cores == cores


@pytest.mark.programs
def test_the_deadline_is_what_the_queue_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert this_machine(Settings()).deadline is None
    now = time.time()
    own = this_machine(Settings(wall_time=3600)).deadline
    assert own is not None
    assert own < now + 3600  # counted from the start of this process
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\necho 1:00:00\n")
    squeue.chmod(squeue.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    asked = this_machine(Settings()).deadline
    assert asked is not None
    assert now + 3600 <= asked <= time.time() + 3600
    squeue.write_text("#!/bin/sh\nexit 1\n")
    assert this_machine(Settings()).deadline is None
    monkeypatch.setenv("SLURM_JOB_END_TIME", "4102444800")
    assert this_machine(Settings()).deadline == 4102444800.0
