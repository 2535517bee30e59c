"""The errors of pymongo in surfalign's words: what the database said, what it should have, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bson.errors import BSONError
from gridfs.errors import GridFSError
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    OperationFailure,
    PyMongoError,
)
from pymongo.errors import ConfigurationError as MongoConfigurationError

from surfalign.errors import SurfalignError
from surfalign.stores.connection.addresses import malformed
from surfalign.stores.connection.failures import (
    CONFIGURATIONS,
    CONNECTIONS,
    REFUSALS,
    SILENT,
    Kind,
)

#: Longest message of a server that is passed on.
LONGEST = 400


@contextmanager
def errors_named(address: str) -> Iterator[None]:
    """Turn every error of pymongo inside the block into one of surfalign's.

    Parameters
    ----------
    address
        URI without the password.
    """
    try:
        yield
    except (PyMongoError, BSONError) as error:
        found = named(error, address)
        raise found from found.__cause__


def named(error: PyMongoError | BSONError, address: str = "") -> SurfalignError:
    """Return what an error of pymongo means, with the error as its cause.

    Parameters
    ----------
    error
        Of pymongo, bson or gridfs.
    address
        URI without the password; empty where it is not known.
    """
    found = _meaning(error, address)
    # Where pymongo quotes pieces of the URI, possibly of the password, the cause is cut off.
    found.__cause__ = None if isinstance(error, MongoConfigurationError) else error
    return found


def _meaning(error: PyMongoError | BSONError, address: str) -> SurfalignError:
    message = first_line(error)
    if isinstance(error, MongoConfigurationError):
        fitting = (kind for kind in CONFIGURATIONS if kind.fits(None, message))
        kind = next(fitting, None)
        return malformed() if kind is None else _error(kind, address)
    if isinstance(error, ConnectionFailure):
        words = f"{type(error).__name__}: {message}"
        broken = (kind for kind in CONNECTIONS if kind.fits(None, words))
        return _error(next(broken, SILENT), address, message)
    if isinstance(error, OperationFailure):
        code, message = _refusal(error, message)
        for kind in REFUSALS:
            if kind.fits(code, message):
                return _error(kind, address, message)
        message = f"{message} (code {code})"
    return _error(_other(error), address, f"{type(error).__name__}: {message}")


def _refusal(error: OperationFailure, message: str) -> tuple[int | None, str]:
    """Return code and message; of several writes those of the first that failed."""
    if isinstance(error, BulkWriteError):
        details = error.details or {}
        failed = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
        if failed:
            text = str(failed[0].get("errmsg", message))[:LONGEST]
            return failed[0].get("code"), f"{len(failed)} writes failed, the first with: {text}"
    return error.code, message


def _other(error: PyMongoError | BSONError) -> Kind:
    """Return the kind of what is neither a connection nor a refusal."""
    if isinstance(error, BSONError):
        large = isinstance(error, DocumentTooLarge)
        return Kind(
            "takes no document as large as this" if large else "cannot hold this document",
            "documents of numbers, texts, lists and tables, below 16 MB",
            "keep arrays outside of documents (blob_store), or report it with --full-trace",
        )
    if isinstance(error, GridFSError):
        return Kind(
            "holds an array that is not whole",
            "all pieces of the array",
            "compute the step again, or bring the collection back from a backup",
        )
    return Kind(
        "failed in a way that is not foreseen",
        "an operation that it takes",
        "run the same command again; if it comes back, report it with surfalign --full-trace",
    )


def _error(kind: Kind, address: str, message: str = "") -> SurfalignError:
    where = f" at {address}" if address else ""
    said = f": {message}" if message else ""
    return kind.error(f"the database{where} {kind.what}{said}", kind.expected, kind.remedy)


def first_line(error: Exception) -> str:
    """Return the telling part of pymongo's long message."""
    text = str(error)
    for tail in (", Timeout:", " (configured timeouts", ", full error:"):
        text = text.partition(tail)[0]
    return text[:LONGEST]
