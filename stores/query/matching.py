"""The query language asked of what is not in the database, such as predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from surfalign.stores.query.language import to_filter

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "$lt": lambda value, bound: value is not None and value < bound,
    "$lte": lambda value, bound: value is not None and value <= bound,
    "$gt": lambda value, bound: value is not None and value > bound,
    "$gte": lambda value, bound: value is not None and value >= bound,
    "$ne": lambda value, other: value != other,
    "$in": lambda value, several: value in several,
    "$nin": lambda value, several: value not in several,
    "$not": lambda value, condition: not _fulfils(value, condition),
}


def matches(query: str, record: Mapping[str, Any]) -> bool:
    """Tell whether a record matches a query as a stored result would.

    Parameters
    ----------
    query
        Text of the query language; an empty one matches everything.
    record
        Field to value; a field that it lacks is missing. Values of lists and records are not looked into.

    Raises
    ------
    QuerySyntaxError
        When the query cannot be understood.
    """
    return _holds(to_filter(query), record)


def _holds(condition: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    for key, value in condition.items():
        if key in ("$and", "$or"):
            parts = [_holds(part, record) for part in value]
            if not (all(parts) if key == "$and" else any(parts)):
                return False
        elif not _fulfils(record.get(key), value):
            return False
    return True


def _fulfils(value: Any, condition: Any) -> bool:
    if isinstance(condition, Mapping):
        return all(_ORDERS[operator](value, bound) for operator, bound in condition.items())
    return bool(value == condition)
