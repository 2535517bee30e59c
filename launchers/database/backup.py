"""Backups of a database while jobs write, and their way back into an empty one.

Documents are read as bytes, a few at a time, from whatever server there is. What was acknowledged before a
backup began is in it: the identifiers are listed first, and listed again where documents went while they were
read, as another may have taken their place. The notes of builds are left out, because they tell what was built
at one moment, and collections are read one after the other: the first build after a restore looks at all jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import IndexModel
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from surfalign.batches import batches
from surfalign.errors import DatabaseError, FilledStoreError
from surfalign.files import whole_file
from surfalign.launchers.database.backup_file import (
    FORMAT,
    RAW,
    BackupReader,
    Contents,
    Manifest,
    new_backup,
    opened_backup,
)
from surfalign.stores.blobs import BlobStore, FolderBlobs
from surfalign.stores.connection.failures import DUPLICATE_KEY
from surfalign.stores.database import (
    BUILDS,
    CHANGED_OUTPUTS,
    JOBS,
    RESULT_VERSIONS,
    SURFACE_SUMMARIES,
    Database,
)
from surfalign.version import __version__

#: Documents that travel at a time; each may have 16 MB, most have some 10 kB.
BATCH_SIZE = 100
#: Collections whose documents tell the moment, or follow from others, and not what is known.
MOMENTARY = (BUILDS, CHANGED_OUTPUTS, SURFACE_SUMMARIES, RESULT_VERSIONS)
#: Told title, number done and number in all.
Progress = Callable[[str, int, int], None]


def backup(database: Database, path: Path, blobs: BlobStore, on_progress: Progress) -> Manifest:
    """Write all that a database holds into one file; an earlier file stays until the new one is whole.

    Parameters
    ----------
    database
        Connected; others may write to it meanwhile.
    path
        The file. Only its owner may read it.
    blobs
        Where large arrays are; those in a folder are added, others are in the database.
    on_progress
        Is told title, number done and number in all.

    Raises
    ------
    DatabaseUnreachableError
        When the connection breaks.
    UnwritableFileError
        When the file cannot be written.
    """
    manifest = Manifest(
        format=FORMAT, surfalign=__version__, created_at=datetime.now(UTC), database=database.name
    )
    with (
        whole_file(path, binary=True, private=True, sync=True) as file,
        new_backup(file, manifest) as writer,
        database.errors_named(),
    ):
        for name in _collections(database):
            collection = database.collection(name)
            total = int(collection.estimated_document_count())
            documents = _counted(_documents(collection), name, total, on_progress)
            indexes = [dict(index) for index in collection.list_indexes()]
            writer.collection(name, indexes, documents)
        # After the documents, which name them: an array is stored before the document.
        if isinstance(blobs, FolderBlobs):
            files = sorted(blobs.root.glob("??/*.npy.z"))
            for number, array in enumerate(files, start=1):
                writer.array(array.name, array.read_bytes())
                on_progress("arrays", number, len(files))
    return manifest


def check(path: Path, on_progress: Progress) -> Manifest:
    """Compare everything in a backup with its checksums; return what it holds.

    Raises
    ------
    DamagedArchiveError
        When it is truncated or was changed.
    """
    with opened_backup(path) as reader:
        return _checked(reader, on_progress)


def restore(
    database: Database,
    path: Path,
    blobs: BlobStore,
    on_progress: Progress,
    *,
    merge: bool = False,
) -> dict[str, int]:
    """Bring a backup into a database; return how many documents were written to each collection.

    Parameters
    ----------
    database
        Connected and empty; nothing else may write to it meanwhile.
    path
        The file; it is checked before anything is written.
    blobs
        Where large arrays go.
    on_progress
        Is told title, number done and number in all.
    merge
        Whether it may hold documents: they stay as they are, and what is missing is added.

    Raises
    ------
    DamagedArchiveError
        When the file is truncated or was changed.
    FilledStoreError
        When the database holds documents; nothing is written then.
    DatabaseError
        When the database does not hold afterwards what the file holds.
    """
    with opened_backup(path) as reader, database.errors_named():
        manifest = _checked(reader, on_progress)
        if not merge:
            _require_empty(database)
        written = {}
        for name, contents in manifest.collections.items():
            collection = database.collection(name)
            _make_indexes(collection, reader.indexes(name))
            documents = _counted(reader.documents(name), name, contents.documents, on_progress)
            written[name] = _insert(collection, documents)
            if not merge:
                _compare(collection, contents)
        for number, (sha256, content) in enumerate(reader.arrays(), start=1):
            blobs.write(sha256, content)
            on_progress("arrays", number, manifest.arrays)
    return written


def _collections(database: Database) -> list[str]:
    """Return the names of the collections that a backup holds, in the order in which they are read.

    What names others comes first: results before the jobs that they rest on, jobs before their arrays,
    files of GridFS before their chunks. So nothing is named that is not there.
    """
    found = database.collection(JOBS).database.list_collection_names(filter={"type": "collection"})
    names = [n for n in found if n not in MOMENTARY and not n.startswith("system.")]
    return sorted(names, key=lambda n: (n.endswith(".chunks"), n.endswith(".files"), n == JOBS, n))


def _documents(collection: Collection[dict[str, Any]]) -> Iterator[RawBSONDocument]:
    """Yield every document that was there when this began, and perhaps some that came later."""
    raw = collection.with_options(codec_options=RAW)
    listed: set[bytes] = set()
    went = True
    while went:
        went = False
        # Not one long cursor: the local server would hold all documents in memory for it.
        found = [bytes(item.raw) for item in raw.find({}, {"_id": 1})]
        for batch in batches([item for item in found if item not in listed], BATCH_SIZE):
            identifiers = [bson.decode(item)["_id"] for item in batch]
            documents = list(raw.find({"_id": {"$in": identifiers}}))
            went = went or len(documents) < len(batch)
            yield from documents
        listed.update(found)


def _counted(
    documents: Iterator[RawBSONDocument], name: str, total: int, on_progress: Progress
) -> Iterator[RawBSONDocument]:
    for number, document in enumerate(documents, start=1):
        yield document
        if number % BATCH_SIZE == 0 or number == total:
            on_progress(name, number, max(number, total))


def _checked(reader: BackupReader, on_progress: Progress) -> Manifest:
    steps = len(reader.manifest.collections) + 1
    for number, _ in enumerate(reader.check(), start=1):
        on_progress("checking", number, steps)
    return reader.manifest


def _require_empty(database: Database) -> None:
    """Refuse a database that holds documents."""
    filled = {
        name: number
        for name in _collections(database)
        if (number := int(database.collection(name).estimated_document_count()))
    }
    if filled:
        described = ", ".join(f"{name}: {number}" for name, number in filled.items())
        raise FilledStoreError(
            f"the database {database.name} at {database.address} holds documents ({described})",
            "an empty database",
            "name another one (SURFALIGN_DATABASE_NAME); or --merge, which adds what is missing and changes "
            "nothing that is there, also after a restore that was interrupted",
        )


def _make_indexes(collection: Collection[dict[str, Any]], indexes: list[dict[str, Any]]) -> None:
    """Make the indexes that a backup tells of; those that are there stay."""
    present = {index["name"] for index in collection.list_indexes()}
    models = [
        IndexModel(
            list(index["key"].items()), **{k: x for k, x in index.items() if k not in _NO_OPTIONS}
        )
        for index in indexes
        if index["name"] not in {"_id_", *present}
    ]
    if models:
        collection.create_indexes(models)


#: What the description of an index holds besides its options.
_NO_OPTIONS = ("v", "key", "ns")


def _insert(collection: Collection[dict[str, Any]], documents: Iterator[RawBSONDocument]) -> int:
    """Insert documents whose keys are not there yet; return how many."""
    raw = collection.with_options(codec_options=RAW)
    written = 0
    for batch in batches(documents, BATCH_SIZE):
        try:
            raw.insert_many(batch, ordered=False)
            written += len(batch)
        except BulkWriteError as error:
            details = error.details or {}
            problems = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
            if any(problem.get("code") != DUPLICATE_KEY for problem in problems):
                raise
            written += int(details.get("nInserted", 0))
    return written


def _compare(collection: Collection[dict[str, Any]], expected: Contents) -> None:
    """Read a restored collection and compare it with the file."""
    found = Contents()
    for document in _documents(collection):
        found.add(document.raw)
    if found != expected:
        raise DatabaseError(
            f"{collection.name} holds {found.documents} documents after the restore, which are not the "
            f"{expected.documents} of the file",
            "a database that nothing else writes to during a restore, and room on its disk",
            "restore into another empty database",
        )
