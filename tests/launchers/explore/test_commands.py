"""``surfalign explore``: its commands, for people and for scripts, and its nights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from toy_plugin import toy_plugin
from typer.testing import CliRunner

from surfalign.errors import DocumentNotFoundError
from surfalign.launchers.cli.main import app
from surfalign.launchers.explore.loop_state import Condition
from surfalign.launchers.explore.state_store import LoopRecords
from surfalign.launchers.nightly.runs import run_nightly
from surfalign.settings import load_settings
from surfalign.stores.database import Database


def explore(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["explore", *map(str, arguments)], catch_exceptions=False)


def test_a_loop_is_started_looked_at_and_reported(
    write_config: Callable[..., Path], database: Database
) -> None:
    config = write_config()
    assert json.loads(explore("status", config, "--json").stdout)["condition"] == "never started"
    assert explore("stop", config).stdout == "No process runs this loop.\n"

    first = explore("start", config, "--rounds", "1")
    assert "no process runs it; go on: surfalign explore start" in first.stdout
    status = json.loads(explore("status", config, "--json").stdout)
    assert (status["condition"], status["running"]) == ("running", False)
    assert (status["rounds"], status["surfaces"]) == (1, 2)

    started = explore("start", config)
    assert started.stdout == "toy: finished: the budget of 4 surfaces is spent\n"
    assert "surfaces: 4" in explore("status", config).stdout

    rounds = json.loads(explore("report", config, "--json").stdout)
    assert [done["number"] for done in rounds] == [1, 2]
    assert "| 2 | done | random | 2 | 2 | 0 | 0 |" in explore("report", config).stdout
    assert explore("report", config, "--round", "2").stdout.startswith("# toy, round 2\n")
    with pytest.raises(DocumentNotFoundError, match="no round 7"):
        explore("report", config, "--round", "7")


def test_a_loop_that_pauses_ends_with_a_failure(
    write_config: Callable[..., Path], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_FAILS_FOR", "SrO")
    config = write_config(
        budget={"surfaces": 6},
        batch=6,
        failures={"share": 0.1, "least": 2},
        acquisition="diversity",
    )
    ended = explore("start", config)
    # The budget and the failures are looked at before a round: the pause comes first.
    assert ended.exit_code == 1
    assert "toy: paused: 2 of 6 surfaces failed" in ended.stdout


@pytest.mark.programs
def test_a_night_runs_one_round(
    write_config: Callable[..., Path],
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", toy_plugin(tmp_path / "plugin"))
    night = run_nightly("explore", [str(write_config())], load_settings())
    assert night.ok, night.summary
    state = LoopRecords(database, "toy").state()
    assert state is not None
    assert (state.condition, state.current) == (Condition.RUNNING, None)
    assert [len(done.chosen) for done in LoopRecords(database, "toy").rounds()] == [2]
