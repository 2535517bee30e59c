"""Conformal calibration: intervals whose coverage is that which they claim.

The members of an ensemble each miss one fold of the formulas, so that every training surface has a
prediction by a member that never saw its formula. From these residuals and all members' predictions at a
new surface the CV+ interval of Barber et al., Ann. Statist. 49, 486 (2021), doi 10.1214/20-AOS1965, is
taken, with residuals scaled by a difficulty: far from the training set the intervals widen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

#: Share of new surfaces that an interval shall cover.
COVERAGE = 0.9
#: Largest factor between the widths of two intervals of one property.
_LARGEST_SLOPE = 1.0


@dataclass(frozen=True)
class Calibration:
    """What one property's intervals need.

    Attributes
    ----------
    residuals
        Absolute out-of-fold residuals over their difficulties, shape (n,).
    folds
        Fold of each: which member predicted it, shape (n,).
    slope
        How the difficulty grows with the domain score: ``1 + slope * score``.
    """

    residuals: NDArray[np.float64]
    folds: NDArray[np.int64]
    slope: float = 0.0

    @classmethod
    def fit(
        cls,
        errors: NDArray[np.float64],
        folds: NDArray[np.int64],
        scores: NDArray[np.float64],
    ) -> Self:
        """Calibrate on out-of-fold errors.

        Parameters
        ----------
        errors
            Prediction - label by a member that did not see the formula, shape (n,).
        folds
            Which member that was, shape (n,).
        scores
            Domain scores against the data of that member, shape (n,).
        """
        size = np.abs(errors)
        slope = _slope(size, scores)
        return cls(size / (1.0 + slope * scores), folds.astype(np.int64), slope)

    def interval(
        self,
        members: NDArray[np.float64],
        scores: NDArray[np.float64],
        coverage: float = COVERAGE,
    ) -> NDArray[np.float64]:
        """Return the interval of each surface, shape (n_surfaces, 2).

        Parameters
        ----------
        members
            Predictions of all members, shape (n_members, n_surfaces).
        scores
            Domain scores of the surfaces, shape (n_surfaces,).
        coverage
            Wanted share of labels inside.

        Returns
        -------
        array
            Infinite where too few residuals are known: at 90 % at least nine are needed.
        """
        n = len(self.residuals)
        rank = math.ceil(coverage * (n + 1) - 1e-9)
        if rank > n:
            return np.tile([-np.inf, np.inf], (members.shape[1], 1))
        width = self.residuals[:, None] * (1.0 + self.slope * scores)[None, :]
        centre = members[self.folds]
        low = np.sort(centre - width, axis=0)[n - rank]
        high = np.sort(centre + width, axis=0)[rank - 1]
        return np.column_stack([low, high])

    def tensors(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the arrays to store for the property ``name``."""
        return {
            f"calibration.{name}.residuals": self.residuals,
            f"calibration.{name}.folds": self.folds,
            f"calibration.{name}.slope": np.array([self.slope]),
        }

    @classmethod
    def restore(cls, name: str, tensors: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild what :meth:`tensors` gave."""
        return cls(
            tensors[f"calibration.{name}.residuals"],
            tensors[f"calibration.{name}.folds"],
            float(tensors[f"calibration.{name}.slope"][0]),
        )


def coverage(intervals: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """Return the share of labels inside of their intervals; shapes (n, 2) and (n,)."""
    inside = (labels >= intervals[:, 0]) & (labels <= intervals[:, 1])
    return float(np.mean(inside))


def _slope(size: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Return the slope of the mean error over the score, in units of the error at score zero.

    Zero where errors do not grow with the score; bounded, because few data far out decide it.
    """
    if len(size) < 20 or not np.all(np.isfinite(scores)) or np.ptp(scores) < 1e-9:
        return 0.0
    gradient, constant = np.polyfit(scores, size, 1)
    if gradient <= 0:
        return 0.0
    return float(min(gradient / constant, _LARGEST_SLOPE)) if constant > 0 else _LARGEST_SLOPE
