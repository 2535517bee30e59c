"""Which orientations are symmetry-unique, which can be nonpolar."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import spglib
from pymatgen.core import Lattice, Structure

from surfalign.errors import InvalidStructureError, PartialOccupancyError, SurfaceError
from surfalign.physics.lattice.orientations import (
    as_miller_indices,
    convert_miller_index,
    format_miller_index,
    is_nonpolar,
    nonpolar_orientations,
    parse_miller_index,
    standard_cell,
    unique_orientations,
)
from surfalign.physics.lattice.symmetry import symmetrize

MakeCrystal = Callable[[str], Structure]


@pytest.mark.parametrize(
    ("name", "nonpolar", "polar"),
    [
        ("rocksalt", 3, 0),
        ("rutile", 5, 0),
        ("corundum", 6, 0),
        ("wurtzite", 2, 3),
        ("quartz", 4, 2),
        ("zincblende", 2, 1),
    ],
)
@pytest.mark.parametrize("cell", ["conventional", "primitive"])
def test_counts_up_to_index_1_agree_with_the_literature(
    crystal: MakeCrystal, name: str, nonpolar: int, polar: int, cell: str
) -> None:
    # Hinuma et al., Comput. Mater. Sci. 113, 221 (2016).
    structure = crystal(name)
    if cell == "primitive":
        structure = structure.get_primitive_structure()
    found = unique_orientations(structure, 1)
    assert sum(o.nonpolar for o in found) == nonpolar
    assert sum(not o.nonpolar for o in found) == polar


def _hall_number(number: int) -> int:
    return next(hall for hall in range(1, 531) if spglib.get_spacegroup_type(hall).number == number)


def _general_structure(number: int) -> Structure:
    """One orbit in a general position and one atom at a second one: no extra symmetry."""
    operations = spglib.get_symmetry_from_database(_hall_number(number))
    lattice = _lattice_of(number)
    points, species = [], []
    for element, point in (("Si", [0.0813, 0.1777, 0.2391]), ("O", [0.3331, 0.0512, 0.1234])):
        orbit = [
            (w @ point + t) % 1.0
            for w, t in zip(operations["rotations"], operations["translations"], strict=True)
        ]
        points += orbit
        species += [element] * len(orbit)
    return Structure(lattice, species, points)


def _lattice_of(number: int) -> Lattice:
    if number <= 2:
        return Lattice.from_parameters(7.1, 8.3, 9.7, 82.0, 77.0, 71.0)
    if number <= 15:
        return Lattice.monoclinic(7.1, 8.3, 9.7, 103.0)
    if number <= 74:
        return Lattice.orthorhombic(7.1, 8.3, 9.7)
    if number <= 142:
        return Lattice.tetragonal(8.3, 10.9)
    if number <= 194:
        return Lattice.hexagonal(9.1, 11.3)
    return Lattice.cubic(11.7)


def test_nonpolar_counts_of_all_230_space_groups_by_an_independent_construction() -> None:
    # Independent: the operations are searched in the structure itself (surfalign takes them from the
    # database) and act on cartesian reciprocal vectors; classes are counted by their orbits.
    directions = np.array(
        [h for h in itertools.product(range(-2, 3), repeat=3) if np.gcd.reduce(h) == 1]
    )
    for number in range(1, 231):
        found = symmetrize(_general_structure(number), 1e-4)
        assert found.space_group_number == number
        cell = found.primitive_structure()
        numbers = [site.specie.Z for site in cell]
        searched = spglib.get_symmetry((cell.lattice.matrix, cell.frac_coords, numbers), 1e-4)
        matrix = cell.lattice.matrix.T
        cartesian = matrix @ searched["rotations"] @ np.linalg.inv(matrix)
        normals = directions @ np.linalg.inv(found.conventional_lattice).T
        images = np.einsum("kij,nj->nki", cartesian, normals)
        turned = np.linalg.norm(images + normals[:, None, :], axis=2).min(axis=1) < 1e-8
        images = np.round(np.concatenate([images, -images], axis=1), 6) + 0.0
        classes = {
            min(map(tuple, orbit)): bool(polar)
            for orbit, polar in zip(images, ~turned, strict=True)
        }
        mine = unique_orientations(found, 2)
        assert len(mine) == len(classes), number
        assert sum(not o.nonpolar for o in mine) == sum(classes.values()), number


def test_symmetric_crystal_is_mapped_to_itself_by_its_operations(any_crystal: Structure) -> None:
    found = symmetrize(any_crystal)
    for rotation, translation in zip(found.rotations, found.translations, strict=True):
        images = found.positions @ rotation.T + translation
        shift = images[:, None, :] - found.positions[None, :, :]
        distance = np.linalg.norm((shift - np.rint(shift)) @ found.lattice, axis=-1)
        distance[found.numbers[:, None] != found.numbers[None, :]] = np.inf
        assert distance.min(axis=1).max() < 1e-6


def test_index_of_an_input_cell_is_translated_to_the_standard_cell(crystal: MakeCrystal) -> None:
    primitive = crystal("rocksalt").get_primitive_structure()
    # The planes spanned by two primitive vectors of a face-centred lattice are (111).
    assert {abs(h) for h in convert_miller_index(primitive, (0, 0, 1))} == {1}
    assert convert_miller_index(standard_cell(primitive), (2, 0, 0)) == (1, 0, 0)


def test_standard_cell_is_the_one_people_use(crystal: MakeCrystal) -> None:
    cell = standard_cell(crystal("corundum").get_primitive_structure())
    assert cell.lattice.abc == pytest.approx((4.76, 4.76, 12.99))
    assert cell.composition.formula == "Al12 O18"


def test_equivalent_normals_have_the_same_polarity(crystal: MakeCrystal) -> None:
    found = symmetrize(crystal("wurtzite"))
    for normal in itertools.product(range(-2, 3), repeat=3):
        if not any(normal):
            continue
        images = np.asarray(normal) @ found.conventional_point_operations
        verdicts = {is_nonpolar(found, tuple(int(h) for h in image)) for image in images}
        assert len(verdicts) == 1


def test_labels() -> None:
    assert format_miller_index((1, -1, 2)) == "(1-12)"
    assert format_miller_index((1, 0, 12)) == "(1,0,12)"


def test_bad_input_is_named(crystal: MakeCrystal) -> None:
    disordered = Structure(
        Lattice.cubic(4.2), [{"Mg": 0.5, "Ca": 0.5}, "O"], [[0, 0, 0], [0.5] * 3]
    )
    with pytest.raises(PartialOccupancyError, match="partially occupied"):
        nonpolar_orientations(disordered)
    with pytest.raises(InvalidStructureError, match="no atoms"):
        nonpolar_orientations(Structure(Lattice.cubic(4.2), [], []))
    overlapping = Structure(Lattice.cubic(4.2), ["Mg", "Mg"], [[0, 0, 0], [0, 0, 1e-6]])
    with pytest.raises(InvalidStructureError, match="No space group"):
        nonpolar_orientations(overlapping)
    with pytest.raises(SurfaceError, match="max_index is 0"):
        unique_orientations(crystal("rocksalt"), 0)
    with pytest.raises(SurfaceError, match=r"\(0, 0, 0\)"):
        convert_miller_index(crystal("rocksalt"), (0, 0, 0))


@pytest.mark.parametrize("name", ["quartz", "ilmenite", "pyrite-like"])
def test_axes_are_chosen_where_the_space_group_leaves_them_open(name: str) -> None:
    structures = {
        # (101) and (011) of quartz are different surfaces; a half turn about c exchanges their names.
        "quartz": Structure.from_spacegroup(
            154, Lattice.hexagonal(4.91, 5.4), ["Si", "O"], [[0.47, 0, 2 / 3], [0.413, 0.266, 0.786]]
        ),
        "ilmenite": Structure.from_spacegroup(
            148, Lattice.hexagonal(5.05, 13.9), ["Mg", "Ti", "O"],
            [[0, 0, 0.356], [0, 0, 0.145], [0.316, 0.021, 0.246]],
        ),
        "pyrite-like": Structure.from_spacegroup(
            205, Lattice.cubic(5.62), ["C", "O"], [[0, 0, 0], [0.117, 0.117, 0.117]]
        ),
    }  # fmt: skip
    structure = structures[name]
    for turn in (np.diag([-1, -1, 1]), np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]])):
        turned = Structure(
            Lattice(turn @ structure.lattice.matrix),
            structure.species,
            structure.frac_coords @ np.linalg.inv(turn),
        )
        for reflection in itertools.product(range(-2, 3), repeat=3):
            first, second = (
                _structure_factor(standard_cell(s), reflection) for s in (structure, turned)
            )
            assert first == pytest.approx(second, abs=1e-3)


def _structure_factor(structure: Structure, reflection: tuple[int, int, int]) -> float:
    numbers = np.array([site.specie.Z for site in structure])
    return float(abs(np.exp(2j * np.pi * structure.frac_coords @ reflection) @ numbers))


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("1,1,0", (1, 1, 0)), ("1 -1 0", (1, -1, 0)), (" (1, 1, 0) ", (1, 1, 0)),
        ("110", (1, 1, 0)), ("-110", (-1, 1, 0)), ("1-10", (1, -1, 0)), ("[1;0;-12]", (1, 0, -12)),
        ("1\u221210", (1, -1, 0)), ("11\u03050", (1, -1, 0)), ("001", (0, 0, 1)),
        ("1,0,-1,0", (1, 0, 0)), ("10-10", (1, 0, 0)), ("0001", (0, 0, 1)), ("1 1 -2 3", (1, 1, 3)),
    ],
)  # fmt: skip
def test_miller_indices_are_read_as_people_write_them(
    text: str, index: tuple[int, int, int]
) -> None:
    assert parse_miller_index(text) == index


@pytest.mark.parametrize("index", [(1, 0, 0), (1, -1, 2), (-10, 0, 11), (0, 0, 1)])
def test_an_index_is_read_as_it_is_written(index: tuple[int, int, int]) -> None:
    assert parse_miller_index(format_miller_index(index)) == index


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "11",
        "1,1",
        "0 0 0",
        "0,0,0,0",
        "1x0",
        "1,0,0.5",
        "1 1 0 0 2",
        "1,0,1,0",
        "1010",
        "1,,",
    ],
)
def test_what_is_no_miller_index_is_refused(text: str) -> None:
    with pytest.raises(SurfaceError, match=r"no Miller index.*i = -\(h \+ k\)"):
        parse_miller_index(text)


def test_four_indices_mean_nothing_on_axes_that_are_not_hexagonal() -> None:
    assert parse_miller_index("1,0,0", hexagonal=False) == (1, 0, 0)
    with pytest.raises(SurfaceError, match=r"has four numbers, .* not hexagonal"):
        parse_miller_index("1,0,-1,2", hexagonal=False)


@pytest.mark.parametrize(
    ("given", "indices"),
    [
        (None, []),
        ((1, 1, 0), [(1, 1, 0)]),
        ([(1, 0, 0), [1, -1, 0]], [(1, 0, 0), (1, -1, 0)]),
    ],
)
def test_one_or_several_indices_become_a_list(given: object, indices: object) -> None:
    assert as_miller_indices(given) == indices


@pytest.mark.parametrize(
    "given", [(0, 0, 0), (1, 0), (1.5, 0, 0), [(1, 0, 0), (0, 0, 0)], [(1, 0, 0), (1, 0)], "110"]
)
def test_what_is_no_index_is_refused(given: object) -> None:
    with pytest.raises(SurfaceError, match="is no Miller index"):
        as_miller_indices(given)
