"""What is refused as a crystal, and with which error."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from surfalign.crystals.validation import LARGE_CELL, validate
from surfalign.errors import (
    InvalidStructureError,
    MagneticIonError,
    OverlappingAtomsError,
    PartialOccupancyError,
)

FACE_CENTRES = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]


def rocksalt(cation: object, a: float = 4.3) -> Structure:
    """The conventional cell, cations first."""
    oxygen = [[x + 0.5, y, z] for x, y, z in FACE_CENTRES]
    return Structure(Lattice.cubic(a), [cation] * 4 + ["O"] * 4, FACE_CENTRES + oxygen)


def test_an_ordinary_oxide_passes_without_warnings() -> None:
    assert validate(rocksalt("Mg")) == ()


def test_oxidation_states_in_the_input_do_not_matter() -> None:
    structure = rocksalt("Mg")
    structure.add_oxidation_state_by_element({"Mg": 2, "O": -2})
    assert validate(structure) == ()


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        (Structure(Lattice.cubic(4.0), [], []), "has no atoms"),
        (Structure(Lattice.cubic(4.0), ["Na", "Cl"], [[0] * 3, [0.5] * 3]), "holds no oxygen"),
        (Structure(Lattice.cubic(4.0), ["O", "O"], [[0] * 3, [0.3, 0, 0]]), "nothing but oxygen"),
        (
            Structure(Lattice.cubic(0.4), ["Mg", "O"], [[0] * 3, [0.5] * 3]),
            "angstrom\\^3 for 2 atoms",
        ),
        (
            Structure(Lattice.orthorhombic(4e4, 4.0, 1e-3), ["Mg", "O"], [[0] * 3, [0.5] * 3]),
            "0.001 angstrom thin",
        ),
        (
            Structure(Lattice.cubic(4.0), ["Mg", "O"], [[0] * 3, [0.5, 0.5, 2e14]]),
            "a fractional coordinate is 2e\\+14",
        ),
        (Structure(Lattice.cubic(4e3), ["Mg", "O"], [[0] * 3, [0.5] * 3]), "1 to 10000 angstrom"),
        (
            Structure(
                Lattice([[4, 0, 0], [8, 0, 0], [0, 0, 4]]), ["Mg", "O"], [[0] * 3, [0.5] * 3]
            ),
            "0 angstrom thin",
        ),
        (Structure(Lattice.cubic(4.0), ["Mg", "O"], [[0] * 3, [float("nan")] * 3]), "not numbers"),
        (Structure(Lattice.cubic(4.0), ["X", "O"], [[0] * 3, [0.5] * 3]), "not a chemical element"),
    ],
)
def test_what_is_no_oxide_crystal(structure: Structure, message: str) -> None:
    with pytest.raises(InvalidStructureError, match=message):
        validate(structure)


@pytest.mark.parametrize("species", [{"Mg": 0.5, "Ca": 0.5}, {"Mg": 0.9}])
def test_partial_occupancies(species: dict[str, float]) -> None:
    with pytest.raises(PartialOccupancyError, match=r"Mg.* at \[0.0, 0.0, 0.0\] is partially"):
        validate(rocksalt(species))


def test_overlapping_atoms_are_named_with_their_distance() -> None:
    structure = rocksalt("Mg")
    structure.append("O", [0.02, 0, 0])
    with pytest.raises(OverlappingAtomsError, match=r"Mg \(site 1\) and O \(site 9\) are 0.09"):
        validate(structure)


def test_two_atoms_at_one_place_overlap() -> None:
    structure = Structure(Lattice.cubic(4.0), ["Mg", "O"], [[0.1] * 3, [0.1] * 3])
    with pytest.raises(OverlappingAtomsError, match=r"0\.00 angstrom apart.*at least 1\.24"):
        validate(structure)


def test_atoms_that_overlap_with_their_own_images() -> None:
    with pytest.raises(OverlappingAtomsError, match=r"1\.20 angstrom apart"):
        validate(Structure(Lattice.orthorhombic(1.2, 6, 6), ["Mg", "O"], [[0] * 3, [0.5] * 3]))


def test_short_but_real_bonds_pass() -> None:
    """Carbon dioxide's 1.16, hydroxyl's 0.97 and uranyl's 1.75 angstrom are bonds."""
    box = Lattice.cubic(6.0)
    for species, coordinates in (
        (["C", "O", "O"], [[0, 0, 0], [1.16, 0, 0], [-1.16, 0, 0]]),
        (["O", "H", "H"], [[0, 0, 0], [0.97, 0, 0], [-0.24, 0.94, 0]]),
        (["U", "O", "O", "O"], [[0, 0, 0], [1.75, 0, 0], [-1.75, 0, 0], [0, 2.2, 0]]),
    ):
        validate(Structure(box, species, coordinates, coords_are_cartesian=True))


@pytest.mark.parametrize(
    ("cation", "ion"), [("Fe", r"Fe2\+ \(d6\)"), ("Ni", r"Ni2\+ \(d8\)"), ("Eu", r"Eu2\+ \(f7\)")]
)
def test_magnetic_ions_are_named(cation: str, ion: str) -> None:
    with pytest.raises(MagneticIonError, match=f"{cation}O holds ions with open shells: {ion}"):
        validate(rocksalt(cation, 5.0))


def oxygen_pairs(cation: str, bond: float) -> Structure:
    """The CaC2 structure: MO2 with O-O pairs along c."""
    lattice, z = Lattice.tetragonal(4.03, 6.70), bond / 6.70 / 2
    return Structure.from_spacegroup("I4/mmm", lattice, [cation, "O"], [[0, 0, 0], [0, 0, 0.5 - z]])


def test_superoxides_are_magnetic() -> None:
    with pytest.raises(MagneticIonError, match="KO2 holds superoxide ions O2-"):
        validate(oxygen_pairs("K", 1.28))


def test_peroxides_pass_with_a_warning() -> None:
    assert validate(oxygen_pairs("Ba", 1.49)) == ("BaO2 is a peroxide: 2 O-O bonds in its cell",)


def test_low_spin_ions_pass_with_a_warning() -> None:
    platinum = Structure.from_spacegroup(
        "P4_2/mnm", Lattice.tetragonal(4.48, 3.14), ["Pt", "O"], [[0, 0, 0], [0.306, 0.306, 0]]
    )
    assert validate(platinum) == ("Pt4+ (d6) is taken as low-spin, without a moment",)


def test_unbalanced_charges_pass_with_a_warning() -> None:
    suboxide = Structure(
        Lattice.cubic(8.0),
        ["B"] * 6 + ["O"],
        [[0, 0, 0], [0.3, 0, 0], [0, 0.3, 0], [0, 0, 0.3], [0.6, 0, 0], [0, 0.6, 0], [0.5] * 3],
    )
    assert validate(suboxide) == ("the oxidation states of B6O do not balance; it may be a metal",)


def test_large_cells_pass_with_a_warning() -> None:
    structure = rocksalt("Mg") * (2, 2, 2)
    assert len(structure) > LARGE_CELL
    assert validate(structure) == ("the cell has 64 atoms: its slabs will be large",)


def test_the_nonmagnetic_insulators_of_the_reference_set_are_accepted(shared_data: Path) -> None:
    """1,068 oxides that were computed without spin: hardly any may be refused."""
    with gzip.open(shared_data / "crystals" / "ddh_oxides_pbesol.json.gz") as stream:
        records = json.load(stream)
    outcomes: Counter[str] = Counter()
    for record in records:
        try:
            validate(Structure.from_dict(record["structure_pbesol"]))
        except InvalidStructureError as error:
            outcomes[type(error).__name__] += 1
        else:
            outcomes["accepted"] += 1
    # The ions refused have metal-metal bonds (Nb3+, Re4+), which a composition does not show.
    assert outcomes["accepted"] >= 1055
    assert outcomes["accepted"] + outcomes["MagneticIonError"] == len(records)
