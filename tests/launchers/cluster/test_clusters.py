"""Flows through a real SLURM, by both launchers; nothing but the engine is a double."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import toy_engine
from slurm_cluster import SlurmCluster
from typer.testing import CliRunner

from surfalign.crystals.sources import load_crystal
from surfalign.errors import SurfalignError
from surfalign.files import write_whole
from surfalign.launchers.cli.main import app
from surfalign.launchers.cluster.launcher import JobState, Launcher, open_launcher
from surfalign.launchers.cluster.profiles import load_profile
from surfalign.stores.builders import SurfaceLevelsBuilder
from surfalign.stores.database import Database
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.workflows.planning.plan_file import crystal_flow

# jobflow-remote and FireWorks use functions of monty that are to go.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is deprecated, and will be removed:FutureWarning"),
    pytest.mark.timeout(700),
]

SURFACE = ("MgO(100)-A", (1, 0, 0))


def worker(profile: Path) -> None:
    """Run ``surfalign worker --once`` as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "surfalign.launchers.cli.main", "worker", "--profile", profile, "--once"],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def secret() -> str:
    found = re.search(r"://[^:]*:([^@]*)@", os.environ["SURFALIGN_DATABASE_URI"])
    assert found is not None
    return found[1]


def assert_no_secret(folder: Path, database: Database) -> None:
    """The password is in private files and nowhere else: no log, no script, no document."""
    password = secret().encode()
    for path in folder.rglob("*"):
        if path.is_file() and password in path.read_bytes():
            assert path.stat().st_mode & 0o077 == 0, f"{path} shows the password"
            assert path.suffix == ".yaml", f"{path} shows the password"
    collection = database.jobs.docs_store._collection
    for name in collection.database.list_collection_names():
        for document in collection.database[name].find():
            assert password not in repr(document).encode(), f"a document of {name} shows it"


@pytest.fixture(params=["fireworks", "remote"])
def profile(
    request: pytest.FixtureRequest,
    slurm: SlurmCluster,
    database: Database,
    write_profile: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    pytest.importorskip({"remote": "jobflow_remote"}.get(request.param, request.param))
    uri = os.environ["SURFALIGN_DATABASE_URI"]
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path / "data"))
    write_whole(tmp_path / "uri.yaml", uri, private=True)
    return write_profile(request.param, {"uri_file": str(tmp_path / "uri.yaml")})


@pytest.fixture
def launcher(profile: Path) -> Iterator[Launcher]:
    with open_launcher(load_profile(str(profile))) as opened:
        yield opened


def test_each_step_of_a_flow_runs_in_the_partition_of_the_profile(
    profile: Path, launcher: Launcher, database: Database, slurm: SlurmCluster, tmp_path: Path
) -> None:
    crystal = load_crystal("MgO")
    flow = crystal_flow(crystal.structure, crystal.source, [SURFACE], toy_engine.toy_engine())
    assert launcher.submit([flow]) == 1
    assert launcher.counts()["bulk"] == {JobState.READY: 1}
    worker(profile)

    records = {record.step: record for record in launcher.jobs()}
    assert {record.state for record in records.values()} == {JobState.DONE}
    assert len(records) == 8
    large = {"band edges", "slab potential"}
    assert {step for step, record in records.items() if record.queue == "large"} == large
    ours = [job for job in slurm.jobs() if job["directory"].startswith(str(tmp_path))]
    # SLURM's names of jobs may be cut off.
    assert sorted((job["name"][:12], job["gres"]) for job in ours if job["partition"] == "gpu") == [
        ("MgO(100)-A_s", "gres:gpu:1"), ("MgO_band_edg", "gres:gpu:1"),
    ]  # fmt: skip
    assert len(ours) == 8
    assert len({record.metadata["crystal"] for record in records.values()}) == 1

    assert SurfaceLevelsBuilder(database.jobs, database.surface_levels).run() == 1
    result = SurfaceLevelsDocument.model_validate(database.surface_levels.query_one())
    assert result.ionization_potential == pytest.approx(toy_engine.STEP - toy_engine.VBM, abs=1e-6)
    assert_no_secret(tmp_path, database)


@pytest.mark.parametrize("profile", ["remote"], indirect=True)
def test_jobs_of_jobflow_remote_share_slurm_jobs(
    profile: Path, database: Database, slurm: SlurmCluster, tmp_path: Path
) -> None:
    import yaml

    content = yaml.safe_load(profile.read_text())
    for queue in content["queues"].values():
        queue["jobs_per_allocation"] = 5
    profile.write_text(yaml.safe_dump(content))
    crystal = load_crystal("MgO")
    flow = crystal_flow(crystal.structure, crystal.source, [SURFACE], toy_engine.toy_engine())
    with open_launcher(load_profile(str(profile))) as launcher:
        assert launcher.submit([flow]) == 1
        worker(profile)
        assert {record.state for record in launcher.jobs()} == {JobState.DONE}
    assert SurfaceLevelsBuilder(database.jobs, database.surface_levels).run() == 1


@pytest.mark.parametrize("profile", ["fireworks"], indirect=True)
@pytest.mark.dft
def test_a_surface_is_computed_by_real_dft_from_one_command(
    profile: Path, database: Database, slurm: SlurmCluster, data_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pytest.importorskip("gpaw", exc_type=ImportError)
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(data_directory))  # its PAW datasets
    arguments = ["submit", "MgO", "--profile", str(profile), "--quality", "quick"]
    arguments += ["--functional", "pbesol", "--no-relax"]
    first = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "1 surfaces: 1 were new, 1 flows" in first.stdout
    again = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "1 surfaces: 0 were new, 0 flows" in again.stdout
    worker(profile)
    SurfaceLevelsBuilder(database.jobs, database.surface_levels).run()
    (result,) = map(SurfaceLevelsDocument.model_validate, database.surface_levels.query())
    # PBEsol puts the valence band of MgO(100) at 5 to 6 eV below vacuum.
    assert 4.5 < result.ionization_potential < 6.5
    assert result.engine == "gpaw"


def test_a_failed_step_has_its_cause_and_can_be_tried_again(
    profile: Path, launcher: Launcher, database: Database
) -> None:
    crystal = load_crystal("MgO")
    engine = toy_engine.toy_engine(fails_for="MgO")
    launcher.submit([crystal_flow(crystal.structure, crystal.source, [SURFACE], engine)])
    worker(profile)
    (failed,) = launcher.jobs(states=[JobState.FAILED])
    assert (failed.step, failed.cause) == ("slab relaxation", "convergence")
    assert "no convergence in 10 steps" in failed.message
    assert failed.metadata["surface_name"] == "MgO(100)-A"
    assert launcher.rerun([failed.uuid]) == 1
    (again,) = launcher.jobs([failed.uuid])
    assert again.state is JobState.READY
    assert launcher.cancel() > 0
    assert not list(launcher.jobs(states=[JobState.READY, JobState.WAITING]))


@pytest.mark.parametrize("profile", ["fireworks"], indirect=True)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"queues.large.partition": "gpus"}, r"queue large: .*'gpus': .*Invalid partition"),
        ({"queues.small.tasks": 4096}, r"queue small: SLURM refuses a job in partition 'cpu'"),
        ({"engines": {"gpaw": "mpirum -n {cores}"}}, r"the program 'mpirum' of gpaw is not found"),
        ({"database": {"uri": "mongodb://127.0.0.1:9/"}}, r"127.0.0.1:9.* does not answer"),
        ({"database": "wrong password"}, r"refuses this user"),
        ({"clusters.local.bin_directory": "/nowhere"}, r"no /nowhere/rlaunch"),
        ({"clusters.local.work_directory": "/proc/work"}, r"work directory of local: /proc/work"),
        ({"queues.small.walltme": "1:00:00"}, r"queues.small.walltme: unknown key"),
    ],
)  # fmt: skip
def test_a_bad_profile_is_named_before_anything_is_submitted(
    profile: Path, database: Database, change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    import yaml

    content = yaml.safe_load(profile.read_text())
    for place, value in change.items():
        *folders, last = place.split(".")
        inner = content
        for folder in folders:
            inner = inner[folder]
        inner[last] = value
    if content["database"] == "wrong password":
        uri = os.environ["SURFALIGN_DATABASE_URI"].replace(secret(), "wrong-password")
        write_whole(tmp_path / "wrong", uri, private=True)
        content["database"] = {"uri_file": str(tmp_path / "wrong")}
    profile.write_text(yaml.safe_dump(content))
    result = CliRunner().invoke(app, ["submit", "MgO", "--profile", str(profile)])
    assert isinstance(result.exception, SurfalignError), result.output
    assert re.search(message, str(result.exception)), str(result.exception)
    for password in ("wrong-password", secret()):
        assert password not in result.output + str(result.exception)
    names = database.jobs.docs_store._collection.database.list_collection_names()
    assert not {"fireworks", "campaign_surfaces"} & {
        name for name in names if database.jobs.docs_store._collection.database[name].find_one()
    }


@pytest.mark.parametrize("profile", ["fireworks"], indirect=True)
def test_doctor_sends_a_job_through_every_queue(
    profile: Path, database: Database, slurm: SlurmCluster
) -> None:
    result = CliRunner().invoke(
        app, ["doctor", "--profile", str(profile), "--json"], catch_exceptions=False
    )
    report = json.loads(result.stdout)
    findings = {finding["name"]: finding for finding in report["checks"]}
    assert report["ready"], findings
    assert findings["job in queue large"]["detail"] == "ran in partition gpu"
    assert secret() not in result.output
