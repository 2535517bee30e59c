"""What a CIF file says of itself against what comes out of it: one true file, and one lie at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pymatgen.core import Structure

from surfalign.crystals.files import read_structure_file
from surfalign.crystals.sources import load_crystal
from surfalign.errors import (
    ContradictoryFileError,
    InvalidStructureError,
    MagneticIonError,
    PartialOccupancyError,
)

#: Portlandite, P-3m1: H. E. Petch, Acta Cryst. 14, 950 (1961), rounded.
PORTLANDITE = {
    "_cell_length_a": "3.589(1)",
    "_cell_length_b": "3.589(1)",
    "_cell_length_c": "4.911(2)",
    "_cell_angle_alpha": "90",
    "_cell_angle_beta": "90",
    "_cell_angle_gamma": "120",
    "_space_group_name_H-M_alt": "'P -3 m 1'",
    "_space_group_IT_number": "164",
    "_space_group_name_Hall": "'-P 3 2\"'",
    "_chemical_formula_sum": "'H2 Ca O2'",
    "_cell_formula_units_Z": "1",
    "_cell_volume": "54.78",
    "_exptl_crystal_density_diffrn": "2.246",
}
COLUMNS = "label type_symbol fract_x fract_y fract_z occupancy symmetry_multiplicity"
CALCIUM = "Ca1 Ca2+ 0 0 0 1 1"
OXYGEN = "O1 O2- 0.3333 0.6667 0.2341 1 2"
HYDROGEN = "H1 H+ 0.3333 0.6667 0.4248 1 2"


def cif(
    changes: dict[str, str | None] | None = None,
    sites: Sequence[str] = (CALCIUM, OXYGEN, HYDROGEN),
    columns: str = COLUMNS,
) -> str:
    items = PORTLANDITE | (changes or {})
    lines = ["data_x", *(f"{item} {value}" for item, value in items.items() if value is not None)]
    lines += ["loop_", *(f"_atom_site_{column}" for column in columns.split()), *sites]
    return "\n".join(lines) + "\n"


def read(folder: Path, text: str) -> tuple[Structure, tuple[str, ...]]:
    path = folder / "x.cif"
    path.write_text(text)
    content = read_structure_file(path)
    return content.structure, content.notes


def test_a_file_that_agrees_with_itself_is_read_without_a_note(tmp_path: Path) -> None:
    structure, notes = read(tmp_path, cif())
    assert structure.composition.formula == "Ca1 H2 O2"
    assert notes == ()
    oxygen = next(site for site in structure if site.specie.symbol == "O")
    assert oxygen.frac_coords[0] == pytest.approx(1 / 3, abs=1e-12)


CONTRADICTIONS = {
    "sum formula": ({"_chemical_formula_sum": "'H2 Ca O3'"}, "H2 Ca O3.*Ca1 H2 O2"),
    "element that no site holds": ({"_chemical_formula_sum": "'H2 Ca O2 S'"}, "no site holds S"),
    "element that is not told": ({"_chemical_formula_sum": "'Ca O'"}, "there are sites of H"),
    "Z": (
        {"_cell_formula_units_Z": "2", "_exptl_crystal_density_diffrn": None},
        "Z is 2, and the cell holds 1",
    ),
    "Z without a formula": (
        {
            "_cell_formula_units_Z": "3",
            "_chemical_formula_sum": None,
            "_exptl_crystal_density_diffrn": None,
        },
        "Z is 3",
    ),
    "volume": ({"_cell_volume": "59.2"}, "volume is stated as 59.2.*54.78"),
    "volume of another cell": ({"_cell_volume": "164.3"}, "volume is stated as 164.3"),
    "density": ({"_exptl_crystal_density_diffrn": "2.6"}, "density is stated as 2.6.*2.24"),
    "density in kg/m^3": ({"_exptl_crystal_density_diffrn": "2600"}, "density is stated as 2.6"),
    "cell": ({"_cell_length_b": "3.7"}, "the cell .*a 3.589, b 3.7.* do not fit together"),
    "angle": ({"_cell_angle_gamma": "90"}, "do not fit together"),
    "angle by default": ({"_cell_angle_gamma": "?"}, "do not fit together"),
    "number": ({"_space_group_IT_number": "166"}, "164.*the number 166 mean different"),
    "symbol": ({"_space_group_name_H-M_alt": "'P -3 1 m'"}, "P -3 1 m.*mean different"),
    "two volumes": ({"_cell_volume": "54.78\n_cell.volume 59.2"}, "stands twice"),
}


@pytest.mark.parametrize("lie", CONTRADICTIONS)
def test_a_contradiction_is_refused_and_both_sides_are_named(lie: str, tmp_path: Path) -> None:
    changes, message = CONTRADICTIONS[lie]
    with pytest.raises(ContradictoryFileError, match=message) as raised:
        read(tmp_path, cif(changes))
    assert "x.cif" in str(raised.value)


NOTES = {
    "density of rounded weights": (
        {"_exptl_crystal_density_diffrn": "2.22"},
        "density is stated as 2.22",
    ),
    "measured density": ({"_exptl_crystal_density_meas": "2.08"}, "measured density .* 2.08"),
    "volume of another temperature": ({"_cell_volume": "55.1"}, "volume is stated as 55.1"),
    "Z where the density agrees": ({"_cell_formula_units_Z": "4"}, "Z is 4"),
    "crystal system": ({"_symmetry_cell_setting": "monoclinic"}, "system is stated as monoclinic"),
    "formula that is none": ({"_chemical_formula_sum": "'Ca, 2(OH)'"}, r"Ca, 2\(OH\)'.*understood"),
    "symbol that is none": ({"_space_group_name_H-M_alt": "'P bad'"}, "'P bad' is not understood"),
    "Hall symbol that is none": ({"_space_group_name_Hall": "'?x'"}, "Hall symbol .* understood"),
}


@pytest.mark.parametrize("doubt", NOTES)
def test_what_may_be_rounding_is_a_note(doubt: str, tmp_path: Path) -> None:
    changes, message = NOTES[doubt]
    structure, notes = read(tmp_path, cif(changes))
    assert len(structure) == 5
    assert len(notes) == 1
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(notes[0])


@pytest.mark.parametrize(
    "changes",
    [
        {"_space_group_IT_number": "0"},
        {"_chemical_formula_sum": "'H4 Ca2 O4'", "_cell_formula_units_Z": "1"},
        {"_chemical_formula_sum": "'D2 Ca O2'"},
        {"_chemical_formula_sum": "'Ca (O H)2'"},
        {"_cell_volume": "?", "_exptl_crystal_density_diffrn": "."},
        {"_cell_angle_alpha": None, "_cell_angle_beta": "."},
        {"_exptl_crystal_density_diffrn": "2246"},
        {"_space_group_crystal_system": "rhombohedral"},
    ],
)
def test_what_is_said_in_another_way_is_no_contradiction(
    changes: dict[str, str | None], tmp_path: Path
) -> None:
    structure, notes = read(tmp_path, cif(changes))
    assert len(structure) == 5
    assert notes == ()


def test_missing_hydrogen_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContradictoryFileError, match="no site holds H"):
        read(tmp_path, cif(sites=(CALCIUM, OXYGEN)))
    silent: dict[str, str | None] = {"_chemical_formula_sum": None, "_cell_formula_units_Z": None}
    with pytest.raises(ContradictoryFileError, match=r"attached to the site O1 \(1 an atom\)"):
        read(
            tmp_path,
            cif(
                silent | {"_exptl_crystal_density_diffrn": None},
                sites=(f"{CALCIUM} 0", f"{OXYGEN} 1"),
                columns=f"{COLUMNS} attached_hydrogens",
            ),
        )
    # Two hydrogens of 74 mass units show in the density, and in the charges.
    with pytest.raises(ContradictoryFileError, match="density"):
        read(
            tmp_path,
            cif(silent | {"_exptl_crystal_density_diffrn": "2.32"}, sites=(CALCIUM, OXYGEN)),
        )
    _, notes = read(
        tmp_path, cif(silent | {"_exptl_crystal_density_diffrn": None}, sites=(CALCIUM, OXYGEN))
    )
    assert notes == ("the charges of the file's ions sum to -2 a cell",)


def test_hydrogen_that_is_attached_and_listed_is_not_missing(tmp_path: Path) -> None:
    sites = tuple(f"{site} 0" for site in (CALCIUM, OXYGEN, HYDROGEN))
    structure, notes = read(tmp_path, cif(sites=sites, columns=f"{COLUMNS} attached_hydrogens"))
    assert (len(structure), notes) == (5, ())


@pytest.mark.parametrize("value", [".", "?"])
def test_an_occupancy_that_is_not_stated_is_one(value: str, tmp_path: Path) -> None:
    oxygen = OXYGEN.replace(" 1 2", f" {value} {value}")
    structure, notes = read(tmp_path, cif(sites=(CALCIUM, oxygen, HYDROGEN)))
    assert (len(structure), notes) == (5, ())
    assert structure.is_ordered


def test_occupancies_that_are_not_one(tmp_path: Path) -> None:
    bare: dict[str, str | None] = {
        "_chemical_formula_sum": None,
        "_cell_formula_units_Z": None,
        "_exptl_crystal_density_diffrn": None,
    }
    empty = "Li1 Li+ 0 0 0.5 0 1"
    structure, notes = read(tmp_path, cif(sites=(CALCIUM, OXYGEN, HYDROGEN, empty)))
    assert len(structure) == 5
    assert notes == ("the site Li1 has the occupancy 0 and is left out",)
    above = OXYGEN.replace(" 1 2", " 1.01 2")
    structure, notes = read(tmp_path, cif(sites=(CALCIUM, above, HYDROGEN)))
    assert structure.is_ordered
    assert notes == ("the occupancy 1.01 of the site O1 is taken as 1",)
    with pytest.raises(ContradictoryFileError, match=r"O1, at one place, sum to 1\.4"):
        read(tmp_path, cif(bare, sites=(CALCIUM, OXYGEN.replace(" 1 2", " 1.4 2"), HYDROGEN)))
    shared = CALCIUM.replace("1 1", "0.7 1"), "Sr1 Sr2+ 0 0 0 0.3 1"
    structure, _ = read(tmp_path, cif(bare, sites=(*shared, OXYGEN, HYDROGEN)))
    assert structure.composition["Sr"] == pytest.approx(0.3)
    with pytest.raises(PartialOccupancyError, match="partially occupied"):
        load_crystal(structure)


def test_a_refusal_says_what_was_unusual_about_the_file(tmp_path: Path) -> None:
    bare: dict[str, str | None] = {"_chemical_formula_sum": None, "_cell_formula_units_Z": None}
    path = tmp_path / "x.cif"
    path.write_text(
        cif(
            bare | {"_exptl_crystal_density_diffrn": None},
            sites=(CALCIUM, OXYGEN.replace(" 1 2", " 0 2"), HYDROGEN),
        )
    )
    with pytest.raises(InvalidStructureError, match=r"CaH2 is a hydride.*O1 has the occupancy 0"):
        load_crystal(path)


def test_an_atom_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    again = "O2 O2- -0.3333 -0.6667 -0.2341 1 2"
    bare: dict[str, str | None] = {
        "_chemical_formula_sum": None,
        "_cell_formula_units_Z": None,
        "_exptl_crystal_density_diffrn": None,
    }
    with pytest.raises(ContradictoryFileError, match="O1, O2, at one place, sum to 2"):
        read(tmp_path, cif(bare, sites=(CALCIUM, OXYGEN, again, HYDROGEN)))


@pytest.mark.parametrize(
    ("site", "message"),
    [
        ("Ca1 Mg2+ 0 0 0 1 1", "the site Ca1 has the type symbol Mg2"),
        ("O9 Ca2+ 0 0 0 1 1", "the site O9 has the type symbol Ca2"),
        ("Ca1 OH 0 0 0 1 1", "type symbol 'OH' .* is no element"),
        ("Ca1 Wat 0 0 0 1 1", "type symbol 'Wat' .* is no element"),
        ("Ca1 Xx 0 0 0 1 1", "type symbol 'Xx' .* is no element"),
        ("Ca1 Ca2+ 0 0 ? 1 1", "the site Ca1 has no coordinates"),
        ("Ca1 Ca2+ 0 0 1/2 1 1", "fract_z of Ca1 is '1/2'"),
        ("Ca1 Ca2+ 0 0 2148 1 1", "fract_z of Ca1 is 2148"),
        ("Ca1 Ca2+ 0 0 0 1 6", "Ca1 has the multiplicity 6, and there are 1 atoms"),
        ("Ca1 Ca2+ 0 0 0.1 1 1", "there are 2 atoms|H2 Ca O2"),
    ],
)
def test_a_site_that_contradicts_itself_or_names_nothing(
    site: str, message: str, tmp_path: Path
) -> None:
    bare: dict[str, str | None] = {"_chemical_formula_sum": None}
    for changes in (bare, {}):
        with pytest.raises(InvalidStructureError, match=f"{message}|sum formula"):
            read(tmp_path, cif(changes, sites=(site, OXYGEN, HYDROGEN)))
    with pytest.raises(InvalidStructureError, match=message):
        read(tmp_path, cif(bare, sites=(site, OXYGEN, HYDROGEN)))


@pytest.mark.parametrize(
    "site",
    ["A1 Ca2+ 0 0 0 1 1", "B1 Ca2+ 0 0 0 1 1", "C1 Ca 0 0 0 1 1", "M(1) CA 0 0 0 1 1",
     "Ca1 Ca+2 0 0 0 1 1"],
)  # fmt: skip
def test_labels_of_positions_and_other_spellings_are_no_contradiction(
    site: str, tmp_path: Path
) -> None:
    structure, _ = read(tmp_path, cif(sites=(site, OXYGEN, HYDROGEN)))
    assert structure.composition.formula == "Ca1 H2 O2"


@pytest.mark.parametrize(
    ("groups", "refused"),
    [
        (("1", "1", "1"), False), (("0", ".", "?"), False), ((".", "1", "1"), False),
        (("1", "1", "2"), True), ((".", "-1", "."), True),
    ],
)  # fmt: skip
def test_alternatives_of_a_disorder_that_are_all_there_are_refused(
    groups: tuple[str, ...], refused: bool, tmp_path: Path
) -> None:
    rows = zip((CALCIUM, OXYGEN, HYDROGEN), groups, strict=True)
    text = cif(sites=[f"{s} {g}" for s, g in rows], columns=f"{COLUMNS} disorder_group")
    if refused:
        with pytest.raises(ContradictoryFileError, match="alternatives of a disorder"):
            read(tmp_path, text)
    else:
        assert len(read(tmp_path, text)[0]) == 5


def test_orders_of_site_symmetries_in_the_place_of_multiplicities_are_known(
    tmp_path: Path,
) -> None:
    sites = (CALCIUM[:-1] + "12", OXYGEN[:-1] + "6", HYDROGEN[:-1] + "6")
    structure, notes = read(tmp_path, cif(sites=sites))
    assert (len(structure), notes) == (5, ())


def test_labels_without_type_symbols_are_read_with_the_sum_formula(tmp_path: Path) -> None:
    columns = "label fract_x fract_y fract_z"
    sites = ("CA1 0 0 0", "OH1 0.3333 0.6667 0.2341", "HO1 0.3333 0.6667 0.4248")
    structure, _ = read(tmp_path, cif(sites=sites, columns=columns))
    assert structure.composition.formula == "Ca1 H2 O2"
    for label in ("Wat1", "OH1", "X1", "1"):
        bare: dict[str, str | None] = {"_chemical_formula_sum": None}
        with pytest.raises(InvalidStructureError, match=f"'{label}' names no element"):
            read(tmp_path, cif(bare, sites=("CA1 0 0 0", f"{label} 0 0 0.5"), columns=columns))


def test_a_site_near_its_symmetry_element_is_put_there_with_a_note(tmp_path: Path) -> None:
    oxygen = OXYGEN.replace("0.3333 0.6667", "0.33 0.67")
    structure, notes = read(tmp_path, cif(sites=(CALCIUM, oxygen, HYDROGEN)))
    assert len(structure) == 5
    assert notes == ("the site O1 was moved by 0.02 angstrom onto its symmetry element",)


def test_dummy_sites_are_left_out(tmp_path: Path) -> None:
    sites = (f"{CALCIUM} .", f"{OXYGEN} .", f"{HYDROGEN} calc", "X1 ? 0.1 0.2 0.3 . . dum")
    structure, notes = read(tmp_path, cif(sites=sites, columns=f"{COLUMNS} calc_flag"))
    assert len(structure) == 5
    assert notes == ("the dummy site X1 is left out",)


def test_the_block_with_atoms_is_read(tmp_path: Path) -> None:
    journal = (
        "data_global\n_publ_section_title 'A title'\n_publ_author_name A\n_publ_author_name B\n"
    )
    powder = "\ndata_powder\nloop_\n_pd_meas_counts_total\n1 2 3\n"
    structure, notes = read(tmp_path, journal + cif() + powder)
    assert (len(structure), notes) == (5, ())
    with pytest.raises(InvalidStructureError, match="holds 0 structures"):
        read(tmp_path, journal)
    with pytest.raises(InvalidStructureError, match=r"holds 2 structures \(x, y\)"):
        read(tmp_path, cif() + cif().replace("data_x", "data_y"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("_cell_length_c 4.911(2)", "_cell_length_c ?", "along c is not stated"),
        ("_cell_length_c 4.911(2)", "_cell_length_c four", "is 'four'"),
        ("_cell_length_c 4.911(2)", "_cell_length_c 0.001", "has no volume"),
        ("'P -3 m 1'", "P -3 m 1", "is no CIF file"),
        ("data_x", "data_x\n_cell_modulation_dimension 1", "is modulated"),
        ("_atom_site_fract_x", "_atom_site_Cartn_x", "no fractional coordinates"),
        ("164", "231", "the number of the space group is 231"),
    ],
)
def test_what_makes_no_crystal_is_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidStructureError, match=message):
        read(tmp_path, cif().replace(old, new))


def test_magnetic_moments_are_refused_and_their_symmetry_is_read(tmp_path: Path) -> None:
    magnetic = """data_m
_cell_length_a 4.2
_cell_length_b 4.2
_cell_length_c 4.2
loop_
_space_group_symop_magn_operation.id
_space_group_symop_magn_operation.xyz
1 x,y,z,+1
2 -x,-y,-z,-1
loop_
_space_group_symop_magn_centering.id
_space_group_symop_magn_centering.xyz
1 x,y,z,+1
2 x,y+1/2,z+1/2,+1
3 x+1/2,y,z+1/2,-1
4 x+1/2,y+1/2,z,-1
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Mg1 Mg 0 0 0
O1 O 0.5 0.5 0.5
"""
    structure, _ = read(tmp_path, magnetic)
    assert structure.composition.formula == "Mg4 O4"
    moments = "loop_\n_atom_site_moment.label\n_atom_site_moment.crystalaxis_x\nMg1 1.5(2)\n"
    with pytest.raises(MagneticIonError, match="magnetic moments"):
        read(tmp_path, magnetic + moments)
