"""What levels are worth: how probable it is that IP and EA lie where a decision needs them.

IP and EA of a surface err together: an error of the potential step moves both, one of the gap only one. So
each surface has a distribution of the pair (IP, EA), and what is asked are windows of combinations
``a IP + b EA``, such as the gap (a = 1, b = -1). The pair is ``mean + factor @ z``, where z is one of

- the standard normal distribution (:meth:`LevelDistribution.normal`). Up to two windows are then exact, by
  Owen's function (D. B. Owen, Ann. Math. Stat. 27, 1075 (1956), doi:10.1214/aoms/1177728074). Of more, one is
  integrated over :data:`NODES` nodes of Gauss and Legendre, which moves a probability by less than 0.005;
- points that are handed in, e.g. the errors of a learner on surfaces that it had not seen. They are counted.

No random numbers: the same levels give the same probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri, owens_t

from surfalign.errors import PhysicsInputError

Array = NDArray[np.float64]

#: Nodes of the integral over one window.
NODES = 64
#: Standard normal points of :func:`normal_points`: a Fibonacci number.
POINTS = 1597
#: Numbers that are compared at a time: bounds the memory to some tens of megabytes.
_AT_A_TIME = 1_000_000
#: Beyond so many standard deviations nothing is left in double precision.
_FAR = 40.0
#: Two directions are one within this, and a level without an error gets this one, eV.
_TINY = 1e-9


@dataclass(frozen=True)
class LevelWindow:
    """A window of ``a IP + b EA``.

    Attributes
    ----------
    ionization_potential, electron_affinity
        The coefficients a and b.
    low, high
        Bounds, eV; one for all surfaces, or shape (n,).
    """

    ionization_potential: float
    electron_affinity: float
    low: float | Array = -np.inf
    high: float | Array = np.inf

    @property
    def coefficients(self) -> Array:
        """A and b, shape (2,)."""
        return np.array([self.ionization_potential, self.electron_affinity], dtype=float)


@dataclass(frozen=True)
class LevelDistribution:
    """The distributions of (IP, EA) of some surfaces.

    Attributes
    ----------
    means
        IP and EA, eV, shape (n, 2).
    factors
        What turns a standard point into a deviation from the mean, eV, shape (n, 2, 2).
    points
        Standard points, shape (m, 2); None for the normal distribution.
    """

    means: Array
    factors: Array
    points: Array | None = None

    def __post_init__(self) -> None:
        n = len(self.means)
        fit = self.means.shape == (n, 2) and self.factors.shape == (n, 2, 2)
        if not (fit and np.isfinite(self.means).all() and np.isfinite(self.factors).all()):
            raise PhysicsInputError(
                f"means of shape {self.means.shape} and factors of {self.factors.shape}, or numbers "
                "that are not finite",
                "finite numbers of shapes (n, 2) and (n, 2, 2)",
                "leave out surfaces without both levels",
            )

    @classmethod
    def normal(cls, means: ArrayLike, covariances: ArrayLike) -> Self:
        """Make normal distributions.

        Parameters
        ----------
        means
            IP and EA, eV, shape (n, 2).
        covariances
            Of IP and EA, eV^2, shape (n, 2, 2); symmetric, without negative eigenvalues.

        Raises
        ------
        PhysicsInputError
            When a matrix is no covariance.
        """
        table = np.asarray(covariances, dtype=float)
        if table.ndim != 3 or table.shape[1:] != (2, 2):
            raise PhysicsInputError(
                f"covariances of shape {table.shape}",
                "shape (n, 2, 2)",
                "give one for each surface",
            )
        own, cross, other = table[:, 0, 0], table[:, 0, 1], table[:, 1, 1]
        symmetric = np.isclose(cross, table[:, 1, 0], atol=1e-9)
        if not (symmetric & (own >= 0) & (other >= 0) & (own * other - cross**2 > -1e-9)).all():
            raise PhysicsInputError(
                "a matrix that is no covariance of two levels",
                "symmetric matrices without a negative eigenvalue",
                "take |correlation| <= 1",
            )
        factors = np.zeros_like(table)
        factors[:, 0, 0] = np.sqrt(own)
        factors[:, 1, 0] = np.divide(
            cross, factors[:, 0, 0], out=np.zeros_like(own), where=factors[:, 0, 0] > 0
        )
        factors[:, 1, 1] = np.sqrt(np.maximum(other - factors[:, 1, 0] ** 2, 0.0))
        return cls(np.asarray(means, dtype=float), factors)

    def __len__(self) -> int:
        return len(self.means)

    @property
    def covariances(self) -> Array:
        """Covariances of IP and EA, eV^2, shape (n, 2, 2)."""
        own = np.eye(2) if self.points is None else np.cov(self.points.T, bias=True)
        return np.asarray(self.factors @ own @ self.factors.transpose(0, 2, 1))

    def take(self, indices: NDArray[np.int_]) -> Self:
        """Return those of some surfaces."""
        return replace(self, means=self.means[indices], factors=self.factors[indices])

    def probability(self, windows: Sequence[LevelWindow]) -> Array:
        """Return the probability that each surface lies in all windows, shape (n,).

        Parameters
        ----------
        windows
            At most one for each direction (a, b) makes sense; without any the answer is 1.
        """
        centres = [self.means @ window.coefficients for window in windows]
        slopes = [np.einsum("k,nkl->nl", w.coefficients, self.factors) for w in windows]
        lows = [np.asarray(w.low - c) for w, c in zip(windows, centres, strict=True)]
        highs = [np.asarray(w.high - c) for w, c in zip(windows, centres, strict=True)]
        if self.points is not None:
            return _counted(len(self), slopes, lows, highs, self.points)
        if len(windows) > 2:
            return _integrated(slopes, lows, highs)
        return _exact(len(self), slopes, lows, highs)


def probability_of_both(x: ArrayLike, y: ArrayLike, correlation: ArrayLike) -> Array:
    """Return the probability that two correlated standard normal numbers lie below x and y.

    Parameters
    ----------
    x, y
        Bounds; infinite ones are allowed. Shapes that broadcast.
    correlation
        From -1 to 1.
    """
    h = np.clip(np.asarray(x, dtype=float), -_FAR, _FAR)
    k = np.clip(np.asarray(y, dtype=float), -_FAR, _FAR)
    # Owen's formula divides by the bounds and by sqrt(1 - correlation^2).
    h, k = (np.where(np.abs(b) < 1e-14, 1e-14, b) for b in (h, k))
    r = np.clip(np.asarray(correlation, dtype=float), -1 + 1e-14, 1 - 1e-14)
    width = np.sqrt((1 - r) * (1 + r))
    half = 0.5 * (ndtr(h) + ndtr(k))
    wedges = owens_t(h, (k - r * h) / (h * width)) + owens_t(k, (h - r * k) / (k * width))
    return np.asarray(np.clip(half - wedges - 0.5 * (h * k < 0), 0.0, 1.0))


@cache
def normal_points() -> Array:
    """Return the standard normal points of a Fibonacci lattice, shape (POINTS, 2)."""
    order = np.arange(POINTS)
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    square = np.column_stack([(order + 0.5) / POINTS, np.mod(order * golden + 0.5, 1.0)])
    return np.asarray(ndtri(np.clip(square, 1e-9, 1 - 1e-9)))


def _exact(n: int, slopes: list[Array], lows: list[Array], highs: list[Array]) -> Array:
    """Return the normal probability of one or two windows, given about the mean, shape (n,)."""
    if not slopes:
        return np.ones(n)
    widths = [np.maximum(np.linalg.norm(slope, axis=1), _TINY) for slope in slopes]
    lower, upper = (
        [bound / width for bound, width in zip(bounds, widths, strict=True)]
        for bounds in (lows, highs)
    )
    if len(slopes) == 1:
        return np.asarray(np.maximum(ndtr(upper[0]) - ndtr(lower[0]), 0.0))
    r = np.einsum("nl,nl->n", *slopes) / (widths[0] * widths[1])
    both = probability_of_both
    inside = (
        both(upper[0], upper[1], r)
        - both(lower[0], upper[1], r)
        - both(upper[0], lower[1], r)
        + both(lower[0], lower[1], r)
    )
    return np.asarray(np.clip(inside, 0.0, 1.0))


def _integrated(slopes: list[Array], lows: list[Array], highs: list[Array]) -> Array:
    """Return the normal probability of several windows, given about the mean, shape (n,).

    The first window is integrated over; at each node the others bound what is left of the plane, a line.
    """
    width = np.maximum(np.linalg.norm(slopes[0], axis=1), _TINY)
    along = np.where(width[:, None] > _TINY, slopes[0] / width[:, None], [1.0, 0.0])
    across = np.column_stack([-along[:, 1], along[:, 0]])
    below, upto = ndtr(lows[0] / width), ndtr(highs[0] / width)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    share = below[:, None] + (upto - below)[:, None] * (nodes + 1) / 2
    place = ndtri(np.clip(share, 1e-300, 1 - 1e-16))
    least, most = np.full_like(place, -_FAR), np.full_like(place, _FAR)
    for slope, low, high in zip(slopes[1:], lows[1:], highs[1:], strict=True):
        moved = np.einsum("nl,nl->n", slope, along)[:, None] * place
        tilt = np.einsum("nl,nl->n", slope, across)[:, None]
        tilt = np.where(np.abs(tilt) < _TINY, _TINY, tilt)
        ends = ((low[:, None] - moved) / tilt, (high[:, None] - moved) / tilt)
        least = np.maximum(least, np.minimum(*ends))
        most = np.minimum(most, np.maximum(*ends))
    inside = np.maximum(ndtr(most) - ndtr(least), 0.0)
    return np.asarray(np.clip((upto - below) * (inside @ weights) / 2, 0.0, 1.0))


def _counted(
    n: int, slopes: list[Array], lows: list[Array], highs: list[Array], points: Array
) -> Array:
    """Return the share of points that lie in all windows, shape (n,)."""
    found = np.ones(n)
    step = max(1, _AT_A_TIME // len(points))
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        inside = np.ones((rows.stop - start, len(points)), dtype=bool)
        for slope, low, high in zip(slopes, lows, highs, strict=True):
            deviation = slope[rows] @ points.T
            inside &= (deviation >= low[rows, None]) & (deviation <= high[rows, None])
        found[rows] = inside.mean(axis=1)
    return found
