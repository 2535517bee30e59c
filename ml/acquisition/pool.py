"""What a choice is made from: the candidates, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import LearnerError
from surfalign.ml.acquisition.distributions import Distribution

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pool:
    """Candidates, in any order: what is chosen does not depend on it.

    Attributes
    ----------
    keys
        Of the candidates, unique.
    vectors
        Scaled (:func:`.vectors.scaled`), shape (n, d).
    costs
        Estimated CPU time of each by itself, s, positive, shape (n,).
    groups
        Candidates of one number are equivalent: one of them is computed at most, shape (n,).
    taken
        Those that were chosen or computed before, shape (n,).
    distributions
        Property to its calibrated distributions; empty without a model.
    labels
        Property to measured values, eV, NaN where there is none, shape (n,) each.
    crystals
        Candidates of one number are of one crystal, shape (n,); by default each is of its own.
    shared_costs
        Estimated CPU time that the first candidate of a crystal takes besides, s, not negative, shape (n,); zero
        where it was paid before, and by default.

    Raises
    ------
    LearnerError
        When the shapes differ, two keys are equal, or a cost is not positive.
    """

    keys: Sequence[str]
    vectors: Array
    costs: Array
    groups: NDArray[np.int_]
    taken: NDArray[np.bool_]
    distributions: Mapping[str, Distribution] = field(default_factory=dict)
    labels: Mapping[str, Array] = field(default_factory=dict)
    crystals: NDArray[np.int_] = field(default_factory=lambda: np.zeros(0, int))
    shared_costs: Array = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        n = len(self.keys)
        if not len(self.crystals):
            object.__setattr__(self, "crystals", np.arange(n))
        if not len(self.shared_costs):
            object.__setattr__(self, "shared_costs", np.zeros(n))
        lengths = {len(self.vectors), len(self.costs), len(self.groups), len(self.taken)}
        lengths |= {len(self.crystals), len(self.shared_costs)}
        lengths |= {len(d.values) for d in self.distributions.values()}
        lengths |= {len(values) for values in self.labels.values()}
        if lengths != {n} or len(set(self.keys)) != n:
            raise LearnerError(
                f"{n} candidates ({len(set(self.keys))} different ones) with {sorted(lengths)} rows",
                "one row for each candidate, each once",
                "build the pool again",
            )
        whole = self.costs + self.shared_costs
        if not (
            np.isfinite(whole).all() and (self.costs > 0).all() and (whole >= self.costs).all()
        ):
            raise LearnerError("a cost is not positive", "CPU seconds", "estimate it again")

    def take(self, indices: NDArray[np.int_]) -> Pool:
        """Return the pool of some candidates, in that order."""
        return Pool(
            [self.keys[i] for i in indices],
            self.vectors[indices],
            self.costs[indices],
            self.groups[indices],
            self.taken[indices],
            {name: d.take(indices) for name, d in self.distributions.items()},
            {name: values[indices] for name, values in self.labels.items()},
            self.crystals[indices],
            self.shared_costs[indices],
        )

    def in_order(self) -> NDArray[np.int_]:
        """Return the indices of the candidates in the order of their keys, shape (n,)."""
        return np.array(sorted(range(len(self.keys)), key=lambda i: self.keys[i]), dtype=int)

    def free(self) -> NDArray[np.int_]:
        """Return the indices of those that may be chosen: of each untouched group its cheapest."""
        used = set(self.groups[self.taken].tolist())
        best: dict[int, int] = {}
        costs = self.costs + self.shared_costs
        for i in sorted(range(len(self.keys)), key=lambda i: (costs[i], self.keys[i])):
            if self.groups[i] not in used:
                best.setdefault(int(self.groups[i]), i)
        return np.array(sorted(best.values()), dtype=int)


class Purse:
    """What is left of a budget while a batch is chosen, and what each candidate costs by then.

    The first of a crystal pays what its siblings share.

    Parameters
    ----------
    pool
        The candidates.
    budget
        CPU time of the batch, s.
    """

    def __init__(self, pool: Pool, budget: float = np.inf) -> None:
        self._pool = pool
        self.left = budget
        #: CPU time of each candidate now, s, shape (n,).
        self.costs = pool.costs + pool.shared_costs

    def fits(self, places: NDArray[np.int_]) -> NDArray[np.bool_]:
        """Return which candidates the rest of the budget allows; none becomes possible later."""
        return np.asarray(self.costs[places] <= self.left)

    def pay(self, place: int) -> float:
        """Pay for a candidate; return what it costs, s."""
        cost = float(self.costs[place])
        self.left -= cost
        siblings = self._pool.crystals == self._pool.crystals[place]
        self.costs[siblings] = self._pool.costs[siblings]
        return cost
