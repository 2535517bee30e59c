from __future__ import annotations

import math

import pytest

from surfalign.physics.checks import within


def test_a_check_says_what_was_measured_and_what_was_asked() -> None:
    check = within("flat", -0.02, 0.01, "eV", "The vacuum is flat.")
    assert (check.name, check.value, check.tolerance) == ("flat", -0.02, 0.01)
    assert (check.unit, check.reason) == ("eV", "The vacuum is flat.")
    assert not check.passed


@pytest.mark.parametrize(
    ("value", "passed"),
    [(0.0, True), (0.01, True), (-0.01, True), (0.0101, False), (-1.0, False), (math.nan, False)],
)
def test_what_equals_the_tolerance_passes_and_what_is_no_number_fails(
    value: float, passed: bool
) -> None:
    assert within("flat", value, 0.01, "eV", "").passed is passed
