"""Coordination of surface atoms: textbook polyhedra and what cutting them leaves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from surfalign.physics.slabs.coordination import SurfaceCoordination, surface_coordination
from surfalign.physics.slabs.enumeration import survey_orientation

MakeCrystal = Callable[[str], Structure]


def _first(structure: Structure, index: tuple[int, int, int]) -> SurfaceCoordination:
    surface = survey_orientation(structure, index, slab_thickness=10.0).slabs[0]
    return surface_coordination(surface)


@pytest.mark.parametrize(
    ("name", "index", "element", "surface", "bulk"),
    [
        ("rocksalt", (1, 0, 0), "Mg", 5, 6),
        ("rocksalt", (1, 1, 0), "O", 4, 6),
        ("wurtzite", (1, 0, 0), "Zn", 3, 4),
        ("zincblende", (1, 1, 0), "Be", 3, 4),
        ("rutile", (1, 1, 0), "Ti", 5, 6),
        ("rutile", (1, 1, 0), "O", 2, 3),
    ],
)
def test_coordination_of_textbook_surfaces(
    crystal: MakeCrystal,
    name: str,
    index: tuple[int, int, int],
    element: str,
    surface: int,
    bulk: int,
) -> None:
    atoms = [a for a in _first(crystal(name), index).atoms if a.element == element]
    # Hoppe's numbers are not whole where bond lengths differ: rutile's octahedron gives 5.99.
    assert atoms[0].bulk == pytest.approx(bulk, abs=0.05)
    assert atoms[0].surface == pytest.approx(surface, abs=0.1)


def test_broken_bonds_per_area_of_magnesia(crystal: MakeCrystal) -> None:
    # One bond per atom, two atoms per a^2/2 on (100).
    loss = _first(crystal("rocksalt"), (1, 0, 0))
    assert loss.broken_bonds == pytest.approx(2.0, rel=1e-6)
    assert loss.broken_bonds_per_area == pytest.approx(2.0 / (4.21**2 / 2), rel=1e-6)
    assert loss.lowest_ratio == pytest.approx(5 / 6)


def test_the_stable_face_of_rutile_breaks_fewest_bonds(crystal: MakeCrystal) -> None:
    structure = crystal("rutile")
    losses = {
        index: _first(structure, index).broken_bonds_per_area
        for index in [(1, 1, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1), (1, 1, 1)]
    }
    # Known order of the surface energies: (110) < (100) < (101) < (001).
    assert sorted(losses, key=lambda i: losses[i])[:4] == [
        (1, 1, 0),
        (1, 0, 0),
        (1, 0, 1),
        (0, 0, 1),
    ]


def test_middle_of_the_slab_is_bulk(crystal: MakeCrystal) -> None:
    for name in ("corundum", "perovskite", "gallia"):
        loss = _first(crystal(name), (1, 0, 0))
        assert loss.atoms
        assert max(atom.depth for atom in loss.atoms) < 4.5


def test_a_stretched_octahedron_counts_by_hoppes_weights() -> None:
    # ReO3, drawn out: four bonds of 2.0 in the plane and two of 2.4 angstrom along c.
    structure = Structure(
        Lattice.tetragonal(4.0, 4.8), ["Re", "O", "O", "O"],
        [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]],
    )  # fmt: skip
    bonds = np.array([2.0, 2.0, 2.0, 2.0, 2.4, 2.4])
    mean = 2.0
    for _ in range(100):
        weights = np.exp(1 - (bonds / mean) ** 6)
        mean = weights @ bonds / weights.sum()
    weights = np.exp(1 - (bonds / mean) ** 6)
    # Half of the oxygen on top is gone: one metal in two has lost a bond of 2.0.
    oxygen, rhenium = _first(structure, (1, 0, 0)).atoms
    assert (oxygen.element, oxygen.bulk, oxygen.surface) == ("O", 2.0, 1.0)
    assert (rhenium.element, rhenium.depth) == ("Re", pytest.approx(2.0))
    assert rhenium.bulk == pytest.approx(weights.sum())
    assert rhenium.surface == pytest.approx(weights[1:].sum())


def test_atoms_of_one_face_are_listed_from_the_barest_with_their_depth(
    crystal: MakeCrystal,
) -> None:
    loss = _first(crystal("rutile"), (1, 1, 0))
    ratios = [atom.surface / atom.bulk for atom in loss.atoms]
    assert ratios == sorted(ratios)
    assert loss.lowest_ratio == pytest.approx(ratios[0])
    # Bridging oxygen on top, and the five-fold metal one plane below it.
    bridging = min(loss.atoms, key=lambda atom: atom.depth)
    assert (bridging.element, bridging.depth) == ("O", pytest.approx(0.0, abs=1e-9))
    metal = next(atom for atom in loss.atoms if atom.element == "Ti")
    assert metal.depth == pytest.approx((0.5 - 0.305) * 4.594 * 2**0.5, abs=0.01)


def test_an_element_bonds_to_itself() -> None:
    loss = _first(Structure(Lattice.cubic(4.0), ["Po"], [[0, 0, 0]]), (1, 0, 0))
    (atom,) = loss.atoms
    assert (atom.bulk, atom.surface) == pytest.approx((6.0, 5.0))
    assert loss.broken_bonds == pytest.approx(1.0)
    assert loss.broken_bonds_per_area == pytest.approx(1 / 16)
