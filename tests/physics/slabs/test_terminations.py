"""Which cuts give symmetric stoichiometric slabs, and why the others do not."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from pymatgen.core import Structure

from surfalign.physics.lattice.orientations import nonpolar_orientations
from surfalign.physics.lattice.oriented import atomic_planes, orient
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.terminations import RejectionReason, find_terminations

MakeCrystal = Callable[[str], Structure]


def _found(structure: Structure, miller_index: tuple[int, int, int]) -> list[str]:
    terminations, _ = find_terminations(orient(symmetrize(structure), miller_index))
    return sorted(f"{t.termination_class}:{t.label}" for t in terminations)


@pytest.mark.parametrize(
    ("name", "miller_index", "expected"),
    [
        ("rocksalt", (1, 0, 0), ["A:MgO"]),
        ("rocksalt", (1, 1, 0), ["A:MgO"]),
        ("rocksalt", (1, 1, 1), ["C:Mg/O", "C:O/Mg"]),
        ("rutile", (1, 1, 0), ["B:O/Ti2O2", "C:Ti2O2/O"]),
        ("rutile", (0, 0, 1), ["A:TiO2"]),
        ("corundum", (0, 0, 1), ["B:Al/O3", "C:O3/Al"]),
        ("wurtzite", (1, 0, 0), ["A:ZnO", "A:ZnO"]),
        ("wurtzite", (1, 1, 0), ["A:ZnO"]),
        ("zincblende", (1, 1, 0), ["A:BeO"]),
        ("zincblende", (1, 0, 0), ["C:Be/O", "C:O/Be"]),
        ("perovskite", (1, 0, 0), ["C:SrO/TiO2", "C:TiO2/SrO"]),
        ("perovskite", (1, 1, 0), ["C:O2/SrTiO", "C:SrTiO/O2"]),
        ("perovskite", (1, 1, 1), ["C:SrO3/Ti", "C:Ti/SrO3"]),
    ],
)
def test_textbook_terminations(
    crystal: MakeCrystal, name: str, miller_index: tuple[int, int, int], expected: list[str]
) -> None:
    assert _found(crystal(name), miller_index) == expected


def test_every_cut_of_a_polar_orientation_is_rejected_as_polar(crystal: MakeCrystal) -> None:
    terminations, rejected = find_terminations(orient(symmetrize(crystal("wurtzite")), (0, 0, 1)))
    assert terminations == []
    assert [cut.reason for cut in rejected] == [RejectionReason.POLAR] * 2
    assert {cut.explanation for cut in rejected} == {
        "No point operation of the crystal reverses the normal"
    }


def test_rejected_cut_says_what_the_slab_would_hold(crystal: MakeCrystal) -> None:
    _, rejected = find_terminations(orient(symmetrize(crystal("rutile")), (1, 1, 0)))
    assert [(cut.label, cut.reason) for cut in rejected] == [
        ("O/O", RejectionReason.NOT_STOICHIOMETRIC)
    ]
    # Bridging oxygen on both faces of O-Ti2O2-O, and one more: Ti2O6 instead of Ti2O4.
    assert "holds Ti2O6 per in-plane cell" in rejected[0].explanation


def test_planes_of_one_spacing_hold_all_atoms_and_are_apart(any_crystal: Structure) -> None:
    crystal = symmetrize(any_crystal)
    for orientation in nonpolar_orientations(crystal, 1):
        oriented = orient(crystal, orientation.miller_index)
        planes = atomic_planes(oriented)
        sites = np.concatenate([plane.sites for plane in planes])
        assert sorted(sites) == list(range(len(crystal.numbers)))
        assert len(planes) % oriented.n_periods == 0
        gaps = [upper.bottom - lower.top for lower, upper in itertools.pairwise(planes)]
        assert all(gap * oriented.spacing > 0.1 - 1e-9 for gap in gaps)
        # An operation maps z to -z, so the sequence of planes reads the same both ways.
        heights = np.array([plane.height for plane in planes])
        images = np.sort(np.round(-heights % 1.0, 6) % 1.0)
        assert np.allclose(images, np.sort(np.round(heights % 1.0, 6) % 1.0), atol=1e-5)


def test_period_is_the_shortest_of_the_planar_average(any_crystal: Structure) -> None:
    # The planar density of atoms repeats after the period and, generically, not before: every
    # shorter shift that divides it moves some atom's height off all heights of its species.
    crystal = symmetrize(any_crystal)
    for orientation in nonpolar_orientations(crystal, 1):
        oriented = orient(crystal, orientation.miller_index)
        heights = oriented.coordinates[:, 2]

        def repeats(shift: float, heights: np.ndarray = heights) -> bool:
            return all(
                np.allclose(
                    np.sort(np.round((heights[crystal.numbers == z] + shift) % 1.0, 6) % 1.0),
                    np.sort(np.round(heights[crystal.numbers == z] % 1.0, 6) % 1.0),
                    atol=1e-5,
                )
                for z in crystal.elements
            )

        assert repeats(1.0 / oriented.n_periods)
