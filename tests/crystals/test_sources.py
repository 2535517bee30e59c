"""What a target means, and what a crystal carries."""

from __future__ import annotations

import dataclasses
import socket

import numpy as np
import pytest

from surfalign.crystals.library import library
from surfalign.crystals.sources import load_crystal
from surfalign.errors import InvalidStructureError, UnknownMaterialError


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_a_library_crystal_carries_what_is_known() -> None:
    crystal = load_crystal("MgO")
    assert dataclasses.is_dataclass(crystal)
    assert crystal.formula == "MgO"
    assert crystal.name == "MgO"
    assert crystal.source == "library:MgO"
    assert (crystal.space_group_symbol, crystal.space_group_number) == ("Fm-3m", 225)
    assert crystal.default_orientation == (1, 0, 0)
    assert "Wyckoff" in crystal.citation
    assert crystal.notes == ()
    assert crystal.structure.composition.formula == "Mg1 O1"
    assert crystal.structure.site_properties == {}
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign"):
        crystal.formula = "CaO"  # type: ignore[misc]


def test_a_bare_formula_says_which_phase_it_took() -> None:
    crystal = load_crystal("TiO2")
    assert crystal.name == "TiO2-rutile"
    assert crystal.notes == (
        "TiO2 is taken as TiO2-rutile; also in the library: TiO2-anatase, TiO2-brookite",
    )


@pytest.mark.parametrize("target", ["TiO2-rutile", "rutile", "tio2-rutile", "library:TiO2-rutile"])
def test_a_named_phase_needs_no_note(target: str) -> None:
    crystal = load_crystal(target)
    assert crystal.source == "library:TiO2-rutile"
    assert crystal.notes == ()


def test_notes_of_the_entry_and_of_the_validation_come_along() -> None:
    assert "semilocal functionals close it" in " ".join(load_crystal("CdO").notes)
    assert "the cell has 80 atoms: its slabs will be large" in load_crystal("YAG").notes


def test_primitive_cells_are_smaller_than_conventional_ones() -> None:
    for name, fraction in (("MgO", 4), ("TiO2-anatase", 2), ("Al2O3", 3), ("Ga2O3-beta", 2)):
        assert len(load_crystal(name).structure) * fraction == library()[name].n_atoms


def test_distances_survive_the_standardisation() -> None:
    """An origin choice or a setting gone wrong would change the shortest bond of the source's cell."""
    for name in ("TiO2-brookite", "WO3", "BiVO4", "ZrO2-monoclinic", "MoO3", "CaWO4"):
        source = library()[name].conventional_structure()
        shortest = [
            np.sort(cell.get_neighbor_list(3.0)[3])[[0, -1]]
            for cell in (source, load_crystal(name).structure)
        ]
        np.testing.assert_allclose(shortest[0], shortest[1], atol=1e-3)


@pytest.mark.parametrize(
    ("target", "nearest"),
    [
        ("MgO2", "MgO"),
        ("TiO2-rutil", "TiO2-rutile"),
        ("anatas", "anatase"),
        ("corundm", "corundum"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(target: str, nearest: str) -> None:
    with pytest.raises(UnknownMaterialError, match=nearest) as raised:
        load_crystal(target)
    assert "surfalign crystals" in raised.value.remedy


def test_nothing_near_is_said_without_guessing() -> None:
    with pytest.raises(
        UnknownMaterialError, match=r"'qqqqqq' is neither a file nor in the library\."
    ):
        load_crystal("qqqqqq")


def test_a_structure_is_taken_and_a_crystal_returned_as_it_is() -> None:
    rutile = load_crystal("TiO2-rutile")
    again = load_crystal(rutile.structure)
    assert again.source == "structure"
    assert again.space_group_number == rutile.space_group_number
    assert load_crystal(again) is again
    assert repr(rutile) == (
        "Crystal('TiO2-rutile', P4_2/mnm, 6 atoms in the primitive cell, "
        "source='library:TiO2-rutile')"
    )


def test_what_is_no_crystal_is_refused_by_name() -> None:
    with pytest.raises(InvalidStructureError, match="12 is no crystal"):
        load_crystal(12)  # type: ignore[arg-type]
