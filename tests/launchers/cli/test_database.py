"""``surfalign db``: the local server and the configured database, and the exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pymongo
import pytest
from failing_database import FailingDatabase
from stored_results import job_output, passed_result
from typer.testing import CliRunner, Result

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli.main import app, main
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


def test_a_backup_is_checked_restored_and_refused_by_a_filled_database(
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    database.jobs.update([job_output(passed_result("a"), "job-a", "2026-01-01T00:00:00")])
    path = str(tmp_path / "oxides.backup")
    assert "Wrote 1 documents to" in invoke("backup", path).stderr
    assert "is whole: 1 documents" in invoke("restore", path, "--check").stdout
    assert "holds documents (jobs: 1)" in _said(capsys, "db", "restore", path)
    assert "--merge" in _said(capsys, "db", "restore", path)
    assert invoke("restore", path, "--merge").exit_code == 0
    monkeypatch.setenv("SURFALIGN_DATABASE_NAME", f"{database.name}_copy")
    restored = invoke("restore", path)
    assert re.search(r"jobs +│ 1 ", restored.stdout)
    assert json.loads(invoke("status", "--json").stdout)["jobs"] == 1


def test_a_large_local_database_is_told_to_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path))
    (tmp_path / "database" / "storage").mkdir(parents=True)
    with (tmp_path / "database" / "storage" / "large").open("wb") as file:
        file.truncate(3 * 10**9)  # a hole, which takes no room
    report = json.loads(invoke("status", "--json").stdout)
    assert report["advice"].startswith("beyond 2 GB use a MongoDB")


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
    assert report["named_by"] == "SURFALIGN_DATABASE_URI"
    assert report["answering"] is True


def test_an_unreachable_database_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = "mongodb://user:s3cret@127.0.0.1:1/?serverSelectionTimeoutMS=200"
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", uri)
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


def test_the_database_of_a_profile_is_shown(
    database: Database, server_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SURFALIGN_DATABASE_NAME")
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", "mongodb://elsewhere/")
    uri_file = tmp_path / "uri"
    uri_file.touch(mode=0o600)
    uri_file.write_text(server_uri)
    profile = tmp_path / "cluster.yaml"
    profile.write_text(
        f"{{launcher: local, database: {{uri_file: {uri_file}, name: {database.name}}}}}\n"
    )
    result = invoke("status", "--profile", str(profile), "--json")
    report = json.loads(result.stdout)
    assert report["database"] == database.name
    assert report["named_by"] == str(uri_file)
    assert report["uri"].startswith("mongodb://surfalign:***@127.0.0.1:")


def test_results_that_an_earlier_version_put_elsewhere_are_pointed_at(
    database: Database, server_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pymongo.MongoClient[dict[str, Any]](server_uri) as client:
        client["surfalign"]["jobs"].insert_one({"uuid": "a", "index": 1})
        try:
            assert "the database 'surfalign' of this server holds 1 jobs" in invoke("status").stdout
            database.collection("jobs").insert_one({"uuid": "a", "index": 1})
            assert "note" not in json.loads(invoke("status", "--json").stdout)
        finally:
            client.drop_database("surfalign")


def test_two_names_of_the_database_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", "mongodb://host/users")
    monkeypatch.setenv("SURFALIGN_DATABASE_NAME", "oxides")
    with pytest.raises(ConfigurationError, match="names the database 'users'"):
        invoke("status")


# --- users -----------------------------------------------------------------------------------------


@pytest.fixture
def reader(database: Database, server_uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A user who may only read, whose password holds all that must be encoded; he is configured."""
    database.jobs.update([job_output(passed_result("a"), "job-a", "2026-01-01T00:00:00")])
    password = "p@ss/w:rd%25 +"
    name = f"reader_{database.name}"
    with pymongo.MongoClient[dict[str, Any]](server_uri) as client:
        roles = [{"role": "read", "db": database.name}]
        client["admin"].command("createUser", name, pwd=password, roles=roles)
        _, _, host = server_uri.rpartition("@")
        uri = f"mongodb://{name}:{quote(password, safe='')}@{host.replace('/?', '/?authSource=admin&')}"
        monkeypatch.setenv("SURFALIGN_DATABASE_URI", uri)
        yield password
        client["admin"].command("dropUser", name)


def test_a_user_who_may_only_read_queries_and_is_told_that_he_may_not_build(
    reader: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = json.loads(invoke("status", "--json").stdout)
    assert report["answering"] is True
    assert report["jobs"] == 1
    assert CliRunner().invoke(app, ["query"], catch_exceptions=False).exit_code == 0
    said = _said(capsys, "build")
    assert "refuses this user: not authorized" in said
    assert "Traceback" not in said
    assert reader not in said + json.dumps(report)


def test_a_password_that_is_not_encoded_is_refused_and_not_shown(
    reader: str,
    database: Database,
    server_uri: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    host = server_uri.rpartition("@")[2]
    monkeypatch.setenv(
        "SURFALIGN_DATABASE_URI", f"mongodb://reader_{database.name}:{reader}@{host}"
    )
    for command in (("query",), ("db", "status"), ("db", "status", "--json"), ("db", "start")):
        said = _said(capsys, *command)
        assert "not percent-encoded" in said
        assert not any(piece in said for piece in ("p@ss", "w:rd", "ss/w"))


# --- a database that fails -----------------------------------------------------------------------


def _said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the program to its end, as a user does; return all that it says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["surfalign", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 1, arguments
    return "".join(capsys.readouterr())


_COMMANDS = [
    ("query",),
    ("show", "a"),
    ("export", "results.csv"),
    ("build",),
    ("db", "status"),
    ("db", "status", "--json"),
    ("db", "backup", "oxides.backup"),
    ("run", "MgO", "--quality", "quick"),
    ("learn", "freeze", "-o", "data.json.gz"),
    ("status", "--profile", "cluster.yaml"),
    ("results", "--profile", "cluster.yaml"),
    ("retry", "--profile", "cluster.yaml"),
]


@pytest.mark.parametrize("command", _COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    "answer",
    [
        {"ok": 0, "code": 8000, "errmsg": "bad auth : authentication failed"},
        {"ok": 0, "code": 9, "errmsg": "a failure without a name"},
        None,
    ],
    ids=["refused", "unforeseen", "closed"],
)
def test_a_failing_database_ends_a_command_in_one_message(
    command: tuple[str, ...],
    answer: dict[str, Any] | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cluster.yaml").write_text(
        f"{{launcher: fireworks, clusters: {{local: {{work_directory: {tmp_path}}}}}, "
        "queues: {cpu: {partition: cpu}}}\n"
    )
    # Indexes are made, so that commands come as far as they can.
    answers = {"*": answer, "createIndexes": {"ok": 1}}
    with FailingDatabase(answers) as double:
        monkeypatch.setenv("SURFALIGN_DATABASE_URI", double.uri())
        said = _said(capsys, *command)
    assert "Traceback" not in said
    if "--json" in command:
        assert json.loads(said)["answering"] is False
    else:
        assert "To do:" in said
