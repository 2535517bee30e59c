"""The published table: a synthetic one of its layout, matched to enumerated surfaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from surfalign.crystals.sources import load_crystal
from surfalign.errors import (
    DamagedFileError,
    EmptyDatasetError,
    InvalidLabelError,
    LearnerError,
    MixedUnitsError,
    UnknownElementError,
)
from surfalign.ml.data.candidate_surfaces import CandidateCrystal, read_crystals
from surfalign.ml.data.from_jacs_table import NO_CRYSTAL, NO_NUMBERS, NO_SURFACE, import_table
from surfalign.ml.data.from_medians import NO_CRYSTAL as NO_CRYSTAL_OF_FORMULA
from surfalign.ml.data.from_medians import import_medians
from surfalign.ml.data.jacs_table import parse_space_group, read_table
from surfalign.ml.data.records import Statistic

HEADER = (
    "Index", "System", "Formula", "Space group", "Miller index", "Surface energy (J/m2)",
    "IP (eV)", "EA (eV)", "Gap (eV)",
)  # fmt: skip
ROWS: tuple[tuple[Any, ...], ...] = (
    (1, "Mg-O", "MgO", "Fm-3m", "(100)", 1.1, 7.1, -0.8, 7.9),
    (2, "O-Ti", "TiO2", "P4_2/mnm", "110", 0.6, 7.8, 4.4, 3.4),
    (3, "O-Ti", "TiO2", "P42/mnm", "(1 1 0)", 1.9, 6.9, 3.5, 3.4),
    (4, "O-Ti", "TiO2", 141, "1 0 1", 0.5, 8.0, 4.5, 3.5),
    (5, "O-Zn", "ZnO", "P6_3mc", "001", 2.0, 7.0, 3.5, 3.5),
    (6, "Mg-O", "MgO", 225, 110, 2.2, None, None, 7.9),
)


def table(path: Path, rows: Any = ROWS, header: Any = HEADER) -> Path:
    workbook = Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(("Data S1. Surface energies, IPs and EAs",))
    sheet.append(header)
    for row in rows:
        sheet.append(row)
    workbook.save(path)
    return path


@pytest.fixture(scope="module")
def crystals(tmp_path_factory: pytest.TempPathFactory) -> list[CandidateCrystal]:
    folder = tmp_path_factory.mktemp("crystals")
    for name in ("MgO", "TiO2-rutile", "ZnO"):
        load_crystal(name).structure.to(filename=str(folder / f"{name}.cif"))
    (folder / "broken.cif").write_text("data_nothing\n")
    found, unreadable = read_crystals(folder)
    assert [name.split(":")[0] for name in unreadable["unreadable crystal file"]] == ["broken.cif"]
    assert sorted(crystal.formula for crystal in found) == ["MgO", "TiO2", "ZnO"]
    return found


def test_rows_find_their_surfaces(crystals: list[CandidateCrystal], tmp_path: Path) -> None:
    dataset = import_table(table(tmp_path / "si.xlsx"), crystals)
    labelled = [record for record in dataset.records if record.labels]
    (magnesia,) = labelled  # the only orientation with one slab
    assert magnesia.formula == "MgO"
    assert magnesia.value("ionization_potential") == 7.1
    assert magnesia.value("surface_energy") == 1.1

    # Rutile (110) has several terminations; rows 2 and 3 each belong to one of them.
    sets = [s for s in dataset.set_labels if s.name == "ionization_potential"]
    assert [(s.source, s.value) for s in sets] == [("jacs-si:2", 7.8), ("jacs-si:3", 6.9)]
    assert all(s.statistic is Statistic.ONE_OF and len(s.members) >= 2 for s in sets)
    assert set(sets[0].members) <= {record.name for record in dataset.records}
    assert {reason: len(names) for reason, names in dataset.left_out.items()} == {
        NO_CRYSTAL: 1,  # anatase is not in the folder
        NO_SURFACE: 1,  # ZnO(001) is polar
        NO_NUMBERS: 1,
    }


def test_units_of_the_header(crystals: list[CandidateCrystal], tmp_path: Path) -> None:
    header = [*HEADER]
    header[5] = "Surface energy (meV/Å2)"
    (row,) = read_table(table(tmp_path / "si.xlsx", [ROWS[0]], header))
    assert row.labels["surface_energy"] == pytest.approx(1.1 * 0.01602, rel=1e-3)
    header[6] = "IP (kcal/mol)"
    with pytest.raises(MixedUnitsError, match="kcal/mol"):
        read_table(table(tmp_path / "si.xlsx", ROWS, header))


def test_columns_without_a_known_name_are_taken_in_order(tmp_path: Path) -> None:
    header = ["#", "System", "Compound", "SG", "(hkl)", "γ", "Ip", "Ea", "Eg"]
    rows = read_table(table(tmp_path / "si.xlsx", ROWS, header))
    assert rows[0].labels == {
        "surface_energy": 1.1, "ionization_potential": 7.1, "electron_affinity": -0.8,
        "band_gap": 7.9,
    }  # fmt: skip
    assert [row.space_group_number for row in rows] == [225, 136, 136, 141, 186, 225]
    assert rows[4].miller_index == (0, 0, 1)


def test_miller_indices_that_a_spreadsheet_made_numbers(tmp_path: Path) -> None:
    rows = [(*ROWS[0][:4], cell, *ROWS[0][5:]) for cell in (110, 1, "(10-10)")]
    found = [row.miller_index for row in read_table(table(tmp_path / "si.xlsx", rows))]
    assert found == [(1, 1, 0), (0, 0, 1), (1, 0, 0)]
    bad = (*ROWS[0][:4], "1x0", *ROWS[0][5:])
    with pytest.raises(LearnerError, match="row 3: '1x0' is no Miller index"):
        read_table(table(tmp_path / "si.xlsx", [bad]))


def test_space_groups() -> None:
    assert [parse_space_group(v) for v in ("Fm-3m", "I4_1/amd", "P 21/c", 167, "12", 14.0)] == [
        225, 141, 14, 167, 12, 14,
    ]  # fmt: skip
    for bad in ("Fm-3x", 231, 0):
        with pytest.raises(LearnerError, match="no space group"):
            parse_space_group(bad)


def test_bad_tables_are_named(crystals: list[CandidateCrystal], tmp_path: Path) -> None:
    path = table(tmp_path / "si.xlsx")
    with pytest.raises(EmptyDatasetError, match="has no label"):
        import_table(path, [c for c in crystals if c.formula == "ZnO"])
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    with pytest.raises(DamagedFileError, match="cannot be read as a table"):
        read_table(path)
    with pytest.raises(EmptyDatasetError, match="no row below its header"):
        read_table(table(path, []))
    with pytest.raises(DamagedFileError, match="no column for"):
        read_table(table(path, ROWS, ["a", "b"]))
    bad = list(ROWS[0])
    bad[6] = "7.1*"
    with pytest.raises(InvalidLabelError, match=r"row 3: ionization_potential is '7\.1\*'"):
        read_table(table(path, [bad]))
    bad[2], bad[6] = "Mg?O", 7.1
    with pytest.raises(UnknownElementError, match=r"'Mg\?O' is no formula"):
        read_table(table(path, [bad]))


def test_medians_belong_to_sets(crystals: list[CandidateCrystal], tmp_path: Path) -> None:
    path = tmp_path / "medians.csv"
    path.write_text("formula,ip_median_ev,n_surfaces\nO2Ti,7.9,30\nMgO,7.0,4\nAl2O3,9.8,116\n")
    dataset = import_medians(path, crystals)
    assert {s.formula: s.value for s in dataset.set_labels} == {"TiO2": 7.9, "MgO": 7.0}
    assert all(s.statistic is Statistic.MEDIAN for s in dataset.set_labels)
    assert dataset.left_out == {NO_CRYSTAL_OF_FORMULA: ["Al2O3"]}
    path.write_text("formula,ip_median_ev,gap_ev\nTiO2,7.9,3.4\nMgO,7.0,\n")
    values = {(s.formula, s.name): s.value for s in import_medians(path, crystals).set_labels}
    assert values == {
        ("TiO2", "ionization_potential"): 7.9,
        ("TiO2", "electron_affinity"): pytest.approx(4.5),
        ("MgO", "ionization_potential"): 7.0,
    }
    path.write_text("formula,ip_median_ev,gap_ev\nTiO2,7.9,wide\n")
    with pytest.raises(InvalidLabelError, match="gap_ev of TiO2"):
        import_medians(path, crystals)
    path.write_text("formula,ip_median_ev\nMgO,nan\n")
    with pytest.raises(InvalidLabelError, match="median of MgO"):
        import_medians(path, crystals)
    path.write_text("compound,ip\nMgO,7\n")
    with pytest.raises(DamagedFileError, match="no table of medians"):
        import_medians(path, crystals)
