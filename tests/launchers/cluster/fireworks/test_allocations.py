"""Several jobs in one SLURM job: each is judged by itself, whatever becomes of the others."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import toy_engine
import yaml
from slurm_cluster import SlurmCluster, python_path

from surfalign.crystals.sources import load_crystal
from surfalign.files import write_whole
from surfalign.launchers.cluster import slurm
from surfalign.launchers.cluster.fireworks import allocation_runner
from surfalign.launchers.cluster.fireworks.allocation_runner import Allocation, Member
from surfalign.launchers.cluster.fireworks.worker import FireworksWorker
from surfalign.launchers.cluster.launcher import JobState
from surfalign.launchers.cluster.profiles import load_profile
from surfalign.launchers.cluster.slurm import SlurmJob
from surfalign.stores.builders import SurfaceLevelsBuilder
from surfalign.stores.database import Database
from surfalign.workflows.planning.plan_file import crystal_flow

fireworks = pytest.importorskip("surfalign.launchers.cluster.fireworks.launcher")

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is deprecated, and will be removed:FutureWarning"),
    pytest.mark.timeout(700),
]
NAMES = ("MgO", "CaO", "SrO", "BaO")
SBATCH = """#!/bin/sh
cat >> {folder}/scripts
echo $* >> {folder}/submissions
wc -l < {folder}/submissions
"""
TABLE: dict[str, SlurmJob] = {}


@pytest.fixture
def profile(database: Database, write_profile: Callable[..., Path], tmp_path: Path) -> Path:
    """One queue whose allocations run three jobs."""
    write_whole(tmp_path / "uri.yaml", os.environ["SURFALIGN_DATABASE_URI"], private=True)
    queue = {
        "partition": "cpu", "walltime": "0:20:00", "memory": 2.0, "least_memory": 1.0, "max_jobs": 2,
        "jobs_per_allocation": 3, "environment": {"PYTHONPATH": python_path()},
    }  # fmt: skip
    return write_profile(
        "fireworks", {"uri_file": str(tmp_path / "uri.yaml")},
        queues={"short": queue}, steps={"default": "short"},
    )  # fmt: skip


def changed(profile: Path, **values: Any) -> Path:
    content = yaml.safe_load(profile.read_text())
    content["queues"]["short"] |= values
    profile.write_text(yaml.safe_dump(content))
    return profile


@pytest.fixture
def launcher(profile: Path) -> Iterator[fireworks.FireworksLauncher]:
    """Four crystals, whose bulk steps are ready."""
    with fireworks.open_launcher(load_profile(str(profile))) as opened:
        for name in NAMES:
            crystal = load_crystal(name)
            surface = (f"{name}(100)-A", (1, 0, 0))
            engine = toy_engine.toy_engine()
            opened.submit([crystal_flow(crystal.structure, crystal.source, [surface], engine)])
        yield opened


@pytest.fixture
def worker(
    launcher: fireworks.FireworksLauncher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> FireworksWorker:
    """A worker whose SLURM is a table, and whose sbatch only counts."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "sbatch"
    program.write_text(SBATCH.format(folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    TABLE.clear()
    monkeypatch.setattr(
        slurm, "states_of", lambda ns: {n: TABLE.get(n, SlurmJob("RUNNING")) for n in ns}
    )
    return FireworksWorker(launcher, "local")


def hand_over(worker: FireworksWorker) -> int:
    (name,) = worker.queues
    return worker.hand_over(name, worker.queues[name])


def allocations(folder: Path) -> list[Allocation]:
    """What was handed over, in the order of the submissions."""
    paths = sorted(folder.rglob("members.json"), key=lambda path: path.stat().st_mtime_ns)
    return [Allocation.model_validate_json(path.read_text()) for path in paths]


def bulk(launcher: fireworks.FireworksLauncher) -> dict[int, tuple[JobState, str]]:
    """State and cause of the four bulk steps, by FireWorks' number."""
    numbers = {
        document["spec"]["uuid"]: document["fw_id"]
        for document in launcher.launchpad.fireworks.find({"spec.step": "bulk"})
    }
    return {
        numbers[record.uuid]: (record.state, record.cause)
        for record in launcher.jobs()
        if record.step == "bulk"
    }


def losses(launcher: fireworks.FireworksLauncher, fw_id: int) -> int:
    document = launcher.launchpad.fireworks.find_one({"fw_id": fw_id})
    return int(document["spec"].get("_losses", 0))


def start(launcher: fireworks.FireworksLauncher, member: Member) -> None:
    """Begin a job as its allocation does."""
    from fireworks import FWorker

    launcher.launchpad.checkout_fw(FWorker(), str(member.directory), fw_id=member.fw_id)


def run(
    launcher: fireworks.FireworksLauncher, folder: Path, allocation: Allocation, **environment: str
) -> None:
    """Run an allocation as its SLURM job does."""
    (place,) = (m.parent for m in folder.rglob("members.json"))
    (place / "members.json").write_text(allocation.model_dump_json())
    given = os.environ | launcher.worksite("local").environment | environment
    command = [sys.executable, "-m", allocation_runner.__name__, "members.json"]
    given["PYTHONPATH"] = python_path()
    subprocess.run(command, cwd=place, env=given, check=True, timeout=600)


# --- what is handed over -------------------------------------------------------------------------


def test_allocations_are_filled_up_to_the_limits(
    launcher: fireworks.FireworksLauncher, worker: FireworksWorker, tmp_path: Path
) -> None:
    assert hand_over(worker) == 2
    assert [len(allocation.members) for allocation in allocations(tmp_path)] == [3, 1]
    assert {state for state, _ in bulk(launcher).values()} == {JobState.QUEUED}
    # Both places in SLURM's queue are taken, whatever becomes ready.
    launcher.launchpad.fireworks.update_many(
        {"spec.step": "dielectric"}, {"$set": {"state": "READY"}}
    )
    assert hand_over(worker) == 0
    assert "--time=0:20:00" in (tmp_path / "submissions").read_text()
    assert "allocation_runner members.json" in (tmp_path / "scripts").read_text()


def test_only_jobs_that_ask_for_the_same_share_an_allocation(
    profile: Path, launcher: fireworks.FireworksLauncher, worker: FireworksWorker,
    tmp_path: Path,
) -> None:  # fmt: skip
    estimated = load_profile(str(changed(profile, estimated=["walltime", "memory"], max_jobs=9)))
    worker.profile, worker.queues = estimated, dict(estimated.queues)
    resources = {"kind": "cpu", "cores": 1, "gpus": 0, "wall_time": 400.0, "memory": 1.5}
    for fw_id, values in zip(
        bulk(launcher),
        ({}, {"memory": 1.2}, {"wall_time": 700.0}, {"wall_time": 500.0}),
        strict=True,
    ):
        launcher.launchpad.fireworks.update_one(
            {"fw_id": fw_id}, {"$set": {"spec.resources": resources | values}}
        )
    hand_over(worker)
    found = sorted(
        (sorted(member.seconds or 0.0 for member in allocation.members), allocation.seconds)
        for allocation in allocations(tmp_path)
    )
    # At least ten minutes each, and twenty in all; one needs less memory, one more time.
    assert found == [([600], 600), ([600, 600], 1200), ([720], 720)]


def test_what_was_lost_once_is_started_in_an_allocation_of_its_own(
    launcher: fireworks.FireworksLauncher, worker: FireworksWorker, tmp_path: Path
) -> None:
    first = min(bulk(launcher))
    launcher.launchpad.fireworks.update_one({"fw_id": first}, {"$set": {"spec._losses": 1}})
    assert hand_over(worker) == 2
    members = [{m.fw_id for m in allocation.members} for allocation in allocations(tmp_path)]
    assert {first} in members
    assert sorted(map(len, members)) == [1, 3]


def test_a_refusal_gives_all_back(
    launcher: fireworks.FireworksLauncher, worker: FireworksWorker, tmp_path: Path
) -> None:
    (tmp_path / "bin" / "sbatch").write_text("#!/bin/sh\nexit 1\n")
    assert hand_over(worker) == 0
    assert {state for state, _ in bulk(launcher).values()} == {JobState.READY}
    assert not list(tmp_path.rglob("allocation_*"))


# --- what is run ---------------------------------------------------------------------------------


@pytest.fixture
def handed(
    launcher: fireworks.FireworksLauncher, worker: FireworksWorker, tmp_path: Path
) -> Allocation:
    """Three bulk steps in SLURM job 1."""
    worker.queues = {
        name: queue.model_copy(update={"max_jobs": 1}) for name, queue in worker.queues.items()
    }
    assert hand_over(worker) == 1
    (allocation,) = allocations(tmp_path)
    assert len(allocation.members) == 3
    return allocation


def test_no_job_begins_that_cannot_end_in_time(
    launcher: fireworks.FireworksLauncher, handed: Allocation, tmp_path: Path
) -> None:
    handed.seconds = 1000.0
    # The first begins in any case; the last would fit, but its turn does not come.
    handed.members[0].seconds, handed.members[1].seconds = 2000.0, 1000.0
    run(launcher, tmp_path, handed)
    states = bulk(launcher)
    assert [states[m.fw_id][0] for m in handed.members] == [
        JobState.DONE, JobState.READY, JobState.READY,
    ]  # fmt: skip
    assert not any(losses(launcher, member.fw_id) for member in handed.members)


def test_a_job_of_unknown_length_needs_half_of_the_walltime(
    launcher: fireworks.FireworksLauncher, handed: Allocation, tmp_path: Path
) -> None:
    ends = f"{time.time() + 400:.0f}"
    handed.seconds = 1000.0
    run(launcher, tmp_path, handed, SLURM_JOB_END_TIME=ends)
    assert Counter(state for state, _ in bulk(launcher).values()) == {
        JobState.DONE: 1, JobState.READY: 3,
    }  # fmt: skip


def test_a_job_that_crashes_takes_no_other_with_it(
    launcher: fireworks.FireworksLauncher, worker: FireworksWorker,
    handed: Allocation, tmp_path: Path,
) -> None:  # fmt: skip
    (tmp_path / "crashes").touch()
    run(launcher, tmp_path, handed, TOY_CRASHES=str(tmp_path / "crashes"))
    first, *others = handed.members
    states = bulk(launcher)
    assert states[first.fw_id] == (JobState.FAILED, "killed")
    assert {states[member.fw_id][0] for member in others} == {JobState.DONE}
    worker.recover()
    assert bulk(launcher)[first.fw_id][0] is JobState.READY
    assert losses(launcher, first.fw_id) == 1


def test_of_a_job_that_slurm_asked_to_end_slurm_tells_the_cause(
    launcher: fireworks.FireworksLauncher, worker: FireworksWorker,
    handed: Allocation, tmp_path: Path,
) -> None:  # fmt: skip
    (tmp_path / "crashes").touch()
    handed.members = handed.members[:1]
    run(launcher, tmp_path, handed, TOY_CRASHES=str(tmp_path / "crashes"), TOY_SIGNAL="15")
    (first,) = handed.members
    assert bulk(launcher)[first.fw_id] == (JobState.RUNNING, "")
    TABLE["1"] = SlurmJob("TIMEOUT")
    look_twice(worker)
    assert bulk(launcher)[first.fw_id] == (JobState.FAILED, "walltime")


def test_a_job_that_was_cancelled_or_reserved_anew_is_passed_over(
    launcher: fireworks.FireworksLauncher, handed: Allocation, tmp_path: Path
) -> None:
    launchpad = launcher.launchpad
    uuid = launchpad.fireworks.find_one({"fw_id": handed.members[0].fw_id})["spec"]["uuid"]
    assert launcher.cancel([uuid]) == 1
    launchpad.cancel_reservation(handed.members[1].launch_id)
    run(launcher, tmp_path, handed)
    states = bulk(launcher)
    assert [states[m.fw_id][0] for m in handed.members] == [
        JobState.CANCELLED, JobState.READY, JobState.DONE,
    ]  # fmt: skip


# --- what is lost --------------------------------------------------------------------------------


def look_twice(worker: FireworksWorker) -> None:
    worker.recover()
    worker.recover()


def test_of_a_lost_allocation_the_running_job_is_lost_and_the_others_are_given_back(
    launcher: fireworks.FireworksLauncher, worker: FireworksWorker,
    handed: Allocation,
) -> None:  # fmt: skip
    start(launcher, handed.members[1])
    TABLE["1"] = SlurmJob("NODE_FAIL")
    look_twice(worker)
    states = bulk(launcher)
    assert {states[member.fw_id] for member in handed.members} == {(JobState.READY, "")}
    assert [losses(launcher, member.fw_id) for member in handed.members] == [0, 1, 0]


def test_an_allocation_that_never_got_anywhere_counts_for_its_first_job(
    launcher: fireworks.FireworksLauncher, worker: FireworksWorker,
    handed: Allocation,
) -> None:  # fmt: skip
    TABLE["1"] = SlurmJob("FAILED")
    look_twice(worker)
    assert [losses(launcher, member.fw_id) for member in handed.members] == [1, 0, 0]


@pytest.mark.parametrize(
    ("position", "expected"), [(0, (JobState.FAILED, "walltime")), (2, (JobState.READY, ""))]
)
def test_the_walltime_speaks_against_a_job_only_where_it_had_all_of_it(
    launcher: fireworks.FireworksLauncher, worker: FireworksWorker,
    handed: Allocation, position: int, expected: tuple[JobState, str],
) -> None:  # fmt: skip
    start(launcher, handed.members[position])
    TABLE["1"] = SlurmJob("TIMEOUT")
    look_twice(worker)
    assert bulk(launcher)[handed.members[position].fw_id] == expected


def test_to_cancel_a_waiting_job_does_not_end_the_allocation(
    launcher: fireworks.FireworksLauncher, handed: Allocation, tmp_path: Path
) -> None:
    scancel = tmp_path / "bin" / "scancel"
    scancel.write_text(f"#!/bin/sh\necho $* >> {tmp_path}/cancelled\n")
    scancel.chmod(0o755)
    uuids = [
        launcher.launchpad.fireworks.find_one({"fw_id": m.fw_id})["spec"]["uuid"]
        for m in handed.members
    ]
    start(launcher, handed.members[0])
    launcher.cancel(uuids[2:])
    assert not (tmp_path / "cancelled").exists()
    launcher.cancel(uuids[:1])
    assert (tmp_path / "cancelled").read_text().split() == ["1"]


# --- with a real SLURM ---------------------------------------------------------------------------


def test_flows_run_through_few_slurm_jobs(
    profile: Path, launcher: fireworks.FireworksLauncher, database: Database, slurm: SlurmCluster,
    tmp_path: Path,
) -> None:  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "surfalign.launchers.cli.main", "worker", "--profile", profile, "--once"],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = list(launcher.jobs())
    assert len(records) == 32
    assert {record.state for record in records} == {JobState.DONE}, [
        (r.name, r.state, r.message) for r in records if r.state is not JobState.DONE
    ]
    ours = [job for job in slurm.jobs() if job["directory"].startswith(str(tmp_path))]
    assert 11 <= len(ours) <= 24
    assert SurfaceLevelsBuilder(database.jobs, database.surface_levels).run() == 4
    password = re.search(r"://[^:]*:([^@]*)@", os.environ["SURFALIGN_DATABASE_URI"])
    assert password is not None
    for path in (tmp_path / "work").rglob("*"):
        if path.is_file() and path.suffix != ".yaml":
            assert password[1].encode() not in path.read_bytes(), path
