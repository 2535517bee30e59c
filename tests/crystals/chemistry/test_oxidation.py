"""Oxidation states by charge balance, and which ions carry a moment."""

from __future__ import annotations

import time

import pytest
from pymatgen.core import Composition

from surfalign.crystals.chemistry.anions import ANION_CHARGES
from surfalign.crystals.chemistry.ions import Ion, IonRules
from surfalign.crystals.chemistry.oxidation import (
    Assignment,
    anion_elements,
    assign_oxidation_states,
)
from surfalign.physics.lattice.bond_network import ANIONS


def assign(formula: str) -> Assignment:
    amounts = {e: int(n) for e, n in Composition(formula).get_el_amt_dict().items()}
    return assign_oxidation_states(amounts, -2 * amounts.pop("O"))


@pytest.mark.parametrize(
    ("ion", "shell", "closed"),
    [
        (Ion("Ti", 4), "d0", True),
        (Ion("Ti", 3), "d1", False),
        (Ion("Fe", 3), "d5", False),
        (Ion("Cu", 1), "d10", True),
        (Ion("Cu", 2), "d9", False),
        (Ion("Zn", 2), "d10", True),
        (Ion("Hf", 4), "d0", True),
        (Ion("La", 3), "f0", True),
        (Ion("Gd", 3), "f7", False),
        (Ion("Yb", 2), "f14", True),
        (Ion("Lu", 3), "d0", True),
        (Ion("Th", 4), "f0", True),
        (Ion("U", 4), "f2", False),
        (Ion("Pb", 2), "", True),
        (Ion("Pb", 4), "", True),
        (Ion("Pb", 3), "", False),
        (Ion("Bi", 3), "", True),
        (Ion("Sb", 5), "", True),
        (Ion("Mg", 2), "", True),
        (Ion("S", -2), "", True),
        (Ion("H", -1), "", True),
        (Ion("Au", -1), "d12", True),
    ],
)
def test_shells(ion: Ion, shell: str, closed: bool) -> None:
    assert ion.shell == shell
    assert ion.is_closed_shell is closed


def test_ions_are_written_as_chemists_do() -> None:
    assert [str(Ion("Fe", 3)), str(Ion("Cu", 1)), str(Ion("O", -2)), str(Ion("F", -1))] == [
        "Fe3+",
        "Cu+",
        "O2-",
        "F-",
    ]


@pytest.mark.parametrize(
    ("formula", "ions"),
    [
        ("FeO", {"Fe2+"}),
        ("Fe2O3", {"Fe3+"}),
        ("Fe3O4", {"Fe2+", "Fe3+"}),
        ("CoO", {"Co2+"}),
        ("LiCoO2", {"Co3+"}),
        ("NiO", {"Ni2+"}),
        ("MnO", {"Mn2+"}),
        ("Mn3O4", {"Mn2+", "Mn3+"}),
        ("Cr2O3", {"Cr3+"}),
        ("CuCrO2", {"Cr3+"}),
        ("CuO", {"Cu2+"}),
        ("CuWO4", {"Cu2+"}),
        ("CaCu3Ti4O12", {"Cu2+"}),
        ("VO2", {"V4+"}),
        ("PbVO3", {"V4+"}),
        ("InVO3", {"V3+"}),
        ("Ti2O3", {"Ti3+"}),
        ("CeVO4", {"Ce3+"}),
        ("Pr6O11", {"Pr3+", "Pr4+"}),
        ("EuTiO3", {"Eu2+"}),
        ("Yb2O3", {"Yb3+"}),
        ("UO2", {"U4+"}),
        ("ReO3", {"Re6+"}),
        ("Sr2IrO4", {"Ir4+"}),
        ("ZnFe2O4", {"Fe3+"}),
    ],
)
def test_open_shells_are_named(formula: str, ions: set[str]) -> None:
    assert {str(ion) for ion in assign(formula).magnetic_ions} == ions


@pytest.mark.parametrize(
    ("formula", "states"),
    [
        ("MgO", {"Mg": (2,)}),
        ("Cu2O", {"Cu": (1,)}),
        ("CuGaO2", {"Cu": (1,), "Ga": (3,)}),
        ("PbMoO4", {"Pb": (2,), "Mo": (6,)}),
        ("BiVO4", {"Bi": (3,), "V": (5,)}),
        ("KMnO4", {"K": (1,), "Mn": (7,)}),
        ("K2CrO4", {"K": (1,), "Cr": (6,)}),
        ("CeO2", {"Ce": (4,)}),
        ("PtO2", {"Pt": (4,)}),
        ("Au2O3", {"Au": (3,)}),
        ("Hg2WO4", {"Hg": (1,), "W": (6,)}),
        ("Pb3O4", {"Pb": (2, 4)}),
        ("Sb2O4", {"Sb": (3, 5)}),
        ("BaBiO3", {"Ba": (2,), "Bi": (3, 5)}),
        ("Y2Ti2S2O5", {"Y": (3,), "Ti": (4,), "S": (-2,)}),
    ],
)
def test_closed_shells_are_assigned(formula: str, states: dict[str, tuple[int, ...]]) -> None:
    found = assign(formula)
    assert found.magnetic_ions == ()
    assert found.states == states


@pytest.mark.parametrize(
    ("formula", "anion", "states"),
    [
        ("GaN", "N", {"Ga": (3,)}),
        ("Si3N4", "N", {"Si": (4,)}),
        ("ZnGeN2", "N", {"Zn": (2,), "Ge": (4,)}),
        ("InP", "P", {"In": (3,)}),
        ("Cu2ZnSnS4", "S", {"Cu": (1,), "Zn": (2,), "Sn": (4,)}),
        ("CuInSe2", "Se", {"Cu": (1,), "In": (3,)}),
        ("Na3PS4", "S", {"Na": (1,), "P": (5,)}),
        ("MoS2", "S", {"Mo": (4,)}),
        ("PbTe", "Te", {"Pb": (2,)}),
        ("LiPF6", "F", {"Li": (1,), "P": (5,)}),
        ("Cs2AgBiBr6", "Br", {"Cs": (1,), "Ag": (1,), "Bi": (3,)}),
        ("TaON", "O", {"Ta": (5,), "N": (-3,)}),
        ("LaOCl", "O", {"La": (3,), "Cl": (-1,)}),
        ("CaZnOS", "O", {"Ca": (2,), "Zn": (2,), "S": (-2,)}),
        ("WO2F2", "O", {"W": (6,), "F": (-1,)}),
        ("SbSI", "I", {"Sb": (3,), "S": (-2,)}),
        ("GaCl2", "Cl", {"Ga": (1, 3)}),
    ],
)
def test_closed_shells_beside_other_anions(
    formula: str, anion: str, states: dict[str, tuple[int, ...]]
) -> None:
    amounts = {e: int(n) for e, n in Composition(formula).get_el_amt_dict().items()}
    charge = ANION_CHARGES[anion] * amounts.pop(anion)
    found = assign_oxidation_states(amounts, charge, IonRules.beside(anion))
    assert found.magnetic_ions == ()
    assert found.states == states


@pytest.mark.parametrize(
    ("formula", "states", "other"),
    [
        ("SnPbO3", {"Sn": (4,), "Pb": (2,)}, {"Sn": (2,), "Pb": (4,)}),
        ("TlSbO3", {"Tl": (1,), "Sb": (5,)}, {"Tl": (3,), "Sb": (3,)}),
    ],
)
def test_of_equally_usual_states_the_heavier_element_has_the_lower(
    formula: str, states: dict[str, tuple[int, ...]], other: dict[str, tuple[int, ...]]
) -> None:
    found = assign(formula)
    assert found.states == states
    assert found.alternatives == (other,)


@pytest.mark.parametrize(
    ("formula", "anions"),
    [
        ("BaSO4", ("O",)),
        ("BiOCl", ("O", "Cl")),
        ("PbFCl", ("F", "Cl")),
        ("SbSI", ("I", "S")),
        ("ZnS", ("S",)),
    ],
)
def test_anions_of_a_composition(formula: str, anions: tuple[str, ...]) -> None:
    amounts = {e: int(n) for e, n in Composition(formula).get_el_amt_dict().items()}
    assert anion_elements(amounts) == anions


def test_the_anions_are_those_that_bonds_lead_to() -> None:
    assert set(ANION_CHARGES) == ANIONS


def test_a_formula_that_does_not_balance_is_left_open() -> None:
    assert assign("B6O") == Assignment({})


def test_large_formulas_do_not_hang() -> None:
    start = time.process_time()
    assign("Na9CaNb5Ti3V2Mo4W3Sb2Bi7Sn5Si9P11O201")
    assign("Cs4Rb3K2Tl5Cu7Ag3Mn8Fe2Co4Ni5Re3Os2O97")
    assert time.process_time() - start < 3.0
