"""A plan made from Python, and what it says of crystals that it leaves out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surfalign.crystals.sources import load_crystal
from surfalign.errors import InvalidStructureError
from surfalign.launchers.cli.main import app
from surfalign.workflows.planning.orientation_survey import survey_orientations
from surfalign.workflows.planning.plan_file import read_plan
from surfalign.workflows.planning.run import make_plan
from surfalign.workflows.planning.survey import PlanSettings


@pytest.fixture
def crystals(tmp_path: Path) -> Path:
    """Two oxides, one that cannot be read, and a metal."""
    path = tmp_path / "crystals.json"
    oxides = [
        {"mp_id": name, "structure": load_crystal(name).structure.as_dict()}
        for name in ("MgO", "BeO")
    ]
    metal = {"mp_id": "metal", "structure": oxides[0]["structure"], "gap": 0.0}
    path.write_text(json.dumps([*oxides, {"mp_id": "broken", "structure": {}}, metal]))
    return path


def test_a_plan_can_be_made_from_python(crystals: Path, tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    output = tmp_path / "plan.jsonl"
    plan = make_plan(
        [str(crystals)], output, PlanSettings(max_index=1),
        on_progress=lambda title, done, total: heard.append((title, done, total)),
    )  # fmt: skip
    assert (plan.n_read, plan.n_duplicates) == (4, 0)
    assert plan.refused == {
        "small_band_gap": ["crystals:metal"],
        "unreadable": ["crystals:broken"],
    }
    assert {surface.formula for surface in plan.surfaces} == {"MgO", "BeO"}
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    written = [line["identifier"] for line in lines if line["kind"] == "surface"]
    assert written == [surface.identifier for surface in plan.surfaces]
    assert [p.name for p in tmp_path.iterdir() if "plan" in p.name] == ["plan.jsonl"]
    assert heard[:4] == [("Examining crystals", n, 4) for n in (1, 2, 3, 4)]
    assert heard[-1] == ("Surveying crystals (0 of 3000 surfaces)", 2, 2)


def test_the_command_names_crystals_that_cannot_be_read(crystals: Path, tmp_path: Path) -> None:
    output = str(tmp_path / "plan.jsonl")
    result = CliRunner().invoke(
        app, ["plan", str(crystals), "-o", output, "--max-index", "1", "--cores", "1"]
    )
    assert result.exit_code == 0, result.output
    assert "refused: small_band_gap 1, unreadable 1" in result.output
    assert "No structure that can be read: crystals:broken" in result.output


def test_orientations_are_surveyed_without_a_limit_of_time() -> None:
    found, left = survey_orientations(load_crystal("MgO").structure, max_area_ratio=1.5)
    assert left == []
    assert [one.survey.miller_index for one in found] == [(1, 1, 1), (1, 0, 0)]
    assert all(one.records == [] for one in found)


LYING = """data_x
_cell_length_a 4.21
_cell_length_b 4.21
_cell_length_c 4.21
_space_group_name_H-M_alt 'F m -3 m'
_chemical_formula_sum 'Mg O2'
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Mg1 0 0 0
O1 0.5 0.5 0.5
"""
BAD_FILES = {
    "empty.cif": b"",
    "lying.cif": LYING.encode(),
    "vasp4.vasp": b"MgO\n1\n0 2.1 2.1\n2.1 0 2.1\n2.1 2.1 0\n1 1\nDirect\n0 0 0\n.5 .5 .5\n",
    "short.vasp": b"MgO\n1\n0 2.1 2.1\n2.1 0 2.1\n2.1 2.1 0\nMg O\n1 1\nDirect\n0 0\n.5 .5 .5\n",
    "noble.vasp": b"x\n1\n9 0 0\n0 9 0\n0 0 9\nHe O\n1 1\nDirect\n0 0 0\n.5 .5 .5\n",
    "cut.json": b'[{"structure": {',
    "none.json": b"[]",
    "text.json.gz": b"no gzip",
    "binary.cif": bytes(range(256)) * 4,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One good file among bad ones of every kind, a folder and a link that leads nowhere."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, content in BAD_FILES.items():
        (folder / name).write_bytes(content)
    (folder / "folder.cif").mkdir()
    (folder / "link.cif").symlink_to("nowhere")
    (folder / "good.cif").write_text(LYING.replace("Mg O2", "Mg O"))
    return folder


def test_files_that_cannot_be_read_do_not_end_a_plan(folder: Path, tmp_path: Path) -> None:
    plan = make_plan([str(folder)], tmp_path / "plan.jsonl", PlanSettings(max_index=1))
    assert {surface.source for surface in plan.surfaces} == {"file:good.cif"}
    assert plan.n_read == len(BAD_FILES) + 3
    assert plan.refused == {
        "unreadable": [
            f"file:{name}"
            for name in sorted([*BAD_FILES, "folder.cif", "link.cif"])
            if name not in ("lying.cif", "noble.vasp")
        ],
        "ContradictoryFileError": ["file:lying.cif"],
        "InvalidStructureError": ["file:noble.vasp"],
    }
    assert "Mg4 O4" in plan.faults["file:lying.cif"]
    assert "names no elements" in plan.faults["file:vasp4.vasp"]


def test_the_command_says_why_each_file_was_not_read(folder: Path, tmp_path: Path) -> None:
    output = str(tmp_path / "plan.jsonl")
    result = CliRunner().invoke(
        app, ["plan", str(folder), "-o", output, "--max-index", "1", "--cores", "1"]
    )
    assert result.exit_code == 0, result.output
    assert "ContradictoryFileError 1" in result.output
    assert "Not read: file:lying.cif: " in result.output
    assert "the sum formula is Mg O2" in result.output


def test_a_plan_of_nothing_that_can_be_read_is_an_error(folder: Path, tmp_path: Path) -> None:
    (folder / "good.cif").unlink()
    (folder / "noble.vasp").unlink()
    with pytest.raises(InvalidStructureError, match="more files cannot be read"):
        make_plan([str(folder)], tmp_path / "plan.jsonl", PlanSettings(max_index=1))


def test_a_plan_of_an_earlier_version_is_read_without_notes(tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    make_plan(["MgO"], path, PlanSettings(max_index=1))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line.pop("notes", None)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ((crystal, surfaces),) = read_plan(path)
    assert crystal.notes == ()
    assert surfaces
