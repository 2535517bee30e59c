"""Long iterations in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of at most ``size`` items; only one is held at a time."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
