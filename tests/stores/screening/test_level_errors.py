from __future__ import annotations

import numpy as np
import pytest

from surfalign.errors import PhysicsInputError
from surfalign.physics.levels.distribution import LevelWindow
from surfalign.stores.documents import ResultState, SurfaceLevelsDocument
from surfalign.stores.screening.level_errors import (
    METHOD_ERRORS,
    ONE_SHOT_GAP_ERROR,
    interval_distribution,
    method_error,
    result_distribution,
)


def result(**fields: object) -> SurfaceLevelsDocument:
    given = {
        "identifier": "x", "state": ResultState.PASSED, "formula": "MgO", "functional": "ddh",
        "quality": "quick", "relaxed": True, "ionization_potential": 7.5,
        "electron_affinity": -0.4, "convergence_error": 0.2,
    } | fields  # fmt: skip
    return SurfaceLevelsDocument(**given)


def test_a_result_errs_by_its_convergence_and_its_method_and_ea_by_the_gap_too() -> None:
    method = METHOD_ERRORS["ddh"]
    found = result_distribution([result(), result(warnings=["self_consistency_neglected: ..."])])
    own = 0.2**2 + method.ionization_potential**2
    gap = method.band_gap**2
    assert found.covariances[0] == pytest.approx(np.array([[own, own], [own, own + gap]]))
    assert found.covariances[1, 1, 1] == pytest.approx(own + gap + ONE_SHOT_GAP_ERROR**2)


def test_the_error_of_the_gap_is_that_of_the_difference() -> None:
    found = result_distribution([result()])
    gap = LevelWindow(1, -1, low=7.9 + METHOD_ERRORS["ddh"].band_gap)
    assert found.probability([gap]) == pytest.approx(0.1587, abs=1e-4)


def test_density_and_u_leave_the_error_of_a_method() -> None:
    assert method_error("hse06@pbe+u-Ti3") == METHOD_ERRORS["hse06"]


def test_an_unknown_method_and_missing_levels_are_refused() -> None:
    with pytest.raises(PhysicsInputError, match="nothing is known"):
        result_distribution([result(functional="scan")])
    with pytest.raises(PhysicsInputError, match="without IP or EA"):
        result_distribution([result(electron_affinity=None)])


def test_every_method_error_names_its_source() -> None:
    assert all(error.source for error in METHOD_ERRORS.values())


def test_nine_of_ten_lie_inside_of_a_90_percent_interval() -> None:
    found = interval_distribution([[7.0, 3.0]], [[[6.0, 8.0], [2.5, 3.5]]], 0.8)
    assert found.probability([LevelWindow(1, 0, 6.0, 8.0)]) == pytest.approx(0.9, abs=1e-4)
    assert found.probability([LevelWindow(0, 1, 2.5, 3.5)]) == pytest.approx(0.9, abs=1e-4)
