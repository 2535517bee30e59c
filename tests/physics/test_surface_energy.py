from __future__ import annotations

import pytest

from surfalign.errors import PhysicsInputError
from surfalign.physics.surface_energy import surface_energy, surface_energy_from_thicknesses
from surfalign.physics.water import water_levels

AREA, BULK, GAMMA = 8.9, -12.0, 0.06  # angstrom^2, eV, eV/angstrom^2


def slab(n: int) -> float:
    return n * BULK + 2 * AREA * GAMMA


def test_both_ways_give_the_known_energy_in_joule_per_square_metre() -> None:
    expected = GAMMA * 16.02176634
    assert surface_energy(slab(5), BULK, 5, AREA) == pytest.approx(expected)
    fit = surface_energy_from_thicknesses([3, 5, 7], [slab(3), slab(5), slab(7)], AREA)
    assert fit.surface_energy == pytest.approx(expected)
    assert fit.bulk_energy == pytest.approx(BULK)
    assert fit.residual == pytest.approx(0, abs=1e-10)


def test_a_wrong_bulk_energy_drifts_with_thickness_but_not_in_the_fit() -> None:
    wrong = BULK + 0.01
    drift = surface_energy(slab(10), wrong, 10, AREA) - surface_energy(slab(5), wrong, 5, AREA)
    assert drift == pytest.approx(-0.05 / (2 * AREA) * 16.02176634)


@pytest.mark.parametrize(("counts", "area"), [([5, 5], 8.9), ([5], 8.9), ([3, 5], 0.0)])
def test_too_little_to_fit_is_refused(counts: list[int], area: float) -> None:
    with pytest.raises(PhysicsInputError, match="two different thicknesses"):
        surface_energy_from_thicknesses(counts, [slab(n) for n in counts], area)


def test_senseless_slabs_are_refused() -> None:
    with pytest.raises(PhysicsInputError, match="both positive"):
        surface_energy(-1.0, -1.0, 0, 8.9)


def test_water_levels_rise_by_59_mev_per_ph_unit() -> None:
    assert water_levels().oxygen - water_levels().hydrogen == pytest.approx(-1.23)
    assert water_levels(7.0).hydrogen == pytest.approx(-4.44 + 0.413)
