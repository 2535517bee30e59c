"""``surfalign run`` from end to end, with the toy engine and a real database."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import toy_engine
from typer.testing import CliRunner, Result

from surfalign.errors import SurfalignError
from surfalign.launchers.cli.main import app
from surfalign.launchers.database.server import LocalServer
from surfalign.stores.database import Database
from surfalign.workflows.engines import engine

TARGETS = ["MgO", "SrO", "TiO2-rutile"]


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engine.ENGINES, "toy", "toy_engine:make_engine")
    monkeypatch.setenv("SURFALIGN_CORES", "1")  # in this process, so that its steps can be counted


def surfalign(*arguments: str) -> Result:
    toy_engine.EXECUTED.clear()
    return CliRunner().invoke(app, [*arguments])


def stored(database: Database) -> list[dict]:
    return list(database.surface_levels.query())


@pytest.mark.usefixtures("toy")
def test_a_run_writes_table_json_figures_and_store(database: Database, tmp_path: Path) -> None:
    out, figures = tmp_path / "out.json", tmp_path / "figures"
    result = surfalign(
        "run", *TARGETS, "--engine", "toy", "--json", str(out), "--figure", str(figures)
    )
    assert result.exit_code == 0, result.output
    documents = json.loads(out.read_text())
    assert [d["formula"] for d in documents] == ["MgO", "SrO", "TiO2"]
    for document in documents:
        assert document["ionization_potential"] == pytest.approx(
            toy_engine.STEP - toy_engine.VBM, abs=1e-3
        )
        assert document["checks"]
        assert document["timings"]
        assert document["surface_energy"] > 0
    assert documents[2]["miller_index"] == [1, 1, 0]  # the library's cleavage plane
    assert "7.10" in result.output
    names = {path.name for path in figures.iterdir()}
    assert "band-edges.png" in names
    assert len(names) == 4
    assert all(path.stat().st_size > 10_000 for path in figures.iterdir())
    assert {d["identifier"] for d in stored(database)} == {d["identifier"] for d in documents}


@pytest.mark.usefixtures("toy", "database")
def test_a_surface_is_chosen_by_its_name(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    name = "SrTiO3(100)-C-TiO2/SrO-2"
    result = surfalign("run", "SrTiO3", "--surface", name, "--engine", "toy", "--json", str(out))
    assert result.exit_code == 0, result.output
    (document,) = json.loads(out.read_text())
    assert document["surface_name"] == name
    assert document["miller_index"] == [1, 0, 0]


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("SrTiO3-C", "'SrTiO3-C' is no name of a surface"),
        ("SrTiO3(110)-A", r"there is no surface SrTiO3\(110\)-A"),
    ],
)
def test_unknown_names_of_surfaces_end_the_run_at_once(name: str, message: str) -> None:
    result = surfalign("run", "SrTiO3", "--surface", name, "--engine", "toy")
    assert isinstance(result.exception, SurfalignError)
    assert re.search(message, str(result.exception))


@pytest.mark.usefixtures("toy")
def test_a_second_run_reuses_and_says_so_and_force_recomputes(database: Database) -> None:
    surfalign("run", "MgO", "--engine", "toy")
    again = surfalign("run", "MgO", "--engine", "toy")
    assert again.exit_code == 0
    assert "reused" in again.output + again.stderr
    assert toy_engine.EXECUTED == []
    forced = surfalign("run", "MgO", "--engine", "toy", "--force")
    assert len(toy_engine.EXECUTED) == 6
    assert "reused" not in forced.output + forced.stderr
    assert len(stored(database)) == 1


@pytest.mark.usefixtures("toy")
def test_a_failed_step_is_stored_with_its_cause_and_mended_by_a_later_run(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_FAILS_FOR", "MgO")
    result = surfalign("run", "MgO", "SrO", "--engine", "toy")
    assert result.exit_code == 1
    assert "ConvergenceError" in result.output
    by_formula = {d["formula"]: d for d in stored(database)}
    assert by_formula["SrO"]["state"] == "passed"
    assert by_formula["MgO"]["state"] == "failed"
    assert by_formula["MgO"]["error"]["error"] == "ConvergenceError"
    assert by_formula["MgO"]["error"]["step"] == "slab relaxation"
    assert by_formula["MgO"].get("ionization_potential") is None
    monkeypatch.delenv("TOY_FAILS_FOR")
    assert surfalign("run", "MgO", "--engine", "toy").exit_code == 0
    assert Counter(d["state"] for d in stored(database)) == {"passed": 2}


@pytest.mark.usefixtures("toy")
def test_a_later_failure_does_not_destroy_an_earlier_result(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    surfalign("run", "MgO", "--engine", "toy")
    monkeypatch.setenv("TOY_FAILS_FOR", "MgO")
    assert surfalign("run", "MgO", "--engine", "toy", "--force").exit_code == 1
    states = Counter(d["state"] for d in stored(database))
    assert states["passed"] == 1


TOY_SCRIPT = """
import toy_engine
from surfalign.workflows.engines import engine
engine.ENGINES["toy"] = "toy_engine:make_engine"
from surfalign.launchers.cli.main import main
main()
"""


def surfalign_process(*arguments: str, cwd: Path, **environment: str) -> subprocess.Popen[bytes]:
    """The command line with the toy engine, as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", TOY_SCRIPT, *arguments, "--engine", "toy"],
        cwd=cwd,
        env=os.environ
        | {"PYTHONPATH": str(Path(toy_engine.__file__).parent), "COLUMNS": "200"}
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def output_until(text: str, process: subprocess.Popen[bytes]) -> str:
    """What the process has printed up to the line that holds the text."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.decode())
        if text in lines[-1]:
            break
    return "".join(lines)


@pytest.mark.programs
def test_an_unreachable_database_is_named_before_anything_runs(tmp_path: Path) -> None:
    process = surfalign_process(
        "run", "MgO", cwd=tmp_path, SURFALIGN_DATABASE_URI="mongodb://127.0.0.1:9/"
    )
    output = process.communicate()[0].decode()
    assert process.returncode == 1
    assert "DatabaseUnreachableError" in output
    assert "started" not in output


@pytest.mark.processes
def test_a_database_lost_on_the_way_is_named_and_the_run_goes_on_later(tmp_path: Path) -> None:
    server, gate = LocalServer(tmp_path / "database"), tmp_path / "gate"
    environment = {"SURFALIGN_DATABASE_URI": server.start(), "TOY_GATE": str(gate)}
    try:
        process = surfalign_process("run", "MgO", cwd=tmp_path, **environment)
        output = output_until("band edges: started", process)
        server.stop()
        gate.touch()  # only now the step ends, and has something to store
        output += process.communicate()[0].decode()
        assert process.returncode == 1, output
        assert "DatabaseUnreachableError" in output
        environment |= {"SURFALIGN_DATABASE_URI": server.start()}
        process = surfalign_process("run", "MgO", cwd=tmp_path, **environment)
        output = process.communicate()[0].decode()
        assert process.returncode == 0, output
        assert "7.10" in output
    finally:
        server.stop()


@pytest.mark.processes
def test_ten_kills_at_random_moments_lose_and_double_nothing(
    database: Database, tmp_path: Path
) -> None:
    moments = random.Random(20261120)

    def start() -> subprocess.Popen[bytes]:
        return surfalign_process("run", *TARGETS, cwd=tmp_path, TOY_SECONDS="0.1")

    killed = 0
    while killed < 10:
        process = start()
        # Steps that are done are not started again: so few for each kill that some are left at last.
        for _ in range(moments.randint(1, 2)):
            output_until(": started", process)
        try:
            # A step lasts 0.1 s; then it is stored, and the next one begins.
            process.communicate(timeout=moments.uniform(0.0, 0.2))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += 1
        else:  # it ended before its moment: all over again
            database.jobs.remove_docs({})
            database.surface_levels.remove_docs({})
    process = start()
    output = process.communicate()[0].decode()
    assert process.returncode == 0, output
    documents = stored(database)
    assert sorted(d["formula"] for d in documents) == ["MgO", "SrO", "TiO2"]
    assert all(d["state"] == "passed" for d in documents)
    jobs = Counter((d["uuid"], d["index"]) for d in database.jobs.query({}, ["uuid", "index"]))
    assert set(jobs.values()) == {1}
    assert len(jobs) == 3 * 8  # bulk, eps, edges, surfaces, oriented, relax, potential, alignment
