"""Axes of crystals whose lattice is more symmetric than they are."""

from __future__ import annotations

import hashlib
import itertools
import random

import numpy as np
import pytest
import spglib
from pymatgen.core import Lattice, Structure

from surfalign.physics.lattice.axes import (
    _REFLECTIONS,
    _keeps_setting,
    alike_settings,
    settings_of,
)
from surfalign.physics.lattice.orientations import nonpolar_orientations, standard_cell
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.enumeration import survey_orientation

#: Low symmetry on a lattice that is, or nearly is, that of a higher system.
PSEUDOSYMMETRIC = {
    "orthorhombic on a cubic lattice": Structure.from_spacegroup(
        19, Lattice.orthorhombic(6.1, 6.1, 6.1), ["Mg", "O"], [[0.11, 0.21, 0.32], [0.43, 0.05, 0.68]]
    ),
    "orthorhombic with two axes alike": Structure.from_spacegroup(
        61, Lattice.orthorhombic(5.2, 5.2004, 5.6), ["Zr", "O"], [[0.03, 0.12, 0.2], [0.37, 0.33, 0.06]]
    ),
    "monoclinic with right angles": Structure.from_spacegroup(
        3, Lattice.orthorhombic(5.1, 6.3, 5.1), ["Mg", "O"], [[0.11, 0.21, 0.32], [0.43, 0.05, 0.68]]
    ),
    "triclinic on a cubic lattice": Structure.from_spacegroup(
        2, Lattice.cubic(5.3), ["Mg", "O"], [[0.11, 0.21, 0.32], [0.43, 0.05, 0.68]]
    ),
    "triclinic on a hexagonal lattice": Structure.from_spacegroup(
        2, Lattice.hexagonal(5.3, 7.1), ["Mg", "O"], [[0.11, 0.21, 0.32], [0.43, 0.05, 0.68]]
    ),
}  # fmt: skip


def _names(structure: Structure) -> list[tuple[str, str]]:
    crystal = symmetrize(structure)
    return [
        (slab.name, slab.identifier)
        for orientation in nonpolar_orientations(crystal, 1)
        for slab in survey_orientation(crystal, orientation.miller_index, slab_thickness=8.0).slabs
    ]


@pytest.mark.parametrize("name", sorted(PSEUDOSYMMETRIC))
def test_names_of_surfaces_do_not_depend_on_how_the_axes_were_called(name: str) -> None:
    structure = PSEUDOSYMMETRIC[name]
    expected = sorted(_names(structure))
    assert expected
    chance, numbers = random.Random(1), np.random.default_rng(1)
    turns = [
        np.array(rows)
        for rows in itertools.product([(1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 0, 0), (0, -1, 0)], repeat=3)
        if round(np.linalg.det(np.array(rows))) == 1
    ]  # fmt: skip
    for turn in chance.sample(turns, 5):
        lattice = turn @ structure.lattice.matrix * (1 + 1e-6 * numbers.normal(size=(3, 3)))
        turned = Structure(
            Lattice(lattice), structure.species, structure.frac_coords @ np.linalg.inv(turn)
        )
        assert sorted(_names(turned)) == expected


def test_settings_that_are_alike_keep_the_space_group_as_it_is_written() -> None:
    cubic = np.diag([6.1, 6.1, 6.1])
    # P2_1 2_1 2_1 (Hall 115) reads the same along all axes, Pnma (292) along none but its own.
    assert len(alike_settings(115, cubic)) == 24
    kept = alike_settings(292, cubic)
    assert all((np.abs(change) == np.eye(3)).all() for change in kept)
    # Unequal axes leave the signs alone.
    assert len(alike_settings(115, np.diag([5.0, 6.0, 7.0]))) == 4


def test_indices_refer_to_the_standard_cell_that_is_shown() -> None:
    for structure in PSEUDOSYMMETRIC.values():
        crystal = symmetrize(structure)
        assert standard_cell(structure).lattice.matrix == pytest.approx(
            crystal.conventional_lattice
        )
        # The operations still map the crystal to itself.
        images = crystal.positions @ crystal.rotations[-1].T + crystal.translations[-1]
        shift = images[:, None, :] - crystal.positions[None, :, :]
        distance = np.linalg.norm((shift - np.rint(shift)) @ crystal.lattice, axis=-1)
        assert distance.min(axis=1).max() < 1e-6


_MATRICES = np.array(list(itertools.product((-1, 0, 1), repeat=9))).reshape(-1, 3, 3)
_UNIMODULAR = _MATRICES[np.rint(np.linalg.det(_MATRICES)) == 1]


def _lattice_rotations(space_group_number: int) -> list[np.ndarray]:
    """The proper rotations of a tetragonal, hexagonal or cubic lattice."""
    n = space_group_number
    hexagonal = np.array([[1, -0.5, 0], [-0.5, 1, 0], [0, 0, 2.3]])
    metric = np.diag([1, 1, 2.3]) if n <= 142 else hexagonal if n <= 194 else np.eye(3)
    turned = _UNIMODULAR @ metric @ _UNIMODULAR.transpose(0, 2, 1)
    return list(_UNIMODULAR[np.isclose(turned, metric).all(axis=(1, 2))])


def _rounded(matrix: np.ndarray) -> tuple[int, ...]:
    return tuple(round(float(x)) for x in matrix.ravel())


@pytest.mark.parametrize(
    "number",
    [75, 88, 89, 142, 143, 144, 145, 146, 147, 148, 149, 150, 154, 155, 156, 157, 159, 160,
     161, 162, 163, 165, 166, 167, 168, 176, 177, 194, 195, 205, 207],
)  # fmt: skip
def test_settings_are_the_cosets_of_the_point_group_among_the_rotations_that_keep_the_group(
    number: int,
) -> None:
    # The first, the last and the odd ones of each range of space groups, by group theory.
    hall = next(h for h in range(1, 531) if spglib.get_spacegroup_type(h).number == number)
    keeping = [m for m in _lattice_rotations(number) if _keeps_setting(hall, m)]
    rotations = spglib.get_symmetry_from_database(hall)["rotations"]
    # n and -n are one orientation: the inversion belongs to all.
    known = {_rounded(sign * np.linalg.inv(w).T) for w in rotations for sign in (1, -1)}
    settings = settings_of(number)
    for change in keeping:
        turns = [_rounded(change @ np.linalg.inv(setting)) for setting in settings]
        assert sum(turn in known for turn in turns) == 1
    assert all(any((setting == m).all() for m in keeping) for setting in settings)


def test_the_reflections_that_choose_axes_stay_as_they_are() -> None:
    # Another one, or another order, gives some crystals other axes, and their surfaces other names.
    assert _REFLECTIONS.shape == (39, 3)
    digest = hashlib.sha256(repr(_REFLECTIONS.tolist()).encode()).hexdigest()
    assert digest.startswith("ebfd81efc0d0ef04")
