"""The Wulff construction against shapes in closed form."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from surfalign.crystals.sources import load_crystal
from surfalign.errors import ShapeError
from surfalign.physics.lattice.orientations import convert_miller_index
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.shapes.wulff import EquilibriumShape, equilibrium_shape

ROCK_SALT = symmetrize(load_crystal("MgO").structure)
#: Orthorhombic and without a centre: point group mm2.
PYROELECTRIC = Structure.from_spacegroup(
    "Pmc2_1", Lattice.orthorhombic(4.1, 5.3, 6.7), ["Ba", "O"], [[0, 0.3, 0.0], [0.5, 0.15, 0.4]]
)


def fractions(shape: EquilibriumShape) -> dict[tuple[int, int, int], float]:
    return {index: round(share, 6) for index, share in shape.area_fractions.items() if share}


def test_one_orientation_of_a_cubic_crystal_gives_a_cube_or_an_octahedron() -> None:
    cube = equilibrium_shape(ROCK_SALT, {(1, 0, 0): 0.9})
    octahedron = equilibrium_shape(ROCK_SALT, {(1, 1, 1): 1.0})

    assert len(cube.faces) == 6
    assert all(len(face.vertices) == 4 for face in cube.faces)
    assert sum(face.area for face in cube.faces) == pytest.approx(6 * 1.8**2)
    assert len(octahedron.faces) == 8
    assert sum(face.area for face in octahedron.faces) == pytest.approx(8 * 1.5 * math.sqrt(3))


def test_edges_of_a_cube_that_are_cut_have_the_area_of_the_closed_form() -> None:
    """A cube of half-edge 1 with edges cut at a distance d from the centre: strips of width w."""
    distance = 1.3
    shape = equilibrium_shape(ROCK_SALT, {(1, 0, 0): 1.0, (1, 1, 0): distance})

    half = math.sqrt(2) * distance - 1  # of the square that is left of a face
    width = 2 * (math.sqrt(2) - distance)
    square, strip = (2 * half) ** 2, 2 * half * width + 2 * (0.5 * width * (1 - half) / 2)
    whole = 6 * square + 12 * strip
    assert shape.area_fractions[1, 0, 0] == pytest.approx(6 * square / whole)


def test_a_face_that_just_touches_an_edge_does_not_show() -> None:
    shape = equilibrium_shape(ROCK_SALT, {(1, 0, 0): 1.0, (1, 1, 0): math.sqrt(2)})

    assert shape.area_fractions == {(1, 0, 0): 1.0, (1, 1, 0): 0.0}


def test_an_orientation_shows_below_the_distance_of_the_plane_that_touches() -> None:
    cube = equilibrium_shape(ROCK_SALT, {(1, 0, 0): 1.0})
    limit = cube.shows_below((1, 1, 1))

    assert limit == pytest.approx(math.sqrt(3))
    for energy, shows in ((limit - 0.01, True), (limit + 0.01, False)):
        shape = equilibrium_shape(ROCK_SALT, {(1, 0, 0): 1.0, (1, 1, 1): energy})
        assert (shape.area_fractions[1, 1, 1] > 0) is shows


@pytest.mark.parametrize("index", [(1, 0, 2), (0, 1, 2)])
def test_corundum_has_six_rhombohedral_faces_though_its_lattice_is_hexagonal(
    index: tuple[int, int, int],
) -> None:
    shape = equilibrium_shape(
        symmetrize(load_crystal("Al2O3").structure), {(0, 0, 1): 1.0, index: 1.0}
    )

    assert len(shape.faces) == 8


def test_pyrite_has_twelve_faces_though_its_lattice_is_cubic() -> None:
    pyrite = Structure.from_spacegroup(
        "Pa-3", Lattice.cubic(5.42), ["Fe", "S"], [[0, 0, 0], [0.385] * 3]
    )
    shape = equilibrium_shape(symmetrize(pyrite), {(2, 1, 0): 1.0})

    assert len(shape.faces) == 12
    assert {len(face.vertices) for face in shape.faces} == {5}  # the pyritohedron


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
def test_permuted_axes_of_the_cell_give_the_same_shape(axes: tuple[int, int, int]) -> None:
    rutile = load_crystal("SnO2").structure
    given = {(1, 1, 0): 1.04, (1, 0, 0): 1.14, (1, 0, 1): 1.33, (0, 0, 1): 1.72}
    permuted = Structure(
        Lattice(rutile.lattice.matrix[list(axes)]),
        rutile.species,
        rutile.frac_coords[:, list(axes)],
    )
    moved = {
        convert_miller_index(permuted, (hkl[axes[0]], hkl[axes[1]], hkl[axes[2]])): energy
        for hkl, energy in given.items()
    }

    there = equilibrium_shape(symmetrize(permuted), moved)

    assert fractions(there) == fractions(equilibrium_shape(symmetrize(rutile), given))


def test_a_crystal_without_a_centre_gives_the_same_shape_whatever_the_order() -> None:
    crystal = symmetrize(PYROELECTRIC)
    assert not any((w == -np.eye(3)).all() for w in crystal.conventional_point_operations)
    given = [
        ((1, 0, 0), 1.0),
        ((0, 1, 0), 1.1),
        ((1, 1, 0), 1.05),
        ((1, 0, 1), 1.2),
        ((0, 0, 1), 1.3),
    ]

    shapes = [equilibrium_shape(crystal, dict(order)) for order in itertools.permutations(given)]

    assert len({tuple(sorted(fractions(shape).items())) for shape in shapes}) == 1
    one = shapes[0]
    for index, energy in given:
        # Every image of a normal under the crystal's class is as far away as was asked for, or hidden.
        assert one.shows_below(index) <= energy + 1e-9


#: Published surface energies (J/m^2) of (110), (100), (101), (001): M. Ramamoorthy, D. Vanderbilt,
#: R. D. King-Smith, Phys. Rev. B 49, 16721 (1994), doi:10.1103/PhysRevB.49.16721; J. Oviedo, M. J. Gillan,
#: Surf. Sci. 463, 93 (2000), doi:10.1016/S0039-6028(00)00612-9.
PUBLISHED = {"TiO2-rutile": (0.89, 1.12, 1.40, 1.65), "SnO2": (1.04, 1.14, 1.33, 1.72)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_energies_of_rutile_give_the_faces_that_are_published(name: str) -> None:
    """Prisms {110} and {100} closed by {101}; (001) does not show, in TiO2 by a hair."""
    indices = [(1, 1, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1)]
    energies = dict(zip(indices, PUBLISHED[name], strict=True))
    shape = equilibrium_shape(symmetrize(load_crystal(name).structure), energies)

    shown = {index for index, share in shape.area_fractions.items() if share > 1e-3}
    assert shown == {(1, 1, 0), (1, 0, 0), (1, 0, 1)}
    assert len(shape.faces) >= 16
    if name == "TiO2-rutile":  # "almost unstable" against facets of {101}, as they say
        assert shape.shows_below((0, 0, 1)) == pytest.approx(1.65, abs=0.01)


def test_the_lowest_of_equivalent_indices_counts() -> None:
    shape = equilibrium_shape(ROCK_SALT, {(1, 0, 0): 1.0, (0, 0, -1): 0.8})

    assert shape.energies == {(1, 0, 0): 0.8}


def test_a_shape_that_is_not_closed_is_refused() -> None:
    rutile = symmetrize(load_crystal("SnO2").structure)

    with pytest.raises(ShapeError, match=r"the orientations \(100\), \(110\) enclose no volume"):
        equilibrium_shape(rutile, {(1, 1, 0): 1.0, (1, 0, 0): 1.1})


@pytest.mark.parametrize("energy", [-0.2, 0.0, math.nan, math.inf])
def test_a_surface_energy_that_is_not_positive_is_refused(energy: float) -> None:
    with pytest.raises(ShapeError, match=r"the surface energy of \(110\) is"):
        equilibrium_shape(ROCK_SALT, {(1, 0, 0): 1.0, (1, 1, 0): energy})


def test_no_surface_energy_is_refused() -> None:
    with pytest.raises(ShapeError, match="there is no surface energy"):
        equilibrium_shape(ROCK_SALT, {})
