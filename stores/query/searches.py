"""Where a question is asked: of the summaries of the results, or of the results themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from surfalign.stores.query.language import Filter
from surfalign.stores.query.matching import fields_of, holds
from surfalign.stores.query.summaries import (
    LEFT_OUT,
    SUMMARIZED,
    WRITTEN,
    has_field,
    summaries,
    summary,
)
from surfalign.stores.sharing.register import copies
from surfalign.stores.sharing.visibility import SHARING

if TYPE_CHECKING:
    from pymongo.collection import Collection

    from surfalign.stores.database import Database


def find_summaries(database: Database, *, within: Filter | None = None) -> Iterator[dict[str, Any]]:
    """Yield the summaries of all results that may be seen; see :mod:`surfalign.stores.query.summaries`.

    Parameters
    ----------
    database
        Where they are.
    within
        MongoDB's filter of the results that may be seen; None lets all be seen.
    """
    with database.errors_named():
        kept = None if within else summaries(database)
        if kept is not None:
            yield from kept.find(WRITTEN, {"_id": 0})
            return
        left_out = dict.fromkeys(LEFT_OUT - SUMMARIZED - {SHARING}, 0)
        # What may be seen is asked here, as everywhere, and not of the database.
        for record in collection_of(database).find({}, left_out):
            if holds(within or {}, record):
                yield summary(record)


def summaries_of(
    database: Database, identifiers: Sequence[str], *, within: Filter | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the summaries of some results, those that may be seen; see :func:`find_summaries`.

    Who may see them is asked of the register of sharing records, which is the truth.
    """
    wanted: Filter = {"identifier": {"$in": list(identifiers)}}
    with database.errors_named():
        kept = summaries(database)
        if kept is not None:
            # Side by side: below an $and the local server would not use its index.
            found = list(kept.find(wanted | WRITTEN, {"_id": 0}))
        else:
            left_out = dict.fromkeys(LEFT_OUT - SUMMARIZED, 0)
            found = [summary(one) for one in collection_of(database).find(wanted, left_out)]
        shared = copies(collection_of(database).database, identifiers) if within else {}
    for one in found:
        if holds(within or {}, one | {SHARING: shared.get(one["identifier"])}):
            yield one


def searched(
    database: Database,
    condition: Filter,
    fields: Iterable[str] = (),
    within: Filter | None = None,
) -> tuple[Collection[dict[str, Any]], Filter]:
    """Return where to search, and for what: among the summaries, or the results themselves.

    Summaries answer those who see all. What others may see is asked of the results, which hold it first.
    """
    if within or not all(map(has_field, [*fields_of(condition), *fields])):
        return collection_of(database), narrowed(condition, within)
    kept = summaries(database)
    if kept is None:
        return collection_of(database), condition
    return kept, narrowed(condition, WRITTEN)


def narrowed(condition: Filter, within: Filter | None) -> Filter:
    """Return a filter of what it matches among the results that may be seen."""
    return {"$and": [condition, within]} if within else condition


def collection_of(database: Database) -> Collection[dict[str, Any]]:
    """Return pymongo's collection itself: maggma hides how it fetches."""
    collection: Collection[dict[str, Any]] = database.surface_levels._collection
    return collection
