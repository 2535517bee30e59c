"""The loop on this machine: unattended, within its budget, and named errors that leave its state whole."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import toy_engine

from surfalign.errors import (
    ClockError,
    ConfigurationError,
    EmptyPoolError,
    ExplorationError,
    LoopLockedError,
    UncalibratedModelError,
    UnknownElementError,
)
from surfalign.launchers.explore.configuration import ExploreConfiguration
from surfalign.launchers.explore.learning import learn
from surfalign.launchers.explore.loop import LoopOptions, loop_folder, run_loop
from surfalign.launchers.explore.loop_state import Condition, LoopState
from surfalign.launchers.explore.state_store import LOOPS, ROUNDS, LoopRecords, LoopStore
from surfalign.ml.models import shipped_model
from surfalign.processes import owner
from surfalign.settings import load_settings
from surfalign.stores.database import JOBS, SURFACE_LEVELS, Database

Configure = Callable[..., ExploreConfiguration]


def snapshot(database: Database) -> tuple[LoopState | None, int]:
    records = LoopRecords(database, "toy")
    return records.state(), len(records.rounds())


def test_rounds_run_until_the_budget_is_spent(configure: Configure, database: Database) -> None:
    configuration = configure(budget={"surfaces": 5}, model={"kind": "mean", "least_labels": 4})
    state = run_loop(configuration)

    assert (state.condition, state.reason) == (
        Condition.FINISHED,
        "the budget of 5 surfaces is spent",
    )
    rounds = LoopRecords(database, "toy").rounds()
    assert [len(done.chosen) for done in rounds] == [2, 2, 1]
    keys = [surface.key for done in rounds for surface in done.chosen]
    assert len(set(keys)) == 5
    assert {outcome.state for done in rounds for outcome in done.outcomes} == {"passed"}
    assert [done.n_labels for done in rounds] == [0, 2, 4]
    assert [bool(done.model) for done in rounds] == [False, False, True]
    # All steps take 0.1 s: three or fewer crystals with 3 bulk steps, 3 steps for each surface.
    bulk_steps = 3 * len({s.formula for done in rounds for s in done.chosen})
    assert rounds[-1].spent_cpu_time == pytest.approx(0.1 * (bulk_steps + 3 * 5))
    # The mean of the labels is the toy's IP for all; predictions came before the calculation.
    [outcome] = rounds[2].outcomes
    [chosen] = rounds[2].chosen
    error = abs(chosen.predicted["ionization_potential"] - outcome.measured["ionization_potential"])
    accuracy = rounds[2].accuracy["ionization_potential"]
    assert (accuracy.n, accuracy.mean_absolute_error) == (1, pytest.approx(error))
    folder = loop_folder(configuration, load_settings())
    for number in (1, 2, 3):
        plain = json.loads((folder / f"round-{number:03d}.json").read_text())
        assert plain["number"] == number
        assert (
            (folder / f"round-{number:03d}.md").read_text().startswith(f"# toy, round {number}\n")
        )
    # Once more: nothing is left to do.
    executed = len(toy_engine.EXECUTED)
    assert run_loop(configuration).condition is Condition.FINISHED
    assert len(toy_engine.EXECUTED) == executed


def test_flagged_results_teach_where_the_configuration_says_so(
    configure: Configure, database: Database
) -> None:
    run_loop(configure(budget={"surfaces": 4}))
    flag = {"$set": {"state": "flagged", "failed_checks": ["slab_centre_plateau"]}}
    database.collection(SURFACE_LEVELS).update_one({}, flag)

    def labels(**model: bool) -> int:
        configuration = configure(model={"kind": "mean", "least_labels": 3, **model})
        return learn(configuration, database, load_settings(), print).n_labels

    assert (labels(), labels(flagged=True)) == (3, 4)


def test_a_loop_ends_with_its_pool(configure: Configure, database: Database) -> None:
    events: list[str] = []
    state = run_loop(configure(budget={"surfaces": 100}, batch=4), on_event=events.append)
    assert state.reason == "no surface of the pool is left"
    # Before anything is learned for a choice that is none.
    assert "round 2: learn" in events
    assert "round 3: build" in events
    assert "round 3: learn" not in events
    rounds = LoopRecords(database, "toy").rounds()
    assert [len(done.chosen) for done in rounds] == [4, 2]


def test_cpu_time_is_a_budget_too(configure: Configure, database: Database) -> None:
    # The first batch is bounded by the planner's estimate, which is far above the toy's 0.1 s a step.
    state = run_loop(configure(budget={"cpu_hours": 0.9 / 3600}, batch=1))
    assert "fits into the budget" in state.reason
    assert LoopRecords(database, "toy").rounds() == []


def test_a_date_is_a_budget_too(configure: Configure, database: Database) -> None:
    configuration = configure(budget={"until": "2026-01-01"})
    state = run_loop(configuration, now=lambda: datetime(2026, 1, 2, 1, tzinfo=UTC))
    assert state.condition is Condition.FINISHED
    assert state.reason == "the end, 2026-01-02 00:00 UTC, has come"


def test_too_many_failures_pause_the_loop_until_a_person_resumes_it(
    configure: Configure, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_FAILS_FOR", "SrO")
    monkeypatch.setattr(toy_engine, "record", toy_engine.record)
    configuration = configure(budget={"surfaces": 6}, batch=3, failures={"share": 0.2, "least": 3})
    state = run_loop(configuration)
    assert state.condition is Condition.PAUSED
    assert "ConvergenceError" in state.reason
    assert "no convergence in 10 steps" in state.reason
    with pytest.raises(ExplorationError, match=r"has paused.*--resume"):
        run_loop(configuration)
    monkeypatch.delenv("TOY_FAILS_FOR")
    resumed = run_loop(configuration, LoopOptions(resume=True))
    assert resumed.condition is Condition.FINISHED
    outcomes = [o for done in LoopRecords(database, "toy").rounds() for o in done.outcomes]
    assert len({outcome.key for outcome in outcomes}) == len(
        outcomes
    )  # failed ones are not repeated


def test_a_person_stops_the_loop_and_starts_it_again(
    configure: Configure, database: Database
) -> None:
    configuration = configure()

    def stop_at_the_second_round(line: str) -> None:
        if line == "round 2: submit":
            LoopRecords(database, "toy").ask_to_stop()

    state = run_loop(configuration, on_event=stop_at_the_second_round)
    assert state.condition is Condition.STOPPED
    assert state.current is not None
    chosen = state.current.chosen
    assert run_loop(configuration).condition is Condition.FINISHED
    assert LoopRecords(database, "toy").rounds()[1].chosen == chosen


def test_what_the_store_knows_already_is_not_chosen(
    configure: Configure, database: Database
) -> None:
    run_loop(configure())
    other = configure(name="other", budget={"surfaces": 100})
    run_loop(other)
    chosen = [
        {s.key for done in LoopRecords(database, name).rounds() for s in done.chosen}
        for name in ("toy", "other")
    ]
    assert (len(chosen[0]), len(chosen[1]), chosen[0] & chosen[1]) == (4, 2, set())


# --- bad input ---------------------------------------------------------------------------------------


def test_another_pool_under_the_same_name_is_refused(
    configure: Configure, database: Database
) -> None:
    run_loop(configure(), LoopOptions(rounds=1))
    before = snapshot(database)
    with pytest.raises(ConfigurationError, match="another pool or method"):
        run_loop(configure(method={"engine": "toy", "quality": "quick", "relax_slabs": False}))
    assert snapshot(database) == before


def test_an_empty_pool_is_named(
    configure: Configure, database: Database, tmp_path: Path, toy_plan: Path
) -> None:
    with pytest.raises(EmptyPoolError, match="no surface that may be computed"):
        run_loop(configure(pool={"crystals": ["MgO"], "max_atoms": 1}))
    (tmp_path / "empty.jsonl").write_text(toy_plan.read_text().splitlines()[0] + "\n")
    with pytest.raises(ConfigurationError, match="holds no surfaces"):
        run_loop(configure(pool={"plan": "empty.jsonl"}))
    assert snapshot(database) == (None, 0)


def test_a_pool_with_an_unknown_element_is_named(
    configure: Configure, database: Database, tmp_path: Path, toy_plan: Path
) -> None:
    strange = toy_plan.read_text().replace('"element": "Sr"', '"element": "Xx"')
    (tmp_path / "strange.jsonl").write_text(strange)
    with pytest.raises(UnknownElementError, match=r"SrO.*Xx"):
        run_loop(configure(pool={"plan": "strange.jsonl"}))
    assert snapshot(database) == (None, 0)


def test_a_model_without_intervals_that_is_not_trained_is_named(
    configure: Configure, database: Database
) -> None:
    run_loop(configure(), LoopOptions(rounds=2))  # four labels: a model, but no interval
    run_loop(configure(budget={"surfaces": 6}, batch=1), LoopOptions(rounds=1))
    before = snapshot(database)
    configuration = configure(
        budget={"surfaces": 6},
        acquisition="uncertainty",
        model={"kind": "mean", "train": False},
    )
    with pytest.raises(UncalibratedModelError, match="without a model that has intervals"):
        run_loop(configuration)
    after = snapshot(database)
    assert after[0] is not None
    assert after[0].current is not None
    assert after[0].current.step.value == "choose"
    assert after[1] == before[1] + 1  # the round under way
    # With a model that this loop trains, the choice falls back, and the report says so.
    run_loop(configure(budget={"surfaces": 6}, acquisition="uncertainty"))
    assert "the model has no intervals yet" in LoopRecords(database, "toy").rounds()[-1].remark


def test_the_model_that_comes_with_surfalign_guides_a_loop_as_it_is(
    configure: Configure, database: Database
) -> None:
    configuration = configure(
        acquisition="uncertainty", model={"name": shipped_model.NAME, "train": False}
    )
    run_loop(configuration, LoopOptions(rounds=1))
    (found,) = LoopRecords(database, "toy").rounds()
    assert found.model == shipped_model.shipped_registry().card(shipped_model.NAME).version
    assert all(one.predicted for one in found.chosen)


def test_a_profile_that_has_gone_is_named_and_the_loop_goes_on_with_it(
    configure: Configure, database: Database
) -> None:
    run_loop(configure(), LoopOptions(rounds=1))
    before = snapshot(database)
    with pytest.raises(ConfigurationError, match="there is no profile 'gone'"):
        run_loop(configure(profile="gone"))
    assert snapshot(database) == before
    assert run_loop(configure()).condition is Condition.FINISHED


def test_a_clock_that_was_set_back_is_named(configure: Configure, database: Database) -> None:
    run_loop(configure(), LoopOptions(rounds=1))
    before = snapshot(database)
    with pytest.raises(ClockError, match="a clock that goes forward"):
        run_loop(configure(), now=lambda: datetime.now(UTC) - timedelta(days=1))
    assert snapshot(database) == before


def test_two_processes_do_not_run_one_loop(configure: Configure, database: Database) -> None:
    with (
        LoopStore(database, "toy", "ours"),
        pytest.raises(LoopLockedError, match="one process a loop"),
    ):
        run_loop(configure())
    # Whoever died holds nothing.
    dead = {"token": "dead", "at": datetime.now(UTC), **owner(), "created": 1.0}
    database.collection(LOOPS).update_one({"_id": "toy"}, {"$set": {"lock": dead}})
    assert run_loop(configure()).condition is Condition.FINISHED


def test_who_lost_the_loop_to_another_writes_nothing(database: Database) -> None:
    time = datetime.now(UTC)
    state = LoopState(name="toy", pool="p", created_at=time, updated_at=time)
    with LoopStore(database, "toy", "first") as store:
        database.collection(LOOPS).update_one({"_id": "toy"}, {"$set": {"lock.token": "second"}})
        with pytest.raises(LoopLockedError, match="runs the loop 'toy'"):
            store.write(state)
    assert LoopRecords(database, "toy").state() is None


def cut_slabs(configuration: ExploreConfiguration) -> Path:
    """Run one round; return the file of the slabs that it cut."""
    run_loop(configuration, LoopOptions(rounds=1))
    return loop_folder(configuration, load_settings()) / "pool.jsonl.gz"


def test_slabs_that_were_cut_are_kept_and_made_again_when_the_file_is_damaged(
    configure: Configure, database: Database
) -> None:
    configuration = configure()
    file = cut_slabs(configuration)
    content = gzip.decompress(file.read_bytes())
    whole = file.read_bytes()
    middle = bytes(byte ^ 0x5A for byte in whole[2000:2060])
    for damaged in (whole[:100], whole[:2000] + middle + whole[2060:], b""):
        file.write_bytes(damaged)
        assert run_loop(configuration, LoopOptions(rounds=1)).condition is not Condition.PAUSED
        assert gzip.decompress(file.read_bytes()) == content


def test_slabs_that_were_cut_for_other_names_of_crystals_another_engine_or_other_estimates_are_cut_again(
    configure: Configure, database: Database
) -> None:
    configuration = configure()
    file = cut_slabs(configuration)
    content = gzip.decompress(file.read_bytes())
    title, *rows = content.decode().splitlines()
    for key in ("crystals", "edges", "bulk_cpu_time"):
        other = json.dumps(json.loads(title) | {key: "of another time"})
        file.write_bytes(gzip.compress("\n".join([other, *rows, ""]).encode()))
        run_loop(configuration, LoopOptions(rounds=1))
        assert gzip.decompress(file.read_bytes()) == content


def test_a_loop_whose_surfaces_are_other_calculations_by_now_is_refused(
    configure: Configure, database: Database
) -> None:
    configuration = configure()
    run_loop(configuration, LoopOptions(rounds=1))
    # As after an upgrade that changes what the engine does at this quality.
    done = database.collection(ROUNDS).find_one({})
    assert done is not None
    done["round"]["chosen"][0]["key"] = "of another version"
    database.collection(ROUNDS).replace_one({"_id": done["_id"]}, done)
    before = snapshot(database)
    with pytest.raises(ConfigurationError, match="would be another calculation now"):
        run_loop(configuration)
    assert snapshot(database) == before


@pytest.mark.processes
def test_a_loop_survives_kills_at_random_points(
    write_config: Callable[..., Path], database: Database, tmp_path: Path
) -> None:
    config = write_config(budget={"surfaces": 5})
    log = tmp_path / "toy.log"
    doubles = Path(__file__).parents[2] / "doubles"
    ran = subprocess.run(
        [sys.executable, doubles / "killed_exploration.py", config, "12", "7"],
        env=os.environ
        | {"TOY_LOG": str(log), "PYTHONPATH": os.pathsep.join([str(doubles), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    outcome = json.loads(ran.stdout)
    assert outcome["status"] == 0, ran.stderr
    assert outcome["kills"] >= 5

    rounds = LoopRecords(database, "toy").rounds()
    assert [done.number for done in rounds] == [1, 2, 3]
    assert [len(done.chosen) for done in rounds] == [2, 2, 1]  # the budget, and no more
    assert all(o.state == "passed" for done in rounds for o in done.outcomes)
    assert len({s.key for done in rounds for s in done.chosen}) == 5
    folder = tmp_path / "data" / "explore" / "toy"
    assert all((folder / f"round-{number:03d}.md").is_file() for number in (1, 2, 3))
    # A step that was under way when the loop died ran again; no other did.
    ends = Counter(
        line["uuid"]
        for line in map(json.loads, log.read_text().splitlines())
        if line["event"] == "end"
    )
    assert sum(ends.values()) - len(ends) <= outcome["kills"]
    stored = Counter(
        document["uuid"] for document in database.collection(JOBS).find({}, {"uuid": 1})
    )
    assert max(stored.values()) == 1
    results = database.surface_levels.count()
    assert results == 5
