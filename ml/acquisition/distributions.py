"""The calibrated distribution of a level: a prediction, and how far the truth was from such ones.

The intervals of an ensemble rest on its out-of-fold residuals (:mod:`surfalign.ml.ensemble.calibration`).
The same residuals say how probable any other interval is: the truth lies below or above the prediction
with equal probability, and as far from it as the residuals are, scaled by the surface's difficulty.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Distribution:
    """The distributions of one level of some surfaces.

    Attributes
    ----------
    values
        Predictions, eV, shape (n,).
    scales
        Difficulty of each surface, by which residuals are multiplied, shape (n,).
    residuals
        Absolute out-of-fold residuals over their difficulties, eV, ascending, shape (m,), m > 0.
    disagreement
        Standard deviation of the members of the ensemble, eV, shape (n,); None where there is one member.
    weights
        Of the residuals, shape (m,); all alike by default.
    """

    values: Array
    scales: Array
    residuals: Array
    disagreement: Array | None = None
    weights: Array | None = None

    def take(self, indices: NDArray[np.int_]) -> Distribution:
        """Return those of some surfaces."""
        other = None if self.disagreement is None else self.disagreement[indices]
        return replace(
            self, values=self.values[indices], scales=self.scales[indices], disagreement=other
        )

    def spread(self) -> Array:
        """Return how uncertain each value is, eV, shape (n,).

        The root mean square of residuals, scaled, and the disagreement of the members, added as squares:
        the residuals say how large errors are, the members say where.
        """
        calibrated = self.scales * np.sqrt(np.average(self.residuals**2, weights=self.weights))
        return np.asarray(
            calibrated if self.disagreement is None else np.hypot(calibrated, self.disagreement)
        )

    def probability(self, low: float, high: float) -> Array:
        """Return the probability that each level lies between two bounds (eV), shape (n,)."""
        return np.asarray(self._below(high) - self._below(low))

    def _below(self, bound: float) -> Array:
        """Return the probability that each level lies below a bound."""
        if np.isinf(bound):
            return np.full(len(self.values), float(bound > 0))
        distance = (bound - self.values) / self.scales
        weights = np.ones(len(self.residuals)) if self.weights is None else self.weights
        # The new surface itself is among them, with full weight.
        ranks = np.concatenate([[0.0], np.cumsum(weights)]) / (weights.sum() + 1.0)
        size = np.abs(distance)
        within = np.interp(size, np.concatenate([[0.0], self.residuals]), ranks)
        # Beyond all residuals the rest falls off, so that a far window still ranks surfaces.
        beyond = np.maximum(size - self.residuals[-1], 0.0)
        length = max(float(np.average(self.residuals, weights=weights)), 1e-6)
        within += (1.0 - ranks[-1]) * -np.expm1(-beyond / length)
        return np.asarray(0.5 + 0.5 * np.sign(distance) * within)
