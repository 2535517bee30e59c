"""The register of sharing records, and the copies of them in the results.

The collection ``sharing`` is the truth: whatever becomes of the results, who may see them stays known. Results
hold copies, so that one search finds what someone may see among tens of thousands.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pymongo.errors import BulkWriteError

from surfalign.batches import batches
from surfalign.errors import SharingError
from surfalign.stores.connection.failures import DUPLICATE_KEY
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

    def plain(self, kind: Kind) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield all records of a kind as they are stored, in no order, with what they are of."""
        for record in self._records.find({"kind": kind.value}, {"identifier": 1, SHARING: 1}):
            yield record["identifier"], record[SHARING]

    def change(
        self, identifiers: Iterable[str], changes: Mapping[str, Any], kind: Kind = Kind.RESULT
    ) -> int:
        """Change some values of many records; return how many records became others.

        Parameters and errors as for :meth:`planned`; after an error nothing is changed.
        """
        after = self.planned(identifiers, changes, kind)
        self.put(after, kind)
        return len(after)

    def planned(
        self, identifiers: Iterable[str], changes: Mapping[str, Any], kind: Kind = Kind.RESULT
    ) -> dict[str, Sharing]:
        """Return the records that a change would make others, as they would be.

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
            When a value cannot be, or the values do not go together.
        """
        _refuse_embargo_that_is_over(changed(None, {}), changes)
        after: dict[str, Sharing] = {}
        for batch in batches(identifiers, BATCH_SIZE):
            before = self.get(batch, kind)
            made = {name: changed(before.get(name), changes) for name in batch}
            after |= {name: record for name, record in made.items() if record != before.get(name)}
        return after

    def put(self, records: Mapping[str, Sharing], kind: Kind = Kind.RESULT) -> None:
        """Write whole records, such as those of a backup, and the copies of them.

        Whoever is killed in it leaves a mark, by which :meth:`repair` finds that copies are missing.
        """
        if not records:
            return
        mark = secrets.token_hex(8)
        ends = sorted({r.embargo_until for r in records.values() if r.embargo_until is not None})
        self._advance({"$addToSet": {"embargoes": {"$each": ends}, "unfinished": mark}})
        for batch in batches(records.items(), BATCH_SIZE):
            self._write(dict(batch), kind)
            if kind is Kind.RESULT:
                copy_to_results(self._results, [identifier for identifier, _ in batch])
        self._advance({"$pull": {"unfinished": mark}})

    def repair(self) -> bool:
        """Make all copies anew where somebody was killed while writing them; return whether that was so."""
        marks = (self._records.find_one(_STATE, {"unfinished": 1}) or {}).get("unfinished", [])
        if not marks:
            return False
        for batch in batches((name for name, _ in self.all_of(Kind.RESULT)), BATCH_SIZE):
            copy_to_results(self._results, batch)
        self._advance({"$pullAll": {"unfinished": marks}})
        return True

    def state(self) -> RegisterState:
        """Return what tells whether an earlier answer may still be given."""
        found = self._records.find_one(_STATE, {"_id": 0, "number": 1, "embargoes": 1}) or {}
        return RegisterState(found.get("number", 0), tuple(found.get("embargoes", ())))

    def _write(self, records: Mapping[str, Sharing], kind: Kind) -> None:
        now = datetime.now(UTC)
        plain = {identifier: _plain(record) for identifier, record in records.items()}
        there = _stored(self._records, records, kind)
        # Many at a time, which the local server does ten times as fast as one by one.
        new = [
            {"kind": kind.value, "identifier": identifier, SHARING: record, "changed_at": now}
            for identifier, record in plain.items()
            if identifier not in there
        ]
        if new:
            try:
                self._records.insert_many(new, ordered=False)
            except BulkWriteError as error:
                if any(e["code"] != DUPLICATE_KEY for e in error.details["writeErrors"]):
                    raise
                # Somebody else wrote the same ones at the same time: the last one counts.
                there = plain
        for record, same in _grouped({name: plain[name] for name in plain if name in there}):
            self._records.update_many(
                {"kind": kind.value, "identifier": {"$in": same}},
                {"$set": {SHARING: record, "changed_at": now}},
            )

    def _advance(self, change: Mapping[str, Any]) -> None:
        self._records.update_one(_STATE, {"$inc": {"number": 1}, **change}, upsert=True)


#: One document beside the records.
_STATE = {"kind": "register", "identifier": "state"}


@dataclass(frozen=True)
class RegisterState:
    """How often the register was changed, and when embargoes end.

    Attributes
    ----------
    number
        Grows with every change: what was remembered under another one is old.
    embargoes
        Ends of all embargoes that were ever set, UTC.
    """

    number: int
    embargoes: tuple[datetime, ...]

    def last_end(self, now: datetime) -> datetime:
        """Return when an embargo ended last: until the next one ends, the same results are visible as then."""
        return max((end for end in self.embargoes if end <= now), default=_BEFORE_ALL)


_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


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
        wrong = {name: true.get(name) for name, copy in held.items() if copy != true.get(name)}
        for record, same in _grouped(wrong):
            results.update_many({"identifier": {"$in": same}}, {"$set": {SHARING: record}})


def _grouped(records: Mapping[str, Any]) -> Iterator[tuple[Any, list[str]]]:
    """Yield equal records once, with what they are of."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for identifier, record in records.items():
        groups[repr(record)].append(identifier)
    for same in groups.values():
        yield records[same[0]], same


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
