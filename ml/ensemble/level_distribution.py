"""The joint distribution of predicted IP and EA: what decisions about predicted surfaces rest on.

Each level errs as the ensemble's out-of-fold residuals do, scaled by the surface's difficulty, upwards and
downwards alike (:mod:`~.calibration`). The errors of IP and EA go together: the normal scores of their ranks
have the correlation that those of the out-of-fold errors have (a Gaussian copula: R. B. Nelsen, An
Introduction to Copulas, Springer 2006, doi:10.1007/0-387-28678-0).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surfalign.errors import UncalibratedModelError
from surfalign.ml.ensemble.ensemble import Ensemble, SurfaceEstimate
from surfalign.ml.properties.property import LEVELS
from surfalign.physics.levels.distribution import LevelDistribution, normal_points

#: Correlation of models that keep none: what was measured on the JARVIS slabs (docs/explanation/screening.md).
TYPICAL_CORRELATION = 0.84


def level_distribution(
    ensemble: Ensemble, estimates: Sequence[SurfaceEstimate]
) -> LevelDistribution:
    """Return the distributions of IP and EA of predicted surfaces.

    Parameters
    ----------
    ensemble
        What predicted.
    estimates
        Its predictions.

    Raises
    ------
    UncalibratedModelError
        When it predicts only one of the levels, or has too few residuals for intervals.
    """
    calibrations = [ensemble.calibrations.get(name) for name in LEVELS]
    known = [c for c in calibrations if c is not None and len(c.residuals)]
    bounds = [e.interval_90.get(name, (np.inf, np.inf)) for e in estimates for name in LEVELS]
    if len(known) < len(LEVELS) or not np.isfinite(bounds).all():
        raise UncalibratedModelError(
            "a model without finite intervals of IP and of EA",
            "a model that learned both from enough surfaces",
            "train it on more surfaces, or screen computed results: --from computed",
        )
    features = np.array([estimate.difficulty for estimate in estimates])
    factors = np.zeros((len(estimates), 2, 2))
    for level, calibration in enumerate(known):
        factors[:, level, level] = calibration.difficulty.of(features)
    r = TYPICAL_CORRELATION if ensemble.correlation is None else ensemble.correlation
    first, other = normal_points().T
    second = r * first + np.sqrt(1.0 - r**2) * other
    scores = (first, second)
    points = np.column_stack([c.errors_of_scores(s) for c, s in zip(known, scores, strict=True)])
    means = np.array([[estimate.values[name] for name in LEVELS] for estimate in estimates])
    return LevelDistribution(means, factors, points)
