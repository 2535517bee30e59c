"""``surfalign status``, ``retry``, ``cancel``, ``pause``, ``resume``, ``results``, ``build``."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import memory_launcher
import pytest
import yaml
from memory_launcher import MemoryLauncher
from plans import write_plan
from stored_results import job_output, passed_result
from typer.testing import CliRunner, Result

from surfalign.errors import ConfigurationError
from surfalign.launchers.campaign.status import campaign_status
from surfalign.launchers.campaign.submission import submit_plan
from surfalign.launchers.cli.main import app
from surfalign.launchers.cluster import profiles
from surfalign.launchers.cluster.job_table import FACTS
from surfalign.launchers.cluster.launcher import JobState
from surfalign.launchers.cluster.profiles import Profile, load_profile
from surfalign.stores.campaign_register import Method
from surfalign.stores.database import Database
from surfalign.workflows.engines import engine as engines

METHOD = Method(engine="toy", quality="quick")


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plan(tmp_path_factory.mktemp("plans") / "plan.jsonl")


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(engines.ENGINES, "toy", "toy_engine:make_engine")
    path = tmp_path / "cluster.yaml"
    content = {
        "launcher": "fireworks",
        "clusters": {"local": {"work_directory": str(tmp_path / "work")}},
        "queues": {"cpu": {"partition": "cpu"}, "gpu": {"partition": "gpu", "nodes": 2}},
        "steps": {"default": "cpu", "band edges": "gpu"},
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def launcher(
    plan: Path, profile: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> MemoryLauncher:
    """A campaign of four surfaces of two crystals."""
    opened = MemoryLauncher()
    monkeypatch.setitem(profiles.LAUNCHERS, "fireworks", "memory_launcher:open_launcher")
    monkeypatch.setattr(memory_launcher, "open_launcher", lambda profile, cluster: opened)
    submit_plan(plan, METHOD, opened, database, campaign="oxides")
    return opened


@pytest.fixture
def surfalign(launcher: MemoryLauncher, profile: Path) -> Callable[..., Result]:
    def run(command: str, *arguments: str) -> Result:
        result = CliRunner().invoke(
            app, [command, "--profile", str(profile), *arguments], catch_exceptions=False
        )
        assert result.exit_code == 0, result.output
        return result

    return run


def uuids(launcher: MemoryLauncher, formula: str, *steps: str) -> list[str]:
    return [
        r.uuid for r in launcher.records if r.metadata["formula"] == formula and r.step in steps
    ]


def add_surface_jobs(launcher: MemoryLauncher, formula: str, state: JobState) -> None:
    """Add the alignments of a crystal's surfaces, as its surfaces job does."""
    from dataclasses import replace

    [cut] = [
        r for r in launcher.records if r.step == "surfaces" and r.metadata["formula"] == formula
    ]
    for index in ("100", "110"):
        name = f"{formula}({index})-A"
        metadata = cut.metadata | {
            "step": "alignment",
            "surface_name": name,
            "surface_identifier": f"{formula}{index}",
            "miller_index": [int(digit) for digit in index],
            "termination": "A",
            "result_identifiers": [f"{formula}-{index}-A-ddh-1"],
        }
        launcher.records.append(
            replace(cut, uuid=f"align {name}", name=f"{name} alignment", step="alignment",
                    state=state, metadata=metadata)
        )  # fmt: skip


def test_status_of_a_new_campaign(surfalign: Callable[..., Result]) -> None:
    report = json.loads(surfalign("status", "--json").stdout)
    assert report["surfaces"] == 4
    assert (report["done"], report["failed"], report["running"], report["waiting"]) == (0, 0, 0, 4)
    assert report["steps"]["bulk"] == {"ready": 2}
    assert report["steps"]["surfaces"] == {"waiting": 2}
    assert report["remaining_node_hours"] is None
    shown = surfalign("status").stdout
    assert "4 surfaces: 0 done, 0 failed, 0 running, 4 waiting" in shown
    assert "no estimate before a job of each kind is done" in shown


def test_status_counts_the_surfaces_behind_a_bulk_step(
    surfalign: Callable[..., Result], launcher: MemoryLauncher
) -> None:
    launcher.put(JobState.RUNNING, uuids(launcher, "MgO", "bulk"))
    launcher.put(
        JobState.FAILED, uuids(launcher, "SrO", "bulk"), cause="walltime", message="TIMEOUT"
    )
    report = json.loads(surfalign("status", "--json").stdout)
    assert (report["done"], report["failed"], report["running"], report["waiting"]) == (0, 2, 2, 0)
    assert report["failures"] == [
        {
            "cause": "walltime", "step": "bulk", "jobs": 1, "surfaces": 2,
            "example": "SrO bulk", "message": "TIMEOUT",
        }
    ]  # fmt: skip
    assert "walltime" in surfalign("status").stdout


def test_status_tells_what_does_not_get_on(
    surfalign: Callable[..., Result], launcher: MemoryLauncher, database: Database
) -> None:
    assert json.loads(surfalign("status", "--json").stdout)["stuck"] == []
    held = "JobHeldAdmin: held by an administrator; ask them"
    launcher.put(JobState.QUEUED, uuids(launcher, "MgO", "bulk"), stuck=held)
    launcher.put(JobState.QUEUED, uuids(launcher, "SrO", "bulk"), stuck=held)
    refusal = "SLURM takes no job: no project; name one by --account"
    database.collection(FACTS).insert_one({"_id": "troubles", "queue cpu": refusal})
    report = json.loads(surfalign("status", "--json").stdout)
    assert report["stuck"] == [{"reason": held, "jobs": 2, "example": "MgO bulk"}]
    assert report["troubles"] == {"queue cpu": refusal}
    shown = surfalign("status").stdout
    assert f"2 jobs are stuck: {held} (e.g. MgO bulk)" in shown
    assert f"queue cpu: {refusal}" in shown
    listed = json.loads(surfalign("status", "--surfaces", "--json").stdout)
    assert {(row["state"], row["message"]) for row in listed} == {("queued", held)}


def test_the_surfaces_are_listed_with_their_states(
    surfalign: Callable[..., Result], launcher: MemoryLauncher
) -> None:
    launcher.put(
        JobState.DONE, uuids(launcher, "MgO", "bulk", "dielectric", "band edges", "surfaces")
    )
    add_surface_jobs(launcher, "MgO", JobState.DONE)
    launcher.put(JobState.FAILED, ["align MgO(110)-A"], cause="error", message="no plateau")
    launcher.put(JobState.RUNNING, uuids(launcher, "SrO", "bulk"))

    rows = json.loads(surfalign("status", "--surfaces", "--json").stdout)

    found = {row["name"]: (row["state"], row["step"], row["cause"]) for row in rows}
    assert found == {
        "MgO(100)-A": ("done", "", ""),
        "MgO(110)-A": ("failed", "alignment", "error"),
        "SrO(100)-A": ("running", "bulk", ""),
        "SrO(110)-A": ("running", "bulk", ""),
    }
    failed = json.loads(surfalign("status", "--state", "failed", "--json").stdout)
    assert [row["name"] for row in failed] == ["MgO(110)-A"]
    assert json.loads(surfalign("status", "--campaign", "another", "--json").stdout) == []
    assert "no plateau" in surfalign("status", "--surfaces").stdout


def test_rate_and_end_follow_from_the_latest_jobs(
    launcher: MemoryLauncher, database: Database, profile: Path
) -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    start = now - timedelta(hours=2)
    steps = (
        "bulk",
        "dielectric",
        "band edges",
        "oriented bulk",
        "slab relaxation",
        "slab potential",
    )
    for number, step in enumerate(steps):
        # Each took half an hour; all ended within the last hour and a half.
        output = {"calculation": {"wall_time": 1800.0, "started_at": (start).isoformat()}}
        database.jobs.update(
            [{
                "uuid": f"done {number}", "index": 1, "output": output,
                "metadata": {"step": step}, "completed_at": f"2026-11-20T10:30:0{number}",
            }]
        )  # fmt: skip
    found = campaign_status(launcher, database, _profile(profile), launcher.counts(), now)
    # Two crystals to come (bulk, dielectric, and band edges on two nodes), and four surfaces
    # (relaxation and potential; how many oriented cells there will be is not known yet).
    assert found.remaining_node_hours == pytest.approx(2 * (0.5 + 0.5 + 1.0) + 4 * (0.5 + 0.5))
    # Seven half hours of nodes within the hour and a half since the first end.
    rate = 7 * 0.5 / 1.5
    assert found.finished_at is not None
    assert (found.finished_at - now) / timedelta(hours=1) == pytest.approx(8.0 / rate)


def _profile(path: Path) -> Profile:
    return load_profile(str(path))


def test_retry_by_cause(surfalign: Callable[..., Result], launcher: MemoryLauncher) -> None:
    launcher.put(JobState.FAILED, uuids(launcher, "MgO", "bulk"), cause="walltime")
    launcher.put(JobState.FAILED, uuids(launcher, "SrO", "bulk"), cause="convergence")
    assert json.loads(surfalign("retry", "--cause", "walltime", "--json").stdout) == {"jobs": 1}
    states = {r.metadata["formula"]: r.state for r in launcher.records if r.step == "bulk"}
    assert states == {"MgO": JobState.READY, "SrO": JobState.FAILED}
    assert "1 job ready to run again" in surfalign("retry").stdout


def test_cancel_pause_and_resume(
    surfalign: Callable[..., Result], launcher: MemoryLauncher
) -> None:
    assert "4 jobs paused" in surfalign("pause", "--formula", "MgO").stdout
    assert {r.state for r in launcher.records if r.metadata["formula"] == "MgO"} == {
        JobState.PAUSED
    }
    assert "4 jobs released" in surfalign("resume").stdout
    assert "2 jobs cancelled" in surfalign("cancel", "--step", "dielectric").stdout
    assert "6 jobs cancelled" in surfalign("cancel", "--yes").stdout
    assert "8 jobs ready to run again" in surfalign("retry", "--cause", "cancelled").stdout


def test_cancelling_all_is_asked_first(launcher: MemoryLauncher, profile: Path) -> None:
    result = CliRunner().invoke(app, ["cancel", "--profile", str(profile)], input="n\n")
    assert result.exit_code == 1
    assert {r.state for r in launcher.records} == {JobState.READY, JobState.WAITING}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--cause", "gremlins"], "unknown cause"), (["--step", "bulks"], "unknown kind of step")],
)
def test_an_unknown_condition_is_named(arguments: list[str], message: str, profile: Path) -> None:
    with pytest.raises(ConfigurationError, match=message):
        CliRunner().invoke(
            app, ["retry", "--profile", str(profile), *arguments], catch_exceptions=False
        )


def test_without_a_profile_the_settings_must_have_exactly_one(database: Database) -> None:
    with pytest.raises(ConfigurationError, match="0 profiles are in the settings"):
        CliRunner().invoke(app, ["status"], catch_exceptions=False)


def test_results_are_built_with_the_failures_of_the_campaign(
    surfalign: Callable[..., Result], launcher: MemoryLauncher, database: Database
) -> None:
    launcher.put(
        JobState.DONE, uuids(launcher, "MgO", "bulk", "dielectric", "band edges", "surfaces")
    )
    add_surface_jobs(launcher, "MgO", JobState.DONE)
    launcher.put(JobState.FAILED, ["align MgO(110)-A"], cause="error", message="no plateau")
    launcher.put(
        JobState.FAILED, uuids(launcher, "SrO", "bulk"), cause="walltime", message="TIMEOUT"
    )
    result = passed_result("MgO-100-A-ddh-1")
    database.jobs.update([job_output(result, "align MgO(100)-A", "2026-01-01T00:00:00")])

    shown = surfalign("results").stdout
    assert "3 of 3 results; 1 new or changed" in shown
    assert "walltime in bulk: TIMEOUT" in shown
    documents = json.loads(surfalign("results", "--json", "-").stdout)
    assert {d["identifier"].split("-")[0] for d in documents} == {"MgO", "SrO"}
    failed = {d["surface_name"]: d["error"] for d in documents if d["error"]}
    assert failed["MgO(110)-A"] == {"error": "error", "message": "no plateau", "step": "alignment"}
    assert failed["SrO"]["error"] == "walltime"
    assert "1 of 1 results; 0 new" in surfalign("results", "state = passed").stdout

    # The failures are mended: one job runs again, the other is done.
    launcher.put(JobState.RUNNING, uuids(launcher, "SrO", "bulk"), cause="")
    launcher.put(JobState.DONE, ["align MgO(110)-A"], cause="")
    mended = passed_result("MgO-110-A-ddh-1", surface_name="MgO(110)-A")
    database.jobs.update([job_output(mended, "align MgO(110)-A", "2026-01-01T00:00:00")])
    report = json.loads(surfalign("build", "--json").stdout)
    assert report == {"written": 1, "failures": 0, "flows_released": 0, "results": 2}


def test_build_without_a_profile(database: Database) -> None:
    database.jobs.update([job_output(passed_result("a"), "job-a", "2026-01-01T00:00:00")])
    assert CliRunner().invoke(app, ["build"]).stdout == "Results: 1 written, 1 in all\n"
    assert CliRunner().invoke(app, ["build"]).stdout == "Results: 0 written, 1 in all\n"
    assert json.loads(CliRunner().invoke(app, ["build", "--json"]).stdout) == {
        "written": 0, "results": 1,
    }  # fmt: skip


def test_a_failed_night_is_seen_in_the_status(
    surfalign: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path / "data"))
    assert "Nightly" not in surfalign("status").stdout
    arguments = ["nightly", "build", "--", "--profile", "missing"]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 1
    assert "Nightly build FAILED" in surfalign("status").stdout
    [night] = json.loads(surfalign("status", "--json").stdout)["nights"]
    assert night["exit_code"] == 1
    assert "no profile 'missing'" in night["summary"]
