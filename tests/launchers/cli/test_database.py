"""``surfalign db``: the local server and the configured database, and the exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli.main import app
from surfalign.stores.database import Database

pytestmark = pytest.mark.mongo


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["db", *arguments], catch_exceptions=False)


def test_start_status_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path))
    stopped = invoke("status", "--json")
    assert stopped.exit_code == 1
    assert json.loads(stopped.stdout)["running"] is False

    uri = invoke("start").stdout.strip()
    running = invoke("status", "--json")
    report = json.loads(running.stdout)

    assert running.exit_code == 0
    assert report["uri"] == uri
    assert report["answering"] is True
    assert report["results"] == report["jobs"] == 0
    assert Path(report["directory"]).is_relative_to(tmp_path)
    assert "answering" in invoke("status").stdout
    assert invoke("start").stdout.strip() == uri
    assert invoke("stop").stdout == "Stopped the local database.\n"
    assert invoke("stop").stdout == "No local database was running.\n"
    assert invoke("status").exit_code == 1


def test_looking_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path / "data"))

    assert invoke("status").exit_code == 1
    assert invoke("stop").exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_a_configured_database_needs_no_local_one(database: Database) -> None:
    with pytest.raises(ConfigurationError, match="so no local one is used"):
        invoke("start")

    report = json.loads(invoke("status", "--json").stdout)
    assert report["kind"] == "configured"
    assert report["database"] == database.name
    assert report["answering"] is True


def test_an_unreachable_database_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", "mongodb://user:s3cret@127.0.0.1:1/")
    with monkeypatch.context() as patch:
        patch.setattr("surfalign.stores.database.SERVER_SELECTION_TIMEOUT", 200)
        status = invoke("status")
    query = subprocess.run(
        [sys.executable, "-m", "surfalign.launchers.cli.main", "--full-trace", "query"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )

    assert status.exit_code == 1
    assert "mongodb://user:***@127.0.0.1:1/" in status.stdout
    assert query.returncode == 1
    assert "DatabaseUnreachableError" in query.stderr
    assert "s3cret" not in status.output + query.stdout + query.stderr


def test_the_command_that_needs_the_local_server_starts_it_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path))

    first, second = (CliRunner().invoke(app, ["query"], catch_exceptions=False) for _ in range(2))
    invoke("stop")

    assert "Started the local database at mongodb://127.0.0.1:" in first.stderr
    assert "Started" not in second.stderr
