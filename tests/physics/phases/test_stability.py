"""Ranges of stability of lines in closed form."""

from __future__ import annotations

import pytest

from surfalign.errors import PhysicsInputError
from surfalign.physics.phases.stability import EnergyLine, energy_line, stable_ranges


def test_the_energy_falls_by_the_oxygen_that_a_face_holds_in_excess() -> None:
    # One atom on each face of 16.02176634 angstrom^2: exactly 1 J/m^2 per eV.
    assert energy_line(2.0, 2, 16.02176634).at(-1.0) == pytest.approx(3.0)
    assert energy_line(2.0, -2, 16.02176634).at(-1.0) == pytest.approx(1.0)
    assert energy_line(2.0, 0, 16.02176634).at(-1.0) == 2.0


def test_a_higher_energy_of_oxygen_is_a_shift_of_the_potential() -> None:
    shifted, plain = energy_line(2.0, -2, 20.0, shift=0.3), energy_line(2.0, -2, 20.0)

    assert shifted.at(-1.0) == pytest.approx(plain.at(-0.7))


def test_reduced_bare_and_oxidised_follow_each_other() -> None:
    lines = [EnergyLine(3.0, 1.0), EnergyLine(1.0, 0.0), EnergyLine(0.5, -1.0)]

    found = stable_ranges(lines, -4.0, 0.0)

    assert [(r.number, r.low, r.high) for r in found] == [(0, -4, -2), (1, -2, -0.5), (2, -0.5, 0)]


def test_a_line_that_is_never_lowest_has_no_range() -> None:
    lines = [EnergyLine(3.0, 1.0), EnergyLine(9.0, 0.0), EnergyLine(1.0, -1.0)]

    assert [r.number for r in stable_ranges(lines, -4.0, 0.0)] == [0, 2]


def test_three_lines_that_meet_in_one_point_leave_two() -> None:
    lines = [EnergyLine(3.0, 1.0), EnergyLine(1.0, 0.0), EnergyLine(-1.0, -1.0)]

    assert [r.number for r in stable_ranges(lines, -4.0, 0.0)] == [0, 2]


@pytest.mark.parametrize(("n_lines", "low", "high"), [(0, -1.0, 0.0), (1, 0.0, 0.0), (1, 1.0, 0.0)])
def test_an_empty_range_or_no_line_is_refused(n_lines: int, low: float, high: float) -> None:
    with pytest.raises(PhysicsInputError, match="a range from a lower to a higher potential"):
        stable_ranges([EnergyLine(1.0, 0.0)] * n_lines, low, high)
