"""The command line as a whole: light to start, one message per error."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from surfalign.launchers.cli import learn, main
from surfalign.launchers.cli.main import app

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


@pytest.mark.programs
@pytest.mark.parametrize(
    "command", ["run", "plan", "surfaces", "query", "submit", "worker", "inputs", "import-vasp"]
)
def test_the_help_of_a_command_loads_nothing_heavy(command: str) -> None:
    code = (
        "import sys; from surfalign.launchers.cli.main import app\n"
        f"try: app([{command!r}, '--help'])\n"
        f"finally: print([m for m in {(*HEAVY, 'numpy', 'scipy')!r} if m in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "Usage:" in output
    assert output.rstrip().endswith("[]")


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


def commands(group: TyperGroup | None = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All commands below a group, with their full names; groups come before their members."""
    group = group or get_command(app)  # type: ignore[assignment]  # the app is a group
    with typer.Context(TyperCommand("outside")) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            yield f"{prefix}{name}", command
            if isinstance(command, TyperGroup):
                yield from commands(command, f"{prefix}{name} ")


def test_every_command_has_help_with_an_example() -> None:
    found = dict(commands())
    assert {"run", "crystals", "oxides", "query", "show", "export", "doctor", "learn train"} <= set(
        found
    )
    for name, command in found.items():
        if not isinstance(command, TyperGroup):
            assert f"Example: surfalign {name}" in command.help, f"{name} --help shows no example"


def test_the_table_says_the_first_line_of_each_help() -> None:
    tables = {"": main.COMMANDS, "learn ": learn.COMMANDS}
    listed = {
        prefix + name: text
        for prefix, table in tables.items()
        for rows in table.values()
        for name, (_, text) in rows.items()
    }
    found = dict(commands())
    assert listed == {name: found[name].help.splitlines()[0] for name in listed}
    members = {
        name for name in found if name.partition(" ")[0] in ("access", "db", "explore", "validate")
    }
    assert set(listed) | members == set(found)


#: Commands whose outcome is a list of crystals, surfaces or results.
LISTS = {
    "run", "surfaces", "crystals", "oxides", "query", "results", "import-vasp", "validate gaps", "learn predict",
    "learn evaluate", "learn score", "screen", "shape", "phases", "junction", "validate levels",
    "recommend",
}  # fmt: skip
#: Commands that report on something.
REPORTS = {
    "show", "build", "db status", "submit", "status", "retry", "cancel", "pause", "resume", "inputs",
    "learn freeze", "learn retrain", "learn models", "doctor", "explore status", "explore report",
    "share", "access add", "access list",
}  # fmt: skip


def test_json_means_the_same_for_every_command() -> None:
    options = {
        name: option
        for name, command in commands()
        for option in command.params
        if "--json" in option.opts
    }
    assert set(options) == LISTS | REPORTS
    for name, option in options.items():
        assert option.is_flag == (name in REPORTS), name
    assert len({options[name].help for name in LISTS}) == 1
    assert len({options[name].help for name in REPORTS}) == 1
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "query-the-store.md").read_text()
    for name in LISTS:
        assert f"`{name}`" in page, f"the rule of --json does not name {name}"


@pytest.mark.programs
def test_the_reference_of_commands_shows_the_options_of_all() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "typer", "surfalign.launchers.cli.main", "utils", "docs",
         "--name", "surfalign"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    sections = re.split(r"^#+ `surfalign ([^`]+)`$", process.stdout, flags=re.MULTILINE)
    pages = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert list(pages) == [name for name, _ in commands()]
    for name, command in commands():
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else ():
                assert option in pages[name], f"{name}: {option}"


@pytest.mark.programs
def test_a_shell_completes_names_from_the_table_and_options_from_the_command() -> None:
    def completed(words: str) -> str:
        code = (
            "import sys; from surfalign.launchers.cli.main import app\n"
            "try: app(prog_name='surfalign')\n"
            f"finally: print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
        )
        environment = os.environ | {
            "_SURFALIGN_COMPLETE": "complete_zsh",
            "_TYPER_COMPLETE_ARGS": words,
        }
        process = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        return process.stdout + process.stderr

    names = completed("surfalign re")
    assert all(name in names for name in ("retry", "resume", "results"))
    assert names.rstrip().endswith("[]"), "completing a name loads what commands need"
    assert "--wavefunction" not in completed("surfalign status --w")
    assert "--watch" in completed("surfalign status --w")


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
        (["run", "MgO", "--hkl", "1,x,0"], "no Miller index"),
        (["run", "MgO", "--quality", "fast"], "one of quick, standard, converged"),
        (["run", "MgO", "--functional", "b3lyp"], "one of ddh, hse06, pbe0, pbesol"),
        (["run", "MgO", "--engine", "siesta"], "unknown engine"),
        (["run", "MgO", "--json", "/proc/none/levels.json"], "cannot be made"),
        (["run", "MgO", "--figure", "/proc/none"], "cannot be made"),
        (["schedule", "build", "--output", "/proc/x"], "UnwritableFileError: /proc/x cannot be"),
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


@pytest.mark.parametrize(
    ("package", "told"),
    [
        ("safetensors", ("the learner needs safetensors", "pip install 'surfalign[ml]'")),
        ("uvicorn", ("serve needs uvicorn", "pip install 'surfalign[web]'")),
    ],
)
def test_a_package_of_an_extra_that_is_absent_is_named(
    package: str,
    told: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def absent(**_: object) -> None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    monkeypatch.setattr(main, "app", absent)
    with pytest.raises(SystemExit):
        main.main()
    message = capsys.readouterr().err
    for part in told:
        assert part in message
