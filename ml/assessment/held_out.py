"""Predictions beside the labels that they are held against: by blind members, or by a whole ensemble."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surfalign.ml.data.packed_structures import StructuresOf
from surfalign.ml.ensemble.fitting import blind_scores, calibration_key
from surfalign.ml.ensemble.targets import Columns, Target, targets_of

if TYPE_CHECKING:
    from surfalign.ml.data.datasets import FrozenDataset
    from surfalign.ml.ensemble.ensemble import Ensemble


@dataclass(frozen=True)
class HeldOut:
    """One property of one surface, or of one set of surfaces, that was held out.

    Attributes
    ----------
    surface, formula
        Which surface; the source of the label of a set.
    name
        Property.
    label, value
        Label and prediction, in the property's unit.
    interval
        Interval that shall cover nine of ten labels; None where it was not made.
    in_domain
        Whether the surface was inside of the domain.
    fold
        What was held out.
    weight
        Weight of the label.
    near_metal
        Whether the surface has the gap of a metal.
    statistic
        How the label belongs to a set (``median``, ``one_of``); empty for that of a surface.
    unit
        Of label and value.
    level
        ``slab``, or ``crystal``.
    """

    surface: str
    formula: str
    name: str
    label: float
    value: float
    interval: tuple[float, float] | None
    in_domain: bool
    fold: str
    weight: float = 1.0
    near_metal: bool = False
    statistic: str = ""
    unit: str = ""
    level: str = "slab"

    @property
    def of_set(self) -> bool:
        """Whether the label is that of a set of surfaces."""
        return bool(self.statistic)

    @property
    def width(self) -> float | None:
        """Width of the interval; None where there is none."""
        if self.interval is None or not math.isfinite(self.interval[0]):
            return None
        return self.interval[1] - self.interval[0]

    @property
    def covered(self) -> bool | None:
        """Whether the label lies inside of the interval; None where there is none."""
        if self.interval is None or self.width is None:
            return None
        return bool(self.interval[0] <= self.label <= self.interval[1])


def predict_held_out(ensemble: Ensemble, dataset: FrozenDataset, fold: str) -> list[HeldOut]:
    """Predict labelled surfaces and sets with a whole ensemble that has seen none of them."""
    records = dataset.records
    estimates = ensemble.predict(StructuresOf(records))
    inside = np.array([estimate.in_domain for estimate in estimates])
    columns = {
        name: np.array([estimate.values[name] for estimate in estimates])
        for name in (estimates[0].values if estimates else ())
    }
    features = np.array([estimate.difficulty for estimate in estimates])
    targets = [t for t in _targets(ensemble, dataset) if t.label.name in columns]
    found = []
    for target in targets:
        value = target.answer(columns[target.label.name])
        calibration = ensemble.calibrations.get(calibration_key(target))
        interval = None
        if calibration is not None:
            scale = ensemble.property_of(target.label.name)
            own = np.median(features[list(target.rows)], axis=0)
            learned = scale.learned(np.array([value]))
            low, high = scale.told(calibration.interval(learned, own[None, :]))[0]
            interval = (float(low), float(high))
        found.append(_held_out(target, value, interval, inside, fold))
    return found


def blind(ensemble: Ensemble, dataset: FrozenDataset, fidelity: str | None = None) -> list[HeldOut]:
    """Return the predictions of a model's blind members; without intervals, which these calibrate."""
    columns = ensemble.predict_blind(dataset.records)
    inside = blind_scores(dataset) <= ensemble.domain.threshold
    return [
        _held_out(target, value, None, inside, "blind member")
        for target in _targets(ensemble, dataset, fidelity)
        if math.isfinite(value := _answer(target, columns))
    ]


def as_dict(held: HeldOut) -> dict[str, Any]:
    """Return one prediction as plain JSON; an infinite bound is null."""
    plain = asdict(held)
    if held.interval is not None:
        plain["interval"] = [b if math.isfinite(b) else None for b in held.interval]
    return plain


def _targets(
    ensemble: Ensemble, dataset: FrozenDataset, fidelity: str | None = None
) -> Sequence[Target]:
    return targets_of(dataset.records, dataset.set_labels, fidelity or ensemble.fidelity)


def _answer(target: Target, columns: Columns) -> float:
    column = columns.get(target.label.name)
    return math.nan if column is None else target.answer(column)


def _held_out(
    target: Target,
    value: float,
    interval: tuple[float, float] | None,
    inside: NDArray[np.bool_],
    fold: str,
) -> HeldOut:
    return HeldOut(
        surface=target.title,
        formula=target.formula,
        name=target.label.name,
        label=target.label.value,
        value=value,
        interval=interval,
        in_domain=bool(np.mean(inside[list(target.rows)]) >= 0.5),
        fold=fold,
        weight=target.label.weight,
        near_metal=target.near_metal,
        statistic=target.statistic.value if target.statistic else "",
        unit=target.label.unit,
        level=target.level.value,
    )
