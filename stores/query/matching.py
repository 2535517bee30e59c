"""The query language asked of what is not in the database: predictions, and results in files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from surfalign.stores.query.language import to_filter

#: Orders; one holds for a list when it holds for one item.
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "$lt": lambda value, bound: value < bound,
    "$lte": lambda value, bound: value <= bound,
    "$gt": lambda value, bound: value > bound,
    "$gte": lambda value, bound: value >= bound,
}
#: Operators that hold when another one does not.
_OF_NONE = {"$ne": "$eq", "$nin": "$in"}
#: Types whose values compare among themselves.
_COMPARABLE = (int | float, str, datetime)


def matches(query: str, record: Mapping[str, Any]) -> bool:
    """Tell whether a record matches a query as a stored result would.

    Parameters
    ----------
    query
        Text of the query language; an empty one matches everything.
    record
        Field to plain value, as a result is stored; a field that it lacks is missing.

    Raises
    ------
    QuerySyntaxError
        When the query cannot be understood.
    """
    return holds(to_filter(query), record)


def holds(condition: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Tell whether a record matches a filter of the query language or of who may see it."""
    for key, value in condition.items():
        if key in ("$and", "$or"):
            parts = [holds(part, record) for part in value]
            if not (all(parts) if key == "$and" else any(parts)):
                return False
        elif not _fulfils(list(_values(record, key.split("."))), value):
            return False
    return True


def fields_of(condition: Mapping[str, Any]) -> set[str]:
    """Return the fields that a filter looks at."""
    fields: set[str] = set()
    for key, value in condition.items():
        fields |= {key} if not key.startswith("$") else set().union(*map(fields_of, value))
    return fields


def _values(record: Any, path: list[str]) -> Iterator[Any]:
    """Yield what stands at a path: of a list the whole and every item, of nothing None."""
    if not path:
        yield record
        if isinstance(record, list):
            yield from record
    elif isinstance(record, Mapping):
        yield from _values(record.get(path[0]), path[1:])
    elif isinstance(record, list):
        for item in record:
            yield from _values(item, path)
    else:
        yield None


def _fulfils(values: list[Any], condition: Any) -> bool:
    if not isinstance(condition, Mapping):
        return condition in values
    return all(_operator(values, name, bound) for name, bound in condition.items())


def _operator(values: list[Any], name: str, bound: Any) -> bool:
    if name == "$not":
        return not _fulfils(values, bound)
    if name in _OF_NONE:
        return not _operator(values, _OF_NONE[name], bound)
    if name == "$eq":
        return bound in values
    if name == "$in":
        return any(value in bound for value in values)
    known = [v for v in values if v is not None and not isinstance(v, list | Mapping)]
    return any(_ORDERS[name](value, bound) for value in known if _have_an_order(value, bound))


def _have_an_order(value: Any, bound: Any) -> bool:
    """Ask whether two values compare: as in the database, numbers, texts and times do among themselves."""
    return any(isinstance(value, kind) and isinstance(bound, kind) for kind in _COMPARABLE)
