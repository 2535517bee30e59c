"""How hard a surface is: the size of error that is expected of a prediction, from what is known without a label.

Errors grow with the distance to the training set, and they are larger for some kinds of surfaces (deep levels,
wide gaps) than for others. A line through the out-of-fold errors says how much; it is bounded, for few
data decide it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from surfalign.ml.interface import SurfacePrediction
from surfalign.ml.properties.property import BAND_GAP, LEVELS

Array = NDArray[np.float64]

#: What a surface's difficulty may depend on, in this order: the distance to the training set (see
#: :mod:`~.domain`), the predicted IP and gap (eV), and what the model itself says of its error (eV). Where other
#: properties are learned, the first two of them stand for IP and gap, in standard deviations of their labels.
FEATURES = ("domain_score", "ionization_potential", "band_gap", "spread")
#: Standard deviations below which a feature does not differ: the score's is without a unit, the others in eV.
SMALLEST = np.array([0.05, 0.3, 0.3, 0.05])
#: Fewer errors tell no trend.
ENOUGH_FOR_TREND = 30
#: Errors that the prior of no trend is worth.
PRIOR = 25.0
#: Errors beyond so many medians do not pull the line further.
LARGEST_ERROR = 3.0
#: Smallest and largest difficulty, relative to the middle one.
BOUNDS = (0.4, 2.5)


def difficulty_features(
    columns: Mapping[str, Array],
    scores: Array,
    spread: Array | None = None,
    scales: Mapping[str, float] | None = None,
) -> Array:
    """Return the features of surfaces, shape (n_surfaces, 4); zero for what a model does not say.

    Parameters
    ----------
    columns
        Property to predictions, shape (n_surfaces,).
    scores
        Domain scores, shape (n_surfaces,).
    spread
        What the model says of its own error, shape (n_surfaces,).
    scales
        Standard deviation of the labels of each property that is no known one of surfaces.
    """
    none = np.zeros(len(scores))
    potential, affinity = (columns.get(name) for name in LEVELS)
    both = potential is not None and affinity is not None
    gap = potential - affinity if both else columns.get(BAND_GAP)  # type: ignore[operator]
    if scales and potential is None:
        told = [columns[name] / scale for name, scale in scales.items() if name in columns]
        potential, gap = ([*told, None, None])[:2]
    return np.column_stack(
        [scores, *(none if part is None else part for part in (potential, gap, spread))]
    )


def spread_of(
    predictions: Sequence[SurfacePrediction], scales: Mapping[str, float] | None = None
) -> Array:
    """Return the spread of each prediction, the mean over its properties, shape (n,); zero where none is told.

    Spreads are divided by ``scales``, as in :func:`difficulty_features`.
    """
    known = scales or {}
    return np.array(
        [
            float(np.mean([s / known.get(name, 1.0) for name, s in p.spread.items()]))
            if p.spread
            else 0.0
            for p in predictions
        ]
    )


@dataclass(frozen=True)
class Difficulty:
    """A bounded line: constant and slopes over shifted and scaled features.

    Attributes
    ----------
    constant
        Difficulty of a surface whose features are those of the middle.
    slopes, middle, scale
        Of the features, shape (n_features,) each.
    bounds
        Smallest and largest difficulty.
    """

    constant: float = 1.0
    slopes: Array = field(default_factory=lambda: np.zeros(1))
    middle: Array = field(default_factory=lambda: np.zeros(1))
    scale: Array = field(default_factory=lambda: np.ones(1))
    bounds: tuple[float, float] = (0.0, np.inf)

    @classmethod
    def fit(cls, size: Array, features: Array, weights: Array, n_used: int | None = None) -> Self:
        """Fit to absolute errors; those that shrink away from the training set narrow nothing.

        Parameters
        ----------
        size
            Absolute errors, shape (n,).
        features
            Shape (n, n_features).
        weights
            Of the labels, shape (n,).
        n_used
            How many of the features, the first ones, may matter; all by default.
        """
        n_features = features.shape[1]
        middle = (
            np.average(features, axis=0, weights=weights) if len(size) else np.zeros(n_features)
        )
        deviation = features.std(axis=0) if len(size) else np.zeros(n_features)
        smallest = SMALLEST[:n_features]
        scale = np.maximum(deviation, smallest)
        used = np.flatnonzero(deviation[:n_used] > smallest[:n_used])
        if len(size) < ENOUGH_FOR_TREND or not len(used):
            return cls(1.0, np.zeros(n_features), middle, scale)
        capped = np.minimum(size, LARGEST_ERROR * np.median(size))
        line = _line(capped, (features - middle) / scale, weights, used)
        if used[0] == 0 and line[1] < 0:
            used = used[1:]
            line = _line(capped, (features - middle) / scale, weights, used)
        slopes = np.zeros(n_features)
        slopes[used] = line[1:] / line[0] if line[0] > 0 else 0.0
        return cls(1.0, slopes, middle, scale, BOUNDS)

    def of(self, features: Array) -> Array:
        """Return the difficulty of surfaces, shape (n_surfaces,); features of shape (n_surfaces, n_features)."""
        line = self.constant + (features - self.middle) / self.scale @ self.slopes
        return np.clip(line, *self.bounds)

    def as_array(self) -> Array:
        """Return everything as one table, shape (3, n_features + 1)."""
        ends = np.array([[self.constant], [self.bounds[0]], [self.bounds[1]]])
        return np.column_stack([ends, np.array([self.slopes, self.middle, self.scale])])

    @classmethod
    def restore(cls, table: Array) -> Self:
        """Rebuild what :meth:`as_array` gave."""
        constant, low, high = (float(number) for number in table[:, 0])
        return cls(constant, table[0, 1:], table[1, 1:], table[2, 1:], (low, high))


def _line(size: Array, features: Array, weights: Array, used: NDArray[np.int64]) -> Array:
    """Return constant and slopes of the weighted line with a prior of no slope."""
    table = np.column_stack([np.ones(len(size)), features[:, used]])
    prior = PRIOR * np.eye(table.shape[1])
    prior[0, 0] = 0.0
    weighed = table * weights[:, None]
    line: Array = np.linalg.solve(weighed.T @ table + prior, weighed.T @ size).astype(np.float64)
    return line
