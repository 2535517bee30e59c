"""Conformal calibration: intervals whose coverage is that which they claim.

The members of an ensemble each miss one fold of the formulas, so that every training surface has a
prediction by a member that never saw its formula. The quantile of these residuals, scaled by a difficulty
that grows with the distance to the training set, is the half width (split conformal prediction: Lei et
al., J. Am. Stat. Assoc. 113, 1094 (2018), doi 10.1080/01621459.2017.1307116; cross-conformal: Vovk, Ann.
Math. Artif. Intell. 74, 9 (2015), doi 10.1007/s10472-013-9368-4). The mean of the members is a little
better than one blind member, so that the intervals err on the wide side; the measured coverage is in
the documentation.
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
#: Largest slope of the difficulty.
_LARGEST_SLOPE = 1.0


@dataclass(frozen=True)
class Calibration:
    """What one property's intervals need.

    Attributes
    ----------
    residuals
        Absolute out-of-fold residuals over their difficulties, ascending, shape (n,).
    slope
        How the difficulty grows with the domain score: ``1 + slope * score``.
    """

    residuals: NDArray[np.float64]
    slope: float = 0.0

    @classmethod
    def fit(cls, errors: NDArray[np.float64], scores: NDArray[np.float64]) -> Self:
        """Calibrate on out-of-fold errors.

        Parameters
        ----------
        errors
            Prediction - label by a member that did not see the formula, shape (n,).
        scores
            Domain scores against the data of that member, shape (n,).
        """
        size = np.abs(errors)
        slope = _slope(size, scores)
        return cls(np.sort(size / (1.0 + slope * scores)), slope)

    def interval(
        self,
        values: NDArray[np.float64],
        scores: NDArray[np.float64],
        coverage: float = COVERAGE,
    ) -> NDArray[np.float64]:
        """Return the interval of each surface, shape (n_surfaces, 2).

        Parameters
        ----------
        values
            Predictions, shape (n_surfaces,).
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
        # One more than the residuals: the new surface itself is among them.
        rank = math.ceil(coverage * (n + 1) - 1e-9)
        width = self.residuals[rank - 1] * (1.0 + self.slope * scores) if rank <= n else np.inf
        return np.column_stack([values - width, values + width])

    def tensors(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the arrays to store for the property ``name``."""
        return {
            f"calibration.{name}.residuals": self.residuals,
            f"calibration.{name}.slope": np.array([self.slope]),
        }

    @classmethod
    def restore(cls, name: str, tensors: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild what :meth:`tensors` gave."""
        return cls(
            tensors[f"calibration.{name}.residuals"],
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
