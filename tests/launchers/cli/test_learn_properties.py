"""``surfalign learn`` with properties of a user's own, from tables and from the store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from learning_data import crystal_entries, rocksalt_crystal, rocksalt_slab, toy_dataset
from stored_results import passed_result, store
from typer.testing import CliRunner, Result

from surfalign.errors import (
    ConfigurationError,
    EmptyDatasetError,
    MixedLevelsError,
    MixedUnitsError,
    UnknownPropertyError,
)
from surfalign.launchers.cli.main import app
from surfalign.ml.data.datasets import read_dataset, write_dataset
from surfalign.ml.properties.property import Level
from surfalign.stores.database import Database

FAST = ("--kind", "gaussian-process", "--set", "iterations=3")
PROPERTIES = """\
properties:
  stiffness: {unit: GPa, level: crystal, transformation: log}
"""


def invoke(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["learn", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory of this test, with a table of crystals and what its column is."""
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path))
    (tmp_path / "table.json").write_text(json.dumps(crystal_entries(30)))
    (tmp_path / "stiffness.yaml").write_text(PROPERTIES)
    return tmp_path


@pytest.fixture
def given(folder: Path) -> tuple[object, ...]:
    return "--table", folder / "table.json", "--properties", folder / "stiffness.yaml"


def test_a_table_is_trained_on_predicted_explained_and_evaluated(
    folder: Path, given: tuple[object, ...]
) -> None:
    shown = invoke("train", *given, "--model", "hard", *FAST).output
    assert "stiffness" in shown
    assert "GPa" in shown
    assert "crystals" in shown
    table = invoke("predict", "MgO", "--model", "hard").output
    assert "stiffness" in table
    assert "(GPa)" in table
    (folder / "new.csv").write_text("structure\nMgO\nTiO2-rutile\n")
    target = folder / "predicted.json"
    invoke("predict", "--table", folder / "new.csv", "--model", "hard", "--json", target)
    first, second = json.loads(target.read_text())
    assert [first["name"], second["name"]] == ["MgO", "TiO2-rutile"]
    assert first["units"] == {"stiffness": "GPa"}
    assert second["unknown_elements"] == []
    picture = invoke("explain", "MgO", "--model", "hard", "--figure", folder / "explained").output
    assert Path(picture.strip()).read_bytes().startswith(b"\x89PNG")
    errors = folder / "errors.json"
    invoke("evaluate", *given, "--model", "hard", "--json", errors, "--figure", folder / "p.png")
    assert json.loads(errors.read_text())["summary"]["stiffness"]["unit"] == "GPa"
    assert "stiffness" in invoke("models").output
    assert "not trained" in invoke("retrain", *given, "--model", "hard", *FAST).output
    with pytest.raises(MixedLevelsError, match="orientations are named"):
        invoke("predict", "MgO", "--hkl", "1,0,0", "--model", "hard")


def test_a_frozen_table_holds_its_declaration(folder: Path, given: tuple[object, ...]) -> None:
    target = folder / "hard.dataset.json.gz"
    summary = json.loads(invoke("freeze", *given, "-o", target, "--json").stdout)
    assert summary["properties"][0]["transformation"] == "log"
    assert read_dataset(target).level is Level.CRYSTAL
    invoke("train", "--dataset", target, "--model", "hard", "--kind", "mean")


def test_one_of_the_known_properties_is_learned_alone(folder: Path) -> None:
    write_dataset(toy_dataset(20), folder / "toy.dataset.json.gz")
    sources = (
        "--dataset",
        folder / "toy.dataset.json.gz",
        "--model",
        "ea",
        "--kind",
        "composition",
    )
    invoke("train", *sources, "--property", "electron_affinity", "--set", "n_estimators=5")
    found = json.loads(
        invoke("predict", "MgO", "--hkl", "1,0,0", "--model", "ea", "--json", "-").stdout
    )
    assert "electron_affinity" in found[0]
    assert "ionization_potential" not in found[0]
    with pytest.raises(
        UnknownPropertyError, match="no structure of the data has a label of hardness"
    ):
        invoke("train", *sources, "--property", "hardness")


def test_a_table_needs_a_declaration_and_one_thing_is_predicted_at_a_time(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="nothing says what its columns are"):
        invoke("train", "--table", folder / "table.json")
    with pytest.raises(ConfigurationError, match="a crystal and a table are named"):
        invoke("predict", "MgO", "--table", folder / "table.json")


def test_fields_of_results_are_properties_of_their_slabs_and_crystals(
    folder: Path, database: Database
) -> None:
    results = [
        passed_result(
            f"{cation}O-{number}",
            formula=f"{cation}O",
            source=f"library:{cation}O",
            dielectric_constant=3.0 + number,
            unrelaxed_slab_structure=rocksalt_slab(cation, "O"),
            bulk_structure=rocksalt_crystal(cation, "O"),
        )
        for number, cation in enumerate(("Mg", "Ca", "Mg"))
    ]
    store(database, *results)
    file, target = folder / "field.yaml", folder / "field.dataset.json.gz"
    file.write_text("properties: {eps: {unit: 1, level: slab, column: dielectric_constant}}\n")
    invoke("freeze", "--query", "", "--properties", file, "-o", target)
    slabs = read_dataset(target)
    assert sorted(record.value("eps") for record in slabs.records) == [3.0, 4.0, 5.0]
    assert {record.level for record in slabs.records} == {Level.SLAB}
    file.write_text("properties: {eps: {unit: 1, level: crystal, column: dielectric_constant}}\n")
    invoke("freeze", "--query", "", "--properties", file, "-o", target)
    crystals = read_dataset(target)
    assert [(r.name, len(r.structure)) for r in crystals.records] == [
        ("CaO library:CaO", 2),
        ("MgO library:MgO", 2),
    ]
    file.write_text("properties: {eps: {unit: eV, level: slab, column: dielectric_constant}}\n")
    with pytest.raises(MixedUnitsError, match="eps is given in '1'"):
        invoke("freeze", "--query", "", "--properties", file, "-o", target)
    file.write_text("properties: {eps: {unit: 1, level: slab, column: formula}}\n")
    with pytest.raises(UnknownPropertyError, match=r"no number 'formula'.*dielectric_constant"):
        invoke("freeze", "--query", "", "--properties", file, "-o", target)
    file.write_text("properties: {eps: {unit: eV, level: slab, column: oxygen_energy}}\n")
    with pytest.raises(EmptyDatasetError, match="oxygen_energy"):
        invoke("freeze", "--query", "", "--properties", file, "-o", target)
