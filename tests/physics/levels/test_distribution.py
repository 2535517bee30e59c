from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from surfalign.errors import PhysicsInputError
from surfalign.physics.levels.distribution import (
    LevelDistribution,
    LevelWindow,
    probability_of_both,
)


def one(ip: float, ea: float, *, s: tuple[float, float] = (0.5, 0.5), r: float = 0.0):
    covariance = [[s[0] ** 2, r * s[0] * s[1]], [r * s[0] * s[1], s[1] ** 2]]
    return LevelDistribution.normal([[ip, ea]], [covariance])


def test_one_window_is_that_of_the_normal_distribution() -> None:
    window = LevelWindow(1.0, 0.0, low=6.0, high=7.0)
    expected = norm.cdf(7.0, 6.5, 0.5) - norm.cdf(6.0, 6.5, 0.5)
    assert one(6.5, 3.0).probability([window]) == pytest.approx(expected, abs=1e-12)


def test_the_gap_of_correlated_levels_errs_less_than_they_do() -> None:
    both = one(7.0, 4.0, s=(0.5, 0.4), r=0.9)
    width = np.sqrt(0.25 + 0.16 - 2 * 0.9 * 0.2)
    found = both.probability([LevelWindow(1.0, -1.0, low=3.2)])
    assert found == pytest.approx(norm.sf(3.2, 3.0, width), abs=1e-12)


@pytest.mark.parametrize("r", [-0.99, -0.5, 0.0, 0.7, 0.999])
def test_two_windows_agree_with_scipys_integral(r: float) -> None:
    both = one(6.0, 3.0, s=(0.4, 0.6), r=r)
    found = both.probability([LevelWindow(1, 0, high=6.1), LevelWindow(0, 1, high=2.7)])
    covariance = [[0.16, r * 0.24], [r * 0.24, 0.36]]
    expected = multivariate_normal.cdf([6.1, 2.7], mean=[6.0, 3.0], cov=covariance, abseps=1e-9)
    assert found == pytest.approx(expected, abs=1e-7)


def test_both_below_zero_is_a_quarter_and_an_arcsine() -> None:
    r = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    expected = 0.25 + np.arcsin(r) / (2 * np.pi)
    assert probability_of_both(0.0, 0.0, r) == pytest.approx(expected, abs=1e-7)


def test_infinite_bounds_leave_one_number() -> None:
    assert probability_of_both(np.inf, 0.3, 0.4) == pytest.approx(norm.cdf(0.3))
    assert probability_of_both(-np.inf, 0.3, 0.4) == pytest.approx(0.0)


def test_three_windows_agree_with_a_million_random_points() -> None:
    generator = np.random.default_rng(7)
    windows = [
        LevelWindow(1, 0, low=6.0),
        LevelWindow(0, 1, high=3.2),
        LevelWindow(1, -1, 2.0, 3.3),
    ]
    normal = one(6.2, 3.1, s=(0.5, 0.7), r=0.8)
    counted = LevelDistribution(normal.means, normal.factors, generator.normal(size=(1_000_000, 2)))
    assert normal.probability(windows) == pytest.approx(counted.probability(windows), abs=0.002)


def test_three_windows_agree_with_two_and_a_sure_one() -> None:
    generator = np.random.default_rng(5)
    factors = generator.normal(size=(500, 2, 2)) * 0.5
    both = LevelDistribution.normal(
        generator.normal(size=(500, 2)), factors @ factors.transpose(0, 2, 1)
    )
    two = [LevelWindow(1, 0, low=0.2), LevelWindow(0, 1, high=0.5)]
    difference = both.probability([*two, LevelWindow(1, -1)]) - both.probability(two)
    assert np.abs(difference).max() < 0.005
    assert np.abs(difference).mean() < 0.0005


def test_levels_without_error_are_inside_or_not() -> None:
    sure = LevelDistribution.normal([[6.0, 3.0], [6.0, 3.0]], np.zeros((2, 2, 2)))
    windows = [LevelWindow(1, 0, low=np.array([5.9, 6.1])), LevelWindow(0, 1, high=3.5)]
    assert sure.probability(windows) == pytest.approx([1.0, 0.0])
    assert sure.probability([*windows, LevelWindow(1, -1, low=2.0)]) == pytest.approx([1.0, 0.0])


def test_without_a_window_all_surfaces_are_inside() -> None:
    assert one(6.0, 3.0).probability([]) == pytest.approx([1.0])


def test_given_points_are_counted() -> None:
    points = np.array([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    counted = LevelDistribution(np.array([[6.0, 3.0]]), np.array([np.eye(2)]), points)
    assert counted.probability([LevelWindow(1, 0, low=6.5)]) == pytest.approx([0.5])
    assert counted.covariances[0, 0, 0] == pytest.approx(1.25)


def test_the_covariances_come_back() -> None:
    covariance = [[0.25, 0.1], [0.1, 0.16]]
    normal = LevelDistribution.normal([[6.0, 3.0], [7.0, 2.0]], [covariance, covariance])
    assert normal.covariances == pytest.approx(np.array([covariance, covariance]))
    assert normal.take(np.array([1])).means == pytest.approx(np.array([[7.0, 2.0]]))


@pytest.mark.parametrize(
    "covariance", [[[1.0, 2.0], [2.0, 1.0]], [[-1.0, 0.0], [0.0, 1.0]], [[1.0, 0.5], [0.1, 1.0]]]
)
def test_a_matrix_that_is_no_covariance_is_refused(covariance: list[list[float]]) -> None:
    with pytest.raises(PhysicsInputError, match="no covariance"):
        LevelDistribution.normal([[6.0, 3.0]], [covariance])


def test_missing_levels_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(PhysicsInputError, match="not finite"):
        LevelDistribution.normal([[np.nan, 3.0]], [np.eye(2)])
    with pytest.raises(PhysicsInputError, match="shape"):
        LevelDistribution.normal([[6.0, 3.0]], np.eye(2))
