"""Pairs of surfaces that reduce and oxidise together: charges apart (type II), or two photons in series (Z-scheme).

Both need a staggered junction. Call the surface whose bands lie higher the upper one.

- type II: electrons collect in the lower surface, holes in the upper one. So the conduction band of the lower
  surface must reduce, the valence band of the upper one oxidise.
- Z-scheme: electrons of the lower and holes of the upper surface meet at the contact and are lost; the stronger
  ones remain. So the conduction band of the upper surface must reduce, the valence band of the lower one
  oxidise (A. J. Bard, J. Photochem. 10, 59 (1979), doi:10.1016/0047-2670(79)80037-4).

All conditions are asked of the same surfaces, so their probabilities do not multiply. They are counted over
fixed points in the five errors: IP and EA of both surfaces, and the dipole of the contact.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from surfalign.errors import PhysicsInputError
from surfalign.physics.contacts.anderson import RULE_ERROR, dipole_deviation
from surfalign.physics.levels.distribution import LevelDistribution

Array = NDArray[np.float64]

#: Fixed points in five dimensions: a probability errs by about 0.01.
POINTS = 2048
#: Pairs that are counted at a time: some tens of megabytes.
_PAIRS_AT_A_TIME = 400


class Scheme(StrEnum):
    """Which charges do the work."""

    TYPE_II = "type-ii"
    Z_SCHEME = "z-scheme"


@dataclass(frozen=True)
class Demands:
    """What the two edges have to reach, eV against vacuum.

    Attributes
    ----------
    reduction
        The conduction band minimum must lie above this.
    oxidation
        The valence band maximum must lie below this.
    """

    reduction: float
    oxidation: float

    def __post_init__(self) -> None:
        if not self.reduction > self.oxidation:
            raise PhysicsInputError(
                f"a reduction at {self.reduction:.2f} eV below an oxidation at {self.oxidation:.2f} eV",
                "the level of the reduction above that of the oxidation",
                "exchange them",
            )


def scheme_probability(
    levels: LevelDistribution,
    upper: NDArray[np.int_],
    lower: NDArray[np.int_],
    scheme: Scheme,
    demands: Demands,
    rule_error: float = RULE_ERROR,
) -> Array:
    """Return the probability that each pair is staggered, the upper surface above, and meets the demands.

    Parameters
    ----------
    levels
        IP and EA of all surfaces; what is not normal counts by its covariance.
    upper, lower
        Which surfaces, shape (k,).
    scheme
        Which charges do the work.
    demands
        What the edges have to reach.
    rule_error
        Mean absolute error of Anderson's rule, eV.

    Returns
    -------
    Shape (k,).
    """
    dipole = dipole_deviation(rule_error)
    factors = np.linalg.cholesky(levels.covariances + 1e-12 * np.eye(2))
    points = _points()
    found = np.empty(len(upper))
    for start in range(0, len(upper), _PAIRS_AT_A_TIME):
        rows = slice(start, start + _PAIRS_AT_A_TIME)
        one, other = (
            levels.means[own[rows], :, None] + factors[own[rows]] @ points[axes]
            for own, axes in ((upper, slice(0, 2)), (lower, slice(2, 4)))
        )
        shift = dipole * points[4]
        staggered = (other - one + shift > 0).all(axis=1)  # both edges of the lower one lie lower
        staggered &= other[:, 1] + shift < one[:, 0]  # and the gaps overlap
        reducer, oxidiser = (other, one) if scheme is Scheme.TYPE_II else (one, other)
        works = (-reducer[:, 1] > demands.reduction) & (-oxidiser[:, 0] < demands.oxidation)
        found[rows] = (staggered & works).mean(axis=1)
    return found


def best_pairs(
    levels: LevelDistribution,
    scheme: Scheme,
    demands: Demands,
    rule_error: float = RULE_ERROR,
    limit: int = 20,
    partner_of: int | None = None,
    same_surface: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int_], NDArray[np.int_], Array]:
    """Return the most probable pairs of a list.

    Of large lists those pairs are counted whose least probable condition is most probable: no pair is more
    probable than it.

    Parameters
    ----------
    levels, scheme, demands, rule_error
        As for :func:`scheme_probability`.
    limit
        How many at most.
    partner_of
        One surface that each pair must hold; None for all pairs.
    same_surface
        Which pairs are two results of one surface and do not count, shape (n, n).

    Returns
    -------
    upper, lower, probabilities
        The best first, shape (k,) each, k <= limit.
    """
    bounds = _bounds(levels, scheme, demands, dipole_deviation(rule_error))
    bounds[np.eye(len(levels), dtype=bool) if same_surface is None else same_surface] = 0.0
    if partner_of is not None:
        others = np.arange(len(levels)) != partner_of
        bounds[np.ix_(others, others)] = 0.0
    tried = np.argsort(bounds, axis=None, kind="stable")[::-1][: max(20 * limit, 2000)]
    tried = tried[bounds.ravel()[tried] > 0]
    upper, lower = np.unravel_index(tried, bounds.shape)
    probabilities = scheme_probability(levels, upper, lower, scheme, demands, rule_error)
    order = np.argsort(-probabilities, kind="stable")[:limit]
    order = order[probabilities[order] > 0]
    return upper[order], lower[order], probabilities[order]


def _bounds(levels: LevelDistribution, scheme: Scheme, demands: Demands, dipole: float) -> Array:
    """Return what no pair can exceed: the least probable of its conditions, shape (upper, lower)."""
    means, variances = levels.means, levels.covariances[:, (0, 1), (0, 1)]
    deviations = np.sqrt(np.maximum(variances, 1e-18))
    reduces = ndtr((-demands.reduction - means[:, 1]) / deviations[:, 1])
    oxidises = ndtr((means[:, 0] + demands.oxidation) / deviations[:, 0])
    one, other = (oxidises, reduces) if scheme is Scheme.TYPE_II else (reduces, oxidises)
    least = np.minimum(one[:, None], other[None, :])
    for k in (0, 1):  # both edges of the lower surface lie lower
        spread = np.sqrt(
            np.maximum(variances[:, None, k] + variances[None, :, k] + dipole**2, 1e-18)
        )
        np.minimum(least, ndtr((means[None, :, k] - means[:, None, k]) / spread), out=least)
    return np.asarray(least)


@cache
def _points() -> Array:
    """Return standard normal points of a Kronecker sequence in five dimensions, shape (5, POINTS)."""
    ratio = 1.0
    for _ in range(60):  # the root of x^6 = x + 1, as the golden ratio is that of x^2 = x + 1
        ratio = (1.0 + ratio) ** (1 / 6)
    steps = ratio ** -np.arange(1, 6)
    cube = np.mod(0.5 + steps[:, None] * np.arange(1, POINTS + 1), 1.0)
    return np.asarray(ndtri(np.clip(cube, 1e-9, 1 - 1e-9)))
