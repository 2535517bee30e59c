"""Miller indices in a file's own cell and in the standard cell: the same planes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from surfalign.crystals.library import library
from surfalign.crystals.sources import load_crystal
from surfalign.errors import SurfaceError
from surfalign.physics.lattice.orientations import standard_cell


def spacing(lattice: np.ndarray, index: tuple[int, int, int]) -> float:
    """Return the spacing of planes (hkl) of a lattice given by rows, angstrom."""
    return float(1 / np.linalg.norm(np.linalg.inv(lattice) @ index))


def saved(structure: Structure, folder: Path) -> Path:
    path = folder / "x.vasp"
    structure.to(filename=str(path), fmt="poscar")
    return path


def other_axes(structure: Structure, rows: list[list[int]]) -> Structure:
    """Return the crystal with other axes: rows in units of its own."""
    change = np.array(rows, dtype=float)
    return Structure(
        Lattice(change @ structure.lattice.matrix), structure.species,
        structure.frac_coords @ np.linalg.inv(change), to_unit_cell=True,
    )  # fmt: skip


CYCLE = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
TURN = [[0, 1, 0], [1, 0, 0], [0, 0, -1]]
SHEAR = [[1, 0, 1], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    "name", ["CaTiO3", "BiVO4", "TiO2-rutile", "V2O5", "Al2O3", "ZrO2-monoclinic"]
)
@pytest.mark.parametrize("rows", [CYCLE, TURN, SHEAR], ids=["cycle", "turn", "shear"])
def test_planes_keep_their_spacing_and_density(
    name: str, rows: list[list[int]], tmp_path: Path
) -> None:
    given = other_axes(library()[name].conventional_structure(), rows)
    crystal = load_crystal(saved(given, tmp_path))
    standard = standard_cell(crystal.structure).lattice.matrix
    for index in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, -1, 2)):
        here = crystal.from_file_index(index)
        ratio = spacing(given.lattice.matrix, index) / spacing(standard, here)
        # Both spacings are of lattice planes of one direction: multiples of that of all planes.
        assert any(abs(ratio * n - round(ratio * n)) < 1e-3 for n in (1, 2, 3, 4, 6)), (index, here)


def test_a_note_says_what_an_index_of_the_file_is_here(tmp_path: Path) -> None:
    pnma = standard_cell(load_crystal("CaTiO3").structure).remove_site_property("bulk_site")
    crystal = load_crystal(saved(other_axes(pnma, CYCLE), tmp_path))  # Pbnm
    (note,) = [n for n in crystal.notes if "your file's" in n]
    assert crystal.from_file_index((1, 0, 0)) in ((0, 0, 1), (0, 0, -1))
    assert "your file's (100) is (001) here" in note
    assert "--hkl-of-file" in note


def test_no_note_where_the_axes_are_those_of_the_standard_cell(tmp_path: Path) -> None:
    for name in ("CaTiO3", "TiO2-rutile", "MgO"):
        cell = standard_cell(load_crystal(name).structure).remove_site_property("bulk_site")
        crystal = load_crystal(saved(cell, tmp_path))
        assert [n for n in crystal.notes if "your file's" in n] == []
        assert crystal.from_file_index((1, 0, 0)) in ((1, 0, 0), (-1, 0, 0))


def test_a_primitive_cell_counts_in_its_own_axes(tmp_path: Path) -> None:
    primitive = load_crystal("MgO").structure
    crystal = load_crystal(saved(primitive, tmp_path))
    assert {abs(h) for h in crystal.from_file_index((1, 0, 0))} == {1}  # (111) of rock salt
    assert "your file's (100) is (111) here" in " ".join(crystal.notes)


def test_a_crystal_that_comes_from_no_file_has_no_axes_of_its_own() -> None:
    with pytest.raises(SurfaceError, match="comes from no file"):
        load_crystal("MgO").from_file_index((1, 0, 0))
