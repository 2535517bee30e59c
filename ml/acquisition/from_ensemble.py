"""What a choice needs of an ensemble: vectors of slabs, and calibrated distributions of their levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surfalign.ml.acquisition.distributions import Distribution
from surfalign.ml.acquisition.vectors import scaled, structural_vectors
from surfalign.ml.data.records import SurfaceRecord
from surfalign.ml.ensemble.ensemble import Ensemble, SurfaceEstimate
from surfalign.ml.interface import SurfacePrediction
from surfalign.ml.properties.property import LEVELS


@dataclass(frozen=True)
class ModelView:
    """A pool as a model sees it.

    Attributes
    ----------
    estimates
        Of each surface.
    vectors
        Scaled, shape (n, d).
    distributions
        Property to its calibrated distributions.
    """

    estimates: list[SurfaceEstimate]
    vectors: NDArray[np.float64]
    distributions: dict[str, Distribution]


def view_of(ensemble: Ensemble, records: Sequence[SurfaceRecord]) -> ModelView:
    """Look at slabs through an ensemble.

    Parameters
    ----------
    ensemble
        A level without finite intervals, as after few labels, has no distribution.
    records
        The slabs; at least one.

    Raises
    ------
    UnknownElementError
        When the model can make nothing of an element.
    """
    structures = [record.structure for record in records]
    estimates = ensemble.predict(structures)
    by_member = [member.predict(structures) for member in ensemble.members]
    distributions = {
        name: _distribution(name, ensemble, estimates, by_member)
        for name in LEVELS
        if _has_intervals(name, estimates)
    }
    return ModelView(estimates, _vectors(by_member, records), distributions)


def _has_intervals(name: str, estimates: Sequence[SurfaceEstimate]) -> bool:
    return all(name in e.interval_90 and np.isfinite(e.interval_90[name]).all() for e in estimates)


def _distribution(
    name: str,
    ensemble: Ensemble,
    estimates: Sequence[SurfaceEstimate],
    by_member: Sequence[Sequence[SurfacePrediction]],
) -> Distribution:
    calibration = ensemble.calibrations[name]
    features = np.array([estimate.difficulty for estimate in estimates])
    table = np.array([[p.values[name] for p in row] for row in by_member])
    return Distribution(
        values=np.array([estimate.values[name] for estimate in estimates]),
        scales=calibration.difficulty.of(features),
        residuals=np.maximum(np.asarray(calibration.residuals, dtype=np.float64), 0.0),
        disagreement=table.std(axis=0) if len(table) > 1 else None,
        weights=calibration.weights,
    )


def _vectors(
    by_member: Sequence[Sequence[SurfacePrediction]], records: Sequence[SurfaceRecord]
) -> NDArray[np.float64]:
    """Return the learner's vectors, those of all members side by side; without any, structural ones."""
    tables = [
        np.array([p.embedding for p in row])
        for row in by_member
        if all(p.embedding is not None for p in row)
    ]
    return scaled(np.concatenate(tables, axis=1) if tables else structural_vectors(records))
