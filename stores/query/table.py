"""The small fields of all results in memory, for questions that are asked again with other numbers.

The local server takes half a minute of processor time for ten questions among tens of thousands of results; a
table of some megabytes answers them in a tenth of a second each. It is of one version of the results
(:func:`surfalign.stores.query.summaries.version`) and holds those that nobody may see, too: who asks says which of
them may be seen.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from surfalign.stores.database import INDEXED_FIELDS
from surfalign.stores.query.language import Filter
from surfalign.stores.query.matching import fields_of, holds
from surfalign.stores.query.results import find_records
from surfalign.stores.query.summaries import has_field
from surfalign.stores.sharing.register import Kind, SharingRegister
from surfalign.stores.sharing.visibility import SHARING

if TYPE_CHECKING:
    from surfalign.stores.database import Database

#: Fields that are read together: what lists need, and what most questions ask.
USUAL = frozenset([*INDEXED_FIELDS, "identifier", "origin", "surface_name", "relaxed"])
#: Orders with the bound on the left.
_TURNED: dict[str, Callable[[float, float], bool]] = {
    "$lt": operator.gt, "$lte": operator.ge, "$gt": operator.lt, "$gte": operator.le,
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Some fields of all results.

    Attributes
    ----------
    columns
        Field to its value in each result; all in the same order.
    """

    columns: Mapping[str, list[Any]]

    @property
    def size(self) -> int:
        """Room that it takes (bytes), roughly."""
        return 40 * sum(map(len, self.columns.values()))

    def records(
        self, condition: Filter, visible: Collection[str] | None, fields: Collection[str]
    ) -> Iterator[dict[str, Any]]:
        """Yield some fields of the results that a filter matches.

        Parameters
        ----------
        condition
            Of :func:`surfalign.stores.query.language.to_filter`, of fields of this table.
        visible
            Identifiers of those that may be seen; None for all.
        fields
            Which to yield; a dotted one comes as what it is in.
        """
        wanted = {path.partition(".")[0] for path in fields}
        shown = {field: self.columns[field] for field in wanted}
        names = self.columns["identifier"]
        places = [i for i, name in enumerate(names) if visible is None or name in visible]
        for place in self._chosen(condition, places):
            yield {field: column[place] for field, column in shown.items()}

    def _chosen(self, condition: Filter, places: list[int]) -> list[int]:
        for key, value in condition.items():
            if key == "$and":
                for part in value:
                    places = self._chosen(part, places)
            elif key == "$or":
                kept = set[int]().union(*(self._chosen(part, places) for part in value))
                places = [place for place in places if place in kept]
            else:
                places = self._matching(key, value, places)
        return places

    def _matching(self, key: str, value: Any, places: list[int]) -> list[int]:
        top = key.partition(".")[0]
        column, known = self.columns[top], dict[Any, bool]()

        def matches(item: Any) -> bool:
            if not isinstance(item, str):
                return holds({key: value}, {top: item})
            if item not in known:  # texts are few
                known[item] = holds({key: value}, {top: item})
            return known[item]

        ordered = _order(value)
        if ordered is None:
            return [place for place in places if matches(column[place])]
        return [
            place
            for place in places
            if (ordered(item) if type(item := column[place]) is float else matches(item))
        ]


def _order(condition: Any) -> Callable[[float], bool] | None:
    """Return what compares a number with a bound, where a condition is that alone: thirty times as quick."""
    if not isinstance(condition, Mapping) or len(condition) != 1:
        return None
    [(name, bound)] = condition.items()
    if name not in _TURNED or not isinstance(bound, int | float):
        return None
    return partial(_TURNED[name], bound)


def needed(condition: Filter, fields: Iterable[str]) -> frozenset[str] | None:
    """Return the fields of the table that answers a question; None where summaries lack one of them."""
    paths = [*fields_of(condition), *fields]
    if not all(map(has_field, paths)):
        return None
    return USUAL | {path.partition(".")[0] for path in paths}


def table_of(database: Database, fields: Collection[str]) -> Table:
    """Read some fields of all results."""
    columns: dict[str, list[Any]] = {field: [] for field in fields}
    same: dict[Any, Any] = {}
    for record in find_records(database, {}, sorted(fields)):
        for field, column in columns.items():
            value = record.get(field)
            column.append(same.setdefault(value, value) if isinstance(value, str) else value)
    return Table(columns)


def visible_among(database: Database, within: Filter) -> frozenset[str]:
    """Return the identifiers of the results that may be seen, by the register of sharing records.

    Parameters
    ----------
    database
        Connected.
    within
        MongoDB's filter of what may be seen, of documents that hold a record as ``sharing``.
    """
    return frozenset(
        identifier
        for identifier, record in SharingRegister(database).plain(Kind.RESULT)
        if holds(within, {SHARING: record})
    )
