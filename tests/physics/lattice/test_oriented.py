"""A crystal seen along a normal: its operations, its planes and its columns of atoms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from surfalign.physics.lattice.orientations import nonpolar_orientations, unique_orientations
from surfalign.physics.lattice.oriented import OrientedCrystal, atomic_planes, orient
from surfalign.physics.lattice.symmetry import symmetrize

MakeCrystal = Callable[[str], Structure]


def all_oriented(structure: Structure) -> list[OrientedCrystal]:
    crystal = symmetrize(structure)
    return [orient(crystal, o.miller_index) for o in unique_orientations(crystal, 1)]


def test_the_operations_map_the_crystal_on_itself_and_the_normal_on_its_line(
    any_crystal: Structure,
) -> None:
    for oriented in all_oriented(any_crystal):
        numbers, places = oriented.crystal.numbers, oriented.coordinates
        assert ((places >= 0) & (places <= 1)).all()
        for rotation, shift in zip(*oriented.plane_operations, strict=True):
            assert rotation[2].tolist() in ([0, 0, 1], [0, 0, -1])
            apart = (places @ rotation.T + shift)[:, None] - places[None]
            same = (np.abs(apart - np.rint(apart)) < 1e-6).all(-1)
            assert (same.sum(axis=1) == 1).all()
            assert (numbers[same.argmax(axis=1)] == numbers).all()


def test_volume_is_area_times_spacing_and_the_period_divides_it(any_crystal: Structure) -> None:
    for oriented in all_oriented(any_crystal):
        volume = oriented.crystal.volume
        assert oriented.area * oriented.spacing == pytest.approx(volume)
        assert np.linalg.det(oriented.lattice) == pytest.approx(volume)
        assert oriented.lattice[2, 2] == pytest.approx(oriented.spacing)
        assert oriented.period * oriented.n_periods == pytest.approx(oriented.spacing)


def test_reversing_operations_turn_the_normal_and_the_simplest_comes_first(
    crystal: MakeCrystal,
) -> None:
    rocksalt = orient(symmetrize(crystal("rocksalt")), (1, 1, 0))
    rotation, _ = rocksalt.reversing_operations[0]
    assert (rotation == -np.eye(3)).all()
    # Wurtzite has no inversion: a mirror turns (110) round, and in quartz a twofold axis (100).
    mirror, _ = orient(symmetrize(crystal("wurtzite")), (1, 1, 0)).reversing_operations[0]
    assert (round(np.linalg.det(mirror)), np.trace(mirror)) == (-1, 1)
    twofold, _ = orient(symmetrize(crystal("quartz")), (1, 0, 0)).reversing_operations[0]
    assert (round(np.linalg.det(twofold)), np.trace(twofold)) == (1, -1)
    for rotation, _ in rocksalt.reversing_operations:
        assert rotation[2, 2] == -1
    assert orient(symmetrize(crystal("wurtzite")), (0, 0, 1)).reversing_operations == []


def test_rotoinversions_come_after_twofold_axes(crystal: MakeCrystal) -> None:
    # Zincblende (100): the two mirrors keep the normal; twofold axes and fourfold inversions turn it.
    found = orient(symmetrize(crystal("zincblende")), (1, 0, 0)).reversing_operations
    kinds = [(round(np.linalg.det(w)), int(np.trace(w))) for w, _ in found]
    assert kinds == [(1, -1), (1, -1), (-1, -1), (-1, -1)]


def test_keeping_operations_leave_every_plane_where_it_is(any_crystal: Structure) -> None:
    for oriented in all_oriented(any_crystal):
        heights = oriented.coordinates[:, 2]
        keeping = oriented.keeping_operations()
        assert any((w == np.eye(3)).all() for w, _ in keeping)
        for rotation, shift in keeping:
            moved = (oriented.coordinates @ rotation.T + shift)[:, 2]
            assert moved - heights == pytest.approx(np.rint(moved - heights), abs=1e-6)
        # The others that keep the normal climb by a screw or a glide.
        kept = [t for w, t in zip(*oriented.plane_operations, strict=True) if w[2, 2] == 1]
        assert len(kept) == oriented.n_periods * len(keeping)


def test_planes_mirror_each_other_about_the_centre(any_crystal: Structure) -> None:
    crystal = symmetrize(any_crystal)
    for orientation in nonpolar_orientations(crystal, 1):
        oriented = orient(crystal, orientation.miller_index)
        assert oriented.center is not None
        assert 0 <= oriented.center < 0.5
        planes = atomic_planes(oriented)
        for plane in planes:
            apart = [plane.height + other.height for other in planes]
            (image,) = [p for p, a in zip(planes, apart, strict=True) if abs(a - round(a)) < 1e-5]
            assert image.counts.tolist() == plane.counts.tolist()
            assert image.top - image.bottom == pytest.approx(plane.top - plane.bottom, abs=1e-6)


def test_a_column_holds_each_site_once_a_spacing(any_crystal: Structure) -> None:
    for oriented in all_oriented(any_crystal)[:3]:
        heights = oriented.coordinates[:, 2]
        for low, high in ((0.0, 1.0), (-0.3, 0.2), (0.4, 3.9), (-2.0, -1.1), (0.7, 0.6)):
            atoms, sites = oriented.column(low, high)
            expected = sum(
                low - 1e-6 <= height + n <= high + 1e-6 for height in heights for n in range(-5, 6)
            )
            assert len(atoms) == len(sites) == expected
            assert len({(*np.round(a, 6),) for a in atoms}) == expected
            assert (atoms[:, :2] == oriented.coordinates[sites, :2]).all()
            steps = atoms[:, 2] - heights[sites]
            assert steps == pytest.approx(np.rint(steps), abs=1e-9)


def test_a_column_includes_both_of_its_ends(crystal: MakeCrystal) -> None:
    oriented = orient(symmetrize(crystal("rocksalt")), (1, 0, 0))
    height = float(oriented.coordinates[0, 2])
    assert len(oriented.column(height, height + 2)[0]) == 6  # three planes of one Mg and one O


def test_atoms_nearer_than_the_tolerance_are_one_plane() -> None:
    # Two oxygen atoms at 0.3 angstrom above and below each metal.
    structure = Structure(
        Lattice.tetragonal(3.0, 6.0), ["Ti", "O", "O"], [[0, 0, 0], [0.5, 0.5, 0.05], [0.5, 0.5, 0.95]]
    )  # fmt: skip
    oriented = orient(symmetrize(structure), (0, 0, 1))
    (whole,) = atomic_planes(oriented, 0.31)
    assert (whole.top - whole.bottom) * oriented.spacing == pytest.approx(0.6)
    assert whole.height == pytest.approx(0.0, abs=1e-9)
    assert whole.counts.sum() == 3
    below = whole.lowered()
    assert (below.bottom, below.top) == pytest.approx((whole.bottom - 1, whole.top - 1))
    assert (below.offsets == whole.offsets - 1).all()
    split = atomic_planes(oriented, 0.29)
    assert [p.height * oriented.spacing for p in split] == pytest.approx([0.0, 0.3, 5.7])
    for plane in (*split, whole):
        placed = oriented.coordinates[plane.sites, 2] + plane.offsets - (oriented.center or 0.0)
        assert (placed.min(), placed.max()) == pytest.approx((plane.bottom, plane.top), abs=1e-6)


def test_a_crystal_without_a_wide_gap_still_has_planes() -> None:
    oriented = orient(symmetrize(Structure(Lattice.cubic(3.0), ["Po"], [[0, 0, 0]])), (1, 2, 3))
    (plane,) = atomic_planes(oriented, 5.0)
    assert plane.counts.tolist() == [1]
