"""A published data set back into a store: every file compared with its checksum first."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monty.json import jsanitize
from pydantic import ValidationError

from surfalign.batches import batches
from surfalign.errors import DamagedArchiveError, FilledStoreError, MissingFileError
from surfalign.hashing import sha256_of
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.publication.layout import (
    CHECKSUMS,
    DATA,
    all_files,
    read_documents,
)
from surfalign.stores.query import results
from surfalign.stores.sharing.register import SharingRegister

if TYPE_CHECKING:
    from surfalign.stores.database import Database

#: Documents that are written in one go.
BATCH_SIZE = 100
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
Progress = Callable[[str, int, int], None]


def verify(folder: Path, on_progress: Progress) -> None:
    """Compare all files of a data set with their checksums.

    Parameters
    ----------
    folder
        The data set.
    on_progress
        Is told title, number done and number in all.

    Raises
    ------
    MissingFileError
        When the folder is no data set.
    DamagedArchiveError
        When a file was changed, is missing, or was added; it is named.
    """
    manifest = folder.expanduser() / CHECKSUMS
    if not manifest.is_file():
        raise MissingFileError(
            f"{folder} holds no {CHECKSUMS}", "a folder that surfalign publish has written",
            "name that folder; an archive must be unpacked first",
        )  # fmt: skip
    expected = _expected(manifest)
    present = all_files(manifest.parent)
    if missing := sorted(set(expected) - set(present)):
        raise _damaged(folder, f"{len(missing)} files are missing, e.g. {missing[0]}")
    if added := sorted(set(present) - set(expected)):
        raise _damaged(folder, f"{len(added)} files were added, e.g. {added[0]}")
    if DATA not in expected:
        raise _damaged(folder, f"{DATA} is not among its files")
    for number, (name, sha256) in enumerate(expected.items(), start=1):
        if sha256_of(manifest.parent / name) != sha256:
            raise _damaged(folder, f"{name} was changed")
        on_progress("checking", number, len(expected))


def import_crate(
    database: Database, folder: Path, on_progress: Progress, *, merge: bool = False
) -> int:
    """Bring the results of a data set into a store; return how many were written.

    Parameters
    ----------
    database
        Holds no results.
    folder
        The data set; it is compared with its checksums before anything is written.
    on_progress
        Is told title, number done and number in all.
    merge
        Whether the store may hold results: they stay as they are, and others are added.

    Raises
    ------
    FilledStoreError
        When the store holds results.
    MissingFileError, DamagedArchiveError
        As :func:`verify`.
    """
    folder = folder.expanduser()
    stored = results.count(database)
    if stored and not merge:
        raise FilledStoreError(
            f"the database {database.name} at {database.address} holds {stored} results",
            "one without results",
            "name another one (SURFALIGN_DATABASE_NAME); or --merge, which adds others and changes none",
        )
    verify(folder, on_progress)
    written = 0
    try:
        for batch in batches(read_documents(folder), BATCH_SIZE):
            written += _store(database, batch)
            on_progress("results", written, written)
    except (ValueError, ValidationError) as error:
        raise _damaged(folder, f"{DATA} holds what is no result: {error}") from error
    return written


def _store(database: Database, documents: list[SurfaceLevelsDocument]) -> int:
    """Store the results that are not there yet, and who may see them."""
    names = [document.identifier for document in documents]
    wanted = {"identifier": {"$in": names}}
    with database.errors_named():
        known = {
            found["identifier"]
            for found in database.surface_levels.query(wanted, properties={"identifier": 1})
        }
        new = [document for document in documents if document.identifier not in known]
        sharing = {d.identifier: d.sharing for d in new if d.sharing is not None}
        # First: whoever stores a result copies its record into it.
        SharingRegister(database).put(sharing)
        if new:
            database.surface_levels.update([_record(document) for document in new])
    return len(new)


def _record(document: SurfaceLevelsDocument) -> dict[str, Any]:
    record: dict[str, Any] = jsanitize(document, strict=True, enum_values=True, allow_bson=True)
    return record


def _expected(manifest: Path) -> dict[str, str]:
    """Return the checksum of each file.

    Raises
    ------
    DamagedArchiveError
        When a line is none of a checksum, or leads out of the folder.
    """
    found = {}
    for line in manifest.read_text(encoding="utf-8", errors="replace").splitlines():
        matched = _LINE.fullmatch(line)
        if matched is None or matched[2].startswith("/") or ".." in matched[2].split("/"):
            raise _damaged(manifest.parent, f"{CHECKSUMS} has the line {line!r:.80}")
        found[matched[2]] = matched[1]
    return found


def _damaged(folder: Path, reason: str) -> DamagedArchiveError:
    return DamagedArchiveError(
        f"{folder} is not as it was published: {reason}",
        f"the files that {CHECKSUMS} names, unchanged",
        "get the data set again from where it was published",
    )
