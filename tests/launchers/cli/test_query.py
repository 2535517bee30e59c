"""``surfalign query``, ``show`` and ``export`` against a real database."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from stored_results import failed_result, flagged_result, passed_result, store
from typer.testing import CliRunner, Result

from surfalign.errors import ConfigurationError, DocumentNotFoundError, QuerySyntaxError
from surfalign.launchers.cli import query as query_module
from surfalign.launchers.cli.main import app
from surfalign.launchers.cli.tables.levels import checks_cell, results_table
from surfalign.stores.database import Database
from surfalign.stores.documents import SurfaceLevelsDocument


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


@pytest.fixture
def stored(database: Database) -> Database:
    store(database, passed_result("mgo-1"), flagged_result("cao-1"), failed_result("zno-1"))
    return database


def cells(documents: list[SurfaceLevelsDocument]) -> dict[str, list[str]]:
    table = results_table(documents, identifiers=True)
    return {str(column.header): list(map(str, column.cells)) for column in table.columns}


def test_the_table_shows_levels_and_what_they_are_worth() -> None:
    shown = cells([passed_result(), flagged_result(), failed_result()])

    assert shown["Surface"] == ["MgO(100)-A", "CaO(100)-A", "ZnO(110)-A"]
    assert shown["Termi-\nnation"] == ["A", "A", "–"]
    assert shown["IP\n(eV)"] == ["7.15", "6.20", "–"]
    assert shown["EA\n(eV)"] == ["-0.75", "0.10", "–"]
    assert shown["Surface\nenergy\n(J/m²)"] == ["1.15", "1.15", "–"]
    assert shown["Checks"] == [
        "[green]1/1[/]",
        "[yellow]1/2 slab_centre[/]",
        r"[red]ConvergenceError in slab_potential: SCF stopped at \[step 3][/]",
    ]
    assert shown["Method"] == [
        "ddh, quick, relaxed",
        "ddh, quick, relaxed",
        "hse06, quick, unrelaxed",
    ]


def test_one_method_for_all_is_said_once() -> None:
    table = results_table([passed_result(), flagged_result()])

    assert table.caption == "ddh, quick, relaxed"
    assert "Method" not in [column.header for column in table.columns]
    assert results_table([]).row_count == 0


def test_a_failure_without_a_record_is_still_a_failure() -> None:
    assert checks_cell(failed_result(error=None)) == "[red]failed[/]"


def test_query_prints_a_table(stored: Database) -> None:
    result = invoke("query")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    [mgo] = [line for line in lines if "mgo-1" in line]
    assert "7.15" in mgo
    assert "1/1" in mgo
    [cao] = [line for line in lines if "cao-1" in line]
    assert "slab_centre" in cao
    [zno] = [line for line in lines if "zno-1" in line]
    assert "ConvergenceError in slab_potential: SCF stopped at [step 3]" in zno


def test_query_writes_json_to_a_file_and_to_the_output(stored: Database, tmp_path: Path) -> None:
    file = tmp_path / "levels.json"

    result = invoke("query", "ionization_potential > 6 and formula = 'MgO'", "--json", str(file))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Wrote 1 result to" in result.stderr
    [record] = json.loads(file.read_text())
    assert record["identifier"] == "mgo-1"
    assert record["miller_index"] == [1, 0, 0]
    assert record["checks"][0]["passed"] is True
    assert "slab_structure" not in record

    [full] = json.loads(invoke("query", "formula = MgO", "--json", "-", "--full").stdout)
    assert full["slab_structure"]["@class"] == "Structure"
    assert full["potential"]["positions"] == [0.0, 10.0]
    assert json.loads(invoke("query", "formula = SrO", "--json", "-").stdout) == []


def test_results_of_several_methods_are_said_to_be_so(stored: Database, tmp_path: Path) -> None:
    assert "methods" not in invoke("query").stderr, "a result without numbers mixes nothing"
    store(stored, passed_result("mgo-2", functional="hse06"))
    for arguments in (("query",), ("query", "--json", "-"), ("export", str(tmp_path / "all.csv"))):
        said = " ".join(invoke(*arguments).stderr.split())
        assert "2 methods, whose levels do not compare: 2 of ddh, 1 of hse06" in said
    assert "methods" not in invoke("query", "functional = ddh").stderr
    assert "methods" not in invoke("query", "functional = 'hse06'").stderr


def test_query_sorts_and_limits(stored: Database) -> None:
    def found(*options: str) -> list[str]:
        records = json.loads(invoke("query", "--json", "-", *options).stdout)
        return [record["identifier"] for record in records]

    assert found("--sort", "band_gap") == ["cao-1", "mgo-1", "zno-1"]
    assert found("--sort", "band_gap", "--descending", "--limit", "1") == ["mgo-1"]
    assert len(found("--limit", "0")) == 3


def test_a_long_table_comes_in_pages_and_says_what_it_leaves_out(
    stored: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_module, "PAGE", 2)

    first = invoke("query")
    assert len(re.findall(r"-1 +│", first.stdout)) == 2
    assert "2 of 3 results; --limit 0 shows all." in first.stderr

    everything = invoke("query", "--limit", "0")
    assert len(re.findall(r"-1 +│", everything.stdout)) == 3
    assert everything.stdout.count("Surface") > first.stdout.count("Surface")
    assert everything.stderr == ""


def test_query_without_results_says_so(database: Database) -> None:
    result = invoke("query", "formula = MgO")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "No results. Database: test_" in result.stderr
    assert "at mongodb://surfalign:***@127.0.0.1:" in result.stderr


def test_a_bad_query_is_refused_before_the_database_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(query_module, "_database", lambda: pytest.fail("opened"))

    for command in (["query"], ["export", "x.csv"]):
        with pytest.raises(QuerySyntaxError, match="6 J has the unit J"):
            invoke(*command, "band_gap > 6 J")
    with pytest.raises(QuerySyntaxError, match="no field 'gap'"):
        invoke("query", "--sort", "gap")
    with pytest.raises(ConfigurationError, match="'docx' is no format"):
        invoke("export", "levels.docx")


def test_show(stored: Database) -> None:
    text = invoke("show", "cao").stdout

    for part in ("CaO(100)-A", "cao-1", "slab_centre", "failed", "bulk", "nan"):
        assert part in text

    record = json.loads(invoke("show", "mgo-1", "--json").stdout)
    assert SurfaceLevelsDocument.model_validate(record).ionization_potential == 7.15
    assert record["slab_structure"]["@class"] == "Structure"
    assert "SCF stopped" in invoke("show", "zno").stdout
    with pytest.raises(DocumentNotFoundError, match="no result has the identifier 'x'"):
        invoke("show", "x")


@pytest.mark.parametrize(
    ("name", "options"),
    [("levels.csv", ()), ("levels.txt", ("--format", "csv")), ("levels.CSV", ())],
)
def test_export_chooses_the_format(
    stored: Database, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    file = tmp_path / name

    result = invoke("export", str(file), "formula in (MgO, CaO)", *options)

    assert "Wrote 2 results" in result.stderr
    with file.open(newline="") as lines:
        assert {row["formula"] for row in csv.DictReader(lines)} == {"MgO", "CaO"}


def test_export_of_slabs_says_what_has_none(stored: Database, tmp_path: Path) -> None:
    result = invoke("export", str(tmp_path / "slabs.xyz"))

    assert "Wrote 2 results" in result.stderr
    assert "1 result left out, without a slab" in result.stderr


def test_export_to_json_holds_the_structures(stored: Database, tmp_path: Path) -> None:
    file = tmp_path / "levels.json"

    invoke("export", str(file), "formula = MgO")

    [record] = json.loads(file.read_text())
    assert record["slab_structure"]["@class"] == "Structure"
