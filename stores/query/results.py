"""Typed reading of the results: find, get, count; streaming, so that memory does not grow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json as encoded
from pydantic_core import to_jsonable_python
from pymatgen.core import Structure

from surfalign.errors import DocumentNotFoundError, PhysicsInputError
from surfalign.listing import Listing, fixed
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.query.fields import large_fields
from surfalign.stores.query.language import Filter, known_field, to_filter
from surfalign.stores.query.matching import fields_of, holds
from surfalign.stores.query.searches import collection_of, narrowed, searched
from surfalign.stores.vocabulary import Origin

if TYPE_CHECKING:
    from pymongo.collection import Collection

    from surfalign.stores.database import Database

#: Documents that travel from the server at a time.
BATCH_SIZE = 100
#: The same of some fields of each: while the local server looks for them, it answers nobody.
RECORDS = 2000


class Results(Listing[SurfaceLevelsDocument]):
    """A list of results that shows itself as a table."""

    columns = ("Surface", "IP (eV)", "EA (eV)", "Gap (eV)", "Energy (J/m2)", "State")

    def row(self, item: SurfaceLevelsDocument) -> list[str]:
        """Return name, levels, surface energy, and what the result is worth."""
        numbers = (
            item.ionization_potential, item.electron_affinity, item.band_gap, item.surface_energy
        )  # fmt: skip
        reason = item.error.error if item.error else ", ".join(item.failed_checks)
        state = f"{item.state}: {reason}" if reason else str(item.state)
        return [item.surface_name or item.formula, *map(fixed, numbers), state]


def find(
    database: Database,
    query: str | None = None,
    *,
    sort: str | None = None,
    descending: bool = False,
    limit: int | None = None,
    full: bool = False,
    within: Filter | None = None,
) -> Iterator[SurfaceLevelsDocument]:
    """Yield the results that a query matches.

    Parameters
    ----------
    database
        Where to look.
    query
        Text of the query language; None matches all.
    sort
        Field to sort by; results without it come last. By default the oldest comes first.
    descending
        Whether the largest comes first.
    limit
        How many to yield at most; None for all.
    full
        Whether structures and potential curves are read too; they are None otherwise.
    within
        MongoDB's filter of the results that may be seen; None lets all be seen.

    Raises
    ------
    QuerySyntaxError
        When the query or the field to sort by cannot be understood; at once, before iteration.
    DatabaseUnreachableError
        When the connection breaks.
    """
    condition = joined(query, within)
    if sort is not None:
        known_field(sort)
    return _stream(database, condition, sort or "created_at", descending, limit, full)


def find_fields(
    database: Database, query: str | None, fields: Sequence[str], *, within: Filter | None = None
) -> Iterator[dict[str, Any]]:
    """Yield some fields of the results that a query matches, as they are stored: for tens of thousands.

    Parameters
    ----------
    database
        Where to look.
    query
        Text of the query language; None matches all.
    fields
        Names of fields.
    within
        MongoDB's filter of the results that may be seen; None lets all be seen.

    Raises
    ------
    QuerySyntaxError
        When the query cannot be understood.
    DatabaseUnreachableError
        When the connection breaks.
    """
    yield from find_records(database, to_filter(query or ""), fields, within=within)


def find_records(
    database: Database, condition: Filter, fields: Sequence[str], *, within: Filter | None = None
) -> Iterator[dict[str, Any]]:
    """Yield some fields of the results that a filter of MongoDB matches; see :func:`find_fields`."""
    with database.errors_named():
        if within:
            yield from seen(collection_of(database), condition, fields, within)
            return
        place, wanted = searched(database, condition, fields)
        projection = {"_id": 0} | dict.fromkeys(fields, 1)
        yield from place.find(wanted, projection, batch_size=RECORDS)


def count(database: Database, query: str | None = None) -> int:
    """Return how many results a query matches.

    Raises
    ------
    QuerySyntaxError
        When the query cannot be understood.
    """
    condition = to_filter(query or "")
    with database.errors_named():
        place, wanted = searched(database, condition)
        return int(place.count_documents(wanted))


def methods(database: Database, query: str | None = None) -> dict[str, int]:
    """Return the methods (``functional``) of the results with numbers that a query matches, most first.

    Levels of different methods do not compare: what lists several says so. Measured levels, with which all
    compare, are not counted.

    Raises
    ------
    QuerySyntaxError
        When the query cannot be understood.
    """
    numbers = {"ionization_potential": {"$ne": None}, "origin": {"$ne": Origin.MEASURED.value}}
    condition = {"$and": [to_filter(query or ""), numbers]}
    with database.errors_named():
        place, wanted = searched(database, condition)
        stages: list[dict[str, Any]] = [
            {"$match": wanted},
            {"$group": {"_id": "$functional", "number": {"$sum": 1}}},
            {"$sort": {"number": -1, "_id": 1}},
        ]
        return {str(group["_id"]): int(group["number"]) for group in place.aggregate(stages)}


def formulas(
    database: Database, query: str | None = None, *, within: Filter | None = None
) -> dict[str, int]:
    """Return the formulas of the results that a query matches, in their order, with their numbers.

    Raises
    ------
    QuerySyntaxError
        When the query cannot be understood.
    """
    condition = to_filter(query or "")
    with database.errors_named():
        place, wanted = searched(database, condition, within=within)
        stages: list[dict[str, Any]] = [
            {"$match": wanted},
            {"$group": {"_id": "$formula", "number": {"$sum": 1}}},
            {"$sort": {"_id": 1}},
        ]
        return {str(group["_id"]): int(group["number"]) for group in place.aggregate(stages)}


def get(
    database: Database, identifier: str, *, within: Filter | None = None
) -> SurfaceLevelsDocument:
    """Return one result with everything that is stored.

    Parameters
    ----------
    database
        Where to look.
    identifier
        Its identifier, or enough of its beginning to be unique.
    within
        MongoDB's filter of the results that may be seen; to others it answers as if they were not there.

    Raises
    ------
    DocumentNotFoundError
        When no result, or more than one, has it.
    """
    with database.errors_named():
        collection = collection_of(database)
        exact = _one(collection, identifier, within)
        if exact is not None:
            return exact
        # A range, which an index answers; a regular expression may be neither long nor hold a null character.
        beginning = {"identifier": {"$gte": identifier, "$lt": f"{identifier}\U0010ffff"}}
        matching = seen(collection, beginning, ("identifier",), within) if identifier else iter(())
        found = [record["identifier"] for record in islice(matching, 2)]
        whole = _one(collection, found[0], within) if len(found) == 1 else None
    if whole is not None:
        return whole
    if len(found) > 1:
        raise DocumentNotFoundError(
            f"several results begin with {identifier!r}, e.g. " + " and ".join(found),
            "a beginning that only one result has",
            "give more characters",
        )
    raise DocumentNotFoundError(
        f"no result has the identifier {identifier!r}",
        "an identifier of a stored result",
        "list them: surfalign query",
    )


def to_json(documents: Iterable[SurfaceLevelsDocument], full: bool = True) -> list[dict[str, Any]]:
    """Return results as plain JSON values, with the documents' field names.

    Structures become pymatgen's dictionaries, times ISO 8601 texts, and numbers that are not finite
    null. Without ``full``, structures and potential curves are left out.
    """
    return [json_record(document, full) for document in documents]


def json_record(document: SurfaceLevelsDocument, full: bool = True) -> dict[str, Any]:
    """Return one result as plain JSON values; see :func:`to_json`."""
    left_out = set() if full else set(large_fields(SurfaceLevelsDocument))
    record: dict[str, Any] = to_jsonable_python(
        document.model_dump(exclude=left_out), fallback=_plain, inf_nan_mode="null"
    )
    return record


def json_line(document: SurfaceLevelsDocument) -> str:
    """Return one result as JSON from which the same document is read.

    Numbers that are not finite are the texts NaN, Infinity and -Infinity.
    """
    return encoded(document.model_dump(), fallback=_plain, inf_nan_mode="strings").decode()


def _plain(value: Any) -> Any:
    """Return what pydantic cannot write: structures, and numpy's numbers and arrays."""
    if isinstance(value, Structure):
        return value.as_dict()
    if hasattr(value, "tolist"):
        return value.tolist()
    raise PhysicsInputError(
        f"a result holds a {type(value).__name__}", "plain values and structures", "report it"
    )


def _stream(
    database: Database,
    condition: Filter,
    field: str,
    descending: bool,
    limit: int | None,
    full: bool,
) -> Iterator[SurfaceLevelsDocument]:
    large = [] if full else large_fields(SurfaceLevelsDocument)
    projection = {"_id": 0} | dict.fromkeys(large, 0)
    direction = -1 if descending else 1
    with database.errors_named():
        collection = collection_of(database)
        with_field = {"$and": [condition, {field: {"$ne": None}}]}
        without = {"$and": [condition, {field: None}]}
        order = {field: direction} | ({} if field == "identifier" else {"identifier": 1})
        found = chain(
            collection.find(with_field, projection, sort=order, batch_size=BATCH_SIZE),
            collection.find(without, projection, sort={"identifier": 1}, batch_size=BATCH_SIZE),
        )
        for record in islice(found, limit):
            yield SurfaceLevelsDocument.model_validate(record)


def seen(
    collection: Collection[dict[str, Any]],
    condition: Filter,
    fields: Iterable[str],
    within: Filter | None,
) -> Iterator[dict[str, Any]]:
    """Yield some fields of the documents that match a filter and may be seen.

    What may be seen is asked here and not in the database: a search by an index is then as quick for all.
    """
    within = within or {}
    wanted = {*fields, *fields_of(within)}
    found = collection.find(condition, {"_id": 0} | dict.fromkeys(wanted, 1))
    yield from (record for record in found if holds(within, record))


def _one(
    collection: Collection[dict[str, Any]], identifier: str, within: Filter | None
) -> SurfaceLevelsDocument | None:
    found = collection.find_one({"identifier": identifier}, {"_id": 0})
    if found is None or not holds(within or {}, found):
        return None
    return SurfaceLevelsDocument.model_validate(found)


def joined(query: str | None, within: Filter | None) -> Filter:
    """Return MongoDB's filter of what a query matches among the results that may be seen.

    Raises
    ------
    QuerySyntaxError
        When the query cannot be understood.
    """
    return narrowed(to_filter(query or ""), within)
