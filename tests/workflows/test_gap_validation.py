"""Comparison with references: what files may hold, resume, failures; the toy engine computes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import toy_engine
from jobflow import Maker, job
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner

from surfalign import plugins
from surfalign.errors import ConfigurationError, InvalidStructureError, MetallicError
from surfalign.launchers.cli.main import app
from surfalign.stores.documents import BandEdgesDocument
from surfalign.workflows.engines import engine as engines
from surfalign.workflows.engines.engine import Engine
from surfalign.workflows.gap_validation import (
    GapEntry,
    GapRecord,
    compute_entries,
    markdown_table,
    read_entries,
    summarise,
)


def oxide(cation: str) -> Structure:
    return Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.5), [cation, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    ).get_primitive_structure()


def listed(**fields: Any) -> dict[str, Any]:
    return {"mp_id": "mp-1", "structure_pbesol": oxide("Mg").as_dict(), "gap_ddh_ev": 7.8} | fields


@pytest.fixture
def oxides(tmp_path: Path) -> Path:
    file = tmp_path / "oxides.json"
    entries = [
        listed(eps_electronic_avg=3.125),
        listed(mp_id="mp-2", structure_pbesol=oxide("Ca").as_dict(), gap_ddh_ev=None),
        listed(mp_id="mp-3", structure_pbesol=oxide("Sr").as_dict(), gap_ddh_ev=8.2),
    ]
    file.write_text(json.dumps(entries))
    return file


def test_references_are_read_where_they_are(oxides: Path) -> None:
    entries = read_entries(oxides)
    assert [e.identifier for e in entries] == ["mp-1", "mp-2", "mp-3"]
    assert [e.reference_gap for e in entries] == [7.8, None, 8.2]
    assert entries[0].reference_dielectric_constant == 3.125
    assert entries[1].reference_dielectric_constant is None


def test_only_chooses_and_orders(oxides: Path) -> None:
    assert [e.identifier for e in read_entries(oxides, ["mp-3", "mp-1"])] == ["mp-3", "mp-1"]
    with pytest.raises(ConfigurationError, match="has no entry mp-9"):
        read_entries(oxides, ["mp-9"])


@pytest.mark.parametrize(
    ("content", "identifiers"),
    [
        ([oxide("Mg").as_dict(), oxide("Ca").as_dict()], ["1", "2"]),
        ({"rock": oxide("Mg").as_dict()}, ["rock"]),
        (oxide("Mg").as_dict(), ["file"]),
        ([{"identifier": "a", "structure": json.dumps(oxide("Mg").as_dict())}], ["a"]),
    ],
)
def test_plain_structures_are_entries_too(
    content: Any, identifiers: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "file.json.gz"
    with gzip.open(file, "wt") as stream:
        json.dump(content, stream)
    entries = read_entries(file)
    assert [e.identifier for e in entries] == identifiers
    assert entries[0].structure == oxide("Mg")


def test_the_trace_of_a_tensor_is_a_reference(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text(json.dumps([listed(eps_electronic_tensor=[[3, 0, 0], [0, 3, 0], [0, 0, 6.0]])]))
    assert read_entries(file)[0].reference_dielectric_constant == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("text", "found"),
    [("{", "cannot be read"), ('[{"mp_id": "mp-1"}]', "entries: mp-1"), ("3", "no structure")],
)
def test_an_unusable_file_is_named(text: str, found: str, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    with pytest.raises(InvalidStructureError, match=found):
        read_entries(file)
    with pytest.raises(InvalidStructureError, match="cannot be read"):
        read_entries(tmp_path / "absent.json")


def test_differences_and_their_summary(oxides: Path) -> None:
    records = compute_entries(read_entries(oxides), toy_engine.toy_engine(gap=8.0))
    assert [r.gap_difference for r in records] == [pytest.approx(0.2), None, pytest.approx(-0.2)]
    assert records[0].relative_dielectric_difference == pytest.approx(3.0 / 3.125 - 1)
    summary = summarise(records)
    assert summary.gap_mean_absolute_error == pytest.approx(0.2)
    assert summary.gap_mean_error == pytest.approx(0.0)
    assert summary.n_gaps_compared == 2
    assert summary.n_dielectric_constants_compared == 1
    assert summary.cpu_time == pytest.approx(0.6)


def test_the_markdown_table_has_a_row_for_each_crystal(oxides: Path) -> None:
    table = markdown_table(compute_entries(read_entries(oxides), toy_engine.toy_engine(gap=8.0)))
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 3
    assert "| MgO | mp-1 | 3.00 | 3.12 | -4.0 % |" in table
    assert "| 8.00 | 7.80 | +0.20 | 0 |" in rows[1]
    assert "mean absolute error 0.20 eV" in table


class Stopped(BaseException):
    """Stands for a kill."""


def test_a_run_that_is_killed_loses_one_entry_and_goes_on(oxides: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    entries = read_entries(oxides)
    engine = toy_engine.toy_engine()

    def stop(record: GapRecord, reused: bool) -> None:
        if record.identifier == "mp-2":
            raise Stopped("killed")

    with pytest.raises(Stopped, match="killed"):
        compute_entries(entries, engine, output, stop)
    assert [r["identifier"] for r in json.loads(output.read_text())["records"]] == ["mp-1", "mp-2"]
    toy_engine.EXECUTED.clear()
    reused: list[bool] = []
    records = compute_entries(entries, engine, output, lambda _, known: reused.append(known))
    assert reused == [True, True, False]
    assert toy_engine.EXECUTED == ["dielectric", "band_edges"]
    assert [r.identifier for r in records] == ["mp-1", "mp-2", "mp-3"]


def test_another_structure_or_functional_is_not_reused(oxides: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    entries = read_entries(oxides, ["mp-1"])
    compute_entries(entries, toy_engine.toy_engine(), output)
    changed = [GapEntry("mp-1", oxide("Ba"), 1.0, None)]
    reused: list[bool] = []
    compute_entries(changed, toy_engine.toy_engine(), output, lambda _, k: reused.append(k))
    other = toy_engine.toy_engine()
    other.functional = "hse06"
    compute_entries(changed, other, output, lambda _, k: reused.append(k))
    assert reused == [False, False]


def test_entries_of_an_earlier_run_stay_in_the_output(oxides: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    for identifier in ("mp-1", "mp-3"):
        compute_entries(read_entries(oxides, [identifier]), toy_engine.toy_engine(), output)
    assert [r["identifier"] for r in json.loads(output.read_text())["records"]] == ["mp-3", "mp-1"]


def test_a_file_that_is_no_output_is_not_overwritten(oxides: Path, tmp_path: Path) -> None:
    output = tmp_path / "notes.json"
    output.write_text('{"precious": 1}')
    with pytest.raises(ConfigurationError, match=r"no earlier output"):
        compute_entries(read_entries(oxides), toy_engine.toy_engine(), output)
    assert output.read_text() == '{"precious": 1}'


class MetallicForCalcium(Maker):
    """Fails for one oxide, as a metal does."""

    name = "toy band edges"

    @job(output_schema=BandEdgesDocument)
    def make(self, structure: Structure, dielectric_constant: float | None) -> BandEdgesDocument:
        if structure.reduced_formula == "CaO":
            raise MetallicError("the gap closes", "an insulator", "take another oxide")
        maker = toy_engine.ToyBandEdgesMaker()
        return type(maker).make.original(maker, structure, dielectric_constant)


def failing_engine(quality: str, functional: str, equation_of_state: bool = False) -> Engine:
    engine = toy_engine.toy_engine()
    engine.band_edges_maker = MetallicForCalcium()
    return engine


def test_the_command_goes_on_after_a_failure_and_exits_nonzero(
    oxides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engines.ENGINES, "toy", f"{__name__}:failing_engine")
    monkeypatch.setattr(plugins, "import_module", lambda _: __import__("sys").modules[__name__])
    output, table = tmp_path / "out.json", tmp_path / "table.md"
    result = CliRunner().invoke(
        app,
        ["validate", "gaps", str(oxides), "--engine", "toy", "--json", str(output),
         "--markdown", str(table)],
    )  # fmt: skip
    assert result.exit_code == 1
    assert "MetallicError" in result.output
    assert "3 crystals, 1 failed" in result.output
    records = json.loads(output.read_text())["records"]
    assert [r["error"] and r["error"]["error"] for r in records] == [None, "MetallicError", None]
    assert records[1]["error"]["step"] == "band_edges"
    assert "MetallicError" in table.read_text()
    assert records[2]["band_gap"] == toy_engine.GAP


def test_the_output_holds_json_and_nothing_else_where_it_is_asked_for(
    oxides: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engines.ENGINES, "toy", "toy_engine:make_engine")
    result = CliRunner().invoke(
        app, ["validate", "gaps", str(oxides), "--engine", "toy", "--json", "-"]
    )
    assert [r["band_gap"] for r in json.loads(result.stdout)["records"]] == 3 * [toy_engine.GAP]
