from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from surfalign.errors import PhysicsInputError
from surfalign.physics.contacts import anderson
from surfalign.physics.contacts.anderson import (
    RULE_ERROR,
    JunctionType,
    all_junctions,
    dipole_deviation,
    set_junctions,
)
from surfalign.physics.levels.distribution import LevelDistribution


def exact(*levels: tuple[float, float]) -> LevelDistribution:
    """Surfaces whose IP and EA (eV) are known without error."""
    return LevelDistribution.normal(levels, np.zeros((len(levels), 2, 2)))


def uncertain(n: int, seed: int = 0) -> LevelDistribution:
    random = np.random.default_rng(seed)
    ip = random.normal(7.0, 1.5, n)
    roots = random.normal(0.0, 0.4, (n, 2, 2))
    means = np.column_stack([ip, ip - random.uniform(0.5, 8.0, n)])
    return LevelDistribution.normal(means, roots @ roots.transpose(0, 2, 1))


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        ((7.0, 3.0), JunctionType.STRADDLING),  # inside of the gap from 8 to 2 eV below vacuum
        ((9.0, 1.0), JunctionType.STRADDLING),  # around it
        ((9.0, 3.0), JunctionType.STAGGERED),
        ((7.0, 1.0), JunctionType.STAGGERED),
        ((12.0, 8.5), JunctionType.BROKEN),
        ((1.5, -3.0), JunctionType.BROKEN),
    ],
)
def test_types_follow_from_the_places_of_the_gaps(
    other: tuple[float, float], kind: JunctionType
) -> None:
    made = all_junctions(exact((8.0, 2.0)), exact(other), rule_error=0.0)
    assert made.types[0, 0] == kind
    assert made.probabilities[0, 0, kind - 1] == pytest.approx(1.0)
    assert made.valence_offsets[0, 0] == pytest.approx(8.0 - other[0])
    assert made.conduction_offsets[0, 0] == pytest.approx(2.0 - other[1])


def test_a_dipole_alone_makes_the_probabilities_of_windows() -> None:
    # A: edges at -8 and -2 eV; B: at -6 and -3 eV, moved by the dipole d.
    found = all_junctions(exact((8.0, 2.0)), exact((6.0, 3.0)), rule_error=1.5).probabilities[0, 0]
    s = dipole_deviation(1.5)
    straddling = norm.cdf(1.0, scale=s) - norm.cdf(-2.0, scale=s)
    broken = norm.cdf(-5.0, scale=s) + norm.sf(4.0, scale=s)
    assert found == pytest.approx([straddling, 1 - straddling - broken, broken], abs=1e-9)


def test_the_error_of_the_rule_is_the_mean_size_of_a_normal_dipole() -> None:
    s = dipole_deviation(RULE_ERROR)
    assert norm.expect(np.abs, scale=s) == pytest.approx(RULE_ERROR, abs=1e-6)


def test_errors_of_both_surfaces_and_of_the_rule_add_as_squares() -> None:
    covariance = [[[0.09, 0.0], [0.0, 0.16]]]
    one = LevelDistribution.normal([[8.0, 2.0]], covariance)
    made = all_junctions(one, one, rule_error=0.45)
    s = dipole_deviation(0.45)
    assert made.valence_deviations[0, 0] == pytest.approx(np.sqrt(0.18 + s**2))
    assert made.conduction_deviations[0, 0] == pytest.approx(np.sqrt(0.32 + s**2))


def test_exchanging_the_sides_turns_the_offsets_and_leaves_the_types() -> None:
    a, b = uncertain(12), uncertain(9, seed=1)
    one, other = all_junctions(a, b), all_junctions(b, a)
    assert one.valence_offsets == pytest.approx(-other.valence_offsets.T)
    assert one.probabilities == pytest.approx(other.probabilities.transpose(1, 0, 2), abs=1e-7)
    assert (one.types == other.types.T).all()


def test_the_probabilities_are_those_of_a_simulation() -> None:
    levels = uncertain(2, seed=5)
    found = all_junctions(levels, levels).probabilities[0, 1]
    random = np.random.default_rng(1)
    a, b = (
        random.multivariate_normal(levels.means[k], levels.covariances[k], 200_000) for k in (0, 1)
    )
    d = random.normal(0.0, dipole_deviation(RULE_ERROR), 200_000)
    valence, conduction = a[:, 0] - b[:, 0] + d, a[:, 1] - b[:, 1] + d
    broken = (b[:, 1] - a[:, 0] - d > 0) | (a[:, 1] - b[:, 0] + d > 0)
    straddling = valence * conduction < 0
    assert found[0] == pytest.approx(straddling.mean(), abs=0.01)
    assert found[2] == pytest.approx((broken & ~straddling).mean(), abs=0.01)


def test_two_faces_of_one_crystal_are_never_straddling() -> None:
    covariance = [[[0.09, 0.09], [0.09, 0.6]]]
    one, other = (LevelDistribution.normal([[ip, ip - 3.0]], covariance) for ip in (8.0, 7.0))
    same = np.array([[True]])
    apart, together = all_junctions(one, other), all_junctions(one, other, same_crystal=same)
    assert apart.probabilities[0, 0, 0] > 0.1
    assert together.probabilities[0, 0, 0] == pytest.approx(0.0, abs=1e-6)
    assert together.conduction_deviations[0, 0] == together.valence_deviations[0, 0]
    # 7.1 + 0.2 is not 7.3: offsets that cancel differ in sign by rounding.
    one, other = exact((7.3, 7.3 - 2.9)), exact((7.1 + 0.2, 7.1 + 0.2 - 2.9))
    for pair in ((one, one), (one, other), (other, one)):
        assert all_junctions(*pair, same_crystal=same).types[0, 0] == JunctionType.STAGGERED


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = uncertain(23)
    same = np.eye(23, dtype=bool)[:, np.arange(23) // 2 * 2]
    whole = set_junctions(levels, same_crystal=same)
    monkeypatch.setattr(anderson, "_AT_A_TIME", 60)
    pieces = set_junctions(levels, same_crystal=same)
    np.testing.assert_array_equal(whole.probabilities, pieces.probabilities)
    np.testing.assert_array_equal(whole.types, pieces.types)


def test_a_surface_makes_no_junction_with_itself() -> None:
    made = set_junctions(uncertain(4))
    assert (np.diag(made.types) == JunctionType.NONE).all()
    assert np.isnan(made.probabilities[np.arange(4), np.arange(4)]).all()
    others = ~np.eye(4, dtype=bool)
    assert made.probabilities[others].sum(axis=-1) == pytest.approx(1.0)


def test_metals_and_negative_errors_are_refused() -> None:
    with pytest.raises(PhysicsInputError, match="1 surfaces without a positive gap"):
        all_junctions(exact((5.0, 5.0)), exact((8.0, 2.0)))
    for error in (-0.1, float("nan"), float("inf")):
        with pytest.raises(PhysicsInputError, match="Anderson's rule"):
            all_junctions(exact((8.0, 2.0)), exact((8.0, 2.0)), rule_error=error)
