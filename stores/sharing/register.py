"""The register of sharing records, and the copies of them in the results.

The collection ``sharing`` is the truth: whatever becomes of the results, who may see them stays known. Results
hold copies, so that one search finds what someone may see among tens of thousands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pymongo import ReturnDocument, UpdateOne

from surfalign.batches import batches
from surfalign.errors import SharingError
from surfalign.stores.database import SHARING_RECORDS, SURFACE_LEVELS
from surfalign.stores.sharing.record import Sharing, changed
from surfalign.stores.sharing.visibility import SHARING

if TYPE_CHECKING:
    from pymongo.collection import Collection
    from pymongo.database import Database as MongoDatabase

    from surfalign.stores.database import Database

#: Records read or written in one go.
BATCH_SIZE = 200


class Kind(StrEnum):
    """What a sharing record is of."""

    RESULT = "result"
    DATASET = "dataset"


class SharingRegister:
    """The sharing records of one database.

    Parameters
    ----------
    database
        A connected database.
    """

    def __init__(self, database: Database) -> None:
        self._records = database.collection(SHARING_RECORDS)
        self._results = database.collection(SURFACE_LEVELS)

    def get(self, identifiers: Iterable[str], kind: Kind = Kind.RESULT) -> dict[str, Sharing]:
        """Return the records of those that have one.

        Parameters
        ----------
        identifiers
            Identifiers of results, or digests of data sets.
        kind
            Which of them.
        """
        found = _stored(self._records, identifiers, kind)
        return {identifier: Sharing.model_validate(record) for identifier, record in found.items()}

    def all_of(self, kind: Kind) -> Iterator[tuple[str, Sharing]]:
        """Yield all records of a kind, with what they are of."""
        for record in self._records.find({"kind": kind.value}, sort={"identifier": 1}):
            yield record["identifier"], Sharing.model_validate(record[SHARING])

    def change(
        self, identifiers: Iterable[str], changes: Mapping[str, Any], kind: Kind = Kind.RESULT
    ) -> int:
        """Change some values of many records; return how many records became others.

        Parameters
        ----------
        identifiers
            Of which; those without a record get one.
        changes
            Field of :class:`~surfalign.stores.sharing.record.Sharing` to new value.
        kind
            Which of them.

        Raises
        ------
        SharingError
            When a value cannot be, or the values do not go together; nothing is changed then.
        """
        _refuse_embargo_that_is_over(changed(None, {}), changes)
        after: dict[str, Sharing] = {}
        for batch in batches(identifiers, BATCH_SIZE):
            before = self.get(batch, kind)
            made = {name: changed(before.get(name), changes) for name in batch}
            after |= {name: record for name, record in made.items() if record != before.get(name)}
        self.put(after, kind)
        return len(after)

    def put(self, records: Mapping[str, Sharing], kind: Kind = Kind.RESULT) -> None:
        """Write whole records, such as those of a backup, and the copies of them."""
        if not records:
            return
        now = datetime.now(UTC)
        self._advance()
        for batch in batches(records.items(), BATCH_SIZE):
            self._records.bulk_write(
                [
                    UpdateOne(
                        {"kind": kind.value, "identifier": identifier},
                        {"$set": {SHARING: _plain(record), "changed_at": now}},
                        upsert=True,
                    )
                    for identifier, record in batch
                ],
                ordered=False,
            )
            if kind is Kind.RESULT:
                copy_to_results(self._results, [identifier for identifier, _ in batch])
        self._advance()

    def generation(self) -> int:
        """Return a number that grows with every change: what was remembered under another one is old."""
        return generation(self._records)

    def _advance(self) -> None:
        self._records.find_one_and_update(
            _GENERATION, {"$inc": {"number": 1}}, upsert=True, return_document=ReturnDocument.AFTER
        )


_GENERATION = {"kind": "register", "identifier": "generation"}


def generation(records: Collection[dict[str, Any]]) -> int:
    """Return how often the records of a collection were changed."""
    found = records.find_one(_GENERATION, {"number": 1})
    return 0 if found is None else int(found["number"])


def copies(
    database: MongoDatabase[dict[str, Any]], identifiers: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Return what results hold of their records: identifier to plain values; those without are absent."""
    return _stored(database[SHARING_RECORDS], identifiers, Kind.RESULT)


def copy_to_results(results: Collection[dict[str, Any]], identifiers: Iterable[str]) -> None:
    """Write the records of some results into these, where they hold others.

    Whoever wrote a record or a result calls it afterwards: of several writers, the last one sees what all wrote.

    Parameters
    ----------
    results
        Collection of the results.
    identifiers
        Of which.
    """
    for batch in batches(identifiers, BATCH_SIZE):
        true = copies(results.database, batch)
        held = {
            result["identifier"]: result.get(SHARING)
            for result in results.find(
                {"identifier": {"$in": batch}}, {"identifier": 1, SHARING: 1}
            )
        }
        wrong: defaultdict[str, list[str]] = defaultdict(list)
        values: dict[str, Any] = {}
        for identifier, copy in held.items():
            record = true.get(identifier)
            if copy != record:
                values[repr(record)] = record
                wrong[repr(record)].append(identifier)
        for name, same in wrong.items():
            results.update_many({"identifier": {"$in": same}}, {"$set": {SHARING: values[name]}})


def _stored(
    records: Collection[dict[str, Any]], identifiers: Iterable[str], kind: Kind
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for batch in batches(identifiers, BATCH_SIZE):
        asked = {"kind": kind.value, "identifier": {"$in": batch}}
        for record in records.find(asked, {"_id": 0, "identifier": 1, SHARING: 1}):
            found[record["identifier"]] = record[SHARING]
    return found


def _plain(record: Sharing) -> dict[str, Any]:
    """Return a record as the database holds it."""
    return record.model_dump() | {"visibility": record.visibility.value}


def _refuse_embargo_that_is_over(nothing: Sharing, changes: Mapping[str, Any]) -> None:
    """Refuse an embargo in the past: it is a typing error, and would publish at once."""
    if changes.get("embargo_until") is None:
        return
    until = changed(nothing, {"visibility": "public", "embargo_until": changes["embargo_until"]})
    if until.embargo_until is not None and until.embargo_until <= datetime.now(UTC):
        raise SharingError(
            f"the embargo until {until.embargo_until:%Y-%m-%d %H:%M} UTC is over",
            "a time to come",
            "leave the embargo out to publish now",
        )
