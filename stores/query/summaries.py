"""What is small of each result, in a collection of its own, for lists and searches among tens of thousands.

A stored result is some 35 kB, of which structures, curves, settings and checks are nearly all; the local server
reads all of it to look at one field. Its summary of 2 kB holds the rest, of its cells what they are made of, and
of its checks how many there are.

Whoever writes results does so inside :func:`summaries_kept`. Before the results, their summaries are marked; after
them, they are written. A writer that was killed in between leaves marks, and one that knows nothing of summaries
leaves other numbers in the two collections: whoever reads next sees either and mends it. In between, the version of
the results becomes another one, by which readers know that what they remember is old.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pymongo import DeleteOne, ReplaceOne, UpdateOne
from pymongo.errors import DuplicateKeyError, OperationFailure

from surfalign.batches import batches
from surfalign.stores.connection.failures import ATLAS_ERROR, UNAUTHORIZED
from surfalign.stores.database import RESULT_VERSIONS, SURFACE_LEVELS, SURFACE_SUMMARIES
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.query.fields import large_fields
from surfalign.stores.sharing.visibility import SHARING

if TYPE_CHECKING:
    from pymongo.collection import Collection

    from surfalign.stores.database import Database

#: Fields of a result that its summary leaves out.
LEFT_OUT = frozenset(
    # A sharing record changes without its result being written: it is asked of the results alone.
    [
        *large_fields(SurfaceLevelsDocument),
        "_id",
        "settings",
        "checks",
        "timings",
        "corrections",
        SHARING,
    ]
)
#: Cells of a result, with the field of the summary that tells what they are made of.
CELLS = {"slab_structure": "slab_cell", "bulk_structure": "bulk_cell"}
#: Field of the summary with the numbers of checks.
CHECK_COUNTS = "check_counts"
#: Mark of a summary whose result is being written.
STALE = "summary_is_stale"
#: Large fields of a result that are read to summarize it.
SUMMARIZED = frozenset([*CELLS, "checks"])
#: The one document of the version.
_VERSION = {"_id": SURFACE_LEVELS}
#: MongoDB's filter of summaries that are more than a mark.
WRITTEN = {"slab_cell": {"$exists": True}}
#: Results read or summaries written in one go.
BATCH_SIZE = 100
#: Identifiers read in one go: while the local server looks for them, it answers nobody.
IDENTIFIERS = 1000
#: From so many results on, their number is taken to hold for a while (s): the local server counts one by one.
MANY, HOLDS = 300, 30.0
#: Numbers of results and summaries that were found to agree, and until when nobody counts again.
_AGREED: WeakKeyDictionary[Database, tuple[tuple[int, int], float]] = WeakKeyDictionary()


def summary(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the summary of a stored result.

    Returns
    -------
    dict
        The fields of the result but for :data:`LEFT_OUT`; for each of its cells ``composition`` (element to
        number of atoms) and ``key`` (equal for equal cells), None where it has no such cell; and of its checks
        the numbers ``all`` and ``passed``.
    """
    kept = {name: value for name, value in record.items() if name not in LEFT_OUT}
    checks = record.get("checks") or []
    counts = {"all": len(checks), "passed": sum(bool(check["passed"]) for check in checks)}
    cells = {name: _cell(record.get(field)) for field, name in CELLS.items()}
    return kept | cells | {CHECK_COUNTS: counts}


def has_field(path: str) -> bool:
    """Tell whether summaries hold the field at a dotted path."""
    return path.partition(".")[0] not in LEFT_OUT


def summaries(database: Database) -> Collection[dict[str, Any]] | None:
    """Return the collection of the summaries of all results, brought up to date; None where it cannot be written.

    Parameters
    ----------
    database
        Connected.
    """
    _, kept = _both(database.collection(SURFACE_LEVELS))
    return None if _mended(database) is None else kept


def version(database: Database) -> str | None:
    """Return a word that is another one after every write of results; None where nobody may rely on it.

    What was read of the results after this question may be given again as long as the answer stays the same. While
    results are being written, or were by a writer that was killed, there is no answer.

    Parameters
    ----------
    database
        Connected.
    """
    results, _ = _both(database.collection(SURFACE_LEVELS))
    found = results.database[RESULT_VERSIONS].find_one(_VERSION) or {}
    # Marks are looked for after it: who writes sets them, then writes, then changes the word, then takes them off.
    return str(found.get("version", "")) if _mended(database) is False else None


def _mended(database: Database) -> bool | None:
    """Bring all summaries up to date; return whether some were not; None where they cannot be written."""
    results, kept = _both(database.collection(SURFACE_LEVELS))
    try:
        stale = _stale(kept)
        write_summaries(results, stale)
        if _agree(database, results, kept):
            return bool(stale)
        stored, known = _identifiers(results), _identifiers(kept)
        write_summaries(results, stored ^ known)
        _agreed(database, _numbers(results, kept))
    except OperationFailure as error:
        if error.code not in (UNAUTHORIZED, ATLAS_ERROR):
            raise
        return None
    return True


@contextmanager
def summaries_kept(
    results: Collection[dict[str, Any]], identifiers: Iterable[str]
) -> Iterator[None]:
    """Write or remove results inside the block; their summaries follow.

    Parameters
    ----------
    results
        Collection of the results.
    identifiers
        Of which.
    """
    names = list(identifiers)
    _, kept = _both(results)
    for batch in batches(names, BATCH_SIZE):
        marks = [
            UpdateOne({"identifier": name}, {"$set": {STALE: True}}, upsert=True) for name in batch
        ]
        kept.bulk_write(marks, ordered=False)
    yield
    write_summaries(results, names)


def write_summaries(results: Collection[dict[str, Any]], identifiers: Iterable[str]) -> None:
    """Write the summaries of some results, and remove those of results that there are not."""
    _, kept = _both(results)
    names = list(identifiers)
    if names:
        _advance(results)
    left_out = dict.fromkeys(LEFT_OUT - SUMMARIZED, 0)
    for batch in batches(names, BATCH_SIZE):
        found = {
            one["identifier"]: one for one in results.find({"identifier": {"$in": batch}}, left_out)
        }
        kept.bulk_write(
            [
                ReplaceOne({"identifier": name}, summary(found[name]), upsert=True)
                if name in found
                else DeleteOne({"identifier": name})
                for name in batch
            ],
            ordered=False,
        )


def _advance(results: Collection[dict[str, Any]]) -> None:
    """Change the version of the results: to a random word, so that none ever comes again."""
    change = {"$set": {"version": secrets.token_hex(8)}}
    versions = results.database[RESULT_VERSIONS]
    with suppress(DuplicateKeyError):  # two writers make the first one at once
        versions.update_one(_VERSION, change, upsert=True)
        return
    versions.update_one(_VERSION, change)


def _both(
    results: Collection[dict[str, Any]],
) -> tuple[Collection[dict[str, Any]], Collection[dict[str, Any]]]:
    return results, results.database[SURFACE_SUMMARIES]


def _stale(kept: Collection[dict[str, Any]]) -> list[str]:
    return [one["identifier"] for one in kept.find({STALE: True}, {"identifier": 1})]


def _identifiers(collection: Collection[dict[str, Any]]) -> set[str]:
    found = collection.find({}, {"identifier": 1}, batch_size=IDENTIFIERS)
    return {one["identifier"] for one in found}


def _numbers(
    results: Collection[dict[str, Any]], kept: Collection[dict[str, Any]]
) -> tuple[int, int]:
    return results.estimated_document_count(), kept.estimated_document_count()


def _agree(
    database: Database, results: Collection[dict[str, Any]], kept: Collection[dict[str, Any]]
) -> bool:
    """Tell whether there are as many summaries as results, or as many as when all were compared."""
    known, holds_until = _AGREED.get(database, (None, 0.0))
    if time.monotonic() < holds_until:
        return True
    if known is not None:
        # Others need not count at the same time.
        _agreed(database, known)
    for _ in range(2):  # somebody may write between the two questions
        numbers = _numbers(results, kept)
        if numbers[0] == numbers[1] or numbers == known:
            _agreed(database, numbers)
            return True
    return False


def _agreed(database: Database, numbers: tuple[int, int]) -> None:
    holds = HOLDS if numbers[0] > MANY else 0.0
    _AGREED[database] = numbers, time.monotonic() + holds


def _cell(structure: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if structure is None:
        return None
    sites = [
        (site["species"][0]["element"], [round(x, 5) for x in site["abc"]])
        for site in structure["sites"]
    ]
    matrix = [[round(x, 5) for x in row] for row in structure["lattice"]["matrix"]]
    text = json.dumps([matrix, sites])
    return {
        "composition": dict(sorted(Counter(element for element, _ in sites).items())),
        "key": hashlib.sha256(text.encode()).hexdigest()[:16],
    }
