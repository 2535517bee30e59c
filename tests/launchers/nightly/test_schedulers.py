"""``surfalign schedule`` and ``nightly``: entries, locks, logs, reports, and failed nights in the status."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from stored_results import job_output, passed_result
from typer.testing import CliRunner, Result

from surfalign.errors import ConfigurationError, MissingDependencyError
from surfalign.launchers.cli.main import app
from surfalign.launchers.nightly import runs, schedulers
from surfalign.launchers.nightly.runs import NightlyRun, last_runs, run_nightly
from surfalign.settings import load_settings
from surfalign.stores.database import Database


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path / "data"))
    return tmp_path / "data"


def surfalign(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments], catch_exceptions=False)


# --- entries -----------------------------------------------------------------------------------


def test_the_line_for_cron(data: Path) -> None:
    text = surfalign("schedule", "build", "--at", "2:05", "--profile", "cluster").stdout
    mark, line = text.splitlines()
    assert mark == "# surfalign nightly build"
    assert line.startswith("5 2 * * * ")
    assert line.endswith("surfalign nightly build -- --profile cluster >/dev/null 2>&1")
    assert f"SURFALIGN_DATA_DIRECTORY={data}" in line


def test_no_secret_is_in_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", "mongodb://me:very-secret@host/")
    for via in schedulers.VIA:
        assert "very-secret" not in surfalign("schedule", "build", "--via", via).stdout


def test_scrontab_asks_for_partition_and_time() -> None:
    text = surfalign(
        "schedule", "retrain", "--via", "scrontab", "--partition", "gpu", "--time-limit", "8:00:00",
        "--", "--model", "nightly",
    ).stdout  # fmt: skip
    assert "#SCRON --partition=gpu" in text
    assert "#SCRON --time=8:00:00" in text
    assert "surfalign nightly retrain -- --model nightly" in text


def test_the_entry_runs_as_it_is_written(database: Database, data: Path) -> None:
    line = surfalign("schedule", "build").stdout.splitlines()[1]
    command = line.split(None, 5)[5]
    done = subprocess.run(["/bin/sh", "-c", command], check=False)
    assert done.returncode == 0
    [night] = last_runs(database)
    assert night.ok


def test_systemd_units_are_valid(tmp_path: Path) -> None:
    path = tmp_path / "units"
    surfalign("schedule", "build", "--via", "systemd", "--at", "02:00", "--output", str(path))
    text = path.read_text()
    assert "OnCalendar=*-*-* 02:00:00" in text
    assert "Type=oneshot" in text
    assert "nightly build" in text


def test_a_percent_sign_does_not_end_the_line_of_cron(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = schedulers.entry("retrain", "02:00", ["--query", "a % b"])
    assert r"\%" in schedulers.crontab_text(wanted)
    assert "%%" in schedulers.systemd_units(wanted)["surfalign-retrain.service"]


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
def test_an_entry_is_installed_once_beside_those_of_others(crontab: Path, via: str) -> None:
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


@pytest.mark.programs
def test_a_night_without_a_database_is_told_by_its_file(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", "mongodb://127.0.0.1:9/")
    monkeypatch.setattr("surfalign.stores.database.SERVER_SELECTION_TIMEOUT", 200)
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
