"""What a process leaves that dies between two updates of FireWorks' collections; the worker mends it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import toy_engine

from surfalign.crystals.sources import load_crystal
from surfalign.files import write_whole
from surfalign.launchers.cluster import slurm
from surfalign.launchers.cluster.fireworks import worker as fireworks_worker
from surfalign.launchers.cluster.launcher import JobState
from surfalign.launchers.cluster.profiles import load_profile
from surfalign.launchers.cluster.slurm import SlurmJob
from surfalign.stores.database import Database
from surfalign.workflows.planning.plan_file import crystal_flow

fireworks = pytest.importorskip("surfalign.launchers.cluster.fireworks.launcher")


@pytest.fixture
def launcher(
    database: Database, write_profile: Callable[..., Path], tmp_path: Path
) -> Iterator[fireworks.FireworksLauncher]:
    write_whole(tmp_path / "uri", os.environ["SURFALIGN_DATABASE_URI"], private=True)
    profile = load_profile(str(write_profile("fireworks", {"uri_file": str(tmp_path / "uri")})))
    with fireworks.open_launcher(profile) as opened:
        mgo = load_crystal("MgO")
        surfaces = [("MgO(100)-A", (1, 0, 0))]
        flow = crystal_flow(mgo.structure, mgo.source, surfaces, toy_engine.toy_engine())
        assert opened.submit([flow]) == 1
        yield opened


@pytest.fixture
def worker(
    launcher: fireworks.FireworksLauncher, monkeypatch: pytest.MonkeyPatch
) -> fireworks_worker.FireworksWorker:
    """A worker whose SLURM is a table, and for which no time need pass."""
    monkeypatch.setattr(fireworks_worker, "GRACE", 0.0)
    monkeypatch.setattr(fireworks_worker, "LOCK_GRACE", 0.0)
    monkeypatch.setattr(slurm, "states_of", lambda numbers: {n: TABLE[n] for n in numbers})
    return fireworks_worker.FireworksWorker(launcher, "local")


TABLE: dict[str, SlurmJob] = {}


def reserve(launcher: fireworks.FireworksLauncher, number: str | None, state: str) -> int:
    """Reserve the bulk step as the worker does, start it as its job; return the firework's id."""
    from fireworks import FWorker

    firework, launch = launcher.launchpad.reserve_fw(FWorker(), "/nowhere")
    if number is not None:
        launcher.launchpad.set_reservation_id(launch, number)
    if state == "RUNNING":
        launcher.launchpad.checkout_fw(FWorker(), "/nowhere", fw_id=firework.fw_id)
    return int(firework.fw_id)


def bulk(launcher: fireworks.FireworksLauncher) -> tuple[JobState, str, int]:
    (record,) = (record for record in launcher.jobs() if record.step == "bulk")
    return record.state, record.cause, record.tries


@pytest.mark.parametrize("state", ["RESERVED", "RUNNING"])
def test_a_job_that_was_cancelled_in_slurm_starts_again_and_at_last_fails(
    launcher: fireworks.FireworksLauncher, worker: fireworks_worker.FireworksWorker, state: str
) -> None:
    TABLE["7"] = SlurmJob("CANCELLED")
    for attempt in range(1, worker.profile.reruns + 1):
        reserve(launcher, "7", state)
        worker.recover()
        assert bulk(launcher)[0] in (JobState.QUEUED, JobState.RUNNING)  # one look is not enough
        worker.recover()
        assert bulk(launcher) == (JobState.READY, "", attempt)
    reserve(launcher, "7", state)
    worker.recover()
    worker.recover()
    assert bulk(launcher)[:2] == (JobState.FAILED, "cancelled")
    uuid = next(record.uuid for record in launcher.jobs() if record.step == "bulk")
    assert launcher.rerun([uuid]) == 1
    assert bulk(launcher)[:2] == (JobState.READY, "")


@pytest.mark.parametrize(("state", "cause"), [("TIMEOUT", "walltime"), ("OUT_OF_MEMORY", "memory")])
def test_what_would_happen_again_is_left_to_people(
    launcher: fireworks.FireworksLauncher,
    worker: fireworks_worker.FireworksWorker,
    state: str,
    cause: str,
) -> None:
    TABLE["8"] = SlurmJob(state)
    reserve(launcher, "8", "RUNNING")
    worker.recover()
    worker.recover()
    assert bulk(launcher)[:2] == (JobState.FAILED, cause)


def test_a_running_job_is_left_alone(
    launcher: fireworks.FireworksLauncher, worker: fireworks_worker.FireworksWorker
) -> None:
    TABLE["9"] = SlurmJob("RUNNING")
    reserve(launcher, "9", "RUNNING")
    for _ in range(4):
        worker.recover()
    assert bulk(launcher)[0] is JobState.RUNNING


def test_a_reservation_whose_maker_died_is_given_back(
    launcher: fireworks.FireworksLauncher, worker: fireworks_worker.FireworksWorker
) -> None:
    reserve(launcher, None, "RESERVED")
    worker.recover()
    worker.recover()
    assert bulk(launcher)[0] is JobState.READY


def test_a_workflow_that_was_left_locked_is_freed(
    launcher: fireworks.FireworksLauncher, worker: fireworks_worker.FireworksWorker
) -> None:
    workflows = launcher.launchpad.workflows
    workflows.update_one({}, {"$set": {"locked": True}})
    worker.recover()
    worker.recover()
    assert workflows.count_documents({"locked": True}) == 0


def test_who_changes_a_workflow_that_was_left_locked_does_not_wait_for_ever(
    launcher: fireworks.FireworksLauncher,
    worker: fireworks_worker.FireworksWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fireworks, "LOCK_EXPIRY", 0.1)
    TABLE["8"] = SlurmJob("TIMEOUT")
    reserve(launcher, "8", "RUNNING")
    worker.recover()
    worker.recover()
    launcher.launchpad.workflows.update_one({}, {"$set": {"locked": True}})
    uuid = next(record.uuid for record in launcher.jobs() if record.step == "bulk")
    with fireworks.open_launcher(launcher.profile) as operator:
        assert operator.rerun([uuid]) == 1
    assert bulk(launcher)[0] is JobState.READY


def test_a_job_whose_parents_are_done_does_not_wait_for_ever(
    launcher: fireworks.FireworksLauncher, worker: fireworks_worker.FireworksWorker
) -> None:
    from fireworks import FWAction

    fw_id = reserve(launcher, "9", "RUNNING")
    launch = launcher.launchpad.fireworks.find_one({"fw_id": fw_id})["launches"][-1]
    launcher.launchpad.complete_launch(launch, FWAction())
    # As if the process had died before it came to the children.
    launcher.launchpad.fireworks.update_one(
        {"spec.step": "dielectric"}, {"$set": {"state": "WAITING"}}
    )
    assert worker.mend() == 0
    assert worker.mend() == 1
    (record,) = (record for record in launcher.jobs() if record.step == "dielectric")
    assert record.state is JobState.READY


def test_the_worker_does_not_end_while_a_job_that_is_done_readies_its_children(
    launcher: fireworks.FireworksLauncher, worker: fireworks_worker.FireworksWorker
) -> None:
    launchpad = launcher.launchpad
    # The moment between the two: the bulk is done, the others wait, and the workflow is locked.
    launchpad.fireworks.update_one({"spec.step": "bulk"}, {"$set": {"state": "COMPLETED"}})
    launchpad.workflows.update_one({}, {"$set": {"locked": True}})
    assert worker._blocked() == 0
    launchpad.workflows.update_one({}, {"$unset": {"locked": ""}})
    # Were it to stay so, the three would wait in vain.
    assert worker._blocked() == 3
