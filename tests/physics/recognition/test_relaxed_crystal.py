"""Surfaces are found again after the bulk was relaxed, though their names change."""

from __future__ import annotations

import numpy as np
import pytest
from moved_crystals import bilayers, gallia

from surfalign.crystals.sources import load_crystal
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.recognition.relaxed_crystal import after_relaxation, counterparts
from surfalign.physics.slabs.enumeration import (
    SurfaceSlab,
    nonpolar_orientations,
    survey_orientation,
)

THICKNESSES = {"slab_thickness": 12.5, "vacuum_thickness": 15.0}


def outer_spacing(slab: SurfaceSlab) -> float:
    """Distance of the two outermost planes."""
    first, second = np.unique(np.round(slab.positions[:, 2], 4))[:-3:-1]
    return float(first - second)


def test_a_plane_that_splits_leaves_the_surface_what_it_is() -> None:
    given = survey_orientation(gallia(relaxed=False), (1, 0, 0)).slabs
    found = after_relaxation(given[:1], symmetrize(gallia(relaxed=True)), **THICKNESSES)
    assert {name: slab.name for name, slab in found.items()} == {
        "Ga2O3(100)-B-GaO2/Ga": "Ga2O3(100)-B-O2/Ga"
    }


def test_a_number_goes_with_the_surface_and_not_with_the_order_of_the_gaps() -> None:
    # At 0.255 the gap around z = 0 is the wider one, and the crystal is the same, moved by half a cell.
    given = survey_orientation(bilayers(0.245), (0, 0, 1)).slabs
    relaxed = survey_orientation(bilayers(0.255), (0, 0, 1)).slabs
    assert counterparts(given, relaxed[::-1]) == relaxed
    spacings = [[outer_spacing(slab) for slab in slabs] for slabs in (given, relaxed)]
    np.testing.assert_allclose(spacings, [[3.92, 4.08], [3.92, 4.08]], atol=1e-3)


@pytest.mark.parametrize("name", ["BeO", "SnO2", "Al2O3", "SrTiO3", "ZrO2"])
def test_without_relaxation_every_surface_is_its_own_counterpart(name: str) -> None:
    crystal = symmetrize(load_crystal(name).structure)
    for orientation in nonpolar_orientations(crystal, 1):
        slabs = survey_orientation(crystal, orientation.miller_index, **THICKNESSES).slabs
        assert counterparts(slabs, slabs) == slabs


@pytest.mark.parametrize("name", ["BeO", "SnO2", "Al2O3", "SrTiO3"])
def test_a_strain_changes_no_counterpart(name: str) -> None:
    structure = load_crystal(name).structure
    given, strained = symmetrize(structure), structure.copy()
    strained.apply_strain(0.02)
    for orientation in nonpolar_orientations(given, 1):
        slabs = survey_orientation(given, orientation.miller_index, **THICKNESSES).slabs
        found = after_relaxation(slabs, symmetrize(strained), **THICKNESSES)
        assert {name: slab.name for name, slab in found.items()} == {s.name: s.name for s in slabs}


def test_a_gap_that_relaxation_closes_has_no_counterpart() -> None:
    given = survey_orientation(bilayers(0.245), (0, 0, 1)).slabs
    # Nothing of the same depths is left where the planes of a pair have met.
    found = after_relaxation(given, symmetrize(bilayers(0.005)), **THICKNESSES)
    assert found == {}


def test_no_surfaces_have_no_counterparts() -> None:
    slabs = survey_orientation(bilayers(0.245), (0, 0, 1)).slabs
    assert counterparts([], slabs) == []
    assert counterparts(slabs, []) == [None, None]
    assert after_relaxation([], symmetrize(bilayers(0.245)), **THICKNESSES) == {}
