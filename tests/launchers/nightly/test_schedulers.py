"""``surfalign schedule`` and ``nightly``: entries, locks, logs, reports, and failed nights in the status."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock
from stored_results import job_output, passed_result
from typer.testing import CliRunner, Result

from surfalign.errors import ConfigurationError, MissingDependencyError
from surfalign.launchers.cli.main import app
from surfalign.launchers.nightly import runs, schedulers
from surfalign.launchers.nightly.runs import NightlyRun, last_runs, run_nightly
from surfalign.settings import load_settings
from surfalign.stores.database import CAMPAIGN_SURFACES, Database

SECRET_URI = "mongodb://me:very-secret@host/"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], Path]:
    """Write a settings file and make it the one in force."""

    def write(content: dict[str, Any]) -> Path:
        path = tmp_path / "settings.yaml"
        path.write_text(yaml.safe_dump(content))
        monkeypatch.setenv("SURFALIGN_CONFIG_FILE", str(path))
        return path

    return write


@pytest.fixture
def cluster(
    settings: Callable[[dict[str, Any]], Path], profile_content: Callable[..., dict[str, Any]]
) -> Callable[..., Path]:
    """Write a settings file with the profile 'cluster', whose database is given."""
    return lambda **database: settings(
        {"profiles": {"cluster": profile_content("fireworks", database)}}
    )


@pytest.fixture
def uri_file(tmp_path: Path) -> Path:
    """A private file with an address that holds a password."""
    path = tmp_path / "uri"
    path.touch(mode=0o600)
    path.write_text(SECRET_URI)
    return path


@pytest.fixture
def kept(
    server_uri: str, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A private file with the address of this test's database, the only thing that names it."""
    path = tmp_path / "address"
    path.touch(mode=0o600)
    path.write_text(server_uri)
    monkeypatch.delenv("SURFALIGN_DATABASE_URI")
    monkeypatch.setenv("SURFALIGN_DATABASE_URI_FILE", str(path))
    database.jobs.update([job_output(passed_result("a"), "job-a", "2026-01-01T00:00:00")])
    return path


def surfalign(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments], catch_exceptions=False)


# --- entries -----------------------------------------------------------------------------------


def test_the_line_for_cron(data: Path, cluster: Callable[..., Path]) -> None:
    cluster()
    text = surfalign("schedule", "build", "--at", "2:05", "--profile", "cluster").stdout
    mark, line = text.splitlines()
    assert mark == "# surfalign nightly build"
    assert line.startswith("5 2 * * * ")
    assert line.endswith("surfalign nightly build -- --profile cluster >/dev/null 2>&1")
    assert f"SURFALIGN_DATA_DIRECTORY={data}" in line


@pytest.mark.parametrize("via", schedulers.VIA)
def test_no_secret_is_in_an_entry(
    via: str, uri_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_DATABASE_URI_FILE", str(uri_file))
    result = surfalign("schedule", "build", "--via", via)
    assert f"SURFALIGN_DATABASE_URI_FILE={uri_file}" in result.stdout
    assert "very-secret" not in result.output
    assert "Database: surfalign at mongodb://me:***@host/" in result.stderr


@pytest.mark.parametrize("via", schedulers.VIA)
def test_an_address_that_this_shell_alone_knows_is_refused(
    via: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", SECRET_URI)
    with pytest.raises(
        ConfigurationError, match=r"known to this shell only.*database_uri_file"
    ) as e:
        surfalign("schedule", "build", "--via", via)
    assert "very-secret" not in str(e.value)


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://host/?tlsCertificateKeyFilePassword=very-secret",
        "mongodb+srv://me:very-secret@cluster0.example.net/",
        "mongodb://a,b,c/?replicaSet=r&authMechanismProperties=AWS_SESSION_TOKEN:very-secret",
    ],
)
def test_every_kind_of_secret_is_kept_out_of_entries(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", uri)
    with pytest.raises(ConfigurationError, match="holds a secret") as error:
        surfalign("schedule", "build")
    assert "very-secret" not in str(error.value)


def test_an_address_without_secrets_goes_into_the_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", "mongodb://a:27018,b/?replicaSet=r&tls=true")
    monkeypatch.setenv("SURFALIGN_DATABASE_NAME", "oxides")
    line = surfalign("schedule", "build").stdout
    assert "'SURFALIGN_DATABASE_URI=mongodb://a:27018,b/?replicaSet=r&tls=true'" in line
    assert "SURFALIGN_DATABASE_NAME=oxides" in line


def test_the_settings_file_in_force_is_in_the_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A surfalign.yaml of this directory is found from the home directory, where cron works."""
    monkeypatch.delenv("SURFALIGN_CONFIG_FILE")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "surfalign.yaml").write_text("{database_uri: 'mongodb://me:very-secret@host/'}\n")
    result = surfalign("schedule", "build")
    assert f"SURFALIGN_CONFIG_FILE={tmp_path / 'surfalign.yaml'}" in result.stdout
    assert "very-secret" not in result.output


def test_a_relative_data_directory_is_the_same_at_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", "data")
    monkeypatch.setenv("SURFALIGN_ARCHIVE_DIRECTORY", "archive")
    line = surfalign("schedule", "build").stdout
    assert f"SURFALIGN_DATA_DIRECTORY={tmp_path / 'data'}" in line
    assert f"SURFALIGN_ARCHIVE_DIRECTORY={tmp_path / 'archive'}" in line


def test_the_address_of_a_profile_lasts(cluster: Callable[..., Path], uri_file: Path) -> None:
    cluster(uri_file=str(uri_file))
    result = surfalign("schedule", "build", "--profile", "cluster")
    assert "SURFALIGN_DATABASE" not in result.stdout
    assert f"(named by {uri_file})" in result.stderr
    cluster(uri="mongodb://host/oxides")
    result = surfalign("schedule", "build", "--", "--profile=cluster")
    assert "oxides at mongodb://host/oxides (named by profile cluster)" in result.stderr


def test_what_another_directory_does_not_hold_is_refused(
    cluster: Callable[..., Path], uri_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(uri_file.parent)
    cluster(uri_file="uri")
    with pytest.raises(ConfigurationError, match=f"write uri_file: {uri_file}"):
        surfalign("schedule", "build", "--profile", "cluster")
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", "mongodb://host/?tls=true&tlsCAFile=uri")
    with pytest.raises(ConfigurationError, match=f"write tlsCAFile={uri_file} in the URI"):
        surfalign("schedule", "build")


def test_slurm_does_not_run_an_entry_beside_the_local_database() -> None:
    with pytest.raises(ConfigurationError, match="the local one answers on this machine alone"):
        surfalign("schedule", "build", "--via", "scrontab")


def test_scrontab_asks_for_partition_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", "mongodb://host/")
    text = surfalign(
        "schedule", "retrain", "--via", "scrontab", "--partition", "gpu", "--time-limit", "8:00:00",
        "--", "--model", "nightly",
    ).stdout  # fmt: skip
    assert "#SCRON --partition=gpu" in text
    assert "#SCRON --time=8:00:00" in text
    assert "surfalign nightly retrain -- --model nightly" in text


def _at_night(command: str, home: Path) -> int:
    """Run a line as cron does: from the home directory, with almost no variables."""
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}
    # Tests run from the source tree.
    if "PYTHONPATH" in os.environ:
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    return subprocess.run(
        ["/bin/sh", "-c", command], check=False, env=environment, cwd=home
    ).returncode


def test_the_entry_runs_as_it_is_written(
    database: Database, data: Path, kept: Path, tmp_path: Path
) -> None:
    line = surfalign("schedule", "build").stdout.splitlines()[1]
    assert _at_night(line.split(None, 5)[5], tmp_path) == 0
    [night] = last_runs(database)
    assert night.ok
    assert night.summary == "Results: 1 written, 1 in all"
    assert night.database.startswith(f"{database.name} at mongodb://surfalign:***@127.0.0.1:")


def test_systemd_units_are_valid(tmp_path: Path) -> None:
    path = tmp_path / "units"
    surfalign("schedule", "build", "--via", "systemd", "--at", "02:00", "--output", str(path))
    text = path.read_text()
    assert "OnCalendar=*-*-* 02:00:00" in text
    assert "Type=oneshot" in text
    assert "nightly build" in text


def test_a_percent_sign_does_not_end_the_line_of_cron(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = schedulers.entry("retrain", "02:00", ["--query", "a % b", "--model", "$x"])
    assert r"\%" in schedulers.crontab_text(wanted)
    unit = schedulers.systemd_units(wanted)["surfalign-retrain.service"]
    assert "%%" in unit
    assert "'$$x'" in unit


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sleep"], "unknown task 'sleep'"),
        (["build", "--at", "25:00"], "'25:00' is no time of day"),
        (["build", "--via", "anacron"], "unknown scheduler 'anacron'"),
        (["retrain", "--profile", "p"], "--profile with the task retrain"),
    ],
)
def test_what_cannot_be_scheduled_is_named(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        surfalign("schedule", *arguments)


@pytest.fixture
def crontab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A crontab and a scrontab that keep their tables in a file; a double."""
    table = tmp_path / "table"
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("crontab", "scrontab"):
        program = folder / name
        program.write_text(
            f'#!/bin/sh\nif [ "$1" = -l ]; then cat "{table}"; else cat > "{table}.new" && '
            f'mv "{table}.new" "{table}"; fi\n'
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return table


@pytest.mark.programs
@pytest.mark.parametrize("via", ["cron", "scrontab"])
def test_an_entry_is_installed_once_beside_those_of_others(
    crontab: Path, via: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", "mongodb://host/")
    crontab.write_text("0 1 * * * backup\n# a remark\n")
    for at in ("02:00", "03:30"):
        result = surfalign("schedule", "build", "--via", via, "--at", at, "--install")
        assert "Installed" in result.output
    surfalign("schedule", "retrain", "--via", via, "--at", "04:00", "--install")
    lines = crontab.read_text().splitlines()
    assert lines[:2] == ["0 1 * * * backup", "# a remark"]
    commands = [line for line in lines if line[0].isdigit()]
    assert [line[:6] for line in commands] == ["0 1 * ", "30 3 *", "0 4 * "]


@pytest.mark.programs
def test_the_first_entry_of_a_user_without_a_table(crontab: Path) -> None:
    surfalign("schedule", "build", "--install")
    assert "nightly build" in crontab.read_text()


def test_a_scheduler_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="crontab is not on this machine"):
        surfalign("schedule", "build", "--install")


# --- nights ------------------------------------------------------------------------------------


def test_a_night_logs_and_leaves_a_dated_report(database: Database, data: Path) -> None:
    database.jobs.update([job_output(passed_result("a"), "job-a", "2026-01-01T00:00:00")])
    result = surfalign("nightly", "build")
    assert "1 written, 1 in all" in result.stdout
    [report] = (data / "nights").glob("*.json")
    night = NightlyRun.model_validate_json(report.read_bytes())
    assert report.name.startswith(f"{night.started_at:%Y-%m-%d}")
    assert night.exit_code == 0
    assert night.ok
    assert Path(night.log_file).read_text().strip() == "Results: 1 written, 1 in all"
    [seen] = last_runs(database)
    assert seen.summary == "Results: 1 written, 1 in all"


def test_a_failed_night_is_told(database: Database, data: Path) -> None:
    result = surfalign("nightly", "build", "--", "--profile", "missing")
    assert result.exit_code == 1
    [night] = last_runs(database)
    assert not night.ok
    assert "there is no profile 'missing'" in night.summary
    assert "no profile 'missing'" in Path(night.log_file).read_text()


def test_a_night_on_an_empty_register_fails_and_says_so(database: Database, data: Path) -> None:
    result = surfalign("nightly", "build")
    assert result.exit_code == 1
    assert f"the database {database.name} at " in result.stdout
    assert (
        "holds no job, no result and no campaign. Is that the one that is meant?" in result.stdout
    )
    [night] = last_runs(database)
    assert not night.ok
    assert "holds no job" in Path(night.log_file).read_text()


def test_a_night_of_a_campaign_without_a_finished_job_is_no_failure(
    database: Database, data: Path
) -> None:
    database.collection(CAMPAIGN_SURFACES).insert_one({"key": "a", "state": "submitted"})
    assert run_nightly("build", [], load_settings()).ok


@pytest.mark.programs
def test_a_night_without_an_address_starts_no_new_database(data: Path) -> None:
    """As an entry does that lost its address."""
    night = run_nightly("build", [], load_settings())
    assert not night.ok
    assert f"there is no local one in {data / 'database'}" in night.summary
    assert not (data / "database").exists()


def test_the_report_is_in_the_database_of_the_profile(
    database: Database, data: Path, kept: Path, cluster: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Where surfalign status --profile looks for it."""
    monkeypatch.delenv("SURFALIGN_DATABASE_URI_FILE")
    monkeypatch.delenv("SURFALIGN_DATABASE_NAME")
    cluster(uri_file=str(kept), name=database.name)
    night = run_nightly("build", ["--profile", "cluster"], load_settings())
    assert night.ok, night.summary
    assert database.collection("nights").count_documents({"exit_code": 0}) == 1
    assert not (data / "database").exists()


@pytest.mark.programs
def test_a_night_without_a_database_is_told_by_its_file(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200"
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", uri)
    night = run_nightly("build", [], load_settings())
    assert not night.ok
    assert "does not answer" in night.summary
    [seen] = last_runs(None)
    assert seen == night


def test_a_second_night_does_not_disturb_the_first(database: Database, data: Path) -> None:
    (data / "nights").mkdir(parents=True)
    with FileLock(data / "nights" / "build.lock"):
        night = run_nightly("build", [], load_settings())
    assert not night.ok
    assert night.summary == "another nightly build is still running"


def test_a_killed_night_is_a_failed_one(database: Database, data: Path) -> None:
    """The process dies between the first report and the last."""
    database.jobs.update([job_output(passed_result("a"), "job-a", "2026-01-01T00:00:00")])
    script = (
        "import os, signal\n"
        "from surfalign.launchers.nightly import runs\n"
        "from surfalign.settings import load_settings\n"
        "runs._run = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)\n"
        "runs.run_nightly('build', [], load_settings())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -9
    [night] = last_runs(database)
    assert night.is_lost
    assert not night.ok
    # The lock went with the process.
    assert run_nightly("build", [], load_settings()).ok
    assert [n.ok for n in last_runs(database)] == [True]


def test_a_night_that_runs_is_no_failure() -> None:
    from datetime import UTC, datetime

    import psutil

    night = NightlyRun(
        task="build", command="", started_at=datetime.now(UTC), log_file="", pid=os.getpid(),
        hostname=runs.socket.gethostname(), created=psutil.Process().create_time(),
    )  # fmt: skip
    assert night.ok
    assert not night.is_lost
