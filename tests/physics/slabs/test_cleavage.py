"""Guesses at the cleavage plane."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pymatgen.core import Lattice, Structure

from surfalign.crystals.library import library
from surfalign.crystals.sources import library_crystal
from surfalign.errors import TerminationError
from surfalign.physics.lattice.orientations import canonical_miller_index
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.cleavage import default_orientation

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
    for name, oxide in library().items():
        entry = library_crystal(oxide)
        if entry.default_orientation is None:
            continue
        total += 1
        crystal = symmetrize(entry.structure)
        known = canonical_miller_index(crystal, entry.default_orientation)
        if default_orientation(crystal) == known:
            right.append(name)
    assert len(right) >= 0.8 * total
    assert {"MgO", "TiO2-rutile", "TiO2-anatase", "ZnO", "Al2O3", "CeO2", "SrTiO3"} <= set(right)


def test_crystal_without_a_nonpolar_surface_is_named() -> None:
    # Point group 1: no operation reverses any normal.
    lopsided = Structure(
        Lattice.from_parameters(4.1, 5.2, 6.3, 83, 97, 106),
        ["Mg", "Mg", "O", "O"],
        [[0, 0, 0], [0.31, 0.42, 0.53], [0.52, 0.11, 0.27], [0.73, 0.61, 0.88]],
    )
    with pytest.raises(TerminationError, match="no nonpolar stoichiometric termination"):
        default_orientation(lopsided)
