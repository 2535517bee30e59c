"""The choice of a batch: independent of the order, nothing twice, within the budget."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surfalign.errors import ConfigurationError, LearnerError, UncalibratedModelError
from surfalign.ml.acquisition.choice import Acquisition, choose
from surfalign.ml.acquisition.distributions import Distribution
from surfalign.ml.acquisition.pool import Pool
from surfalign.ml.acquisition.rule import Rule

RULE = Rule(electron_affinity=(1.0, 2.0))
#: Thompson sampling draws from a matrix whose last digits depend on the machine: tested by itself.
SURE = [kind for kind in Acquisition if kind is not Acquisition.THOMPSON]


def make_pool(seed: int, n: int, n_groups: int = 0, taken: float = 0.3) -> Pool:
    """Return a pool of random candidates, some of one crystal; equivalent ones have the same vector."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, n_groups or 10 * n, n)
    vectors = rng.normal(size=(10 * n, 3))[groups]
    ea = rng.normal(1.0, 1.0, n)
    residuals = np.sort(np.abs(rng.normal(0, 0.3, 20)))
    known = rng.random(n) < taken
    crystals = rng.integers(0, 1 + n // 3, n)
    return Pool(
        keys=[f"surface-{i:03d}" for i in rng.permutation(n)],
        vectors=vectors,
        costs=rng.uniform(1.0, 100.0, n),
        groups=groups,
        taken=known,
        distributions={
            "electron_affinity": Distribution(
                ea, rng.uniform(1, 2, n), residuals, rng.uniform(0, 0.2, n)
            )
        },
        labels={"electron_affinity": np.where(known, ea, np.nan)},
        crystals=crystals,
        shared_costs=rng.uniform(0.0, 50.0, n)[crystals],
    )


@pytest.mark.parametrize("acquisition", SURE)
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 30), size=st.integers(0, 12))
def test_a_batch_holds_nothing_twice_and_stays_in_the_budget(
    acquisition: Acquisition, seed: int, n: int, size: int
) -> None:
    pool = make_pool(seed, n, n_groups=max(1, n // 2))
    budget = 120.0
    chosen = choose(pool, acquisition, size, budget=budget, rule=RULE, seed=seed)
    assert len(chosen) <= size
    groups = pool.groups[chosen].tolist()
    assert len(set(groups)) == len(groups)
    assert not set(groups) & set(pool.groups[pool.taken].tolist())
    shared = dict(zip(pool.crystals[chosen], pool.shared_costs[chosen], strict=True))
    assert pool.costs[chosen].sum() + sum(shared.values()) <= budget + 1e-9
    if size and not chosen:
        assert not any(pool.costs[i] + pool.shared_costs[i] <= budget for i in pool.free())


@pytest.mark.parametrize("acquisition", SURE)
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 30))
def test_the_order_of_the_candidates_does_not_matter(
    acquisition: Acquisition, seed: int, n: int
) -> None:
    pool = make_pool(seed, n)
    order = np.random.default_rng(seed + 1).permutation(n)
    first = choose(pool, acquisition, 5, rule=RULE, seed=3)
    second = choose(pool.take(order), acquisition, 5, rule=RULE, seed=3)
    assert [pool.keys[i] for i in first] == [pool.keys[order[i]] for i in second]


def test_screening_takes_what_most_probably_meets_the_rule() -> None:
    pool = make_pool(1, 40, taken=0.0)
    chosen = choose(pool, Acquisition.SCREENING, 5, rule=RULE)
    chances = RULE.probability(pool.distributions)
    assert sorted(chances[chosen]) == sorted(np.sort(chances)[-5:])


def test_information_prefers_the_cheaper_of_two_alike_and_does_not_ask_the_same_twice() -> None:
    spread = Distribution(np.zeros(4), np.ones(4), np.array([1.0]))
    pool = Pool(
        keys=list("abcd"),
        # a and b are far from all others, c and d stand at one place.
        vectors=np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0], [0.0, 50.0]]),
        costs=np.array([10.0, 5.0, 5.0, 5.0]),
        groups=np.arange(4),
        taken=np.zeros(4, bool),
        distributions={"electron_affinity": spread},
    )
    assert choose(pool, Acquisition.INFORMATION, 4) == [1, 2, 0, 3]


@pytest.mark.parametrize(
    ("shared", "expected"),
    [
        # Without their bulk a and b are the cheapest, with it c is cheaper; d costs 9 in any case.
        ([0.0, 0.0, 0.0, 0.0], [0, 1, 2, 3]),
        ([4.0, 4.0, 0.0, 0.0], [2, 0, 1, 3]),
        # Once a has paid for the bulk, which is dear, b comes before d.
        ([7.5, 7.5, 0.0, 0.0], [2, 0, 1, 3]),
        ([9.0, 9.0, 0.0, 0.0], [2, 3, 0, 1]),
    ],
)
def test_information_counts_the_bulk_for_the_first_surface_of_a_crystal_only(
    shared: list[float], expected: list[int]
) -> None:
    pool = Pool(
        keys=list("abcd"),
        # All far from each other: each tells the same.
        vectors=1000.0 * np.eye(4),
        costs=np.array([1.0, 2.0, 3.0, 9.0]),
        groups=np.arange(4),
        taken=np.zeros(4, bool),
        distributions={"electron_affinity": Distribution(np.zeros(4), np.ones(4), np.array([1.0]))},
        crystals=np.array([0, 0, 1, 2]),
        shared_costs=np.array(shared),
    )
    assert choose(pool, Acquisition.INFORMATION, 4) == expected
    order = np.array([3, 1, 0, 2])
    assert [order[i] for i in choose(pool.take(order), Acquisition.INFORMATION, 4)] == expected


@pytest.mark.parametrize("acquisition", SURE)
def test_the_budget_pays_the_bulk_of_a_crystal_once(acquisition: Acquisition) -> None:
    pool = Pool(
        keys=list("abc"),
        vectors=np.array([[0.0], [3.0], [9.0]]),
        costs=np.array([1.0, 1.0, 1.0]),
        groups=np.arange(3),
        taken=np.zeros(3, bool),
        distributions={"electron_affinity": Distribution(np.zeros(3), np.ones(3), np.array([1.0]))},
        crystals=np.zeros(3, int),
        shared_costs=np.full(3, 5.0),
    )
    sizes = [len(choose(pool, acquisition, 3, budget=b, rule=RULE)) for b in (5.5, 6, 7.5, 8)]
    assert sizes == [0, 1, 2, 3]


@pytest.mark.parametrize("acquisition", [Acquisition.INFORMATION, Acquisition.DIVERSITY])
def test_what_no_longer_fits_into_the_budget_does_not_stand_in_the_way_of_its_neighbour(
    acquisition: Acquisition,
) -> None:
    pool = Pool(
        keys=list("abcd"),
        # a was computed; b is the best at first, then c, which b leaves no budget for; d is near to c.
        vectors=np.array([[0.0, 0.0], [-60.0, 0.0], [0.0, 50.0], [0.0, 49.0]]),
        costs=np.array([1.0, 6.0, 8.0, 7.0]),
        groups=np.arange(4),
        taken=np.array([True, False, False, False]),
        distributions={"electron_affinity": Distribution(np.zeros(4), np.ones(4), np.array([1.0]))},
    )
    near = Pool(
        [*pool.keys, "e"], np.vstack([pool.vectors, [[-20.0, 0.0]]]), np.append(pool.costs, 1.0),
        np.arange(5), np.append(pool.taken, False),
        {"electron_affinity": Distribution(np.zeros(5), np.ones(5), np.array([1.0]))},
    )  # fmt: skip
    assert choose(pool, acquisition, 3, budget=13.5) == [1, 3]
    assert choose(near, acquisition, 2, budget=7.5) in ([1, 4], [4, 1])


def test_screening_by_a_level_that_the_model_does_not_predict_is_refused() -> None:
    rule = Rule(ionization_potential=(6.0, None), electron_affinity=(1.0, 2.0))
    with pytest.raises(UncalibratedModelError, match="a rule of ionization_potential, for which"):
        choose(make_pool(1, 5), Acquisition.SCREENING, 2, rule=rule)


def test_diversity_goes_from_the_middle_to_the_ends() -> None:
    line = np.array([[0.0], [1.0], [2.0], [3.0], [8.0]])
    pool = Pool(list("abcde"), line, np.ones(5), np.arange(5), np.zeros(5, bool))
    # The mean is at 2.8.
    assert choose(pool, Acquisition.DIVERSITY, 3) == [3, 4, 0]


def test_of_equivalent_surfaces_the_cheapest_is_taken() -> None:
    pool = Pool(
        ["a", "b"], np.zeros((2, 1)), np.array([2.0, 1.0]), np.zeros(2, int), np.zeros(2, bool)
    )
    assert choose(pool, Acquisition.RANDOM, 2) == [1]


def test_thompson_sampling_maximises_the_margin_and_leaves_the_random_numbers_alone() -> None:
    pytest.importorskip("physbo")
    x = np.linspace(-1, 1, 61)
    ea = 3.0 * x  # the window from 1 to 2 eV is at x = 1/3 to 2/3
    known = np.arange(61) % 4 == 0
    pool = Pool(
        [f"{i:02d}" for i in range(61)], np.column_stack([x, x**2]), np.ones(61), np.arange(61),
        known, labels={"electron_affinity": np.where(known, ea, np.nan)},
    )  # fmt: skip
    np.random.seed(5)  # noqa: NPY002
    chosen = choose(pool, Acquisition.THOMPSON, 6, rule=RULE, seed=1)
    after = np.random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    assert after == np.random.random()  # noqa: NPY002
    assert len(set(chosen)) == 6
    assert not known[chosen].any()
    assert np.mean((ea[chosen] > 0.8) & (ea[chosen] < 2.2)) > 0.6
    assert chosen == choose(pool, Acquisition.THOMPSON, 6, rule=RULE, seed=1)


def test_thompson_sampling_asks_for_labels() -> None:
    pool = make_pool(1, 10, taken=0.0)
    pytest.importorskip("physbo")
    with pytest.raises(LearnerError, match="at least two"):
        choose(pool, Acquisition.THOMPSON, 2, rule=RULE)


def test_a_rule_and_a_model_are_asked_for_where_they_are_needed() -> None:
    pool = make_pool(1, 5)
    with pytest.raises(ConfigurationError, match="without a rule"):
        choose(pool, Acquisition.SCREENING, 2)
    bare = Pool(pool.keys, pool.vectors, pool.costs, pool.groups, pool.taken)
    with pytest.raises(UncalibratedModelError, match="has intervals"):
        choose(bare, Acquisition.UNCERTAINTY, 2)


def test_a_pool_with_two_equal_keys_is_refused() -> None:
    with pytest.raises(LearnerError, match="1 different"):
        Pool(["a", "a"], np.zeros((2, 1)), np.ones(2), np.zeros(2, int), np.zeros(2, bool))
