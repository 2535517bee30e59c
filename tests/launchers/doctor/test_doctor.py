"""``surfalign doctor``: each check, with what it looks at broken on purpose."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surfalign.launchers.cli.main import app
from surfalign.launchers.doctor import installation
from surfalign.launchers.doctor.installation import Finding, State, examine

#: What one process prints whose GPAW has neither.
TRIAL_ALONE = '{"processes": 1, "fftw": false, "scalapack": false}\n'


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let a package seem to be absent."""
    version = installation._version

    def hide(name: str) -> None:
        monkeypatch.setattr(installation, "_version", lambda p: None if p == name else version(p))

    return hide


@pytest.mark.programs
def test_everything_that_these_tests_need_is_found() -> None:
    """The real checks, real subprocesses and a real parallel run included."""
    result = CliRunner().invoke(app, ["doctor", "--json"], catch_exceptions=False)
    report = json.loads(result.stdout)
    assert report["ready"] is (result.exit_code == 0)
    findings = {finding["name"]: finding for finding in report["checks"]}
    for name in ("Python", "surfalign", "settings", "pymatgen", "jobflow", "maggma", "atomate2"):
        assert findings[name]["state"] == "ok", findings[name]
    for finding in findings.values():
        assert finding["detail"]
        assert (finding["remedy"] == "") is (finding["state"] == "ok"), finding
    pytest.importorskip("gpaw", exc_type=ImportError)
    assert findings["GPAW"]["state"] == "ok"
    assert findings["GPAW"]["detail"].endswith("with FFTW and ScaLAPACK")
    assert findings["MPI"]["detail"] == "two processes share one k-point"


def test_lines_come_one_by_one_and_end_in_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        "a": Finding("a", State.OK, "1.0"),
        "b": Finding("b", State.MISSING, "not here", "get [it]", required=False),
        "c": Finding("c", State.WARNING, "old", "renew it"),
    }
    monkeypatch.setattr(
        installation, "checks", lambda: ((name, lambda name=name: found[name]) for name in found)
    )
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    lines = [line.strip() for line in result.stdout.splitlines() if line.strip()]
    assert lines == [
        "✓ a: 1.0",
        "– b (optional): not here",
        "to do: get [it]",
        "! c: old",
        "to do: renew it",
        "Ready. Try: surfalign run MgO --quality quick",
    ]


def test_something_required_that_is_missing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = Finding("engine", State.MISSING, "not installed", "install it")
    monkeypatch.setattr(installation, "checks", lambda: [("engine", lambda: finding)])
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "Missing: engine." in result.stdout
    report = CliRunner().invoke(app, ["doctor", "--json"])
    assert report.exit_code == 1
    assert json.loads(report.stdout)["ready"] is False


def test_a_check_that_breaks_is_a_finding() -> None:
    def broken() -> Finding:
        raise RuntimeError("half an installation")

    finding = examine("package", broken)
    assert finding.blocks
    assert "RuntimeError: half an installation" in finding.detail


def test_invalid_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURFALIGN_CORES", "many")
    finding = examine("settings", installation.check_settings)
    assert finding.blocks
    assert "cores" in finding.detail
    assert examine("memory", installation.check_memory).state is State.OK


def test_a_settings_file_that_is_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SURFALIGN_CONFIG_FILE", str(tmp_path / "none.yaml"))
    finding = examine("settings", installation.check_settings)
    assert finding.blocks
    assert finding.remedy == "correct the variable or unset it"


def test_a_package_that_is_absent(without: Callable[[str], None]) -> None:
    without("atomate2")
    finding = installation.check_package("atomate2", "atomate2.ase.jobs")
    assert finding.blocks
    assert finding.remedy == f"{sys.executable} -m pip install atomate2"


@pytest.mark.programs
def test_a_package_that_cannot_be_imported() -> None:
    finding = installation.check_package("pymatgen", "pymatgen.no_such_module")
    assert finding.blocks
    assert "No module named 'pymatgen.no_such_module'" in finding.detail


def test_gpaw_absent_and_of_another_version(
    without: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "_version", lambda package: "25.1.0")
    assert installation.check_gpaw().state is State.WARNING
    without("gpaw")
    finding = installation.check_gpaw()
    assert finding.blocks
    assert "'gpaw<26.8,>=26.7'" in finding.remedy


def test_mpi_is_required_only_for_several_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SURFALIGN_MPI_COMMAND", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("SURFALIGN_CORES", "2")
    finding = installation.check_mpi()
    assert finding.blocks
    assert "no mpirun" in finding.detail
    monkeypatch.setenv("SURFALIGN_CORES", "1")
    assert not installation.check_mpi().blocks


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ((TRIAL_ALONE + TRIAL_ALONE, ""), "do not see each other"),
        (("", "mpirun was unable to launch"), "two processes fail: mpirun was unable to launch"),
        (("a remark", ""), "two processes fail: no result was printed"),
    ],
)
def test_mpi_that_does_not_work(
    monkeypatch: pytest.MonkeyPatch, answer: tuple[str, str], detail: str
) -> None:
    monkeypatch.setenv("SURFALIGN_MPI_COMMAND", "mpirun -np {cores}")
    monkeypatch.setattr(installation, "_run", lambda command, environment, folder: answer)
    finding = installation.check_mpi()
    assert finding.state is State.MISSING
    assert detail in finding.detail


def test_a_plain_build_of_gpaw_is_a_warning_with_the_command_that_builds_it_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(installation, "_version", lambda package: "26.7.0")
    monkeypatch.setattr(
        installation, "_run", lambda command, environment, folder: (TRIAL_ALONE, "")
    )
    finding = installation.check_gpaw()
    assert finding.state is State.WARNING
    assert "without FFTW and ScaLAPACK" in finding.detail
    (config,) = re.findall(r"GPAW_CONFIG=(\S+) ", finding.remedy)
    assert Path(config).name == "siteconfig.py"
    assert "--no-binary gpaw" in finding.remedy
    monkeypatch.setattr(installation, "_run", lambda command, environment, folder: ("", "no libxc"))
    assert installation.check_gpaw().detail == "26.7.0 fails: no libxc"


@pytest.mark.programs
def test_programs_that_fail_or_hang_are_described(monkeypatch: pytest.MonkeyPatch) -> None:
    environment: dict[str, str] = {}
    assert installation._run(["/no/such/program"], environment)[1].startswith("[Errno 2]")
    failing = [sys.executable, "-c", "raise SystemExit('not today')"]
    assert installation._run(failing, environment) == ("", "not today")
    monkeypatch.setattr(installation, "TIMEOUT", 0.2)
    hanging = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert installation._run(hanging, environment) == ("", "no answer within 0.2 s")


def test_datasets_folder_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path))
    assert installation.check_datasets().detail.startswith("0 in ")
    # Root may write anywhere, so the answer of the system is replaced, not the folder's mode.
    monkeypatch.setattr(installation.os, "access", lambda path, mode: False)
    finding = installation.check_datasets()
    assert finding.blocks
    assert f"{tmp_path} is not writable" in finding.detail


def test_little_disk_and_memory_are_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "SMALL_DISK", 1e9)
    assert installation.check_disk().state is State.WARNING
    monkeypatch.setenv("SURFALIGN_MEMORY_LIMIT", "0.5")
    finding = installation.check_memory()
    assert finding.state is State.WARNING
    assert not finding.blocks


def test_local_server_is_required_only_without_a_database(
    without: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    without("SecantusDB")
    monkeypatch.delenv("SURFALIGN_DATABASE_URI", raising=False)
    assert installation.check_database_server().blocks
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", "mongodb://127.0.0.1:9/")
    assert not installation.check_database_server().blocks


def test_a_database_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "SURFALIGN_DATABASE_URI",
        "mongodb://me:secret@127.0.0.1:9/?serverSelectionTimeoutMS=300&directConnection=true",
    )
    finding = examine("database", installation.check_database)
    assert finding.blocks
    assert finding.remedy
    assert "secret" not in finding.detail + finding.remedy


@pytest.mark.mongo
@pytest.mark.usefixtures("database")
def test_a_database_that_answers() -> None:
    finding = installation.check_database()
    assert finding.state is State.OK
    assert finding.detail.endswith("answers: 0 results")


def test_vasp_and_its_potentials_are_optional(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ATOMATE2_VASP_CMD", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    finding = installation.check_vasp()
    assert finding.state is State.MISSING
    assert not finding.blocks
    monkeypatch.setenv("ATOMATE2_VASP_CMD", "srun vasp_std")
    assert installation.check_vasp().detail == "srun vasp_std"
    monkeypatch.setenv("PMG_VASP_PSP_DIR", str(tmp_path / "none"))
    assert installation.check_potcars().state is State.MISSING
    monkeypatch.setenv("PMG_VASP_PSP_DIR", str(tmp_path))
    assert installation.check_potcars().state is State.OK


def test_materials_project_needs_a_package_and_a_key(
    monkeypatch: pytest.MonkeyPatch, without: Callable[[str], None]
) -> None:
    without("mp-api")
    monkeypatch.setenv("MP_API_KEY", "a" * 32)
    finding = installation.check_materials_project()
    assert finding.detail == "mp-api is not installed"
    assert not finding.blocks
    assert "a" * 32 not in str(finding)


def test_the_potential_that_starts_relaxations_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.py"
    own.write_text("")
    for named, state, detail in (
        ("none", State.OK, "none, as the settings say"),
        (str(own), State.OK, str(own)),
        ("oracle", State.MISSING, "start_potential names 'oracle'"),
    ):
        monkeypatch.setenv("SURFALIGN_START_POTENTIAL", named)
        finding = examine("start potential", installation.check_start_potential)
        assert finding.state is state
        assert finding.detail.startswith(detail)
