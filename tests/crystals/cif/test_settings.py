"""Every way to state a setting, against the expansions of gemmi and of spglib: right, or refused.

Each file is written for one setting, with atoms on special and on general positions of it. What is read
must be the crystal that the operations of that setting make, whatever else the file says.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gemmi
import numpy as np
import pytest
import spglib
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure

from surfalign.crystals.cif.reading import read_cif
from surfalign.errors import ContradictoryFileError, InvalidStructureError

#: Atoms of the files: special positions of many settings, and a general one.
SITES = {"Mg1": (0.0, 0.0, 0.0), "Si1": (0.125, 0.125, 0.125), "O1": (0.1307, 0.0411, 0.2903)}
#: A cell for each crystal system, with edges so long that no two atoms come near.
CELLS = {
    "triclinic": (17.1, 18.3, 19.7, 81, 86, 95),
    "b": (17.1, 18.3, 19.7, 90, 103, 90),
    "c": (17.1, 18.3, 19.7, 90, 90, 103),
    "a": (17.1, 18.3, 19.7, 103, 90, 90),
    "orthorhombic": (17.1, 18.3, 19.7, 90, 90, 90),
    "tetragonal": (17.1, 17.1, 19.7, 90, 90, 90),
    "hexagonal": (17.1, 17.1, 19.7, 90, 90, 120),
    "trigonal": (17.1, 17.1, 19.7, 90, 90, 120),
    "R": (17.1, 17.1, 17.1, 71, 71, 71),
    "cubic": (17.1, 17.1, 17.1, 90, 90, 90),
}
TWO_ORIGINS = (48, 50, 59, 68, 70, 85, 86, 88, 125, 126, 129, 130, 133, 134, 137, 138, 141, 142,
               201, 203, 222, 224, 227, 228)  # fmt: skip
RHOMBOHEDRAL = (146, 148, 155, 160, 161, 166, 167)
MONOCLINIC = (5, 13, 14, 15)
ORTHORHOMBIC = (39, 62, 64)


def settings_of(numbers: tuple[int, ...]) -> list[gemmi.SpaceGroup]:
    return [entry for entry in gemmi.spacegroup_table() if entry.number in numbers]


def code(entry: gemmi.SpaceGroup) -> str:
    return str(entry.ext).strip("\x00")


SETTINGS = {
    f"{entry.number} {entry.xhm()}": entry
    for entry in settings_of(TWO_ORIGINS + RHOMBOHEDRAL + MONOCLINIC + ORTHORHOMBIC)
}


def cell_of(entry: gemmi.SpaceGroup) -> tuple[float, ...]:
    kind = "R" if code(entry) == "R" else entry.crystal_system_str()
    return CELLS[entry.monoclinic_unique_axis() if kind == "monoclinic" else kind]


@dataclass(frozen=True)
class Truth:
    """Operations of a setting: rotations, translations."""

    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]

    def crystal(
        self, cell: tuple[float, ...], sites: dict[str, tuple[float, float, float]] = SITES
    ) -> Structure:
        elements, places = [], []
        for label, position in sites.items():
            images = (self.rotations @ np.array(position) + self.translations) % 1.0
            images = np.unique(np.round(images, 6) % 1.0, axis=0)
            elements += [label[:-1]] * len(images)
            places += list(images)
        return Structure(Lattice.from_parameters(*cell), elements, places)


def by_gemmi(entry: gemmi.SpaceGroup) -> Truth:
    ops = list(entry.operations())
    return Truth(np.array([op.rot for op in ops]) // 24, np.array([op.tran for op in ops]) / 24)


@cache
def _spglib_groups() -> dict[frozenset[tuple[int, ...]], int]:
    found = {}
    for hall_number in range(1, 531):
        ops = spglib.get_symmetry_from_database(hall_number)
        found[_key(Truth(ops["rotations"], ops["translations"]))] = hall_number
    return found


def _key(truth: Truth) -> frozenset[tuple[int, ...]]:
    shifts = np.rint(truth.translations * 24).astype(int) % 24
    rows = np.concatenate([truth.rotations.reshape(-1, 9), shifts], axis=1)
    return frozenset(map(tuple, rows.tolist()))


def cif(
    cell: tuple[float, ...],
    *statements: str,
    sites: dict[str, tuple[float, float, float]] = SITES,
) -> str:
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    lines = ["data_x", *(f"_cell_{n} {v}" for n, v in zip(names, cell, strict=True)), *statements]
    lines += ["loop_", "_atom_site_label", *(f"_atom_site_fract_{axis}" for axis in "xyz")]
    lines += [f"{label} {x} {y} {z}" for label, (x, y, z) in sites.items()]
    return "\n".join(lines) + "\n"


def operations(entry: gemmi.SpaceGroup) -> str:
    return "loop_\n_space_group_symop_operation_xyz\n" + "\n".join(
        f"'{op.triplet()}'" for op in entry.operations()
    )


def symbol(text: str) -> str:
    return f"_space_group_name_H-M_alt '{text}'"


def contents(crystal: Structure) -> tuple[str, str]:
    amounts = {element.symbol: int(n) for element, n in crystal.composition.items()}
    units = int(np.gcd.reduce(list(amounts.values())))
    formula = " ".join(f"{element}{n // units}" for element, n in amounts.items())
    return f"_chemical_formula_sum '{formula}'", f"_cell_formula_units_Z {units}"


def read(folder: Path, text: str) -> tuple[Structure, tuple[str, ...]]:
    path = folder / "x.cif"
    path.write_text(text)
    return read_cif(path)


def read_or_refused(folder: Path, text: str) -> tuple[Structure | None, str]:
    """Return the crystal and what is noted of it; or None and why it is refused."""
    try:
        structure, notes = read(folder, text)
    except ContradictoryFileError as error:
        return None, str(error)
    return structure, "; ".join(notes)


def same_places(first: Structure, second: Structure) -> bool:
    """Compare two crystals in the same axes, atom by atom."""
    if first.composition != second.composition:
        return False
    for element in first.composition:
        one, other = (
            np.array([s.frac_coords for s in crystal if s.specie == element])
            for crystal in (first, second)
        )
        offsets = one[:, None, :] - other[None, :, :]
        distances = np.abs(offsets - np.rint(offsets)).max(axis=2)
        if not ((distances < 1e-4).sum(axis=0) == 1).all():
            return False
    return True


def same_crystal(first: Structure, second: Structure) -> bool:
    """Compare two crystals up to where their origin is: all distances, element by element."""
    if first.composition != second.composition:
        return False
    elements = list(first.composition)
    for pair in itertools.combinations_with_replacement(elements, 2):
        one, other = (np.sort(_distances(crystal, pair)) for crystal in (first, second))
        if not np.allclose(one, other, atol=1e-3):
            return False
    return True


def _distances(crystal: Structure, pair: tuple[object, object]) -> NDArray[np.float64]:
    rows = [[site.specie == element for site in crystal] for element in pair]
    distances: NDArray[np.float64] = crystal.distance_matrix[np.ix_(*rows)].ravel()
    return distances


@pytest.mark.parametrize("name", SETTINGS)
def test_operations_a_hall_symbol_and_a_symbol_with_its_code_give_the_setting(
    name: str, tmp_path: Path
) -> None:
    entry = SETTINGS[name]
    cell, truth = cell_of(entry), by_gemmi(entry)
    crystal = truth.crystal(cell)
    hall_number = _spglib_groups().get(_key(truth))
    if hall_number is not None:  # gemmi knows 34 settings more than spglib
        assert spglib.get_spacegroup_type(hall_number).number == entry.number
    whole = f"{entry.hm} :{code(entry)}" if code(entry) else entry.hm
    number = f"_space_group_IT_number {entry.number}"
    for statements in (
        (operations(entry),),
        (f"_space_group_name_Hall '{entry.hall}'",),
        (symbol(whole),),
        (symbol(whole.replace(" ", "")), number),
        (operations(entry), symbol(whole), number, f"_space_group_name_Hall '{entry.hall}'"),
        (operations(entry), symbol(entry.hm), *contents(crystal)),
    ):
        structure, notes = read(tmp_path, cif(cell, *statements))
        assert same_places(structure, crystal), (statements, notes)
        assert notes == ()


def test_at_least_sixty_settings_are_tried() -> None:
    assert len(SETTINGS) >= 60
    known = sum(_key(by_gemmi(entry)) in _spglib_groups() for entry in SETTINGS.values())
    assert known >= 60


@pytest.mark.parametrize("stated", ["nothing", "formula", "formula and Z"])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_bare_symbol_is_read_right_or_refused(name: str, stated: str, tmp_path: Path) -> None:
    entry = SETTINGS[name]
    cell = cell_of(entry)
    crystal = by_gemmi(entry).crystal(cell)
    formula, units = contents(crystal)
    further = {"nothing": [], "formula": [formula], "formula and Z": [formula, units]}[stated]
    short = entry.hm.replace(" 1", "") if entry.crystal_system_str() == "monoclinic" else entry.hm
    for text in {entry.hm, short, entry.hm.replace(" ", "")}:
        structure, said = read_or_refused(tmp_path, cif(cell, symbol(text), *further))
        if structure is not None:
            assert same_crystal(structure, crystal)
            continue
        # Only what the symbol leaves open is refused: the origin, or the axes of a short symbol.
        assert code(entry) in ("1", "2") or text == short
        assert str(entry.number) in said or text == short


@pytest.mark.parametrize("name", [n for n, e in SETTINGS.items() if code(e) in ("1", "2")])
def test_operations_against_the_symbol_of_the_other_origin_are_read_right_or_refused(
    name: str, tmp_path: Path
) -> None:
    entry = SETTINGS[name]
    other = {"1": "2", "2": "1"}[code(entry)]
    cell = cell_of(entry)
    crystal = by_gemmi(entry).crystal(cell)
    for further in ((), contents(crystal)):
        text = cif(cell, operations(entry), symbol(f"{entry.hm}:{other}"), *further)
        structure, said = read_or_refused(tmp_path, text)
        assert "mean different settings" in said
        assert structure is None or same_crystal(structure, crystal)


@pytest.mark.parametrize("name", [n for n, e in SETTINGS.items() if code(e) in ("1", "2")])
def test_a_wrong_code_with_formula_and_z_is_never_read_wrong(name: str, tmp_path: Path) -> None:
    entry = SETTINGS[name]
    other = {"1": "2", "2": "1"}[code(entry)]
    cell = cell_of(entry)
    crystal = by_gemmi(entry).crystal(cell)
    text = cif(cell, symbol(f"{entry.hm} :{other}"), *contents(crystal))
    structure, said = read_or_refused(tmp_path, text)
    if structure is None:
        assert "sum formula" in said or "Z is" in said
        assert f"it would agree with itself as {entry.hm}:{code(entry)}" in said
    else:
        # Nothing in the file can tell: the numbers of atoms are the same.
        assert structure.composition == crystal.composition


@pytest.mark.parametrize("name", ["P n n n", "P 4/n m m", "P n -3 m"])
@pytest.mark.parametrize("kind", ["code", "operations"])
def test_atoms_that_meet_in_the_stated_origin_and_not_in_the_other_are_told(
    name: str, kind: str, tmp_path: Path
) -> None:
    """Nothing else in the file speaks against the origin that it states."""
    sites = {"Mg1": (0.0, 0.0, 0.0), "Si1": (0.0, 0.5, 0.5), "O1": (0.1307, 0.0411, 0.2903)}
    if name == "P 4/n m m":
        sites["Si1"] = (0.0, 0.5, 0.0)
    entry = gemmi.find_spacegroup_by_name(f"{name}:2")
    stated = operations(entry) if kind == "operations" else symbol(f"{name} :2")
    with pytest.raises(
        ContradictoryFileError, match=f"occupancies.*it would agree with itself as {name}:1"
    ):
        read(tmp_path, cif(cell_of(entry), stated, sites=sites))


@pytest.mark.parametrize("number", [16, 75, 143, 168, 195])
@pytest.mark.parametrize("name", ["62 P n m a", "227 F d -3 m:2", "14 P 1 21/c 1"])
def test_two_space_groups_in_one_file_are_refused_by_name(
    name: str, number: int, tmp_path: Path
) -> None:
    entry = SETTINGS[name]
    wrong = gemmi.find_spacegroup_by_number(number)
    for statements in (
        (operations(entry), symbol(wrong.hm)),
        (operations(entry), f"_symmetry_Int_Tables_number {number}"),
        (symbol(entry.hm), f"_space_group_IT_number {number}"),
        (symbol(entry.hm), f"_symmetry_space_group_name_Hall '{wrong.hall}'"),
        (symbol(entry.hm), f"_symmetry_space_group_name_H-M '{wrong.hm}'"),
    ):
        with pytest.raises(ContradictoryFileError, match="mean different space groups") as raised:
            read(tmp_path, cif(cell_of(entry), *statements))
        assert str(number) in str(raised.value)
        assert str(entry.number) in str(raised.value)


@pytest.mark.parametrize("name", ["R -3 c", "R 3 m", "R -3"])
def test_the_cell_tells_hexagonal_from_rhombohedral_axes(name: str, tmp_path: Path) -> None:
    for axes, kind in (("H", "hexagonal"), ("R", "R")):
        entry = gemmi.find_spacegroup_by_name(f"{name}:{axes}")
        crystal = by_gemmi(entry).crystal(CELLS[kind])
        structure, notes = read(tmp_path, cif(CELLS[kind], symbol(name)))
        assert same_places(structure, crystal)
        assert notes == ()
        for letters in (axes, f"{axes}S"):
            structure, _ = read(tmp_path, cif(CELLS[kind], symbol(f"{name} {letters}")))
            assert same_places(structure, crystal)
        wrong = CELLS["R" if kind == "hexagonal" else "hexagonal"]
        with pytest.raises(ContradictoryFileError, match="do not fit together") as raised:
            read(tmp_path, cif(wrong, symbol(f"{name} :{axes}")))
        assert raised.value.remedy.endswith(
            f"the cell would fit {name}:{ {'H': 'R', 'R': 'H'}[axes] }"
        )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("F d -3 m Z", "F d -3 m:2"),
        ("Fd-3mZ", None),
        ("F d 3 m :1", "F d -3 m:1"),
        ("F 41/d -3 2/m :2", "F d -3 m:2"),
        ("I_4_1/a_m_d :1", "I 41/a m d:1"),
        ("P 2/m 2/m 2/m", "P m m m"),
        ("P 42/m 21/n 2/m", "P 42/m n m"),
        ("P6(3)/mmc", "P 63/m m c"),
        ("P 6_3/m m c", "P 63/m m c"),
        ("C m c e", "C m c a"),
        ("C c c e :2", None),
        ("A e m 2", "A b m 2"),
        ("FM-3M", "F m -3 m"),
        ("P n m a (b,c,a)", None),
        ("X 1 2 3", None),
        ("P m m n :3", None),
    ],
)
def test_spellings_of_symbols(text: str, meant: str | None, tmp_path: Path) -> None:
    entry = gemmi.find_spacegroup_by_name(meant or "P 1")
    cell = cell_of(entry)
    if meant is None:
        with pytest.raises(InvalidStructureError, match=r"symmetry|no setting|leaves|fit together"):
            read(tmp_path, cif(CELLS["triclinic"], symbol(text)))
    else:
        structure, _ = read(tmp_path, cif(cell, symbol(text)))
        assert same_places(structure, by_gemmi(entry).crystal(cell))


@pytest.mark.parametrize("name", ["C c c a:1", "C c c a:2", "C c c b:1", "C c c b:2"])
def test_a_symbol_with_e_means_all_that_it_was_made_of(name: str, tmp_path: Path) -> None:
    entry = gemmi.find_spacegroup_by_name(name)
    crystal = by_gemmi(entry).crystal(cell_of(entry))
    for text in ("C c c e", f"C c c e :{code(entry)}"):
        structure, said = read_or_refused(tmp_path, cif(cell_of(entry), symbol(text)))
        assert "C c c" in said or (text, code(entry)) == (
            "C c c e :1",
            "1",
        )  # a and b are one there
        assert structure is None or same_crystal(structure, crystal)


def test_operations_that_are_no_group_are_refused(tmp_path: Path) -> None:
    entry = SETTINGS["62 P n m a"]
    half = operations(entry).splitlines()[:-3]
    with pytest.raises(ContradictoryFileError, match="are not complete"):
        read(tmp_path, cif(cell_of(entry), "\n".join(half)))


def test_operations_without_the_centring_contradict_the_symbol(tmp_path: Path) -> None:
    entry = SETTINGS["227 F d -3 m:2"]
    primitive = [op.triplet() for op in entry.operations().sym_ops]
    loop = "loop_\n_symmetry_equiv_pos_as_xyz\n" + "\n".join(f"'{op}'" for op in primitive)
    with pytest.raises(ContradictoryFileError, match=r"not complete|different space groups"):
        read(tmp_path, cif(cell_of(entry), loop, symbol(entry.hm)))


def test_a_setting_that_is_in_no_table_is_read_by_its_operations(tmp_path: Path) -> None:
    shifted = gemmi.symops_from_hall("-P 2ac 2n (x,y,z+1/8)")
    truth = Truth(
        np.array([op.rot for op in shifted]) // 24, np.array([op.tran for op in shifted]) / 24
    )
    loop = "loop_\n_symmetry_equiv_pos_as_xyz\n" + "\n".join(f"'{op.triplet()}'" for op in shifted)
    cell = CELLS["orthorhombic"]
    for statements in (
        (loop, symbol("P n m a (a,b,c-1/8)"), "_space_group_IT_number 62"),
        ("_space_group_name_Hall '-P 2ac 2n (x,y,z+1/8)'",),
    ):
        structure, _ = read(tmp_path, cif(cell, *statements))
        assert same_places(structure, truth.crystal(cell))


@pytest.mark.parametrize("name", ["P n n n", "P 4/n m m", "P n -3 m"])
def test_sites_that_fall_together_in_the_other_origin_are_no_obstacle(
    name: str, tmp_path: Path
) -> None:
    entry = gemmi.find_spacegroup_by_name(f"{name}:1")
    sites = {"Mg1": (0.0, 0.0, 0.0), "Si1": (0.0, 0.5, 0.5), "O1": (0.1307, 0.0411, 0.2903)}
    if name == "P 4/n m m":
        sites["Si1"] = (0.0, 0.5, 0.0)
    crystal = by_gemmi(entry).crystal(cell_of(entry), sites)
    structure, notes = read(tmp_path, cif(cell_of(entry), symbol(name), sites=sites))
    assert same_places(structure, crystal)
    assert any(f"as {name}:2, the occupancies of Mg1, Si1, at one place" in note for note in notes)


def test_settings_that_make_the_same_crystal_leave_nothing_open(tmp_path: Path) -> None:
    sites = {"Mg1": (0.125, 0.125, 0.125)}
    structure, notes = read(tmp_path, cif(CELLS["orthorhombic"], symbol("P n n n"), sites=sites))
    assert (len(structure), notes) == (8, ())


def test_no_statement_on_the_symmetry_is_no_p1(tmp_path: Path) -> None:
    with pytest.raises(InvalidStructureError, match="states no symmetry"):
        read(tmp_path, cif(CELLS["cubic"]))
    structure, _ = read(tmp_path, cif(CELLS["cubic"], symbol("P 1")))
    assert len(structure) == len(SITES)


def test_the_number_alone_means_the_standard_setting(tmp_path: Path) -> None:
    entry = SETTINGS["62 P n m a"]
    cell = cell_of(entry)
    structure, _ = read(tmp_path, cif(cell, "_space_group_IT_number 62"))
    assert same_places(structure, by_gemmi(entry).crystal(cell))
    with pytest.raises(ContradictoryFileError, match="leaves open"):
        read(tmp_path, cif(CELLS["orthorhombic"], "_space_group_IT_number 59"))
