"""A run on several cores: steps side by side, with the toy engine and processes of its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import psutil
import pytest
import toy_engine
from jobflow import Flow, Job, JobStore
from maggma.stores import MemoryStore
from side_by_side_jobs import add_two, die, meet, needs_memory, replaced, same, settings_here

from surfalign.crystals.sources import load_crystal
from surfalign.errors import EngineKilledError, InsufficientMemoryError
from surfalign.launchers.local.run_flow import StepFailure, run_flow, run_flows
from surfalign.launchers.local.shares import Share
from surfalign.workflows.flows import BandAlignmentMaker

pytestmark = pytest.mark.programs

MACHINE = Share(cores=4, memory=8.0)


@pytest.fixture
def store() -> JobStore:
    memory = JobStore(MemoryStore())
    memory.connect()
    return memory


def output(store: JobStore, one: Job) -> object:
    return store.get_output(one.uuid)


def run(store: JobStore, directory: Path, *jobs: Job) -> list[StepFailure]:
    return run_flow(Flow([*jobs]), store, directory, reuse=False, machine=MACHINE)


@pytest.mark.processes
def test_independent_jobs_run_at_one_time(store: JobStore, tmp_path: Path) -> None:
    jobs = [meet(str(tmp_path), "a", "b"), meet(str(tmp_path), "b", "a")]
    assert run(store, tmp_path / "runs", *jobs) == []
    assert [output(store, one) for one in jobs] == ["a", "b"]


def test_jobs_get_their_shares_and_a_folder_each(store: JobStore, tmp_path: Path) -> None:
    jobs = [settings_here(), settings_here()]
    last = settings_here(*[one.output for one in jobs])
    assert run(store, tmp_path, *jobs, last) == []
    found = [output(store, one) for one in (*jobs, last)]
    assert [one["cores"] for one in found] == [2, 2, 4]
    assert [one["memory"] for one in found] == [2.0, 2.0, 8.0]
    assert len({one["folder"] for one in found}) == 3
    assert list(tmp_path.iterdir()) == []  # nothing was left in the folders


def test_a_job_that_runs_out_of_its_share_gets_more(store: JobStore, tmp_path: Path) -> None:
    large, small = needs_memory(7.0), needs_memory(1.0)
    assert run(store, tmp_path, large, small) == []
    assert output(store, large) == 8.0
    (failure,) = run(store, tmp_path, needs_memory(9.0), needs_memory(1.0))
    assert isinstance(failure.error, InsufficientMemoryError)


def test_added_and_replacing_jobs_run_before_those_that_wait_for_them(
    store: JobStore, tmp_path: Path
) -> None:
    first, second = add_two(), replaced(1)
    last = same(second.output)
    assert run(store, tmp_path, first, second, last) == []
    assert output(store, last) == 2
    assert store.count() == 1 + 2 + 2 + 1


def test_a_killed_process_is_a_failure_of_its_job_alone(store: JobStore, tmp_path: Path) -> None:
    killed, other = die(), same("other")
    (failure,) = run(store, tmp_path, killed, same(killed.output), other)
    assert isinstance(failure.error, EngineKilledError)
    assert failure.uuid == killed.uuid
    assert output(store, other) == "other"


def test_no_process_is_left_after_an_error_on_the_way(store: JobStore, tmp_path: Path) -> None:
    def stop(line: str) -> None:
        if line == "second: started":
            raise KeyboardInterrupt

    first, second = meet(str(tmp_path), "a", "never"), same(1)
    first.name, second.name = "first", "second"
    with pytest.raises(KeyboardInterrupt):
        run_flow(
            Flow([first, second]), store, tmp_path / "runs", reuse=False,
            machine=MACHINE, on_event=stop,
        )  # fmt: skip
    children = psutil.Process().children(recursive=True)
    assert not [c for c in children if "surfalign.launchers.local.job_worker" in c.cmdline()]


def test_crystals_side_by_side_give_what_they_give_in_turn(tmp_path: Path) -> None:
    crystals = [load_crystal(name) for name in ("MgO", "SrO")]
    maker = BandAlignmentMaker(engine=toy_engine.toy_engine(fails_for="SrO"), max_index=1)
    found = []
    for machine in (None, MACHINE):
        store = JobStore(MemoryStore())
        store.connect()
        failed: dict[int, Counter[str]] = {}

        def end(
            number: int, failures: list[StepFailure], to: dict[int, Counter[str]] = failed
        ) -> None:
            to[number] = Counter(failure.name for failure in failures)

        run_flows(
            [maker.make(c.structure, c.source) for c in crystals],
            store,
            tmp_path,
            reuse=[True, True],
            machine=machine,
            on_end=end,
        )
        levels = {
            document["uuid"]: (document["name"], document["output"].get("ionization_potential"))
            for document in store.query({})
        }
        found.append((levels, failed))
    assert found[0] == found[1]
    levels, failed = found[1]
    assert len(levels) > 12
    assert failed[0] == Counter()
    assert failed[1]
    assert all(name.startswith("SrO") and "slab relaxation" in name for name in failed[1])
