"""Tables of structures with numbers: CSV, JSON, extXYZ, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from learning_data import crystal_entries, rocksalt_crystal, rocksalt_slab
from pymatgen.core import Structure

from surfalign.errors import (
    DamagedFileError,
    EmptyDatasetError,
    InvalidLabelError,
    LearnerError,
    MissingFileError,
    MissingStructureError,
    MixedLevelsError,
    MixedUnitsError,
    SurfalignError,
    UnknownPropertyError,
)
from surfalign.ml.data.candidate_surfaces import CandidateCrystal
from surfalign.ml.data.datasets import FrozenDataset, merge, read_dataset, write_dataset
from surfalign.ml.data.records import Fidelity
from surfalign.ml.properties.declarations import Declarations, Declared
from surfalign.ml.properties.from_table import NO_CRYSTAL, NO_LABEL, freeze_table, table_structures
from surfalign.ml.properties.property import Level, Property, Transformation

STIFFNESS = Property(
    name="stiffness", unit="GPa", level=Level.CRYSTAL, transformation=Transformation.LOG
)


def declared(one: Property = STIFFNESS, column: str = "", given_in: str = "") -> Declarations:
    entry = Declared(one, column or one.name, given_in or one.unit)
    return Declarations((entry,), Fidelity("toy", "rule", "table"))


def write_csv(folder: Path, text: str) -> Path:
    for cation in ("Mg", "Ca", "Sr"):
        rocksalt_crystal(cation, "O").to(filename=str(folder / f"{cation}O.cif"))
    file = folder / "stiffness.csv"
    file.write_text(text)
    return file


def frozen_csv(folder: Path, text: str, declarations: Declarations | None = None) -> FrozenDataset:
    return freeze_table(write_csv(folder, text), declarations or declared())


def values(dataset: FrozenDataset) -> dict[str, float]:
    return {r.name: round(r.value("stiffness"), 9) for r in dataset.records}


def test_a_table_with_structure_files_is_frozen_with_its_declaration(tmp_path: Path) -> None:
    text = "name,structure,stiffness\na,MgO.cif,160\nb,CaO.cif,\nc,SrO.cif,90\n"
    dataset = frozen_csv(tmp_path, text)
    assert values(dataset) == {"a": 160.0, "c": 90.0}
    assert dataset.left_out == {NO_LABEL: ["b"]}
    assert dataset.declared == {"stiffness": STIFFNESS}
    assert {record.level for record in dataset.records} == {Level.CRYSTAL}
    write_dataset(dataset, tmp_path / "x.dataset.json.gz")
    again = read_dataset(tmp_path / "x.dataset.json.gz")
    assert (again.declared, again.level, again.digest) == (
        dataset.declared,
        Level.CRYSTAL,
        dataset.digest,
    )


@pytest.mark.parametrize(
    ("text", "given_in"),
    [
        ("structure,stiffness (kbar)\nMgO.cif,1600\n", ""),
        ("structure,stiffness [kbar]\nMgO.cif,1600\n", ""),
        ("structure,stiffness,stiffness_unit\nMgO.cif,1600,kbar\n", ""),
        ("structure,stiffness\nMgO.cif,1600\n", "kbar"),
    ],
)
def test_a_unit_that_the_table_states_is_converted(
    tmp_path: Path, text: str, given_in: str
) -> None:
    assert values(frozen_csv(tmp_path, text, declared(given_in=given_in))) == {"MgO.cif": 160.0}


def test_units_of_single_rows_are_each_converted(tmp_path: Path) -> None:
    text = "structure,stiffness,stiffness_unit\nMgO.cif,1600,kbar\nCaO.cif,110,GPa\n"
    assert values(frozen_csv(tmp_path, text)) == {"MgO.cif": 160.0, "CaO.cif": 110.0}


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("structure,stiffness,stiffness (kbar)\nMgO.cif,1,2\n", MixedUnitsError, "two columns"),
        (
            "structure,stiffness,stiffness_unit\nMgO.cif,1,kbar\nCaO.cif,2,\n",
            MixedUnitsError,
            "1 of 2 numbers of stiffness .* have no unit",
        ),
        (
            "structure,stiffness (kbar),stiffness_unit\nMgO.cif,1,GPa\n",
            MixedUnitsError,
            "in 'kbar' and in 'GPa'",
        ),
        ("structure,stiffness (eV)\nMgO.cif,1\n", MixedUnitsError, "row 2 .* given in 'eV'"),
        ("structure,modulus\nMgO.cif,1\n", UnknownPropertyError, "its columns: structure, modulus"),
        ("structure,stiffness\nMgO.cif,hard\n", InvalidLabelError, "row 2 .* is 'hard'"),
        ("structure,stiffness\nMgO.cif,nan\n", InvalidLabelError, "row 2 .* is nan"),
        ("structure,stiffness\nMgO.cif,-3\n", InvalidLabelError, "row 2 .* is -3 GPa"),
        ("structure,stiffness\nBaO.cif,1\n", MissingStructureError, "row 2 .* 'BaO.cif'"),
        ("structure,stiffness\n,1\n", MissingStructureError, "row 2 .* has no structure"),
        ("name,stiffness\na,1\n", MissingStructureError, "no column of structures"),
        ("formula,stiffness\nMgXx,1\n", MissingStructureError, "formula 'MgXx'"),
        ("formula,stiffness\nLaYbO3,1\n", MissingStructureError, "--crystals"),
        ("structure,stiffness\nMgO.cif,1\nMgO.cif,2\n", LearnerError, "two rows are named"),
        ("structure,stiffness\n", EmptyDatasetError, "holds no row"),
    ],
)
def test_a_bad_row_is_named(
    tmp_path: Path, text: str, error: type[SurfalignError], message: str
) -> None:
    with pytest.raises(error, match=message):
        frozen_csv(tmp_path, text)


def test_a_formula_means_the_crystals_that_have_it(tmp_path: Path) -> None:
    table = write_csv(tmp_path, "formula,stiffness\nMgO,160\nTiO2,200\nLaYbO3,1\n")
    dataset = freeze_table(table, declared())
    labels = {label.formula: label for label in dataset.set_labels}
    assert len(labels["MgO"].members) == 1
    assert len(labels["TiO2"].members) > 1, "the library has several phases"
    assert dataset.left_out[NO_CRYSTAL] == ["LaYbO3"]
    own = [CandidateCrystal(rocksalt_crystal("Mg", "O"), "file:mine.cif")]
    (only,) = freeze_table(table, declared(), own).set_labels
    assert only.members == ("MgO file:mine.cif",)


def test_names_of_the_library_are_structures(tmp_path: Path) -> None:
    dataset = frozen_csv(tmp_path, "structure,stiffness\nTiO2-rutile,200\n")
    assert [(r.name, r.formula) for r in dataset.records] == [("TiO2-rutile", "TiO2")]


def json_table(folder: Path, entries: list[dict[str, Any]]) -> Path:
    file = folder / "table.json"
    file.write_text(json.dumps(entries))
    return file


def test_a_json_table_may_state_units(tmp_path: Path) -> None:
    entries = crystal_entries(3)
    entries[0] |= {"stiffness": 500.0, "units": {"stiffness": "kbar"}}
    entries[1] |= {"stiffness": 60.0, "units": {"stiffness": "GPa"}}
    entries[2] |= {"stiffness": None}
    dataset = freeze_table(json_table(tmp_path, entries), declared())
    assert values(dataset) == {"MgO": 50.0, "CaO": 60.0}
    with pytest.raises(MissingStructureError, match=r"entry 1 .* has no structure"):
        freeze_table(json_table(tmp_path, [{"stiffness": 1.0}]), declared())
    (tmp_path / "table.json").write_text('{"a": 1}')
    with pytest.raises(DamagedFileError, match="no list of objects"):
        freeze_table(tmp_path / "table.json", declared())


def test_an_extended_xyz_file_holds_numbers_in_its_second_lines(tmp_path: Path) -> None:
    file = tmp_path / "table.xyz"
    blocks = []
    for name, word in (
        ("one", "stiffness=1600 stiffness_unit=kbar"),
        ("two", "stiffness=90 stiffness_unit=GPa"),
    ):
        blocks += [
            "2",
            'Lattice="0 2.1 2.1 2.1 0 2.1 2.1 2.1 0" Properties=species:S:1:pos:R:3 '
            f'name={name} {word} pbc="T T T"',
            "Mg 0 0 0",
            "O 2.1 2.1 2.1",
        ]  # fmt: skip
    file.write_text("\n".join([*blocks, ""]))
    dataset = freeze_table(file, declared())
    assert values(dataset) == {"one": 160.0, "two": 90.0}
    assert dataset.records[0].structure.volume == pytest.approx(2 * 2.1**3)
    file.write_text("2\nno cell\nMg 0 0 0\nO 2.1 2.1 2.1\n")
    with pytest.raises(MissingStructureError, match=r"structure 1 .* has no cell"):
        freeze_table(file, declared())
    with pytest.raises(DamagedFileError, match=r"\*\.csv"):
        freeze_table(Path(__file__), declared())
    with pytest.raises(MissingFileError, match="does not exist"):
        freeze_table(tmp_path / "absent.csv", declared())


def table_of(folder: Path, structure: Structure) -> Path:
    return json_table(folder, [{"name": "x", "structure": structure.as_dict(), "stiffness": 1.0}])


def test_slabs_and_crystals_are_not_mixed(tmp_path: Path) -> None:
    crystal, slab = rocksalt_crystal("Mg", "O"), rocksalt_slab("Mg", "O")
    of_slabs = declared(Property(name="stiffness", unit="GPa", level=Level.SLAB))
    with pytest.raises(MixedLevelsError, match=r"entry 1 .* is a slab"):
        freeze_table(table_of(tmp_path, slab), declared())
    with pytest.raises(MixedLevelsError, match=r"entry 1 .* is a crystal without a vacuum"):
        freeze_table(table_of(tmp_path, crystal), of_slabs)
    slabs = freeze_table(table_of(tmp_path, slab), of_slabs)
    crystals = freeze_table(json_table(tmp_path, crystal_entries(3)), declared())
    with pytest.raises(LearnerError, match="stiffness is declared as"):
        merge("both", [slabs, crystals])
    other = freeze_table(
        json_table(tmp_path, crystal_entries(3)),
        declared(Property(name="other", unit="GPa", level=Level.CRYSTAL), column="stiffness"),
    )
    with pytest.raises(MixedLevelsError, match="3 crystals and 1 slabs"):
        merge("both", [slabs, other])
    with pytest.raises(MissingStructureError, match="formula MgO alone"):
        frozen_csv(tmp_path, "formula,stiffness\nMgO,160\n", of_slabs)


def test_structures_alone_are_read_to_be_predicted(tmp_path: Path) -> None:
    table = write_csv(tmp_path, "structure\nMgO.cif\nCaO.cif\nTiO2-rutile\n")
    found = table_structures(table, Level.CRYSTAL)
    assert [(r.name, r.labels) for r in found] == [
        ("MgO.cif", ()),
        ("CaO.cif", ()),
        ("TiO2-rutile", ()),
    ]
