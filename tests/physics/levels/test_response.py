"""The answer of the vacuum level to displacements: a formula, a constant, and the centre of a slab."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import constants

from surfalign.physics.levels.response import CHARGE_OVER_PERMITTIVITY, level_response


def test_the_constant_is_that_of_nature() -> None:
    # e / epsilon_0 in V m is that in eV angstrom times 1e-10, for one elementary charge.
    expected = constants.e / constants.epsilon_0 * 1e10
    assert pytest.approx(expected, rel=1e-8) == CHARGE_OVER_PERMITTIVITY


def test_a_slab_may_lie_anywhere_in_its_cell() -> None:
    charges, heights = [0.5, -0.5, -0.5, 0.5], [10.0, 12.0, 14.0, 16.0]
    response = level_response(charges, heights, 10.0)
    assert response.shape == (4, 3)
    half = 0.5 * CHARGE_OVER_PERMITTIVITY / 10.0
    # A cation outward lowers the level, an anion raises it; outward is down below the centre.
    expected = [half * 0.5, -half * 0.5, half * 0.5, -half * 0.5]
    assert response[:, 2] == pytest.approx(expected)
    assert not response[:, :2].any()


@pytest.mark.parametrize(("height", "counts"), [(0.0004, False), (0.0006, True), (0.3, True)])
def test_an_ion_in_the_centre_has_no_outward_side(height: float, counts: bool) -> None:
    response = level_response([1.0, 1.0, 1.0], [-4.0, height, 4.0], 10.0)
    assert bool(response[1, 2] != 0.0) is counts


def test_whole_numbers_are_as_good_as_others() -> None:
    whole = level_response(np.array([1, -1]), np.array([0, 3]), 10)
    assert whole == pytest.approx(level_response([1.0, -1.0], [0.0, 3.0], 10.0))
