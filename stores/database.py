"""The results database: jobflow's store of all job outputs, and the store of the results.

Everything talks to a ``mongodb://`` URI. The URI may hold a password, which appears in no message, no
log and no ``repr``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from jobflow import JobStore
from maggma.stores import MongoStore
from pymongo import ASCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.errors import (
    ConfigurationError as MongoConfigurationError,
)
from pymongo.errors import (
    ConnectionFailure,
    OperationFailure,
    PyMongoError,
)

from surfalign.errors import ConfigurationError, DatabaseUnreachableError
from surfalign.settings import Settings

JOBS = "jobs"
SURFACE_LEVELS = "surface_levels"
CAMPAIGN_CRYSTALS = "campaign_crystals"
CAMPAIGN_SURFACES = "campaign_surfaces"
#: MongoDB's error codes: a missing right, refused credentials, a broken server, a full disk.
UNAUTHORIZED = 13
DUPLICATE_KEY = 11000
AUTHENTICATION_FAILED = 18
INTERNAL_ERROR = 1
OUT_OF_DISK_SPACE = 14031
#: How long a client looks for a server (ms): a busy disk can hold one up for seconds.
SERVER_SELECTION_TIMEOUT = 10_000
#: How long a server may be silent before its connections are given up (ms): a busy local server answers
#: nobody while it sorts.
CONNECT_TIMEOUT = 20_000
#: How long a client waits for one answer (ms).
SOCKET_TIMEOUT = 120_000

JOB_INDEXES = (
    IndexModel([("uuid", ASCENDING), ("index", ASCENDING)], unique=True),
    # The builder walks the results of the jobs in the order of their identifiers.
    IndexModel([("output.@class", ASCENDING), ("output.identifier", ASCENDING)]),
    # The latest jobs tell how fast a campaign goes.
    IndexModel([("completed_at", ASCENDING)]),
)

#: Fields of results that queries filter and sort by.
INDEXED_FIELDS = (
    "formula",
    "miller_index",
    "termination",
    "functional",
    "quality",
    "state",
    "failed_checks",
    "ionization_potential",
    "electron_affinity",
    "band_gap",
    "surface_energy",
    "dielectric_constant",
    "space_group_number",
    "surface_identifier",
    "settings_hash",
    "created_at",
)

SURFACE_LEVELS_INDEXES = (
    IndexModel([("identifier", ASCENDING)], unique=True),
    *(IndexModel([(field, ASCENDING)]) for field in INDEXED_FIELDS),
)

CAMPAIGN_CRYSTALS_INDEXES = (IndexModel([("key", ASCENDING)], unique=True),)
CAMPAIGN_SURFACES_INDEXES = (
    IndexModel([("key", ASCENDING)], unique=True),
    IndexModel([("state", ASCENDING), ("crystal", ASCENDING)]),
    IndexModel([("crystal", ASCENDING), ("name", ASCENDING)]),
    IndexModel([("bulk", ASCENDING)]),
    IndexModel([("campaigns", ASCENDING)]),
)


class DatabaseStore(MongoStore):
    """A maggma store of one collection whose name does not show the URI's password."""

    @property
    def name(self) -> str:
        """Where the documents are, without the password."""
        return f"{masked(self.uri)} {self.database}.{self.collection_name}"

    def __repr__(self) -> str:
        return f"DatabaseStore({self.name})"


@dataclass(frozen=True)
class Database:
    """The two stores of one database.

    Parameters
    ----------
    address
        URI without the password, for messages.
    name
        Name of the database.
    jobs
        jobflow's store: the output of every job, unique by (uuid, index).
    surface_levels
        The results: one document a surface and method, unique by ``identifier``.
    """

    address: str
    name: str
    jobs: JobStore
    surface_levels: MongoStore

    def collection(self, name: str) -> Collection[dict[str, Any]]:
        """Return another collection of the same database."""
        found: Collection[dict[str, Any]] = self.surface_levels._collection.database[name]
        return found

    def close(self) -> None:
        """Close both connections."""
        for store in (self.jobs.docs_store, self.surface_levels):
            # A builder or a flow may have closed it already.
            if getattr(store, "_coll", None) is not None:
                store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextmanager
    def errors_named(self) -> Iterator[None]:
        """Turn a failing connection inside the block into a :class:`DatabaseUnreachableError`."""
        with errors_named(self.address):
            yield


def connect(settings: Settings) -> Database:
    """Connect to the configured database and make sure of its indexes.

    Raises
    ------
    ConfigurationError
        When no database is configured, or its URI is malformed.
    DatabaseUnreachableError
        When it does not answer within ten seconds, or refuses the credentials.
    """
    if settings.database_uri is None:
        raise ConfigurationError(
            "no database is configured",
            "a mongodb:// URI",
            "set SURFALIGN_DATABASE_URI, or start the local database: surfalign db start",
        )
    uri = settings.database_uri.get_secret_value()
    address = masked(uri)
    database = Database(
        address=address,
        name=settings.database_name,
        jobs=JobStore(_store(uri, settings.database_name, JOBS)),
        surface_levels=_store(uri, settings.database_name, SURFACE_LEVELS, key="identifier"),
    )
    try:
        with errors_named(address):
            _open(database, uri)
            _ensure_indexes(database)
    except BaseException:
        database.close()
        raise
    return database


def _store(uri: str, name: str, collection: str, **arguments: Any) -> DatabaseStore:
    return DatabaseStore(
        database=name,
        collection_name=collection,
        uri=uri,
        mongoclient_kwargs={
            "serverSelectionTimeoutMS": SERVER_SELECTION_TIMEOUT,
            "connectTimeoutMS": CONNECT_TIMEOUT,
            "socketTimeoutMS": SOCKET_TIMEOUT,
            "tz_aware": True,
            "appname": "surfalign",
        },
        **arguments,
    )


def _open(database: Database, uri: str) -> None:
    """Make the clients; nothing is sent yet."""
    if not uri.startswith(("mongodb://", "mongodb+srv://")):
        raise _malformed(database.address)
    try:
        database.jobs.connect()
        database.surface_levels.connect()
    except ValueError:  # of pymongo's, for a port that is no number
        raise _malformed(database.address) from None


def _malformed(address: str) -> ConfigurationError:
    return ConfigurationError(
        f"the database URI {address!r} is malformed",
        "mongodb://user:password@host:port/ with user and password percent-encoded",
        "correct database_uri (SURFALIGN_DATABASE_URI)",
    )


def _ensure_indexes(database: Database) -> None:
    """Create what is missing; a user who may only read goes on without."""
    try:
        database.jobs._collection.create_indexes(list(JOB_INDEXES))
        database.surface_levels._collection.create_indexes(list(SURFACE_LEVELS_INDEXES))
        for name, indexes in (
            (CAMPAIGN_CRYSTALS, CAMPAIGN_CRYSTALS_INDEXES),
            (CAMPAIGN_SURFACES, CAMPAIGN_SURFACES_INDEXES),
        ):
            database.collection(name).create_indexes(list(indexes))
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise


@contextmanager
def errors_named(address: str) -> Iterator[None]:
    """Turn pymongo's errors of connection and configuration into surfalign's.

    Parameters
    ----------
    address
        URI without the password.
    """
    try:
        yield
    except MongoConfigurationError:
        # The cause is cut off: pymongo quotes pieces of the URI, possibly of the password.
        raise _malformed(address) from None
    except ConnectionFailure as error:
        raise DatabaseUnreachableError(
            f"the database at {address} does not answer: {_first_line(error)}",
            "an answer within seconds",
            "see that the server runs and database_uri is right: surfalign db status",
        ) from error
    except OperationFailure as error:
        named = _named_failure(error, address)
        if named is None:
            raise
        raise named from error


def _named_failure(error: OperationFailure, address: str) -> DatabaseUnreachableError | None:
    """Return what a refusal by the server means, or None for a mistake of ours."""
    if error.code in (UNAUTHORIZED, AUTHENTICATION_FAILED):
        return DatabaseUnreachableError(
            f"the database at {address} refuses this user: {_first_line(error)}",
            "a user that may read and write",
            "correct the credentials in database_uri, or ask its administrator",
        )
    if error.code in (INTERNAL_ERROR, OUT_OF_DISK_SPACE):
        return DatabaseUnreachableError(
            f"the database at {address} has failed: {_first_line(error)}",
            "a server with room on its disk",
            "look at its disk and its log (surfalign db status), then start it again",
        )
    return None


def _first_line(error: PyMongoError) -> str:
    """Return the telling part of pymongo's long message."""
    text = str(error)
    for tail in (", Timeout:", " (configured timeouts", ", full error:"):
        text = text.partition(tail)[0]
    return text


def masked(uri: str | None) -> str:
    """Return the URI without its password, however malformed it is."""
    if not uri:
        return ""
    # Up to the last @: a password with an unescaped one must not show its end.
    hidden = re.sub(r"(://[^:@/]*):.*@", r"\1:***@", uri, flags=re.DOTALL)
    return re.sub(r"(?i)((?:password|token|secret)[^=:&]*[=:])[^&,]*", r"\1***", hidden)
