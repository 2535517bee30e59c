"""How good a model is on surfaces whose formulas it has not seen, and whether another is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surfalign.ml.data.records import LABEL_UNITS
from surfalign.ml.ensemble.fitting import blind_scores, target_labels

if TYPE_CHECKING:
    from surfalign.ml.data.records import SurfaceRecord
    from surfalign.ml.ensemble.ensemble import Ensemble

#: Resamplings of a bootstrap.
RESAMPLINGS = 4000


@dataclass(frozen=True)
class PairedComparison:
    """Challenger against champion on the same surfaces.

    Attributes
    ----------
    difference
        Mean absolute error of the challenger - that of the champion, eV; negative is better.
    interval
        95 % interval of the difference from a bootstrap over formulas, eV.
    champion_error, challenger_error
        Mean absolute errors, eV.
    n_surfaces, n_formulas
        What they were compared on.
    """

    difference: float
    interval: tuple[float, float]
    champion_error: float
    challenger_error: float
    n_surfaces: int
    n_formulas: int

    @property
    def significantly_better(self) -> bool:
        """Whether the whole interval lies below zero."""
        return self.interval[1] < 0

    @property
    def significantly_worse(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.interval[0] > 0


def blind_errors(
    ensemble: Ensemble, records: Sequence[SurfaceRecord], fidelity: str | None = None
) -> dict[str, NDArray[np.float64]]:
    """Return prediction - label of each property by blind members, shape (n_records,); NaN where unknown."""
    return {
        name: values - target_labels(records, name, fidelity or ensemble.fidelity)
        for name, values in ensemble.predict_blind(records).items()
    }


def out_of_fold_metrics(
    ensemble: Ensemble, records: Sequence[SurfaceRecord]
) -> dict[str, dict[str, Any]]:
    """Return the errors of each property on formulas that the predicting member has not seen.

    Mean absolute and root-mean-square error, number of surfaces, the mean absolute error inside and
    outside of the domain, and the unit of all of them.
    """
    scores = blind_scores(records)
    inside = scores <= ensemble.domain.threshold
    metrics = {}
    for name, errors in blind_errors(ensemble, records).items():
        size = np.abs(errors)
        known = np.isfinite(size)
        metrics[name] = {
            "unit": LABEL_UNITS.get(name, ""),
            "n": int(known.sum()),
            "mae": _mean(size[known]),
            "rmse": None if not known.any() else float(np.sqrt(np.mean(size[known] ** 2))),
            "mae_in_domain": _mean(size[known & inside]),
            "mae_out_of_domain": _mean(size[known & ~inside]),
        }
    return metrics


def compare(
    champion: Mapping[str, NDArray[np.float64]],
    challenger: Mapping[str, NDArray[np.float64]],
    formulas: Sequence[str],
    seed: int = 0,
) -> PairedComparison | None:
    """Compare two models on the surfaces for which both have an error; None where there are none.

    Parameters
    ----------
    champion, challenger
        Property to errors, shape (n_surfaces,); NaN where unknown. The error of a surface is the mean
        absolute error over the properties that both have.
    formulas
        Formula of each surface: the bootstrap draws formulas, because surfaces of one crystal are alike.
    seed
        Of the bootstrap.
    """
    names = sorted(set(champion) & set(challenger))
    if not names:
        return None
    old = np.mean([np.abs(champion[name]) for name in names], axis=0)
    new = np.mean([np.abs(challenger[name]) for name in names], axis=0)
    known = np.isfinite(old) & np.isfinite(new)
    if not known.any():
        return None
    groups, index = np.unique(np.array(formulas)[known], return_inverse=True)
    total = np.bincount(index, (new - old)[known])
    count = np.bincount(index)
    drawn = np.random.default_rng(seed).integers(len(groups), size=(RESAMPLINGS, len(groups)))
    means = total[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return PairedComparison(
        difference=float((new - old)[known].mean()),
        interval=(float(low), float(high)),
        champion_error=float(old[known].mean()),
        challenger_error=float(new[known].mean()),
        n_surfaces=int(known.sum()),
        n_formulas=len(groups),
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None
