from __future__ import annotations

import pytest

from surfalign.errors import PhysicsInputError
from surfalign.physics.levels.surface_energy import surface_energy
from surfalign.physics.levels.water import water_levels

AREA, BULK, GAMMA = 8.9, -12.0, 0.06  # angstrom^2, eV, eV/angstrom^2


def slab(n: int) -> float:
    return n * BULK + 2 * AREA * GAMMA


def test_the_known_energy_comes_in_joule_per_square_metre() -> None:
    assert surface_energy(slab(5), BULK, 5, AREA) == pytest.approx(GAMMA * 16.02176634)


def test_a_wrong_bulk_energy_drifts_with_thickness() -> None:
    wrong = BULK + 0.01
    drift = surface_energy(slab(10), wrong, 10, AREA) - surface_energy(slab(5), wrong, 5, AREA)
    assert drift == pytest.approx(-0.05 / (2 * AREA) * 16.02176634)


def test_senseless_slabs_are_refused() -> None:
    with pytest.raises(PhysicsInputError, match="both positive"):
        surface_energy(-1.0, -1.0, 0, 8.9)


def test_water_levels_rise_by_59_mev_per_ph_unit() -> None:
    assert water_levels().oxygen - water_levels().hydrogen == pytest.approx(-1.23)
    assert water_levels(7.0).hydrogen == pytest.approx(-4.44 + 0.413)
