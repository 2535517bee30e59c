"""Coordination of surface atoms: textbook polyhedra and what cutting them leaves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pymatgen.core import Structure

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
