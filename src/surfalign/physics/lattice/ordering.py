"""Orders that numerical noise does not change.

A number rounded to a grid jumps when it lies near a step, and sooner or later one does. Here nothing
is rounded: the members of a list are *compared*, one criterion after the other, and values that differ
by less than the tolerance count as equal. The order can change only where two members differ by just
the tolerance, to within the noise; of numbers that differ at all, few do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

#: Value of a criterion for each of the given members, and the difference that counts.
Criterion = tuple[Callable[[NDArray[np.int64]], Sequence[float] | NDArray[np.float64]], float]


def settled_order(n_members: int, criteria: Sequence[Criterion]) -> list[int]:
    """Order members by criteria, the first one first; each is asked only where members still tie.

    Parameters
    ----------
    n_members
        Number of members; they are known by their numbers.
    criteria
        Pairs of a function, which returns one value for each of the member numbers it is given, and
        the tolerance. Smaller values come first.

    Returns
    -------
    list of int
        Member numbers. Those that tie in every criterion keep their order.
    """
    return [int(i) for i in _ordered(np.arange(n_members), criteria)]


def _ordered(members: NDArray[np.int64], criteria: Sequence[Criterion]) -> NDArray[np.int64]:
    if len(members) < 2 or not criteria:
        return members
    (values_of, tolerance), *rest = criteria
    values = np.asarray(values_of(members), dtype=np.float64)
    by_value = np.argsort(values, kind="stable")
    steps = np.flatnonzero(np.diff(values[by_value]) > tolerance) + 1
    groups = np.split(by_value, steps)
    return np.concatenate([_ordered(members[np.sort(group)], rest) for group in groups])


def ranks(labels: Sequence[str]) -> NDArray[np.float64]:
    """Return the place of each label in their alphabetical order: a criterion of tolerance 0.5."""
    return np.asarray(np.unique(np.array(labels), return_inverse=True)[1], dtype=np.float64)
