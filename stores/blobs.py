"""Large arrays, kept outside the documents that name them.

A document holds an :class:`~surfalign.stores.documents.ArrayReference`; the array itself is a blob under the
SHA-256 of its NPY bytes, so the same array is stored once, however often a step is repeated. Blobs are
files beside the archived raw files, or GridFS files in the results database: compute nodes that reach no
database use the former, and a folder that all machines see serves all of them.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import DocumentNotFoundError
from surfalign.files import write_whole
from surfalign.settings import Settings, load_settings
from surfalign.stores.documents import ArrayReference

if TYPE_CHECKING:
    from surfalign.stores.database import Database

#: Bucket of the arrays in the database.
BUCKET = "arrays"


class BlobStore(Protocol):
    """Bytes under their SHA-256."""

    def write(self, sha256: str, content: bytes) -> None:
        """Store some bytes; a second time changes nothing."""

    def read(self, sha256: str) -> bytes | None:
        """Return what is stored, or None."""


class FolderBlobs:
    """Blobs as files, two levels deep.

    Parameters
    ----------
    root
        Folder; made on the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, sha256: str, content: bytes) -> None:
        """Store some bytes; whoever reads meanwhile sees all of them or none."""
        path = self._path(sha256)
        if path.is_file():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)

    def read(self, sha256: str) -> bytes | None:
        """Return what is stored, or None."""
        path = self._path(sha256)
        return path.read_bytes() if path.is_file() else None

    def _path(self, sha256: str) -> Path:
        return self.root / sha256[:2] / f"{sha256}.npy.z"


class DatabaseBlobs:
    """Blobs as GridFS files of the results database.

    Parameters
    ----------
    database
        A connected database.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def _bucket(self) -> Any:
        from gridfs import GridFSBucket

        return GridFSBucket(self.database.surface_levels._collection.database, BUCKET)

    def write(self, sha256: str, content: bytes) -> None:
        """Store some bytes."""
        from gridfs.errors import FileExists
        from pymongo.errors import DuplicateKeyError

        with self.database.errors_named():
            if self.read(sha256) is None:
                try:
                    self._bucket().upload_from_stream_with_id(sha256, sha256, content)
                except (DuplicateKeyError, FileExists):
                    return  # another worker was faster

    def read(self, sha256: str) -> bytes | None:
        """Return what is stored, or None."""
        from gridfs.errors import NoFile

        with self.database.errors_named():
            try:
                return bytes(self._bucket().open_download_stream(sha256).read())
            except NoFile:
                return None


@contextmanager
def open_blobs(settings: Settings | None = None) -> Iterator[BlobStore]:
    """Open the blob store of the settings in force."""
    settings = settings or load_settings()
    if settings.blob_store == "files":
        yield FolderBlobs(archive_root(settings) / "arrays")
        return
    from surfalign.stores.database import connect

    with connect(settings) as database:
        yield DatabaseBlobs(database)


def archive_root(settings: Settings | None = None) -> Path:
    """Return the folder of raw files of the settings in force."""
    settings = settings or load_settings()
    return (settings.archive_directory or settings.data_directory / "archive").expanduser()


def store_array(store: BlobStore, array: NDArray[Any], name: str, unit: str) -> ArrayReference:
    """Store an array; return what a document holds of it.

    Parameters
    ----------
    store
        Where.
    array
        Of any shape.
    name, unit
        What it is, and the unit of its values ("1" where dimensionless).
    """
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    content = buffer.getvalue()
    sha256 = hashlib.sha256(content).hexdigest()
    store.write(sha256, zlib.compress(content, 6))
    return ArrayReference(
        name=name, unit=unit, shape=list(array.shape), dtype=str(array.dtype), sha256=sha256
    )


def load_array(reference: ArrayReference, store: BlobStore) -> NDArray[Any]:
    """Return the array that a document names.

    Parameters
    ----------
    reference
        From a document.
    store
        Where to look; see :func:`open_blobs`.

    Raises
    ------
    DocumentNotFoundError
        When the store does not hold it, or holds something else under its name.
    """
    content = store.read(reference.sha256)
    if content is None:
        raise DocumentNotFoundError(
            f"the blob store does not hold the array '{reference.name}' ({reference.sha256[:12]})",
            "the store that the step wrote to",
            "set SURFALIGN_ARCHIVE_DIRECTORY or SURFALIGN_BLOB_STORE to where the step ran",
        )
    try:
        plain = zlib.decompress(content)
    except zlib.error:
        plain = b""
    if hashlib.sha256(plain).hexdigest() != reference.sha256:
        raise DocumentNotFoundError(
            f"the blob of the array '{reference.name}' ({reference.sha256[:12]}) is damaged",
            "bytes whose SHA-256 is its name",
            "bring it back from a backup, or make it again from the archived raw files",
        )
    array: NDArray[Any] = np.load(io.BytesIO(plain), allow_pickle=False)
    return array
