"""Splits that keep what is alike together: by formula, by chemical system, by element.

Surfaces of one crystal share its bulk, so a random split over surfaces tests memory rather than
prediction. All splits are deterministic: by hash where they must not move when data are added, else by
an explicit seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from surfalign.errors import EmptyDatasetError, LearnerError

#: Folds of a released model.
FOLDS = 5


class Grouped(Protocol):
    """What a split looks at."""

    @property
    def formula(self) -> str:
        """Reduced formula."""

    @property
    def chemical_system(self) -> str:
        """Elements joined by hyphens."""


@dataclass(frozen=True)
class Split:
    """One split of a data set.

    Attributes
    ----------
    train
        Indices of the records to learn from.
    test
        Indices of the records to test on.
    name
        What was held out.
    """

    train: list[int]
    test: list[int]
    name: str


def formula_fold(formula: str, n_folds: int = FOLDS) -> int:
    """Return the fold of a formula; it depends on nothing but the formula.

    Therefore a formula stays in its fold when data are added, and a model that never saw a fold has
    never seen its formulas, whatever data it or its successors were trained on.
    """
    return int.from_bytes(hashlib.sha256(formula.encode()).digest()[:8], "big") % n_folds


def by_formula(records: Sequence[Grouped], n_folds: int = 5, seed: int = 0) -> Iterator[Split]:
    """Yield folds of about equal size that no formula is on both sides of."""
    return _grouped([record.formula for record in records], n_folds, seed, "formulas")


def by_chemical_system(
    records: Sequence[Grouped], n_folds: int = 5, seed: int = 0
) -> Iterator[Split]:
    """Yield folds of about equal size that no chemical system is on both sides of."""
    return _grouped([record.chemical_system for record in records], n_folds, seed, "systems")


def leave_one_element_out(
    records: Sequence[Grouped], *, smallest: int = 5, common: float = 0.5
) -> Iterator[Split]:
    """Yield a split for each element: all records that hold it are the test.

    Parameters
    ----------
    records
        What to split.
    smallest
        Elements of fewer records are no test.
    common
        Elements of a larger share of the records (oxygen, in oxides) are left alone.
    """
    systems = [set(record.chemical_system.split("-")) for record in records]
    for element in sorted(set().union(*systems)):
        test = [index for index, system in enumerate(systems) if element in system]
        if smallest <= len(test) <= common * len(records):
            train = sorted(set(range(len(records))) - set(test))
            yield Split(train, test, element)


def hold_out(records: Sequence[Grouped], fraction: float, seed: int = 0) -> Split:
    """Hold out about a fraction of the records, whole formulas at a time.

    Raises
    ------
    LearnerError
        When one of the two sides would be empty.
    """
    groups = _members([record.formula for record in records])
    test: list[int] = []
    for name in _shuffled(sorted(groups), seed):
        if len(test) >= fraction * len(records):
            break
        test += groups[name]
    train = sorted(set(range(len(records))) - set(test))
    if not train or not test:
        raise LearnerError(
            f"{len(groups)} formulas cannot be split at {fraction:g}",
            "at least two formulas, and a fraction between 0 and 1",
            "add data",
        )
    return Split(train, sorted(test), f"{fraction:g} held out")


def _grouped(keys: Sequence[str], n_folds: int, seed: int, what: str) -> Iterator[Split]:
    """Deal the groups, the largest first, each to the smallest fold."""
    if not keys:
        raise EmptyDatasetError("there is nothing to split", "at least one record")
    groups = _members(keys)
    if len(groups) < n_folds:
        raise LearnerError(
            f"{len(groups)} {what} for {n_folds} folds",
            f"at least {n_folds} different {what}",
            "take fewer folds, or add data",
        )
    folds: list[list[int]] = [[] for _ in range(n_folds)]
    order = sorted(_shuffled(sorted(groups), seed), key=lambda name: -len(groups[name]))
    for name in order:
        min(folds, key=len).extend(groups[name])
    for number, test in enumerate(folds):
        train = sorted(index for other in folds if other is not test for index in other)
        yield Split(train, sorted(test), f"fold {number + 1} of {n_folds}")


def _members(keys: Sequence[str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    return groups


def _shuffled(names: list[str], seed: int) -> list[str]:
    order = np.random.default_rng(seed).permutation(len(names))
    return [names[index] for index in order]


#: The ways to split into folds, by the name that the command line uses.
SPLITS: dict[str, Callable[[Sequence[Grouped]], Iterator[Split]]] = {
    "formula": by_formula,
    "chemical-system": by_chemical_system,
    "element": leave_one_element_out,
}
