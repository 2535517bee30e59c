"""A plan made from Python, and what it says of crystals that it leaves out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surfalign.crystals.sources import load_crystal
from surfalign.launchers.cli.main import app
from surfalign.workflows.planning.orientation_survey import survey_orientations
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
