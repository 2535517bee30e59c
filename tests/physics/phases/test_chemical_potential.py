"""The chemical potential of oxygen against the table of Reuter and Scheffler."""

from __future__ import annotations

import math

import pytest

from surfalign.errors import PhysicsInputError
from surfalign.physics.phases.chemical_potential import (
    BOLTZMANN,
    oxygen_chemical_potential,
    temperature_of,
)

#: Table II of Phys. Rev. B 65, 035406 (2001): eV at 1 atm, from JANAF's tables.
TABLE = {
    100: -0.08, 200: -0.17, 300: -0.27, 400: -0.38, 500: -0.50,
    600: -0.61, 700: -0.73, 800: -0.85, 900: -0.98, 1000: -1.10,
}  # fmt: skip


@pytest.mark.parametrize(("temperature", "expected"), TABLE.items())
def test_the_published_table_is_met(temperature: float, expected: float) -> None:
    assert oxygen_chemical_potential(temperature, 1.01325) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("border", [700.0, 2000.0])
def test_the_pieces_of_the_table_meet(border: float) -> None:
    below, above = (oxygen_chemical_potential(border + step) for step in (-1e-6, 1e-6))

    assert below == pytest.approx(above, abs=1e-4)


def test_ten_times_the_pressure_adds_half_kt_ln_10() -> None:
    change = oxygen_chemical_potential(900, 10) - oxygen_chemical_potential(900, 1)

    assert change == pytest.approx(0.5 * BOLTZMANN * 900 * math.log(10))


def test_the_temperature_is_found_again() -> None:
    potential = oxygen_chemical_potential(1234.5, 1e-9)

    assert temperature_of(potential, 1e-9) == pytest.approx(1234.5)
    assert temperature_of(-0.001, 1.0) is None  # colder than the tables


@pytest.mark.parametrize(("temperature", "pressure"), [(50, 1), (7000, 1), (300, 0), (300, -1)])
def test_what_the_tables_do_not_hold_is_refused(temperature: float, pressure: float) -> None:
    with pytest.raises(PhysicsInputError, match="a temperature of 100 to 6000 K"):
        oxygen_chemical_potential(temperature, pressure)
