"""Structure files of every kind, most of them broken."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp import Poscar

from surfalign.crystals.files import read_structure_file
from surfalign.crystals.sources import load_crystal
from surfalign.errors import (
    InvalidStructureError,
    OverlappingAtomsError,
    PartialOccupancyError,
    UnknownMaterialError,
)

CIF = """data_MgO
_cell_length_a 4.21
_cell_length_b 4.21
_cell_length_c 4.21
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
_symmetry_Int_Tables_number 1
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Mg1 Mg 0 0 0 {mg}
Mg2 Mg 0 0.5 0.5 1
Mg3 Mg 0.5 0 0.5 1
Mg4 Mg 0.5 0.5 0 1
O1 O {x} 0 0 1
O2 O 0.5 0.5 0.5 1
O3 O 0 0 0.5 1
O4 O 0 0.5 0 1
"""


def cif(mg: str = "1", x: str = "0.5") -> str:
    return CIF.format(mg=mg, x=x)


@pytest.fixture
def magnesia() -> Structure:
    cations = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    anions = [[x + 0.5, y, z] for x, y, z in cations]
    return Structure(Lattice.cubic(4.21), ["Mg"] * 4 + ["O"] * 4, cations + anions)


def write(folder: Path, name: str, structure: Structure) -> Path:
    path = folder / name
    if name.endswith(".json.gz"):
        path.write_bytes(gzip.compress(json.dumps(structure.as_dict()).encode()))
    elif name.endswith(".json"):
        path.write_text(json.dumps(structure.as_dict()))
    elif name.endswith(".cif"):
        path.write_text(cif())
    else:
        Poscar(structure).write_file(path)
    return path


@pytest.mark.parametrize(
    "name", ["mgo.cif", "POSCAR", "CONTCAR", "mgo.vasp", "mgo.poscar", "mgo.json", "mgo.json.gz"]
)
def test_formats(tmp_path: Path, magnesia: Structure, name: str) -> None:
    crystal = load_crystal(str(write(tmp_path, name, magnesia)))
    assert crystal.formula == "MgO"
    assert crystal.name == "MgO"
    assert crystal.source == f"file:{name}"
    assert crystal.space_group_number == 225
    assert crystal.default_orientation is None
    assert len(crystal.structure) == 2
    assert crystal.structure.volume == pytest.approx(4.21**3 / 4)


def test_a_document_with_a_structure_is_read(tmp_path: Path, magnesia: Structure) -> None:
    path = tmp_path / "entry.json"
    path.write_text(json.dumps([{"id": 1, "structure": magnesia.as_dict()}]))
    assert load_crystal(str(path)).formula == "MgO"


def test_supercells_are_reduced(tmp_path: Path, magnesia: Structure) -> None:
    path = write(tmp_path, "POSCAR", magnesia * (2, 1, 1))
    assert len(load_crystal(str(path)).structure) == 2


def test_a_file_wins_over_the_library(
    tmp_path: Path, magnesia: Structure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Poscar(magnesia * (1, 1, 1)).write_file("POSCAR")
    (tmp_path / "POSCAR").rename("SrTiO3.vasp")
    assert load_crystal("SrTiO3.vasp").formula == "MgO"


BROKEN = {
    "empty.cif": (b"", "is empty"),
    "text.cif": (b"Dear colleague,\nhere is the structure.\n", "cannot be read"),
    "truncated.cif": (cif().split("loop_")[0].encode(), "cannot be read"),
    "binary.cif": (os.urandom(2000), "cannot be read"),
    "two.cif": ((cif() + cif().replace("data_MgO", "data_2")).encode(), "holds 2 structures"),
    "no_number.cif": (cif(x="abc").encode(), "cannot be read"),
    "occupancy.cif": (cif(mg="1.4").encode(), r"contradicts itself: .* Mg1, .* sum to 1\.4"),
    "POSCAR": (b"MgO\n1.0\n4 0 0\n0 4 0\n", "cannot be read"),
    "binary.vasp": (os.urandom(2000), "cannot be read: it holds binary data"),
    # Lines of chance that look like names and counts are no contradiction to tell.
    "names.vasp": (
        b"\x00" * 9 + b"\n" * 5 + b"W \x06f Gt\n12\n",
        "cannot be read: it holds binary data",
    ),
    "broken.json": (b'{"lattice": {', "cannot be read"),
    "list.json": (b"[1, 2, 3]", "holds no structure"),
    "other.json": (b'{"a": 1}', "holds no structure"),
    "sites.json": (b'{"lattice": {}, "sites": []}', "no readable structure"),
    "not_gzip.json.gz": (b"plain text", "cannot be read"),
    "notes.txt": (b"MgO is a rock salt", "cannot be read"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_give_one_clear_error(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidStructureError, match=message) as raised:
        load_crystal(str(path))
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


def test_partial_occupancies_of_a_cif(tmp_path: Path) -> None:
    path = tmp_path / "mgo.cif"
    path.write_text(cif(mg="0.8"))
    with pytest.raises(PartialOccupancyError, match=r"Mg:0\.8"):
        load_crystal(str(path))


def test_overlapping_atoms_of_a_cif(tmp_path: Path) -> None:
    path = tmp_path / "mgo.cif"
    path.write_text(cif(x="0.05"))
    with pytest.raises(OverlappingAtomsError, match=r"Mg .* and O .* are 0\.21 angstrom apart"):
        load_crystal(str(path))


def test_what_is_unusual_about_a_file_is_a_note_of_its_crystal(tmp_path: Path) -> None:
    path = tmp_path / "mgo.cif"
    path.write_text(cif().replace("Mg1 Mg 0 0 0 1", "Mg1 Mg 0 0 0 1.01"))
    content = read_structure_file(path)
    assert len(content.structure) == 8
    assert content.notes == ("the occupancy 1.01 of the site Mg1 is taken as 1",)
    assert content.notes[0] in load_crystal(path).notes


def test_warnings_of_other_readers_are_notes(tmp_path: Path, magnesia: Structure) -> None:
    path = tmp_path / "mgo.vasp"
    Poscar(magnesia).write_file(path)
    assert read_structure_file(path).notes == ()


@pytest.mark.parametrize("target", ["nowhere.cif", "some/where/POSCAR", "x.json.gz"])
def test_absent_files(target: str) -> None:
    with pytest.raises(UnknownMaterialError, match=f"there is no file {target}"):
        load_crystal(target)


def test_a_folder_is_no_structure(tmp_path: Path) -> None:
    with pytest.raises(InvalidStructureError, match="is a folder"):
        load_crystal(str(tmp_path))
