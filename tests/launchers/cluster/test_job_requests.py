"""What jobs ask SLURM for: fixed values of the queue, or the estimates of the engine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from slurm_cluster import SlurmCluster
from stub_vasp_calculations import STUB

from surfalign.crystals.sources import load_crystal
from surfalign.files import write_whole
from surfalign.launchers.cluster import slurm_submission
from surfalign.launchers.cluster.job_requests import (
    asked_for,
    expected_seconds,
    raised_after,
    walltime,
)
from surfalign.launchers.cluster.launcher import JobState, open_launcher
from surfalign.launchers.cluster.profiles import Profile, Queue, load_profile
from surfalign.stores.database import Database
from surfalign.workflows.engines.vasp.makers import vasp_engine
from surfalign.workflows.planning.plan_file import crystal_flow

HOUR = 3600.0
#: An hour and 12 GB on 16 cores, as an engine declares it.
RESOURCES = {
    "kind": "cpu", "cores": 16, "gpus": 0, "memory": 12.0, "wall_time": HOUR, "core_hours": 5.0,
    "processor_memory": 0.25,
}  # fmt: skip


def queue(**values: Any) -> Queue:
    """A queue of 16 cores that goes by estimates."""
    content = {
        "partition": "cpu", "tasks": 16, "walltime": "12:00:00", "memory": 100.0,
        "estimated": ("walltime", "memory"),
    }  # fmt: skip
    return Queue.model_validate(content | values)


def request(of: Queue, **raised: float) -> tuple[int, float | None]:
    found = asked_for(of, RESOURCES, raised)
    return found.seconds, found.memory


def test_without_being_told_so_a_queue_asks_for_its_own_values() -> None:
    fixed = queue(estimated=())
    assert asked_for(fixed, RESOURCES, {"walltime": 4.0}) == fixed
    # So do jobs of which the engine says nothing.
    assert asked_for(queue(), None) == queue()
    assert asked_for(queue(), {}) == queue()


def test_estimates_lie_between_the_least_and_the_queues_own_value() -> None:
    assert request(queue()) == (HOUR, 12.0)
    assert request(queue(estimated=("walltime",))) == (HOUR, 100.0)
    assert request(queue(estimated=("memory",))) == (12 * HOUR, 12.0)
    assert request(queue(safety=2.0)) == (2 * HOUR, 24.0)
    assert request(queue(safety=100.0)) == (12 * HOUR, 100.0)
    assert request(queue(least_walltime="2:00:00", least_memory=20.0)) == (2 * HOUR, 20.0)


def test_estimates_follow_the_processors_of_the_queue() -> None:
    # A quarter of the cores: four times as long, and 12 processes fewer to feed.
    assert request(queue(tasks=4)) == (4 * HOUR, 12.0 - 12 * 0.25)
    assert request(queue(tasks=2, cores_per_task=2)) == (4 * HOUR, 12.0 - 12 * 0.25)
    # Twice the cores: no faster for sure, but 16 processes more.
    assert request(queue(tasks=32)) == (HOUR, 12.0 + 16 * 0.25)
    # Memory is of a node.
    assert request(queue(nodes=2)) == (HOUR, 6.0)
    on_gpus = RESOURCES | {"kind": "gpu", "gpus": 2, "cores": 2}
    assert asked_for(queue(gpus=1), on_gpus).seconds == 2 * HOUR
    assert asked_for(queue(gpus=1, nodes=2), on_gpus).seconds == HOUR


def test_a_retry_doubles_what_was_wanting_up_to_the_queues_own_value() -> None:
    once = raised_after(None, "walltime")
    assert once == {"walltime": 2.0}
    assert request(queue(), **once) == (2 * HOUR, 12.0)
    twice = raised_after(raised_after(once, "memory"), "walltime")
    assert request(queue(), **twice) == (4 * HOUR, 24.0)
    for _ in range(2000):
        twice = raised_after(twice, "walltime")
    assert request(queue(), **twice) == (12 * HOUR, 24.0)
    assert raised_after(once, "convergence") == once


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "0:01:00"), (3600, "1:00:00"), (3601, "1:01:00"), (86400, "1-00:00:00"), (9e4, "1-01:00:00")],
)  # fmt: skip
def test_walltimes_are_written_as_slurm_takes_them(seconds: float, text: str) -> None:
    assert walltime(seconds) == text
    assert queue(walltime=text).seconds >= seconds


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"memory": None}, "estimated: memory needs 'memory'"),
        ({"estimated": ("cores",)}, "'walltime' or 'memory'"),
        ({"safety": 0.0}, "greater than 0"),
    ],
)
def test_what_cannot_be_estimated_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        queue(**values)


def test_with_jobflow_remote_the_jobs_of_an_allocation_ask_for_fixed_values() -> None:
    content = {
        "name": "test",
        "clusters": {"local": {"work_directory": "/work"}},
        "queues": {"cpu": queue(jobs_per_allocation=4)},
    }
    assert Profile.model_validate({**content, "launcher": "fireworks"})
    with pytest.raises(ValidationError, match="leave out jobs_per_allocation or estimated"):
        Profile.model_validate({**content, "launcher": "remote"})


def test_what_a_job_needs_is_known_also_where_its_queue_asks_for_its_own_values() -> None:
    assert expected_seconds(queue(estimated=()), RESOURCES) == HOUR
    assert expected_seconds(queue(), RESOURCES, {"walltime": 4.0}) == 4 * HOUR
    assert expected_seconds(queue(), None) is None


@pytest.mark.programs
def test_the_engine_keeps_to_the_memory_that_its_job_was_given() -> None:
    lines = [*slurm_submission.prologue(queue(nodes=2), {}), "echo ${SURFALIGN_MEMORY_LIMIT:-none}"]
    for given, expected in (("6000", "12"), ("", "none")):
        environment = {"PATH": os.environ["PATH"], "SLURM_MEM_PER_NODE": given}
        done = subprocess.run(
            ["bash", "-e"], input="\n".join(lines), env=environment,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.strip() == expected
    assert slurm_submission.prologue(queue(estimated=()), {}) == []


# --- with a real SLURM ---------------------------------------------------------------------------


@pytest.fixture(params=["fireworks", "remote"])
def profile(
    request: pytest.FixtureRequest, slurm: SlurmCluster, database: Database, tmp_path: Path,
    write_profile: Callable[..., Path], monkeypatch: pytest.MonkeyPatch,
) -> Path:  # fmt: skip
    """One queue of four cores that goes by the estimates of VASP, whose part the stub plays."""
    pytest.importorskip({"remote": "jobflow_remote"}.get(request.param, request.param))
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path / "data"))
    write_whole(tmp_path / "uri.yaml", os.environ["SURFALIGN_DATABASE_URI"], private=True)
    for folder in ("failures", "told"):
        (tmp_path / folder).mkdir()
    command = f"{sys.executable} {STUB}"
    environment = {
        "ATOMATE2_VASP_GAMMA_CMD": command,
        "SURFALIGN_VASP_POTCAR_SPEC": "1",
        "SURFALIGN_VASP_POLLING_TIME": "0.1",
        "SURFALIGN_VASP_MONITOR_TIME": "0.2",
        "SURFALIGN_ARCHIVE_DIRECTORY": str(tmp_path / "archive"),
        "STUB_VASP_FAILURES": str(tmp_path / "failures"),
    }
    vasp = {
        "partition": "cpu", "tasks": 4, "walltime": "4:00:00", "memory": 3.5, "safety": 1.4,
        "least_memory": 1.0, "estimated": ["walltime", "memory"], "environment": environment,
        # SLURM forgets a job that ended long ago; the job itself writes down what it was given.
        "commands": [f"scontrol show job $SLURM_JOB_ID > {tmp_path}/told/$SLURM_JOB_ID"],
    }  # fmt: skip
    return write_profile(
        request.param, {"uri_file": str(tmp_path / "uri.yaml")},
        engines={"vasp": command}, queues={"vasp": vasp}, steps={"default": "vasp"},
    )  # fmt: skip


def worker(profile: Path) -> None:
    """Run ``surfalign worker --once`` as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "surfalign.launchers.cli.main", "worker", "--profile", profile, "--once"],
        capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def requests(folder: Path) -> set[tuple[int, float]]:
    """Walltimes (s) and memories (GB) of the SLURM jobs, as SLURM told each; what was told is removed."""
    found = set()
    for path in list((folder / "told").iterdir()):
        told = path.read_text()
        limit = re.search(r"TimeLimit=(\S+)", told)
        memory = re.search(r"MinMemoryNode=(\d+)M", told)
        assert limit is not None, told
        assert memory is not None, told
        seconds = Queue(partition="cpu", walltime=limit[1]).seconds
        found.add((seconds, int(memory[1]) / 1000))
        path.unlink()
    return found


# FireWorks and jobflow-remote warn of much that is none of ours.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(1800)
def test_estimates_of_the_engine_reach_slurm_and_are_raised_by_a_retry(
    profile: Path, tmp_path: Path
) -> None:
    starved = tmp_path / "failures" / "slab_potential.out_of_memory"
    starved.write_text("always")
    crystal = load_crystal("MgO")
    engine = vasp_engine("quick", functional="pbesol")
    surface = ("MgO(100)-A", (1, 0, 0))
    given = load_profile(str(profile))
    vasp = given.queues["vasp"]
    with open_launcher(given) as launcher:
        launcher.submit(
            [crystal_flow(crystal.structure, crystal.source, [surface], engine, relax=False)]
        )
        worker(profile)
        records = {record.step: record for record in launcher.jobs()}
        failed = records["slab potential"]
        assert (failed.state, failed.cause) == (JobState.FAILED, "memory")

        expected = {}
        for step, record in records.items():
            asked = asked_for(vasp, record.metadata.get("resources"))
            expected[step] = (asked.seconds, round(asked.memory or 0, 3))
        # Steps of the bulk, and those that a job added on a node, ask for less than the queue has.
        for step in ("bulk", "band edges", "oriented bulk", "slab potential"):
            assert expected[step][0] < vasp.seconds
            assert expected[step][1] < vasp.memory
        assert expected["surfaces"] == (
            vasp.seconds,
            vasp.memory,
        )  # of this nobody estimates anything
        # A job that was killed in the tumult of the machine is started again, and asks for the same.
        done = [step for step in records if step != "alignment"]
        assert requests(tmp_path) == {expected[step] for step in done}

        starved.unlink()
        assert launcher.rerun([failed.uuid]) == 1
        (again,) = launcher.jobs([failed.uuid])
        assert again.raised == {"memory": 2.0}
        worker(profile)
        assert {record.state for record in launcher.jobs()} == {JobState.DONE}
    asked = asked_for(vasp, failed.metadata["resources"], {"memory": 2.0})
    assert asked.memory is not None
    assert asked.memory > expected["slab potential"][1]
    last = {(asked.seconds, round(asked.memory, 3)), (vasp.seconds, vasp.memory)}
    assert requests(tmp_path) == last
