"""Slabs with their outermost oxygen removed or added."""

from __future__ import annotations

import pytest

from surfalign.crystals.sources import load_crystal
from surfalign.physics.slabs.enumeration import SurfaceSlab, enumerate_slabs, survey_orientation
from surfalign.physics.slabs.faces import faces_are_equivalent
from surfalign.physics.slabs.oxygen import (
    asks_for_oxygen,
    oxygen_variants,
    stoichiometric_name,
    with_oxygen_variants,
)

Index = tuple[int, int, int]


def variants(name: str, index: Index) -> dict[str, SurfaceSlab]:
    slab = enumerate_slabs(load_crystal(name).structure, index, slab_thickness=10.0)[0]
    return {one.name.rpartition("-")[2]: one for one in oxygen_variants(slab)}


def test_rutile_110_loses_its_bridging_oxygen_or_gets_oxygen_on_its_bare_ions() -> None:
    made = variants("SnO2", (1, 1, 0))

    assert made["reduced"].excess_oxygen == -2
    assert made["oxidised"].excess_oxygen == 2
    assert made["reduced"].label == "O/Sn2O2, reduced"
    reduced, oxidised = made["reduced"].slab, made["oxidised"].slab
    top = max(reduced, key=lambda site: site.z)
    assert (
        top.specie.symbol != "O"
        or abs(top.z - max(s.z for s in reduced if s.specie.symbol == "Sn")) < 1
    )
    # On top of an ion, at the length of a bond.
    added = max(oxidised, key=lambda site: site.z)
    neighbours = oxidised.get_neighbors(added, 2.5)
    assert [n.specie.symbol for n in neighbours] == ["Sn"]
    assert neighbours[0].nn_distance == pytest.approx(2.05, abs=0.02)


@pytest.mark.parametrize(
    ("name", "index"),
    [("SnO2", (1, 1, 0)), ("SnO2", (1, 0, 1)), ("MgO", (1, 0, 0)), ("SrTiO3", (1, 0, 0)),
     ("TiO2-anatase", (1, 0, 1)), ("V2O5", (0, 0, 1)), ("Al2O3", (0, 0, 1))],
)  # fmt: skip
def test_both_faces_stay_equivalent_and_the_cations_stay(name: str, index: Index) -> None:
    survey = survey_orientation(load_crystal(name).structure, index, slab_thickness=10.0)
    for slab in survey.slabs[:3]:
        for made in oxygen_variants(slab):
            assert faces_are_equivalent(made.slab)
            assert made.n_atoms == slab.n_atoms + made.excess_oxygen
            assert made.excess_oxygen % 2 == 0
            assert made.area == pytest.approx(slab.area)
            before, after = slab.slab.composition, made.slab.composition
            assert all(after[e] == before[e] for e in before if e.symbol != "O")


def test_names_and_identifiers_are_their_own_and_those_of_the_others_stay() -> None:
    slabs = enumerate_slabs(load_crystal("SnO2").structure, (1, 1, 0), slab_thickness=12.5)
    identifiers = {one.name: one.identifier for one in with_oxygen_variants(slabs)}

    assert identifiers == {
        "SnO2(110)-B-O/Sn2O2": "b55a76ea8a05a68e",
        "SnO2(110)-B-O/Sn2O2-reduced": "6263ca3ec6cd7413",
        "SnO2(110)-B-O/Sn2O2-oxidised": "49efb408d1f13ce0",
    }
    assert [asks_for_oxygen(name) for name in identifiers] == [False, True, True]
    assert {stoichiometric_name(name) for name in identifiers} == {"SnO2(110)-B-O/Sn2O2"}


def test_a_layer_held_by_weak_forces_binds_no_oxygen() -> None:
    assert set(variants("V2O5", (0, 0, 1))) == {"reduced"}


def test_a_surface_of_cations_has_no_outermost_oxygen_to_lose() -> None:
    assert "reduced" not in variants("Al2O3", (0, 0, 1))


def test_a_changed_slab_is_not_changed_again() -> None:
    assert oxygen_variants(variants("MgO", (1, 0, 0))["reduced"]) == []
