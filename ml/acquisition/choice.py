"""The choice of a batch: an acquisition ranks the free candidates, the budget cuts them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import ConfigurationError, UncalibratedModelError
from surfalign.ml.acquisition.greedy import farthest, most_informative, spread
from surfalign.ml.acquisition.pool import Pool, Purse
from surfalign.ml.acquisition.rule import Rule
from surfalign.ml.acquisition.thompson import thompson


class Acquisition(StrEnum):
    """By what the next surfaces are chosen."""

    RANDOM = "random"  # the baseline
    DIVERSITY = "diversity"  # the farthest from all that are known
    UNCERTAINTY = "uncertainty"  # the widest distributions
    INFORMATION = "information"  # the most expected information for each CPU second
    SCREENING = "screening"  # the most probable to meet the rule
    THOMPSON = "thompson"  # samples of PHYSBO's model of the rule's margin

    @property
    def needs_model(self) -> bool:
        """Whether it asks for calibrated distributions."""
        return self in (Acquisition.UNCERTAINTY, Acquisition.INFORMATION, Acquisition.SCREENING)

    @property
    def needs_rule(self) -> bool:
        """Whether it asks for a rule."""
        return self in (Acquisition.SCREENING, Acquisition.THOMPSON)


def choose(
    pool: Pool,
    acquisition: Acquisition,
    size: int,
    *,
    budget: float = np.inf,
    rule: Rule | None = None,
    seed: int = 0,
) -> list[int]:
    """Choose a batch of candidates.

    Nothing that is taken, nor an equivalent of it, is chosen, and no two equivalents. The order of the
    candidates does not matter.

    Parameters
    ----------
    pool
        The candidates.
    acquisition
        By what to choose.
    size
        How many at most.
    budget
        CPU time that the batch may cost by estimate, s.
    rule
        For the acquisitions that screen.
    seed
        Of everything random.

    Returns
    -------
    list of int
        Indices in the pool, the most wanted first; empty where nothing fits.

    Raises
    ------
    ConfigurationError
        When the acquisition needs a rule and has none.
    UncalibratedModelError
        When it needs distributions and the pool has none.
    """
    if acquisition.needs_rule and rule is None:
        raise ConfigurationError(
            f"the acquisition {acquisition.value} without a rule",
            "a window of levels",
            "give one, e.g. rule: {electron_affinity: [1.0, 2.0]}",
        )
    if acquisition.needs_model and not pool.distributions:
        raise UncalibratedModelError(
            f"the acquisition {acquisition.value} without a model that has intervals",
            "calibrated distributions of the levels",
            "train a model first, or take random or diversity",
        )
    if acquisition is Acquisition.SCREENING and (absent := missing_levels(pool, rule)):
        raise UncalibratedModelError(
            f"a rule of {', '.join(absent)}, for which the model has no intervals",
            "calibrated distributions of the levels of the rule",
            "train a model on labels of them, or screen by another level",
        )
    order = pool.in_order()
    ordered = pool.take(order)
    free = ordered.free()
    purse = Purse(ordered, budget)
    free = free[purse.fits(free)]
    chosen: list[int] = []
    if size < 1 or not len(free):
        return chosen
    for place in _ranked(ordered, free, acquisition, size, budget, rule, seed):
        if purse.costs[place] <= purse.left:
            purse.pay(place)
            chosen.append(int(order[place]))
        if len(chosen) == size:
            break
    return chosen


def missing_levels(pool: Pool, rule: Rule | None) -> list[str]:
    """Return the levels of a rule of which a pool has no distribution."""
    return [] if rule is None else sorted(rule.windows.keys() - pool.distributions.keys())


def _ranked(
    pool: Pool,
    free: NDArray[np.int_],
    acquisition: Acquisition,
    size: int,
    budget: float,
    rule: Rule | None,
    seed: int,
) -> Iterator[int]:
    """Yield the free candidates, the most wanted first."""
    if acquisition is Acquisition.RANDOM:
        return iter(np.random.default_rng(seed).permutation(free).tolist())
    if acquisition is Acquisition.DIVERSITY:
        return farthest(pool, free, budget)
    if acquisition is Acquisition.INFORMATION:
        return most_informative(pool, free, budget)
    if acquisition is Acquisition.UNCERTAINTY:
        return _descending(spread(pool), free)
    assert rule is not None
    if acquisition is Acquisition.SCREENING:
        return _descending(rule.probability(pool.distributions), free)
    return thompson(pool, free, rule, size, seed)


def _descending(scores: NDArray[np.float64], free: NDArray[np.int_]) -> Iterator[int]:
    return iter(free[np.argsort(-scores[free], kind="stable")].tolist())
