"""What predictions are held against: labels of surfaces, and of sets of surfaces, at one fidelity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surfalign.ml.data.label_quality import is_near_metal
from surfalign.ml.data.records import Label, SetLabel, Statistic, SurfaceRecord
from surfalign.ml.properties.property import Level

Columns = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Target:
    """One label and the surfaces that it is about.

    Attributes
    ----------
    title
        Name of the surface, or source of the label of a set.
    formula
        Reduced formula.
    label
        The label.
    rows
        Indices of its surfaces in the data set.
    near_metal
        Whether the surface has the gap of a metal; such labels are of another kind.
    statistic
        How the label belongs to several surfaces; None for that of one.
    level
        Whether the surfaces are crystals.
    """

    title: str
    formula: str
    label: Label
    rows: tuple[int, ...]
    near_metal: bool = False
    statistic: Statistic | None = None
    level: Level = Level.SLAB

    def answer(self, column: NDArray[np.float64]) -> float:
        """Return what predictions of all surfaces, shape (n_surfaces,), say of this label."""
        own = column[list(self.rows)]
        if self.statistic is Statistic.MEDIAN:
            return float(np.median(own))
        if self.statistic is Statistic.ONE_OF:
            # As in training: the surface that comes closest is taken for the one that was meant.
            return float(own[np.argmin(np.abs(own - self.label.value))])
        return float(own[0])


def targets_of(
    records: Sequence[SurfaceRecord], set_labels: Sequence[SetLabel], fidelity: str
) -> list[Target]:
    """Return the labels of a fidelity: of each surface the first of a property, then those of sets."""
    found = []
    for row, record in enumerate(records):
        own: dict[str, Label] = {}
        for label in record.labels:
            if label.fidelity == fidelity:
                own.setdefault(label.name, label)
        # The gap of a crystal is what is learned; it does not set its other properties apart.
        metallic = record.level is Level.SLAB and is_near_metal(record.labels, fidelity)
        found += [
            Target(record.name, record.formula, label, (row,), metallic, level=record.level)
            for label in own.values()
        ]
    place = {record.name: row for row, record in enumerate(records)}
    for label in set_labels:
        rows = tuple(place[name] for name in label.members if name in place)
        if label.fidelity == fidelity and len(rows) == len(label.members):
            level = records[rows[0]].level
            found.append(
                Target(
                    label.source,
                    label.formula,
                    label,
                    rows,
                    statistic=label.statistic,
                    level=level,
                )
            )
    return found
