"""Guesses at the cleavage plane."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pymatgen.core import Lattice, Structure

from surfalign.crystals.library import library
from surfalign.crystals.sources import library_crystal
from surfalign.errors import PolarSurfaceError, TerminationError
from surfalign.physics.lattice.orientations import (
    MillerIndex,
    canonical_miller_index,
    nonpolar_orientations,
)
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.cleavage import cuts_no_bond, default_orientation
from surfalign.physics.slabs.enumeration import enumerate_slabs, survey_orientation

MakeCrystal = Callable[[str], Structure]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rocksalt", (1, 0, 0)),
        ("rutile", (1, 1, 0)),
        ("zincblende", (1, 1, 0)),
        ("wurtzite", (1, 0, 0)),
        ("corundum", (0, 0, 1)),
        ("perovskite", (1, 0, 0)),
    ],
)
def test_textbook_planes(crystal: MakeCrystal, name: str, expected: tuple[int, int, int]) -> None:
    assert default_orientation(crystal(name)) == expected


def test_a_layered_crystal_is_cut_where_no_bond_is() -> None:
    # Litharge: layers of PbO on (001), a loss of nothing.
    litharge = Structure.from_spacegroup(
        129, Lattice.tetragonal(3.976, 5.023), ["Pb", "O"], [[0, 0.5, 0.2345], [0, 0, 0]]
    )
    assert default_orientation(litharge) == (0, 0, 1)


def test_most_planes_of_the_library_are_named() -> None:
    # The library states the plane that is known or used; (012) and (021) lie outside the search.
    right, total = [], 0
    for name, known_entry in library().items():
        entry = library_crystal(known_entry)
        if entry.default_orientation is None:
            continue
        total += 1
        crystal = symmetrize(entry.structure)
        known = canonical_miller_index(crystal, entry.default_orientation)
        if default_orientation(crystal) == known:
            right.append(name)
    assert len(right) >= 0.85 * total
    assert {"GaAs", "CdS-wurtzite", "MoS2", "NaCl", "CaF2", "PbS", "SnS", "BiOCl"} <= set(right)
    assert {"MgO", "TiO2-rutile", "TiO2-anatase", "ZnO", "Al2O3", "CeO2", "SrTiO3"} <= set(right)


def surfaces_without_cut_bonds(name: str) -> set[str]:
    crystal = symmetrize(library_crystal(library()[name]).structure)
    return {
        slab.name
        for orientation in nonpolar_orientations(crystal, 1)
        for slab in survey_orientation(crystal, orientation.miller_index, slab_thickness=8.0).slabs
        if cuts_no_bond(slab)
    }


@pytest.mark.parametrize(
    ("name", "surface"),
    [
        ("MoS2", "MoS2(001)-B-S/Mo"),
        ("BN-hexagonal", "BN(001)-A"),
        ("CdI2", "CdI2(001)-B-I/Cd"),
        ("SnS", "SnS(100)-B-Sn/S"),
        ("Bi2Te3", "Bi2Te3(001)-B-Te/Bi"),
        ("BiOCl", "BiClO(001)-B-Cl/Bi"),
        ("PbO-litharge", "PbO(001)-B-Pb/O2"),
    ],
)
def test_cuts_between_layers_break_no_bond(name: str, surface: str) -> None:
    assert surfaces_without_cut_bonds(name) == {surface}


@pytest.mark.parametrize(
    "name",
    ["MgO", "ZnS-zincblende", "GaN-wurtzite", "PbTe", "TlCl", "CsI", "CaF2", "FeS2", "LaOCl", "PbFCl", "La2O3"],
)  # fmt: skip
def test_cuts_through_bonds_are_not_taken_for_gaps(name: str) -> None:
    """The long bonds of heavy ions, and those between the layers of LaOCl, are bonds."""
    assert surfaces_without_cut_bonds(name) == set()


@pytest.mark.parametrize(
    ("name", "polar", "planar"),
    [
        ("ZnS-zincblende", [(1, 1, 1)], {(1, 1, 0): "A"}),
        ("GaAs", [(1, 1, 1)], {(1, 1, 0): "A"}),
        ("GaN-wurtzite", [(0, 0, 1), (1, 0, 1)], {(1, 0, 0): "A", (1, 1, 0): "A"}),
        ("CdS-wurtzite", [(0, 0, 1)], {(1, 0, 0): "A", (1, 1, 0): "A"}),
        ("NaCl", [], {(1, 0, 0): "A", (1, 1, 0): "A"}),
        ("CaF2", [], {(1, 1, 1): "B", (1, 1, 0): "A"}),
        ("MgF2", [], {(1, 1, 0): "B", (1, 0, 0): "B"}),
        ("MoS2", [], {(0, 0, 1): "B"}),
    ],
)
def test_textbook_planes_of_other_crystals_have_their_class(
    name: str, polar: list[MillerIndex], planar: dict[MillerIndex, str]
) -> None:
    crystal = symmetrize(library_crystal(library()[name]).structure)
    for index in polar:
        survey = survey_orientation(crystal, index)
        assert not survey.nonpolar
        assert not survey.slabs
        with pytest.raises(PolarSurfaceError, match="no point operation reverses its normal"):
            enumerate_slabs(crystal, index)
    for index, termination in planar.items():
        slabs = survey_orientation(crystal, index, corrugated=False).slabs
        assert {slab.termination_class for slab in slabs} == {termination}


def test_the_polar_face_of_zincblende_is_only_offered_with_half_a_plane() -> None:
    crystal = symmetrize(library_crystal(library()["ZnS-zincblende"]).structure)
    assert not survey_orientation(crystal, (1, 0, 0), corrugated=False).slabs
    assert {slab.termination_class for slab in survey_orientation(crystal, (1, 0, 0)).slabs} == {
        "C"
    }


def test_the_halved_face_of_zincblende_is_the_one_that_x_rays_see() -> None:
    """ZnSe(100) c(2 x 2): every other Zn of the outermost plane, each above two Se."""
    crystal = symmetrize(library_crystal(library()["ZnSe"]).structure)
    (surface,) = [s for s in survey_orientation(crystal, (1, 0, 0)).slabs if "-Zn/Se" in s.name]
    slab = surface.slab
    assert slab.lattice.a == pytest.approx(slab.lattice.b)
    assert slab.lattice.gamma == pytest.approx(90.0)
    heights = slab.cart_coords[:, 2]
    (top,) = [k for k, z in enumerate(heights) if z > heights.max() - 0.5]
    below = [k for k, z in enumerate(heights) if 0.5 < heights.max() - z < 2.0]
    assert (slab[top].specie.symbol, [slab[k].specie.symbol for k in below]) == ("Zn", ["Se"] * 2)
    bonds = [slab.get_distance(top, k) for k in below]
    assert bonds == pytest.approx([0.25 * 3**0.5 * slab.lattice.a] * 2, rel=1e-6)
    assert slab.composition.reduced_formula == "ZnSe"


def test_crystal_without_a_nonpolar_surface_is_named() -> None:
    # Point group 1: no operation reverses any normal.
    lopsided = Structure(
        Lattice.from_parameters(4.1, 5.2, 6.3, 83, 97, 106),
        ["Mg", "Mg", "O", "O"],
        [[0, 0, 0], [0.31, 0.42, 0.53], [0.52, 0.11, 0.27], [0.73, 0.61, 0.88]],
    )
    with pytest.raises(TerminationError, match="no nonpolar stoichiometric termination"):
        default_orientation(lopsided)
