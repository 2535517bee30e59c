from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from surfalign.errors import PhysicsInputError
from surfalign.physics.contacts.anderson import dipole_deviation
from surfalign.physics.contacts.schemes import Demands, Scheme, best_pairs, scheme_probability
from surfalign.physics.levels.distribution import LevelDistribution

#: H+/H2 and O2/H2O at pH 0, eV against vacuum.
WATER = Demands(-4.44, -5.67)


def exact(*levels: tuple[float, float]) -> LevelDistribution:
    return LevelDistribution.normal(levels, np.zeros((len(levels), 2, 2)))


def chance(levels: LevelDistribution, scheme: Scheme, error: float = 0.0) -> float:
    upper, lower = np.array([0]), np.array([1])
    return float(scheme_probability(levels, upper, lower, scheme, WATER, error)[0])


def test_the_z_scheme_takes_the_stronger_charges_and_type_ii_the_weaker_ones() -> None:
    # The upper surface reduces but does not oxidise, the lower one oxidises but does not reduce.
    complementary = exact((5.0, 2.0), (7.5, 4.8))
    assert chance(complementary, Scheme.Z_SCHEME) == 1.0
    assert chance(complementary, Scheme.TYPE_II) == 0.0
    # Both do both.
    strong = exact((6.0, 2.0), (7.0, 3.0))
    assert chance(strong, Scheme.Z_SCHEME) == chance(strong, Scheme.TYPE_II) == 1.0


def test_pairs_that_are_not_staggered_do_nothing() -> None:
    assert chance(exact((8.0, 2.0), (7.0, 3.0)), Scheme.Z_SCHEME) == 0.0  # one gap in the other
    assert chance(exact((7.5, 4.8), (5.0, 2.0)), Scheme.Z_SCHEME) == 0.0  # the upper one is below
    assert chance(exact((5.0, 2.0), (9.0, 5.5)), Scheme.Z_SCHEME) == 0.0  # broken gap


def test_a_dipole_alone_makes_a_window() -> None:
    # Staggered while the lower surface is moved up by less than 0.4 and down by less than 2.0 eV.
    levels = exact((6.0, 2.6), (6.4, 4.0))
    s = dipole_deviation(0.8)
    expected = norm.cdf(0.4, scale=s) - norm.cdf(-2.0, scale=s)
    assert chance(levels, Scheme.Z_SCHEME, 0.8) == pytest.approx(expected, abs=0.01)


def test_the_conditions_are_asked_of_the_same_surfaces() -> None:
    # Half of the errors of the IP let the lower surface oxidise; the same half makes it the lower one.
    covariances = np.zeros((2, 2, 2))
    covariances[1] = [[0.09, 0.0], [0.0, 0.0]]
    levels = LevelDistribution.normal([[5.67, 2.0], [5.67, 4.0]], covariances)
    assert chance(levels, Scheme.Z_SCHEME) == pytest.approx(0.5, abs=0.01)


def test_the_best_pairs_of_a_list_are_those_of_all_pairs() -> None:
    random = np.random.default_rng(3)
    ip = random.normal(7.0, 1.2, 30)
    levels = LevelDistribution.normal(
        np.column_stack([ip, ip - random.uniform(1.0, 5.0, 30)]),
        np.repeat([[[0.2, 0.1], [0.1, 0.4]]], 30, axis=0),
    )
    rows, columns = np.where(~np.eye(30, dtype=bool))
    everything = scheme_probability(levels, rows, columns, Scheme.Z_SCHEME, WATER)
    upper, lower, best = best_pairs(levels, Scheme.Z_SCHEME, WATER, limit=5)
    assert best == pytest.approx(np.sort(everything)[::-1][:5])
    assert (upper != lower).all()
    mine = best_pairs(levels, Scheme.Z_SCHEME, WATER, limit=5, partner_of=7)
    assert all(7 in pair for pair in zip(*mine[:2], strict=True))
    own = everything[(rows == 7) | (columns == 7)]
    assert mine[2] == pytest.approx(np.sort(own)[::-1][:5])


def test_demands_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(PhysicsInputError, match=r"below an oxidation at -4\.44"):
        Demands(-5.67, -4.44)
