"""The file of a backup: a ZIP archive of BSON files, as mongodump writes them, and of large arrays.

``database/<collection>.bson`` holds the documents one after the other and ``<collection>.metadata.json`` the
indexes, so MongoDB's own mongorestore reads the unpacked folder. ``arrays/`` holds large arrays that the
settings keep as files. ``manifest.json`` comes last and says how many documents there are, with checksums.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import bson
from bson import json_util
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pydantic import BaseModel, Field, ValidationError

from surfalign.errors import DamagedArchiveError
from surfalign.files import require_file

#: Raised when the form of the file changes.
FORMAT = 1
MANIFEST = "manifest.json"
#: Documents as bytes: nothing is decoded on the way.
RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


class Contents(BaseModel):
    """How many documents of a collection a backup holds, and what they are.

    Parameters
    ----------
    documents
        Their number.
    digest
        Sum of their SHA-256, modulo 2^256, in hexadecimal digits: the same in any order.
    """

    documents: int = 0
    digest: str = f"{0:064x}"

    def add(self, document: bytes) -> None:
        """Count one document, in BSON."""
        value = int(self.digest, 16) + int.from_bytes(hashlib.sha256(document).digest())
        self.digest = f"{value % (1 << 256):064x}"
        self.documents += 1


class Manifest(BaseModel):
    """What a backup holds."""

    format: int
    surfalign: str
    created_at: datetime
    database: str
    collections: dict[str, Contents] = Field(default_factory=dict)
    arrays: int = 0

    @property
    def documents(self) -> int:
        """Number of documents of all collections."""
        return sum(contents.documents for contents in self.collections.values())


class BackupWriter:
    """Writes collections and arrays into an archive, one after the other; see :func:`new_backup`."""

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self._archive = archive
        self.manifest = manifest

    def collection(
        self, name: str, indexes: list[dict[str, Any]], documents: Iterator[RawBSONDocument]
    ) -> None:
        """Write a collection and its indexes."""
        contents = self.manifest.collections[name] = Contents()
        described = json_util.dumps({"indexes": indexes, "collectionName": name})
        self._archive.writestr(_member(name, "metadata.json"), described)
        with self._archive.open(_member(name, "bson"), "w", force_zip64=True) as member:
            for document in documents:
                contents.add(document.raw)
                member.write(document.raw)

    def array(self, name: str, content: bytes) -> None:
        """Write an array, which is compressed already."""
        self._archive.writestr(f"arrays/{name}", content, zipfile.ZIP_STORED)
        self.manifest.arrays += 1


@contextmanager
def new_backup(file: IO[bytes], manifest: Manifest) -> Iterator[BackupWriter]:
    """Write an archive; the manifest, filled on the way, comes last.

    Parameters
    ----------
    file
        Binary, empty.
    manifest
        Without collections.
    """
    # Level 1: higher ones take many times as long for a tenth less.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        yield BackupWriter(archive, manifest)
        archive.writestr(MANIFEST, manifest.model_dump_json(indent=1))


class BackupReader:
    """Reads an archive.

    Parameters
    ----------
    archive
        Opened for reading.
    path
        Its file, for messages.

    Raises
    ------
    DamagedArchiveError
        When it is no backup, or one of a newer version.
    """

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive = archive
        self._path = path
        self.manifest = self._read_manifest()

    def _read_manifest(self) -> Manifest:
        try:
            manifest = Manifest.model_validate_json(self._archive.read(MANIFEST))
        except (KeyError, ValidationError) as error:
            raise damaged(self._path, "it holds no manifest of a backup") from error
        if manifest.format > FORMAT:
            raise damaged(
                self._path, f"surfalign {manifest.surfalign} wrote it in form {manifest.format}"
            )
        return manifest

    def indexes(self, name: str) -> list[dict[str, Any]]:
        """Return the indexes of a collection."""
        described = json_util.loads(self._archive.read(_member(name, "metadata.json")))
        found: list[dict[str, Any]] = described["indexes"]
        return found

    def documents(self, name: str) -> Iterator[RawBSONDocument]:
        """Yield the documents of a collection."""
        with self._archive.open(_member(name, "bson")) as member:
            yield from bson.decode_file_iter(member, RAW)

    def arrays(self) -> Iterator[tuple[str, bytes]]:
        """Yield the SHA-256 of each array and its compressed bytes."""
        for name in self._archive.namelist():
            if name.startswith("arrays/"):
                yield Path(name).name.partition(".")[0], self._archive.read(name)

    def check(self) -> Iterator[str]:
        """Compare everything with its checksum; yield what has been compared.

        Raises
        ------
        DamagedArchiveError
            When something differs or is missing.
        """
        present = set(self._archive.namelist())
        for name, expected in self.manifest.collections.items():
            if not {_member(name, "bson"), _member(name, "metadata.json")} <= present:
                raise damaged(self._path, f"the collection {name} is missing")
            found = Contents()
            for document in self.documents(name):
                found.add(document.raw)
            if found != expected:
                raise damaged(
                    self._path,
                    f"{name} holds {found.documents} documents, which are not the "
                    f"{expected.documents} that were written",
                )
            yield name
        number = 0
        for sha256, content in self.arrays():
            if hashlib.sha256(zlib.decompress(content)).hexdigest() != sha256:
                raise damaged(self._path, f"the array {sha256[:12]} was changed")
            number += 1
        if number != self.manifest.arrays:
            raise damaged(self._path, f"{number} of {self.manifest.arrays} arrays are in it")
        yield "arrays"


@contextmanager
def opened_backup(path: Path) -> Iterator[BackupReader]:
    """Open a backup for reading.

    Raises
    ------
    MissingFileError
        When there is no such file.
    DamagedArchiveError
        When it is truncated or was changed.
    """
    path = path.expanduser()
    require_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            yield BackupReader(archive, path)
    except (zipfile.BadZipFile, zlib.error, BSONError, EOFError) as error:
        raise damaged(path, str(error) or type(error).__name__) from error


def damaged(path: Path, reason: str) -> DamagedArchiveError:
    """Return the error of a file that is no whole backup."""
    return DamagedArchiveError(
        f"{path} is no whole backup: {reason}",
        "a file that surfalign db backup of this version, or of an earlier one, has finished",
        "take another backup; one that was copied from elsewhere, copy again",
    )


def _member(collection: str, ending: str) -> str:
    return f"database/{collection}.{ending}"
