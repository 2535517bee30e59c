"""Probabilities from residuals, rules, and vectors."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from surfalign.ml.acquisition.distributions import Distribution
from surfalign.ml.acquisition.rule import Rule
from surfalign.ml.acquisition.vectors import scaled

RESIDUALS = np.array([0.1, 0.2, 0.3, 0.4])


def distribution(*values: float, scale: float = 1.0) -> Distribution:
    return Distribution(np.array(values), np.full(len(values), scale), RESIDUALS)


def test_a_window_around_the_prediction_holds_the_share_of_residuals() -> None:
    # Of five parts, two are nearer than 0.2 eV.
    assert distribution(1.0).probability(0.8, 1.2) == pytest.approx([0.4])
    assert distribution(1.0).probability(1.0, 1.2) == pytest.approx([0.2])
    assert distribution(1.0, scale=2.0).probability(0.6, 1.4) == pytest.approx([0.4])


def test_all_is_certain_and_far_windows_still_rank() -> None:
    assert distribution(1.0, 5.0).probability(-np.inf, np.inf) == pytest.approx([1.0, 1.0])
    assert distribution(1.0).probability(-np.inf, 1.0) == pytest.approx([0.5])
    far = distribution(0.0, -1.0, -2.0).probability(1.0, 2.0)
    assert (np.diff(far) < 0).all()
    assert far[-1] > 0


def test_the_spread_adds_the_disagreement_of_the_members() -> None:
    calm = Distribution(np.zeros(2), np.ones(2), np.array([3.0]), np.array([0.0, 4.0]))
    assert calm.spread() == pytest.approx([3.0, 5.0])


def test_a_rule_of_two_windows_multiplies_and_its_margin_is_the_smaller() -> None:
    rule = Rule(ionization_potential=(None, 7.0), electron_affinity=(1.0, 2.0))
    levels = {
        "ionization_potential": distribution(7.0),
        "electron_affinity": distribution(1.0),
    }
    half = distribution(1.0).probability(1.0, 2.0)[0]
    assert rule.probability(levels) == pytest.approx([0.5 * half])
    values = {
        "ionization_potential": np.array([6.8, 8.0]),
        "electron_affinity": np.array([1.5, 1.5]),
    }
    assert rule.margin(values) == pytest.approx([0.2, -1.0])


@pytest.mark.parametrize("given", [{}, {"electron_affinity": (2.0, 1.0)}, {"gap": (1.0, 2.0)}])
def test_a_rule_that_says_nothing_is_refused(given: dict[str, tuple[float, float]]) -> None:
    with pytest.raises(ValidationError, match=r"window|Extra"):
        Rule.model_validate(given)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_columns_that_are_constant_but_for_rounding_go_in_any_precision(
    kind: type[np.floating],
) -> None:
    rng = np.random.default_rng(0)
    varying = rng.normal(size=(20, 2))
    constant = 0.1 * np.ones((20, 1)) * (1 + 1e-7 * rng.normal(size=(20, 1)))
    table = np.hstack([varying, constant]).astype(kind)
    assert scaled(table).shape == (20, 2)
    assert scaled(np.ones((5, 3))).shape == (5, 1)


def test_scaling_keeps_distances_of_scaled_columns() -> None:
    table = np.array([[0.0, 0.0], [1.0, 10.0], [2.0, -10.0], [3.0, 0.0]])
    unit = (table - table.mean(axis=0)) / table.std(axis=0)
    found = scaled(table)
    assert np.linalg.norm(found[0] - found[1]) == pytest.approx(np.linalg.norm(unit[0] - unit[1]))


def test_a_residual_of_weight_two_counts_like_two_of_them() -> None:
    twice = Distribution(np.zeros(2), np.ones(2), np.array([1.0, 2.0, 2.0]))
    weighed = Distribution(
        np.zeros(2), np.ones(2), np.array([1.0, 2.0]), weights=np.array([1.0, 2.0])
    )
    assert weighed.spread() == pytest.approx(twice.spread())
    assert weighed.probability(-1.5, 9.0) == pytest.approx(twice.probability(-1.5, 9.0), abs=0.1)
    assert weighed.probability(-1.0, 1.0) == pytest.approx(twice.probability(-1.0, 1.0))
