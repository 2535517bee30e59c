"""The command line as a whole: light to start, one message per error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli.main import app
from surfalign.launchers.cli.run import parse_miller_index

HEAVY = ("torch", "atomate2", "pymatgen", "jobflow", "gpaw", "pandas", "matplotlib", "pymongo")


def surfalign(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "surfalign.launchers.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.mark.programs
def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, json; from surfalign.launchers.cli.main import app; "
        f"print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(output) == []


def cpu_time(*arguments: str) -> float:
    """Processor time of a python, s: a machine that is busy with other things does not add to it."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = os.times()
    return (
        after.children_user + after.children_system - before.children_user - before.children_system
    )


@pytest.mark.programs
@pytest.mark.serial
def test_help_answers_within_half_a_second() -> None:
    libraries = ("-c", "import typer, typer.rich_utils, rich.console, rich.markdown, rich.table")
    command = ("-m", "surfalign.launchers.cli.main", "--help")
    for arguments in (libraries, command):
        cpu_time(*arguments)  # bytecode
    # On a slow machine its libraries alone take long.
    limit = max(0.5, 3 * min(cpu_time(*libraries) for _ in range(3)))
    assert min(cpu_time(*command) for _ in range(5)) < limit


def test_every_command_has_help_with_an_example() -> None:
    runner = CliRunner()
    names = [command.name or "" for command in app.registered_commands]
    assert {"run", "oxides", "query", "show", "export", "doctor"} <= set(names)
    for name in names:
        text = runner.invoke(app, [name, "--help"]).output
        assert f"surfalign {name}" in text, f"{name} --help shows no example"


@pytest.mark.programs
def test_an_error_is_one_message_without_a_traceback(tmp_path: Path) -> None:
    process = surfalign("run", "Unobtainium2O3", cwd=tmp_path)
    assert process.returncode == 1
    assert "UnknownMaterialError" in process.stderr
    assert "Traceback" not in process.stderr
    assert "Traceback" in surfalign("--full-trace", "run", "Unobtainium2O3", cwd=tmp_path).stderr


@pytest.mark.programs
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "ZnO", "--hkl", "0,0,1"], "PolarSurfaceError"),
        (["run", "MgO", "--hkl", "1,x,0"], "no orientation"),
        (["run", "MgO", "--quality", "fast"], "one of quick, standard, converged"),
        (["run", "MgO", "--functional", "b3lyp"], "one of ddh, hse06, pbe0, pbesol"),
        (["run", "MgO", "--engine", "siesta"], "unknown engine"),
        (["run", "MgO", "--json", "/proc/none/levels.json"], "cannot be made"),
        (["run", "MgO", "--figure", "/proc/none"], "cannot be made"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    process = surfalign(*arguments, cwd=tmp_path)
    assert process.returncode == 1
    assert message in process.stderr


@pytest.mark.programs
def test_a_polar_orientation_lists_the_possible_ones(tmp_path: Path) -> None:
    message = surfalign("run", "ZnO", "--hkl", "0,0,1", cwd=tmp_path).stderr
    assert "(100)" in message
    assert "(110)" in message


def test_miller_indices_are_read_in_the_usual_ways() -> None:
    assert parse_miller_index("1,1,0") == (1, 1, 0)
    assert parse_miller_index("1 -1 0") == (1, -1, 0)
    assert parse_miller_index("110") == (1, 1, 0)
    for text in ("0,0,0", "1,0", "a,b,c", ""):
        with pytest.raises(ConfigurationError, match="no orientation"):
            parse_miller_index(text)
