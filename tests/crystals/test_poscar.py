"""POSCAR files that name no elements, or contradict themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surfalign.crystals.files import read_structure
from surfalign.crystals.sources import load_crystal
from surfalign.errors import ContradictoryFileError, InvalidStructureError

FCC = "0 2.1 2.1\n2.1 0 2.1\n2.1 2.1 0"
PLACES = "0 0 0\n0.5 0.5 0.5"


def poscar(
    names: str = "Mg O\n",
    counts: str = "1 1",
    mode: str = "Direct",
    places: str = PLACES,
    scale: str = "1.0",
    title: str = "made by hand",
) -> str:
    return f"{title}\n{scale}\n{FCC}\n{names}{counts}\n{mode}\n{places}\n"


def written(folder: Path, text: str, name: str = "x.vasp") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        poscar(names=""),
        poscar(names="", title="Mg O"),  # a title is no statement
        poscar(names="", mode="Selective dynamics\nDirect", places="0 0 0 T T T\n.5 .5 .5 F F F"),
        poscar(
            names="", counts="1 1 1 1 1 1 1 1", places="\n".join(f"0 0 0.{i}" for i in range(8))
        ),
        poscar(names="", places="0 0 0 first\n0.5 0.5 0.5 second"),
    ],
)
@pytest.mark.parametrize("name", ["x.vasp", "POSCAR", "CONTCAR", "x.poscar"])
def test_a_poscar_without_names_is_refused_plainly(text: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidStructureError, match="the POSCAR names no elements") as raised:
        load_crystal(written(tmp_path, text, name))
    assert name in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        poscar(),
        poscar(names="Mg_pv O_s\n"),
        poscar(names="Mg/1a2b3c4d O/9f8e7d6c\n"),
        poscar(names="Mg/ O/\n"),
        poscar(names="", places="0 0 0 Mg\n0.5 0.5 0.5 O"),
        poscar(places="0 0 0 Mg1\n0.5 0.5 0.5 O1"),
        poscar(places="0 0 0 Mg\n0.5 0.5 0.5 O"),
        poscar(mode="Selective dynamics\nDirect", places="0 0 0 T T T Mg\n.5 .5 .5 F F F O"),
        poscar(scale="-18.522"),
        poscar(names="Mg\nO\n", counts="1\n1"),
    ],
)
def test_names_are_read_wherever_vasp_and_others_write_them(text: str, tmp_path: Path) -> None:
    structure = read_structure(written(tmp_path, text))
    assert [site.specie.symbol for site in structure] == ["Mg", "O"]
    assert structure.volume == pytest.approx(18.522, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (poscar(names="Mg O Ca\n"), r"3 names \(Mg O Ca\) and 2 counts"),
        (poscar(names="Mg\n"), "1 names .Mg. and 2 counts"),
        (poscar(places="0 0 0 O\n0.5 0.5 0.5 Mg"), "says Mg above the coordinates and O behind"),
        (
            poscar(mode="Selective\nDirect", places="0 0 0 T T T Mg\n.5 .5 .5 T T T Mg"),
            "says O above the coordinates and Mg behind",
        ),
    ],
)
def test_names_that_contradict_are_both_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ContradictoryFileError, match=message):
        read_structure(written(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [poscar(places="0 0 0\n0.5 0.5"), poscar(places="0 0 0"), poscar(scale="1 1"), "Mg\n1\n", "\n"],
)
def test_a_poscar_that_is_not_whole_gives_one_clear_error(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidStructureError, match=r"x\.vasp cannot be read"):
        load_crystal(written(tmp_path, text))


def test_a_volume_as_scale_scales_cartesian_places_as_vasp_does(tmp_path: Path) -> None:
    text = poscar(scale=str(-8 * 18.522), mode="Cartesian", places="0 0 0\n2.1 2.1 2.1")
    structure = read_structure(written(tmp_path, text))
    assert structure.lattice.a == pytest.approx(2 * 2.1 * np.sqrt(2), abs=1e-3)
    assert structure.frac_coords[1] == pytest.approx([0.5, 0.5, 0.5])
