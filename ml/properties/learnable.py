"""Which properties of a data set a model learns, and what they look like on the scale of the learner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from surfalign.errors import LearnerError, UninformativeLabelsError, UnknownPropertyError
from surfalign.ml.data.datasets import FrozenDataset
from surfalign.ml.data.records import Label
from surfalign.ml.properties.property import KNOWN, Level, Property

#: Fewer labels have no 90 % interval, and fewer formulas no fold that a member has not seen.
FEWEST_LABELS, FEWEST_FORMULAS = 10, 2
AnyLabel = TypeVar("AnyLabel", bound=Label)


def learned_properties(dataset: FrozenDataset, names: Sequence[str]) -> list[Property]:
    """Return the properties that a model of a data set learns instead of the default ones.

    Parameters
    ----------
    dataset
        What to learn from.
    names
        What is asked for; with none, all that the data declare, and of crystals and atoms all that they have.

    Raises
    ------
    LearnerError
        When nothing can be learned of one of them; see :func:`check_learnable`.
    """
    beyond_slabs = {} if dataset.level is Level.SLAB else dataset.units
    wanted = list(names or dataset.declared or beyond_slabs)
    twice = [name for name, times in Counter(wanted).items() if times > 1]
    if twice:
        raise LearnerError(f"{twice[0]} is named twice", "each property once", "correct --property")
    check_learnable(dataset, wanted)
    return [dataset.property_of(name) for name in wanted]


def check_learnable(dataset: FrozenDataset, names: Sequence[str]) -> None:
    """Refuse properties of which nothing can be learned.

    Raises
    ------
    UnknownPropertyError
        When a property has no label.
    UninformativeLabelsError
        When it has too few, or they are all equal.
    """
    numbers: dict[str, list[float]] = {}
    formulas: dict[str, set[str]] = {}
    for record in dataset.records:
        for label in record.labels:
            numbers.setdefault(label.name, []).append(label.value)
            formulas.setdefault(label.name, set()).add(record.formula)
    for label in dataset.set_labels:
        numbers.setdefault(label.name, []).append(label.value)
        formulas.setdefault(label.name, set()).add(label.formula)
    for name in names:
        own = numbers.get(name, [])
        if not own:
            raise UnknownPropertyError(
                f"no structure of the data has a label of {name}",
                f"one of {', '.join(sorted(numbers))}",
                "correct --property, or declare it with --properties",
            )
        if len(own) < FEWEST_LABELS or len(formulas[name]) < FEWEST_FORMULAS:
            raise UninformativeLabelsError(
                f"{name} has {len(own)} labels of {len(formulas[name])} formulas",
                f"at least {FEWEST_LABELS} labels of {FEWEST_FORMULAS} formulas",
                "add data",
            )
        if min(own) == max(own):
            raise UninformativeLabelsError(
                f"all {len(own)} labels of {name} are {own[0]:g} {dataset.units[name]}",
                "labels that differ",
                "look at the column, or leave the property out",
            )


def beyond_known(dataset: FrozenDataset) -> dict[str, Property]:
    """Return the labelled properties that are declared, or that surfalign does not know of slabs, by name."""
    known = KNOWN if dataset.level is Level.SLAB else {}
    names = [name for name in dataset.units if name in dataset.declared or name not in known]
    return {name: dataset.property_of(name) for name in names}


def on_learned_scale(dataset: FrozenDataset) -> FrozenDataset:
    """Return the data set with all labels on the scales on which their properties are learned."""
    changed = {n: p for n, p in dataset.declared.items() if p.is_transformed}
    if not changed:
        return dataset

    def scaled(label: AnyLabel) -> AnyLabel:
        if label.name not in changed:
            return label
        return replace(label, value=float(changed[label.name].learned(np.array(label.value))))

    records = [replace(r, labels=tuple(map(scaled, r.labels))) for r in dataset.records]
    return replace(
        dataset,
        records=tuple(records),
        set_labels=tuple(map(scaled, dataset.set_labels)),
    )


def learned_spreads(dataset: FrozenDataset, names: Sequence[str]) -> dict[str, float]:
    """Return the standard deviation of the labels of properties, on the scale of the data set."""
    values: dict[str, list[float]] = {name: [] for name in names}
    for label in dataset.labels():
        if label.name in values:
            values[label.name].append(label.value)
    return {name: float(np.std(own)) or 1.0 for name, own in values.items() if own}
