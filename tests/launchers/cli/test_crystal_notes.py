"""What the commands say of a crystal that they read, and in which axes they take orientations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surfalign.errors import ConfigurationError, SurfaceError
from surfalign.launchers.campaign.target_plan import write_target_plan
from surfalign.launchers.cli import wanted_crystals
from surfalign.launchers.cli.learn import predict
from surfalign.launchers.cli.main import app
from surfalign.ml.properties.property import Level
from surfalign.stores.campaign_register import Method
from surfalign.stores.database import Database
from surfalign.workflows.engines import engine

#: A rutile whose symbol leaves its axes as they are, in a cell turned so that the unique axis is a.
TURNED_RUTILE = """data_x
_cell_length_a 2.9587
_cell_length_b 4.5937
_cell_length_c 4.5937
_space_group_name_H-M_alt 'P 1'
_chemical_formula_sum 'O2 Ti'
_exptl_crystal_density_diffrn 4.20
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Ti1 0 0 0
Ti2 0.5 0.5 0.5
O1 0 0.3053 0.3053
O2 0 0.6947 0.6947
O3 0.5 0.8053 0.1947
O4 0.5 0.1947 0.8053
"""
NOTES = ("the density is stated as 4.2 g/cm^3", "your file's (100) is (001) here")


@pytest.fixture
def rutile(tmp_path: Path) -> str:
    path = tmp_path / "rutile.cif"
    path.write_text(TURNED_RUTILE)
    return str(path)


def test_surfaces_shows_the_notes_beside_its_output(rutile: str) -> None:
    result = CliRunner().invoke(
        app, ["surfaces", rutile, "--hkl", "1,1,0", "--slab-thickness", "9", "--json", "-"]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)[0]["name"].startswith("TiO2(110)")
    for note in NOTES:
        assert note in result.stderr


def test_inputs_shows_the_notes(rutile: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["inputs", rutile, "--dry-run", str(tmp_path / "in"), "--hkl", "1,1,0", "--json",
              "--quality", "quick"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    for note in NOTES:
        assert note in result.stderr


def test_plan_shows_and_stores_the_notes(rutile: str, tmp_path: Path) -> None:
    output = tmp_path / "plan.jsonl"
    result = CliRunner().invoke(
        app, ["plan", rutile, "-o", str(output), "--max-index", "1", "--cores", "1"]
    )
    assert result.exit_code == 0, result.output
    assert f"Note: file:rutile.cif: {NOTES[0]}" in result.output
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    (crystal,) = [line for line in lines if line["kind"] == "crystal"]
    assert NOTES[0] in crystal["notes"][0]


@pytest.mark.parametrize(
    ("of_file", "standard"), [("1,0,0", "(001)"), ("0,1,1", "(110)"), ("0,1,0", "(100)")]
)
def test_orientations_of_the_file_are_translated(of_file: str, standard: str, rutile: str) -> None:
    result = CliRunner().invoke(
        app, ["surfaces", rutile, "--hkl-of-file", of_file, "--slab-thickness", "9", "--json", "-"]
    )
    assert result.exit_code == 0, result.output
    names = {record["name"] for record in json.loads(result.stdout)}
    assert all(name.startswith(f"TiO2{standard}") for name in names)


def test_a_library_crystal_has_no_file(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["surfaces", "MgO", "--hkl-of-file", "1,0,0"])
    assert isinstance(result.exception, SurfaceError)
    assert "comes from no file" in str(result.exception)


def test_four_indices_are_taken_for_hexagonal_axes_alone(tmp_path: Path) -> None:
    options = ["--slab-thickness", "9", "--json", "-"]
    for command in (["surfaces"], ["inputs", "--dry-run", str(tmp_path / "in"), "--json"]):
        arguments = [command[0], "MgO", *command[1:], "--hkl", "1,0,-1,2"]
        result = CliRunner().invoke(app, arguments)
        assert isinstance(result.exception, SurfaceError)
        assert "not hexagonal" in str(result.exception)
    result = CliRunner().invoke(app, ["surfaces", "Al2O3", "--hkl", "1,0,-1,2", *options])
    assert result.exit_code == 0, result.output
    assert {tuple(r["miller_index"]) for r in json.loads(result.stdout)} == {(1, 0, 2)}
    result = CliRunner().invoke(app, ["surfaces", "Al2O3", "--hkl", "1,0,1,2", *options])
    assert isinstance(result.exception, SurfaceError)
    assert "i = -(h + k)" in str(result.exception)


def test_run_shows_the_notes_and_stores_them_with_the_results(
    rutile: str, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engine.ENGINES, "toy", "toy_engine:make_engine")
    monkeypatch.setenv("SURFALIGN_CORES", "1")
    out = tmp_path / "out.json"
    result = CliRunner().invoke(
        app, ["run", rutile, "--engine", "toy", "--hkl-of-file", "0,1,1", "--json", str(out)]
    )
    assert result.exit_code == 0, result.output
    documents = json.loads(out.read_text())
    assert {tuple(document["miller_index"]) for document in documents} == {(1, 1, 0)}
    for note in NOTES:
        assert note in result.output
        assert note in " ".join(documents[0]["crystal_notes"])
    (stored,) = database.surface_levels.query({"identifier": documents[0]["identifier"]})
    assert stored["crystal_notes"] == documents[0]["crystal_notes"]
    shown = CliRunner().invoke(app, ["show", documents[0]["identifier"]])
    assert "crystal: the density is stated as 4.2" in shown.output


@pytest.mark.parametrize("of_file", ["0,1,1", "1,0,0"])
def test_submit_and_predict_take_orientations_of_the_file(
    of_file: str, rutile: str, tmp_path: Path
) -> None:
    """What a campaign computes, and what the learner predicts, is the surface that was meant."""
    wanted = {"0,1,1": (1, 1, 0), "1,0,0": (0, 0, 1)}[of_file]
    plan = tmp_path / "plan.jsonl"
    write_target_plan(
        plan,
        [rutile],
        lambda crystal: wanted_crystals.wanted_indices(crystal, None, [of_file]),
        None,
        Method(engine="gpaw", quality="quick"),
    )
    entries = [json.loads(line) for line in plan.read_text().splitlines()]
    planned = [entry for entry in entries if entry["kind"] == "surface"]
    assert planned
    assert {tuple(entry["miller_index"]) for entry in planned} == {wanted}
    records = predict.Given(rutile, None, None, hkl_of_file=[of_file]).records(Level.SLAB)
    assert {record.miller_index for record in records} == {wanted}


@pytest.mark.parametrize("option", ["--hkl", "--hkl-of-file"])
def test_orientations_beside_what_has_its_own_are_refused(option: str, tmp_path: Path) -> None:
    profile = tmp_path / "cluster.yaml"
    profile.write_text(
        f"{{launcher: fireworks, clusters: {{local: {{work_directory: {tmp_path}}}}}, "
        "queues: {cpu: {partition: cpu}}}"
    )
    for arguments, message in (
        (["submit", "plan.jsonl", "--profile", str(profile)], "beside the plan plan.jsonl"),
        (["learn", "predict", "--slabs", "slabs.json.gz"], "beside a file of slabs"),
    ):
        result = CliRunner().invoke(app, [*arguments, option, "1,0,0"])
        assert isinstance(result.exception, ConfigurationError)
        assert message in str(result.exception)


@pytest.mark.parametrize("command", [["submit"], ["learn", "predict"], ["learn", "explain"]])
def test_the_option_is_offered_wherever_a_crystal_is_cut(command: list[str]) -> None:
    assert (
        "--hkl-of-file"
        in CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "120"}).output
    )
