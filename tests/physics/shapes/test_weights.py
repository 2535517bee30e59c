"""Weights of terminations at a temperature."""

from __future__ import annotations

import math

import pytest

from surfalign.errors import PhysicsInputError
from surfalign.physics.phases.chemical_potential import BOLTZMANN
from surfalign.physics.shapes.weights import thermal_weights
from surfalign.units import EV_PER_SQUARE_ANGSTROM_IN_JOULE_PER_SQUARE_METRE


def test_a_difference_of_one_kt_a_cell_makes_a_factor_of_e() -> None:
    kt = BOLTZMANN * 300
    step = kt / 20.0 * EV_PER_SQUARE_ANGSTROM_IN_JOULE_PER_SQUARE_METRE

    first, second = thermal_weights([1.0, 1.0 + step], 20.0, 300.0)

    assert first / second == pytest.approx(math.e)
    assert first + second == pytest.approx(1.0)


def test_at_zero_kelvin_only_the_most_stable_is_left() -> None:
    assert thermal_weights([1.2, 1.0, 1.5], 20.0, 0.0).tolist() == [0.0, 1.0, 0.0]
    assert thermal_weights([1.0, 1.0], 20.0, 0.0).tolist() == [0.5, 0.5]


def test_large_differences_do_not_overflow() -> None:
    assert thermal_weights([0.5, 900.0], 50.0, 100.0).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("energies", "area", "temperature"), [([], 1, 1), ([1], 0, 1), ([1], 1, -1)]
)
def test_what_makes_no_sense_is_refused(
    energies: list[float], area: float, temperature: float
) -> None:
    with pytest.raises(PhysicsInputError, match="at least one, a positive area"):
        thermal_weights(energies, area, temperature)
