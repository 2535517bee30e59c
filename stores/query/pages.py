"""Results a page at a time, with cursors.

A cursor says after which result a page begins, by the value that it is sorted by and its identifier. What is
stored meanwhile neither repeats nor hides a result, as a page by number would. A cursor holds nothing secret
and no operator of the database: who forges one chooses another place in the same list.
"""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import total_ordering
from operator import itemgetter
from sys import intern
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from surfalign.errors import QuerySyntaxError
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.query.fields import Kind, large_fields
from surfalign.stores.query.language import Filter, known_field
from surfalign.stores.query.matching import holds
from surfalign.stores.query.results import find_fields
from surfalign.stores.query.searches import collection_of
from surfalign.stores.vocabulary import Origin

if TYPE_CHECKING:
    from surfalign.stores.database import Database

#: What a page holds of each result.
Item = TypeVar("Item")
#: Most results of a page.
LARGEST_PAGE = 500
#: Longest cursor that is read.
LONGEST_CURSOR = 2000
#: Field that is sorted by where none is named: the oldest result comes first.
DEFAULT_SORT = "created_at"
#: Kinds of fields with one order, and what JSON holds of them.
_TYPES: dict[Kind, type | tuple[type, ...]] = {
    Kind.NUMBER: (int, float),
    Kind.INTEGER: int,
    Kind.BOOLEAN: bool,
    Kind.TEXT: str,
    Kind.CHOICE: str,
    Kind.TIME: str,
}


@total_ordering
@dataclass(frozen=True)
class _Turned:
    """A value that is compared the other way round where the largest comes first."""

    value: Any
    is_turned: bool

    def __lt__(self, other: _Turned) -> bool:
        first, second = (other, self) if self.is_turned else (self, other)
        return bool(first.value < second.value)


@dataclass(frozen=True)
class Order:
    """How results are sorted: by a field, and by the identifier where it is equal.

    Parameters
    ----------
    field
        Field of one value.
    descending
        Whether the largest comes first. Results without a value come last in both orders.
    """

    field: str = DEFAULT_SORT
    descending: bool = False

    def __post_init__(self) -> None:
        described = known_field(self.field)
        if described.kind not in _TYPES or described.repeated:
            raise QuerySyntaxError(
                f"{self.field} holds several values, which have no order",
                "a field of one number, text or time",
                "sort by another field, e.g. ionization_potential",
            )

    def rank(self, place: tuple[Any, str]) -> tuple[Any, ...]:
        """Return what a value and an identifier are sorted by: no value comes last, equal ones by name."""
        value, identifier = place
        if value is None:
            return 1, _Turned(0, False), identifier
        return 0, _Turned(value, self.descending), identifier


@dataclass(frozen=True)
class ResultList:
    """Which results a query matches, in order: their identifiers alone, so that thousands take little room.

    Attributes
    ----------
    order
        How they are sorted.
    places
        Value of the sorted field (None where there is none) and identifier of each.
    methods
        Methods of those with numbers that were not measured, most first; levels of different methods do not
        compare.
    """

    order: Order
    places: list[tuple[Any, str]]
    methods: dict[str, int]

    def after(self, place: tuple[Any, str]) -> int:
        """Return where the results behind a place begin, whether it is in the list or not."""
        return bisect_right(self.places, self.order.rank(place), key=self.order.rank)


@dataclass(frozen=True)
class Page(Generic[Item]):
    """Some results, and where the next ones are.

    Attributes
    ----------
    results
        The results, or what is shown of each.
    next_cursor
        For the next page; None where these are the last.
    """

    results: list[Item]
    next_cursor: str | None


def listed(
    database: Database,
    query: str | None = None,
    *,
    order: Order | None = None,
    within: Filter | None = None,
) -> ResultList:
    """Return which results a query matches, in order; the database is asked once.

    Parameters
    ----------
    database
        Where to look.
    query
        Text of the query language; None matches all.
    order
        How they are sorted; by default the oldest comes first.
    within
        MongoDB's filter of the results that may be seen; None lets all be seen.

    Raises
    ------
    QuerySyntaxError
        When the query cannot be understood.
    DatabaseUnreachableError
        When the connection breaks.
    """
    order = order or Order()
    return list_of(find_fields(database, query, fields_of_list(order), within=within), order)


def fields_of_list(order: Order) -> tuple[str, ...]:
    """Return the fields that :func:`list_of` reads."""
    return (order.field, "identifier", "functional", "ionization_potential", "origin")


def list_of(records: Iterable[dict[str, Any]], order: Order) -> ResultList:
    """Return the list of some results.

    Parameters
    ----------
    records
        The results with :func:`fields_of_list`.
    order
        How they are sorted.
    """
    places: list[tuple[Any, str]] = []
    methods: Counter[str] = Counter()
    # Sorted here: the local server takes longer for it than for the search.
    for record in records:
        # Lists that are remembered share their identifiers.
        places.append((_value(record, order.field), intern(record["identifier"])))
        measured = record.get("origin") == Origin.MEASURED.value
        if record.get("ionization_potential") is not None and not measured:
            methods[str(record.get("functional"))] += 1
    return ResultList(order, _sorted(places, order), dict(methods.most_common()))


def page(
    database: Database,
    found: ResultList,
    *,
    limit: int = 100,
    cursor: str | None = None,
    within: Filter | None = None,
) -> Page[SurfaceLevelsDocument]:
    """Return a page of a list of results, without structures and curves.

    Parameters
    ----------
    database
        Where they are.
    found
        The list. A result that was deleted since is left out.
    limit
        How many to return at most, up to :data:`LARGEST_PAGE`.
    cursor
        ``next_cursor`` of the page before, of the same order; None for the first page.
    within
        MongoDB's filter of the results that may be seen; None lets all be seen.

    Raises
    ------
    QuerySyntaxError
        When the cursor or the limit cannot be understood.
    DatabaseUnreachableError
        When the connection breaks.
    """
    shown, following = place_of_page(found, limit, cursor)
    wanted: Filter = {"identifier": {"$in": shown}}
    with database.errors_named():
        records = {
            record["identifier"]: record
            for record in collection_of(database).find(
                wanted, {"_id": 0} | dict.fromkeys(large_fields(SurfaceLevelsDocument), 0)
            )
            if holds(within or {}, record)
        }
    results = [
        SurfaceLevelsDocument.model_validate(records[identifier])
        for identifier in shown
        if identifier in records
    ]
    return Page(results, following)


def place_of_page(
    found: ResultList, limit: int, cursor: str | None
) -> tuple[list[str], str | None]:
    """Return the identifiers on a page of a list, and the cursor of the next one; see :func:`page`."""
    if not 1 <= limit <= LARGEST_PAGE:
        raise QuerySyntaxError(
            f"a page of {limit} results", f"1 to {LARGEST_PAGE}", "follow the cursors for more"
        )
    start = 0 if cursor is None else found.after(_read(cursor, found.order))
    shown = found.places[start : start + limit]
    more = start + limit < len(found.places)
    following = _written(shown[-1], found.order) if more else None
    return [identifier for _, identifier in shown], following


def _sorted(places: list[tuple[Any, str]], order: Order) -> list[tuple[Any, str]]:
    """Sort as :meth:`Order.rank` compares; sorts by plain values are ten times as quick."""
    by_name = sorted(places, key=itemgetter(1))
    valued = [place for place in by_name if place[0] is not None]
    valued.sort(key=itemgetter(0), reverse=order.descending)
    return valued + [place for place in by_name if place[0] is None]


def _value(record: dict[str, Any], path: str) -> Any:
    """Return the value at a dotted path; None where there is none."""
    value: Any = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _written(place: tuple[Any, str], order: Order) -> str:
    """Return the cursor behind a result."""
    value, identifier = place
    if isinstance(value, datetime):
        value = value.isoformat()
    text = json.dumps([order.field, order.descending, value, identifier])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str, order: Order) -> tuple[Any, str]:
    """Return value and identifier of the result before a page.

    Raises
    ------
    QuerySyntaxError
        When the text is no cursor, or one of another order.
    """
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise ValueError("too long")
        padded = cursor + "=" * (-len(cursor) % 4)
        field, descending, value, identifier = json.loads(
            base64.b64decode(padded, altchars=b"-_", validate=True)
        )
        if (field, descending) != (order.field, order.descending) or not _is_text(identifier):
            raise ValueError("of another order")
        return _typed(value, known_field(order.field).kind), identifier
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise QuerySyntaxError(
            f"{cursor[:60]!r} is no cursor of this list",
            "the cursor that came with the page before, with the same sorting",
            "begin again with the first page",
        ) from error


def _typed(value: Any, kind: Kind) -> Any:
    """Return what the database compares with; a value of another type is a forgery."""
    if value is None:
        return None
    if not isinstance(value, _TYPES[kind]) or isinstance(value, bool) != (kind is Kind.BOOLEAN):
        raise ValueError("a value of another type")
    if isinstance(value, str) and not _is_text(value):
        raise ValueError("no text")
    if kind is Kind.TIME:
        time = datetime.fromisoformat(str(value))
        return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("too large a number")
    return value


def _is_text(value: Any) -> bool:
    """Tell whether the database can hold a value as text: no lone surrogates."""
    return isinstance(value, str) and value.isprintable()
