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
        Estimated CPU time of each, s, positive, shape (n,).
    groups
        Candidates of one number are equivalent: one of them is computed at most, shape (n,).
    taken
        Those that were chosen or computed before, shape (n,).
    distributions
        Property to its calibrated distributions; empty without a model.
    labels
        Property to measured values, eV, NaN where there is none, shape (n,) each.

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

    def __post_init__(self) -> None:
        n = len(self.keys)
        lengths = {len(self.vectors), len(self.costs), len(self.groups), len(self.taken)}
        lengths |= {len(d.values) for d in self.distributions.values()}
        lengths |= {len(values) for values in self.labels.values()}
        if lengths != {n} or len(set(self.keys)) != n:
            raise LearnerError(
                f"{n} candidates ({len(set(self.keys))} different ones) with {sorted(lengths)} rows",
                "one row for each candidate, each once",
                "build the pool again",
            )
        if not (np.isfinite(self.costs).all() and (self.costs > 0).all()):
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
        )

    def in_order(self) -> NDArray[np.int_]:
        """Return the indices of the candidates in the order of their keys, shape (n,)."""
        return np.array(sorted(range(len(self.keys)), key=lambda i: self.keys[i]), dtype=int)

    def free(self) -> NDArray[np.int_]:
        """Return the indices of those that may be chosen: of each untouched group its cheapest."""
        used = set(self.groups[self.taken].tolist())
        best: dict[int, int] = {}
        for i in sorted(range(len(self.keys)), key=lambda i: (self.costs[i], self.keys[i])):
            if self.groups[i] not in used:
                best.setdefault(int(self.groups[i]), i)
        return np.array(sorted(best.values()), dtype=int)
