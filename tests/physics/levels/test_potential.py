from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surfalign.errors import PhysicsInputError
from surfalign.physics.levels.potential import (
    PlanarProfile,
    cell_height,
    macroscopic_average,
    planar_average,
    slab_regions,
)

PERIOD = 30.0


def sine(repeat: float, n_planes: int = 300, mean: float = 1.5) -> PlanarProfile:
    z = np.arange(n_planes) * PERIOD / n_planes
    return PlanarProfile(mean + 0.7 * np.sin(2 * np.pi * z / repeat), PERIOD)


def slab_model(
    n_planes: int, shift: float = 0.0, repeat: float = 2.0, step: float = 8.0
) -> PlanarProfile:
    """A slab of smooth steps (from 9 to 21 angstrom) that carries the bulk's oscillation."""
    z = np.mod(np.arange(n_planes) * PERIOD / n_planes - shift, PERIOD)
    inside = 0.5 * (np.tanh((z - 9.0) / 0.4) - np.tanh((z - 21.0) / 0.4))
    return PlanarProfile(inside * (-step + 1.3 * np.sin(2 * np.pi * z / repeat)), PERIOD)


def test_a_window_of_one_repeat_removes_the_bulk_oscillation() -> None:
    smooth = macroscopic_average(sine(2.5), 2.5)
    assert np.ptp(smooth.values) < 1e-12
    assert smooth.values.mean() == pytest.approx(1.5)


def test_a_window_unlike_the_grid_is_exact_too() -> None:
    # 7 repeats in 30 angstrom on 301 planes: the window is not a whole number of planes
    z = np.arange(301) * PERIOD / 301
    profile = PlanarProfile(np.cos(2 * np.pi * 7 * z / PERIOD), PERIOD)
    assert np.ptp(macroscopic_average(profile, PERIOD / 7).values) < 1e-12


def test_running_mean_agrees_with_direct_integration() -> None:
    profile = slab_model(600)
    window = 3.3
    once = macroscopic_average(profile, window, times=1)
    for height in (0.0, 8.0, 14.2, 29.5):
        grid = np.linspace(height - window / 2, height + window / 2, 4001)
        mean = np.trapezoid(profile.at(grid), grid) / window
        assert float(once.at(height)) == pytest.approx(mean, abs=1e-5)


def test_the_slab_centre_of_a_step_is_its_depth() -> None:
    smooth = macroscopic_average(slab_model(600), 2.0)
    assert float(smooth.at(15.0)) == pytest.approx(-8.0, abs=1e-6)
    assert float(smooth.at(0.0)) == pytest.approx(0.0, abs=1e-6)


@given(shift=st.floats(-40, 40))
def test_a_shifted_or_wrapped_slab_gives_the_same_numbers(shift: float) -> None:
    still = macroscopic_average(slab_model(400), 2.0)
    moved = macroscopic_average(slab_model(400, shift), 2.0)
    assert float(moved.at(15.0 + shift)) == pytest.approx(float(still.at(15.0)), abs=1e-3)


def test_interpolation_passes_through_the_planes_and_wraps() -> None:
    for n_planes in (61, 64):
        profile = slab_model(n_planes)
        assert profile.at(profile.heights) == pytest.approx(profile.values, abs=1e-10)
        assert profile.at(profile.heights + PERIOD) == pytest.approx(profile.values, abs=1e-9)


def test_planar_average_of_an_oblique_cell_uses_its_height() -> None:
    cell = np.array([[3.0, 0.0, 0.0], [1.0, 3.0, 0.0], [1.5, 0.5, 12.0]])
    grid = np.broadcast_to(np.cos(2 * np.pi * np.arange(24) / 24), (4, 5, 24))
    profile = planar_average(grid, cell)
    assert profile.period == pytest.approx(12.0)
    assert profile.values == pytest.approx(grid[0, 0])
    assert cell_height(cell) == pytest.approx(12.0)


def test_regions_of_a_slab_wrapped_around_the_boundary() -> None:
    plain = slab_regions([10.0, 12.0, 16.0], 30.0)
    wrapped = slab_regions([25.0, 27.0, 1.0], 30.0)
    assert (plain.slab_thickness, plain.vacuum_thickness) == pytest.approx((6.0, 24.0))
    assert wrapped.slab_thickness == pytest.approx(6.0)
    assert wrapped.slab_centre % 30.0 == pytest.approx(28.0)
    assert wrapped.vacuum_centre % 30.0 == pytest.approx(13.0)


@pytest.mark.parametrize("window", [0.0, -1.0, 30.0, 31.0])
def test_a_senseless_window_is_refused(window: float) -> None:
    with pytest.raises(PhysicsInputError, match="bulk repeat"):
        macroscopic_average(sine(2.0), window)


def test_bad_arrays_are_refused() -> None:
    with pytest.raises(PhysicsInputError, match="NaN"):
        PlanarProfile(np.full(20, np.nan), 10.0)
    with pytest.raises(PhysicsInputError, match="one dimension"):
        PlanarProfile(np.zeros((20, 2)), 10.0)
    with pytest.raises(PhysicsInputError, match="positive length"):
        PlanarProfile(np.zeros(20), 0.0)
    with pytest.raises(PhysicsInputError, match="regular grid"):
        planar_average(np.zeros(20), np.eye(3))
    with pytest.raises(PhysicsInputError, match="without volume"):
        cell_height([[1, 0, 0], [2, 0, 0], [0, 0, 1]])
    with pytest.raises(PhysicsInputError, match="without atoms"):
        slab_regions([], 10.0)


def test_a_step_becomes_a_parabola_of_two_windows() -> None:
    # Two running means are one triangle: of a step, 1/8 has arrived half a window before it.
    n_planes, window = 4000, 4.0
    z = (np.arange(n_planes) + 0.5) * PERIOD / n_planes
    step = PlanarProfile(np.where((z > 10.0) & (z < 20.0), 1.0, 0.0), PERIOD)
    smooth = macroscopic_average(step, window)
    before = 10.0 - PERIOD / n_planes / 2
    for place, share in ((-1.0, 0.0), (-0.5, 1 / 8), (0.0, 1 / 2), (0.5, 7 / 8), (1.0, 1.0)):
        assert float(smooth.at(before + place * window)) == pytest.approx(share, abs=1e-3)


def test_smoothing_keeps_the_planes_and_the_mean() -> None:
    for n_planes in (300, 301):
        profile = slab_model(n_planes)
        smooth = macroscopic_average(profile, 2.7)
        assert smooth.heights == pytest.approx(profile.heights)
        assert smooth.values.mean() == pytest.approx(profile.values.mean())


@pytest.mark.parametrize("unit", [0.01, 100.0])
def test_no_length_is_special(unit: float) -> None:
    profile, lengths = slab_model(300), np.array([10.0, 12.0, 16.0])
    scaled = PlanarProfile(profile.values, PERIOD * unit)
    smooth = macroscopic_average(scaled, 2.0 * unit)
    assert smooth.values == pytest.approx(macroscopic_average(profile, 2.0).values)
    assert scaled.average(3.0 * unit, 7.0 * unit) == pytest.approx(profile.average(3.0, 7.0))
    assert scaled.spread(8.0 * unit, 10.0 * unit) == pytest.approx(profile.spread(8.0, 10.0))
    assert cell_height(np.diag([3.0, 4.0, 12.0]) * unit) == pytest.approx(12.0 * unit)
    regions = slab_regions(lengths * unit, PERIOD * unit)
    assert regions.vacuum_thickness == pytest.approx(24.0 * unit)


def test_the_mean_of_a_sine_is_its_integral() -> None:
    profile = sine(PERIOD, mean=1.5)
    assert profile.average(0.0, PERIOD / 2) == pytest.approx(1.5 + 0.7 * 2 / np.pi, abs=0.005)
    assert profile.average(PERIOD / 4, PERIOD * 5 / 4) == pytest.approx(1.5, abs=0.01)
    assert profile.spread(0.0, PERIOD) == pytest.approx(1.4, abs=1e-3)
    assert profile.spread(0.0, PERIOD / 4) == pytest.approx(0.7)


def test_a_field_across_the_vacuum_lifts_one_side_by_a_quarter_of_its_drop() -> None:
    # Slab from 10 to 16 angstrom, vacuum of 24: the field drops 2.4 eV there.
    z = np.arange(3000) * PERIOD / 3000
    field = np.where(z > 13.0, z - 28.0, z + 2.0) * 0.1  # zero at the middle of the vacuum
    regions = slab_regions([10.0, 12.0, 16.0], PERIOD)
    below, above = regions.vacuum_levels(PlanarProfile(field, PERIOD))
    assert below == pytest.approx(-0.3, abs=2e-3)
    assert above == pytest.approx(0.3, abs=2e-3)


def test_distances_from_the_centre_are_those_of_the_nearest_image() -> None:
    regions = slab_regions([25.0, 27.0, 1.0], 30.0)  # centre at 28
    heights = [25.0, 28.0, 1.0, 31.0, -2.0, 13.0, 43.5]
    assert regions.distances_from_centre(heights) == pytest.approx([3, 0, 3, 3, 0, 15, 14.5])


def test_a_profile_of_eight_whole_numbers_is_a_profile() -> None:
    profile = PlanarProfile([0, 1, 0, -1, 0, 1, 0, -1], 8)
    assert profile.values.dtype == float
    assert profile.heights == pytest.approx(np.arange(8.0))
    assert float(profile.at(0.5)) == pytest.approx(np.sin(np.pi / 4))
    with pytest.raises(PhysicsInputError, match="at least 8 planes"):
        PlanarProfile([0, 1, 0, -1, 0, 1, 0], 7)
