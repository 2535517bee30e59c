"""Choices that depend on what was chosen before: the farthest point, and the most information."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from surfalign.ml.acquisition.pool import Pool, Purse

Array = NDArray[np.float64]
#: What a neighbour cannot tell of a level, as a share of its spread.
NOISE = 0.3


def farthest(pool: Pool, free: NDArray[np.int_], budget: float = np.inf) -> Iterator[int]:
    """Yield free candidates, each the farthest from all that are taken or were yielded before.

    Where nothing is taken the first is the one nearest to the mean of all. What no longer fits into the budget
    (CPU time, s) is not yielded, so that it does not stand in the way of its neighbours.
    """
    vectors = pool.vectors
    if pool.taken.any():
        distance = _distances(vectors[free], vectors[pool.taken]).min(axis=1)
    else:
        distance = -np.linalg.norm(vectors[free] - vectors[free].mean(axis=0), axis=1)
    purse = Purse(pool, budget)
    left = purse.fits(free)
    first = not pool.taken.any()
    while left.any():
        place = int(np.argmax(np.where(left, distance, -np.inf)))
        purse.pay(free[place])
        left[place] = False
        left &= purse.fits(free)
        own = np.linalg.norm(vectors[free] - vectors[free[place]], axis=1)
        distance = own if first else np.minimum(distance, own)
        first = False
        yield int(free[place])


def most_informative(pool: Pool, free: NDArray[np.int_], budget: float = np.inf) -> Iterator[int]:
    """Yield free candidates, each with the most expected information for each CPU second.

    The levels are taken for a Gaussian process over the vectors, whose amplitude is the spread of the
    calibrated distributions. What a calculation tells is half the logarithm of 1 + variance / noise, the
    variance given all that is taken or was yielded before (A. Krause et al., J. Mach. Learn. Res. 9, 235
    (2008)). The first of a crystal takes what its siblings share. What no longer fits into the budget (CPU time, s)
    is not yielded.
    """
    amplitude = spread(pool)
    noise = NOISE * float(np.median(amplitude))
    order = np.concatenate([np.flatnonzero(pool.taken), free]).astype(int)
    conditional = _Conditional(pool.vectors[order], amplitude[order], noise)
    n_taken = len(order) - len(free)
    for place in range(n_taken):
        conditional.observe(place)
    purse = Purse(pool, budget)
    left = purse.fits(free)
    while left.any():
        gain = 0.5 * np.log1p(conditional.variance[n_taken:] / noise**2) / purse.costs[free]
        place = int(np.argmax(np.where(left, gain, -np.inf)))
        purse.pay(free[place])
        left[place] = False
        left &= purse.fits(free)
        conditional.observe(n_taken + place)
        yield int(free[place])


def spread(pool: Pool) -> Array:
    """Return the spread of each candidate's levels, eV, root mean square over them, shape (n,)."""
    squares = [d.spread() ** 2 for d in pool.distributions.values()]
    return np.asarray(np.sqrt(np.mean(squares, axis=0)) + 1e-9)


class _Conditional:
    """Variances of a Gaussian process, given noisy observations that come one by one."""

    def __init__(self, vectors: Array, amplitude: Array, noise: float) -> None:
        self.vectors, self.amplitude, self.noise = vectors, amplitude, noise
        self.length = _length(vectors)
        self.variance = amplitude**2
        self._columns: list[Array] = []

    def observe(self, place: int) -> None:
        """Condition on an observation at one of the points."""
        distance = np.linalg.norm(self.vectors - self.vectors[place], axis=1) / self.length
        column = self.amplitude * self.amplitude[place] * np.exp(-0.5 * distance**2)
        if self._columns:
            known = np.array(self._columns)
            column = column - known.T @ known[:, place]
        column = column / np.sqrt(max(float(self.variance[place]), 0.0) + self.noise**2)
        self._columns.append(column)
        self.variance = np.maximum(self.variance - column**2, 0.0)


def _length(vectors: Array) -> float:
    """Return half the median distance of the points; of many, of every so-manieth."""
    some = vectors[:: max(1, len(vectors) // 300)]
    distances = _distances(some, some)
    positive = distances[distances > 1e-9]
    return float(np.median(positive)) / 2.0 if len(positive) else 1.0


def _distances(first: Array, second: Array) -> Array:
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None, :]
    return np.asarray(np.sqrt(np.maximum(squares - 2.0 * first @ second.T, 0.0)))
