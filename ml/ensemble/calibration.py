"""Conformal calibration: intervals whose coverage is that which they claim.

The members of an ensemble each miss one fold of the formulas, so that every training surface has a
prediction by a member that never saw its formula. The quantile of these residuals, each divided by the
difficulty of its surface and weighted like its label in training, is the half width in units of the difficulty
(split conformal prediction: Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018), doi
10.1080/01621459.2017.1307116; cross-conformal: Vovk, Ann. Math. Artif. Intell. 74, 9 (2015), doi
10.1007/s10472-013-9368-4; weighted: Barber et al., Ann. Stat. 51, 816 (2023), doi 10.1214/23-AOS2276). The
mean of the members is a little better than one blind member, so that the intervals err on the wide side;
the measured coverage is in the documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from surfalign.ml.ensemble.difficulty import FEATURES, Difficulty

#: Share of new surfaces that an interval shall cover.
COVERAGE = 0.9
#: Mean width, relative to intervals that follow the distance to the training set alone, below which a
#: difficulty of all features is worth its risk.
WORTH_WHILE = 0.95


@dataclass(frozen=True)
class Calibration:
    """What one property's intervals need.

    Attributes
    ----------
    residuals
        Absolute out-of-fold residuals over their difficulties, ascending, shape (n,).
    weights
        Weights of their labels, shape (n,).
    difficulty
        Of surfaces, from their features.
    """

    residuals: NDArray[np.float64]
    weights: NDArray[np.float64]
    difficulty: Difficulty = field(default_factory=Difficulty)

    @classmethod
    def fit(
        cls,
        errors: NDArray[np.float64],
        features: NDArray[np.float64],
        weights: NDArray[np.float64] | None = None,
        folds: NDArray[np.int64] | None = None,
    ) -> Self:
        """Calibrate on out-of-fold errors.

        Parameters
        ----------
        errors
            Prediction - label by a member that did not see the formula, shape (n,).
        features
            What the difficulty may depend on, shape (n, n_features); see :mod:`~.difficulty`.
        weights
            Of the labels, shape (n,); all alike by default.
        folds
            Fold of each formula, shape (n,). The difficulty of an error is then told by the other folds, so that
            what the trend owes to chance does not narrow the intervals.
        """
        size = np.abs(errors)
        own = np.ones(len(size)) if weights is None else weights
        of_distance = cls._by(size, features, own, folds, 1)
        if not len(size):
            return of_distance
        of_all = cls._by(size, features, own, folds, features.shape[1])
        widths = [np.ptp(c.interval(size, features), axis=1).mean() for c in (of_distance, of_all)]
        return of_all if widths[1] < WORTH_WHILE * widths[0] else of_distance

    @classmethod
    def _by(
        cls,
        size: NDArray[np.float64],
        features: NDArray[np.float64],
        weights: NDArray[np.float64],
        folds: NDArray[np.int64] | None,
        n_used: int,
    ) -> Self:
        """Calibrate with a difficulty of the first features."""
        difficulty = Difficulty.fit(size, features, weights, n_used)
        relative = size / difficulty.of(features)
        for fold in np.unique(folds) if folds is not None else ():
            test = folds == fold
            others = Difficulty.fit(size[~test], features[~test], weights[~test], n_used)
            relative[test] = size[test] / others.of(features[test])
        order = np.argsort(relative)
        return cls(relative[order], weights[order], difficulty)

    def interval(
        self,
        values: NDArray[np.float64],
        features: NDArray[np.float64],
        coverage: float = COVERAGE,
    ) -> NDArray[np.float64]:
        """Return the interval of each surface, shape (n_surfaces, 2).

        Parameters
        ----------
        values
            Predictions, shape (n_surfaces,).
        features
            Features of the surfaces, shape (n_surfaces, n_features).
        coverage
            Wanted share of labels inside.

        Returns
        -------
        array
            Infinite where too few residuals are known: at 90 % at least nine of full weight are needed.
        """
        # The new surface itself is among them, with full weight.
        wanted = coverage * (self.weights.sum() + 1.0) - 1e-9
        rank = int(np.searchsorted(np.cumsum(self.weights), wanted))
        if rank >= len(self.residuals):
            width = np.full(len(values), np.inf)
        else:
            width = self.residuals[rank] * self.difficulty.of(features)
        return np.column_stack([values - width, values + width])

    def normal_scores(
        self, errors: NDArray[np.float64], features: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return standard normal numbers of the rank and the sign of errors, shape (n,)."""
        sizes, ranks = self._ranked()
        share = np.interp(np.abs(errors) / self.difficulty.of(features), sizes, ranks)
        return np.asarray(np.sign(errors) * ndtri(0.5 + 0.5 * share))

    def errors_of_scores(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the errors over the difficulty that standard normal numbers stand for, shape (n,).

        Beyond the largest residual the rest falls off exponentially.
        """
        sizes, ranks = self._ranked()
        share = 2 * ndtr(np.abs(scores)) - 1
        length = max(float(np.average(self.residuals, weights=self.weights)), 1e-6)
        rest = np.minimum((1 - share) / (1 - ranks[-1]), 1.0)
        beyond = -length * np.log(np.maximum(rest, 1e-12))
        return np.asarray(np.sign(scores) * (np.interp(share, ranks, sizes) + beyond))

    def _ranked(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the residuals with zero before them, and the share of surfaces that err less."""
        sizes = np.concatenate([[0.0], np.maximum(self.residuals, 0.0)])
        # The new surface itself is among them, with full weight.
        return sizes, np.concatenate([[0.0], np.cumsum(self.weights)]) / (self.weights.sum() + 1.0)

    def tensors(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the arrays to store for the property ``name``."""
        return {
            f"calibration.{name}.residuals": self.residuals,
            f"calibration.{name}.weights": self.weights,
            f"calibration.{name}.difficulty": self.difficulty.as_array(),
        }

    @classmethod
    def restore(cls, name: str, tensors: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild what :meth:`tensors` gave, or what 0.2 gave: a slope over the domain score alone."""
        residuals = tensors[f"calibration.{name}.residuals"]
        slope = tensors.get(f"calibration.{name}.slope")
        if slope is not None:
            slopes = np.zeros(len(FEATURES))
            slopes[0] = float(slope[0])
            difficulty = Difficulty(1.0, slopes, np.zeros(len(slopes)), np.ones(len(slopes)))
            return cls(residuals, np.ones(len(residuals)), difficulty)
        table = tensors[f"calibration.{name}.difficulty"]
        return cls(residuals, tensors[f"calibration.{name}.weights"], Difficulty.restore(table))


def coverage(intervals: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """Return the share of labels inside of their intervals; shapes (n, 2) and (n,)."""
    inside = (labels >= intervals[:, 0]) & (labels <= intervals[:, 1])
    return float(np.mean(inside))
