"""Submission: every surface once, whoever submits, however often, and whatever kills him."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from memory_launcher import MemoryLauncher
from plans import write_plan

from surfalign.errors import ConfigurationError
from surfalign.launchers.campaign.submission import planned, release, submit_plan
from surfalign.launchers.cluster.launcher import JobState
from surfalign.settings import load_settings
from surfalign.stores import campaign_register as registry_module
from surfalign.stores.campaign_register import Method, Registry
from surfalign.stores.database import Database, connect
from surfalign.workflows.engines import engine as engines

METHOD = Method(engine="toy", quality="quick")
#: MgO and SrO have two surfaces each up to index 1.
N_SURFACES, N_CRYSTALS = 4, 2


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plan(tmp_path_factory.mktemp("plans") / "plan.jsonl")


@pytest.fixture(autouse=True)
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engines.ENGINES, "toy", "toy_engine:make_engine")


def submit(plan: Path, launcher: MemoryLauncher, database: Database, **options: Any) -> Any:
    options = {"campaign": "first", "method": METHOD} | options
    return submit_plan(plan, options.pop("method"), launcher, database, **options)


def names(launcher: MemoryLauncher) -> list[str]:
    """Names of the surfaces of all flows."""
    return sorted(name for f in launcher.flows for name in f.jobs[-1].maker.surface_names)


def states(database: Database) -> dict[str, int]:
    return Counter(document["state"] for document in Registry(database).surfaces.find())


def with_indices(plan: Path, path: Path, *indices: list[int]) -> Path:
    """Write a plan that has only some orientations."""
    import json

    kept = [
        line
        for line in plan.read_text().splitlines()
        for entry in [json.loads(line)]
        if entry["kind"] != "surface" or entry["miller_index"] in indices
    ]
    crystals = {json.loads(line).get("crystal") for line in kept}
    assert len(crystals) > 1
    path.write_text("\n".join(kept) + "\n")
    return path


def test_a_plan_is_submitted_once(plan: Path, database: Database) -> None:
    launcher = MemoryLauncher()
    foreseen = planned(plan, METHOD, database)
    report = submit(plan, launcher, database)

    assert (report.surfaces, report.new, report.flows, report.waiting) == (4, 4, 2, 0)
    assert foreseen == report
    assert names(launcher) == ["MgO(100)-A", "MgO(110)-A", "SrO(100)-A", "SrO(110)-A"]
    assert states(database) == {"submitted": N_SURFACES}

    again = submit(plan, launcher, database)
    assert (again.surfaces, again.new, again.flows, again.waiting) == (4, 0, 0, 0)
    assert planned(plan, METHOD, database) == again
    assert len(launcher.flows) == N_CRYSTALS


def test_a_flow_has_the_bulk_steps_of_its_crystal_once(plan: Path, database: Database) -> None:
    launcher = MemoryLauncher()
    submit(plan, launcher, database)
    assert Counter(r.step for r in launcher.records) == {
        "bulk": 2, "dielectric": 2, "band edges": 2, "surfaces": 2,
    }  # fmt: skip
    documents = list(Registry(database).surfaces.find({}, {"_id": 0}))
    bulk = {r.uuid for r in launcher.records if r.step == "bulk"}
    ends = {r.uuid for r in launcher.records if r.step == "surfaces"}
    assert {d["bulk"] for d in documents} == bulk
    assert {d["flow"] for d in documents} == ends


def test_a_limit_counts_surfaces(plan: Path, database: Database) -> None:
    launcher = MemoryLauncher()
    assert submit(plan, launcher, database, limit=1).new == 1
    assert len(names(launcher)) == 1
    # A crystal has one surface left, which waits for the bulk steps; the other crystal goes.
    report = submit(plan, launcher, database, limit=3)
    assert (report.surfaces, report.new, report.flows, report.waiting) == (3, 2, 1, 1)


def test_another_method_is_another_document(plan: Path, database: Database) -> None:
    launcher = MemoryLauncher()
    submit(plan, launcher, database)
    other = METHOD.model_copy(update={"relax_slabs": False})
    assert submit(plan, launcher, database, method=other).new == N_SURFACES
    assert Registry(database).surfaces.count_documents({}) == 2 * N_SURFACES


def test_options_of_the_engine_belong_to_the_method(plan: Path, database: Database) -> None:
    launcher = MemoryLauncher()
    plain = Method(engine="vasp", quality="quick")
    assert submit(plan, launcher, database, method=plain).new == N_SURFACES
    coupled = Method(
        engine="vasp", quality="quick", options={"spin_orbit": "on", "hubbard_u": True}
    )
    assert submit(plan, launcher, database, method=coupled).new == N_SURFACES
    turned = Method(engine="vasp", quality="quick", options={"hubbard_u": True, "spin_orbit": "on"})
    assert submit(plan, launcher, database, method=turned).new == 0

    stored = [d["method"] for d in database.collection("campaign_crystals").find()]
    assert {Method(**method) for method in stored} == {plain, coupled}
    # What is handed over is another calculation, not only another entry.
    edges = [record.uuid for record in launcher.records if record.step == "band edges"]
    assert len(set(edges)) == len(stored)


def test_another_campaign_with_the_same_surfaces_adds_its_label(
    plan: Path, database: Database
) -> None:
    launcher = MemoryLauncher()
    submit(plan, launcher, database)
    report = submit(plan, launcher, database, campaign="second")
    assert (report.new, report.flows) == (0, 0)
    documents = list(Registry(database).surfaces.find())
    assert [d["campaigns"] for d in documents] == [["first", "second"]] * N_SURFACES


def test_new_surfaces_wait_for_the_bulk_steps_that_are_under_way(
    plan: Path, database: Database, tmp_path: Path
) -> None:
    launcher = MemoryLauncher()
    submit(with_indices(plan, tmp_path / "100.jsonl", [1, 0, 0]), launcher, database)
    report = submit(plan, launcher, database)
    assert (report.new, report.flows, report.waiting) == (2, 0, 2)
    assert release(launcher, database) == 0

    for job in (job for flow in launcher.flows for job in flow.jobs[:-1]):
        document = {"uuid": job.uuid, "index": 1, "output": {"structure": {}, "n": 1}}
        database.jobs.update([document])
    assert release(launcher, database) == 2
    assert [len(flow.jobs) for flow in launcher.flows] == [4, 4, 1, 1]
    assert names(launcher) == ["MgO(100)-A", "MgO(110)-A", "SrO(100)-A", "SrO(110)-A"]
    assert states(database) == {"submitted": N_SURFACES}


def test_finished_bulk_steps_are_not_submitted(plan: Path, database: Database) -> None:
    probe = MemoryLauncher()
    submit(plan, probe, database)
    database.collection("campaign_surfaces").delete_many({})
    database.collection("campaign_crystals").delete_many({})
    for flow in probe.flows:
        flow.jobs[0].run(database.jobs)

    launcher = MemoryLauncher()
    submit(plan, launcher, database)

    assert Counter(r.step for r in launcher.records) == {
        "dielectric": 2, "band edges": 2, "surfaces": 2,
    }  # fmt: skip


def test_many_submitters_at_once_submit_every_surface_once(plan: Path, database: Database) -> None:
    launcher = MemoryLauncher()
    errors: list[BaseException] = []
    barrier = threading.Barrier(4)

    def work(number: int) -> None:
        try:
            with connect(load_settings()) as own:
                barrier.wait(timeout=300)
                submit(plan, launcher, own, campaign=f"campaign {number}")
        except BaseException as error:  # noqa: BLE001 - told to the main thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    release(launcher, database)
    assert len(launcher.flows) == N_CRYSTALS
    assert len(names(launcher)) == N_SURFACES
    assert states(database) == {"submitted": N_SURFACES}


class Killed(BaseException):
    """What a test raises where a process would be killed."""


@pytest.fixture
def dead_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first submitter claims to be a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    own = registry_module.owner
    seen: list[None] = []

    def owner() -> dict[str, Any]:
        seen.append(None)
        return own() | ({"pid": child.pid, "created": 0.0} if len(seen) <= 2 else {})

    monkeypatch.setattr(registry_module, "owner", owner)


@pytest.mark.usefixtures("dead_process")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("place", ["register", "lock", "begin", "submit", "finish"])
def test_a_submitter_killed_anywhere_loses_and_doubles_nothing(
    place: str, when: str, plan: Path, database: Database
) -> None:
    launcher = MemoryLauncher()
    with pytest.MonkeyPatch.context() as patch:
        owner: Any = MemoryLauncher if place == "submit" else Registry
        original = getattr(owner, place)

        def dying(self: Any, *arguments: Any, **options: Any) -> Any:
            if when == "after":
                original(self, *arguments, **options)
            raise Killed

        patch.setattr(owner, place, dying)
        patch.setattr(Registry, "unlock", lambda self, keys: None)  # the dead unlock nothing
        with pytest.raises(Killed):
            submit(plan, launcher, database)

    report = submit(plan, launcher, database)

    assert report.waiting == 0
    assert names(launcher) == ["MgO(100)-A", "MgO(110)-A", "SrO(100)-A", "SrO(110)-A"]
    assert len(launcher.flows) == N_CRYSTALS
    assert states(database) == {"submitted": N_SURFACES}


def test_crystals_that_a_living_submitter_holds_are_left_to_him(
    plan: Path, database: Database
) -> None:
    launcher = MemoryLauncher()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Registry, "begin", lambda self, flows: set())
        patch.setattr(Registry, "unlock", lambda self, keys: None)
        submit(plan, launcher, database)

    report = submit(plan, launcher, database)

    assert (report.new, report.flows, report.waiting) == (0, 0, N_SURFACES)


def test_a_lost_lock_stops_the_handing_over(plan: Path, database: Database) -> None:
    """A submitter that slept longer than the lease must not submit what another has."""
    launcher = MemoryLauncher()
    begin = Registry.begin

    def robbed(self: Registry, flows: Any) -> set[str]:
        self.crystals.update_one({"formula": "MgO"}, {"$set": {"lock.token": "another"}})
        return begin(self, flows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Registry, "begin", robbed)
        submit(plan, launcher, database)

    assert [flow.name for flow in launcher.flows] == ["SrO band alignment"]


def test_failed_bulk_steps_are_not_computed_by_the_way(
    plan: Path, database: Database, tmp_path: Path
) -> None:
    launcher = MemoryLauncher()
    submit(with_indices(plan, tmp_path / "100.jsonl", [1, 0, 0]), launcher, database)
    launcher.put(JobState.FAILED, cause="walltime")
    assert submit(plan, launcher, database).waiting == 2


def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "plan.jsonl"
    path.write_text('{"kind": "settings"}\n')
    with pytest.raises(ConfigurationError, match="holds no surfaces"):
        submit(path, MemoryLauncher(), database)
