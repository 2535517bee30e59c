"""The results database: jobflow's store of all job outputs, and the store of the results.

Everything talks to a ``mongodb://`` URI. The URI may hold a password, which appears in no message, no
log and no ``repr``.

The two stores are jobflow's and maggma's, which take half a second to load: they are made when they are
first asked for, so that commands that only count documents answer at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from pymongo import ASCENDING, IndexModel, MongoClient
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

if TYPE_CHECKING:
    from jobflow import JobStore

    from surfalign.stores.database_store import DatabaseStore

JOBS = "jobs"
SURFACE_LEVELS = "surface_levels"
CAMPAIGN_CRYSTALS = "campaign_crystals"
CAMPAIGN_SURFACES = "campaign_surfaces"
#: What the last build left to the next one.
BUILDS = "builds"
#: Notes of the outputs that were stored since the last build.
CHANGED_OUTPUTS = "changed_outputs"
#: Field of a result with the job that it was built from.
BUILT_UUID = "built_from.uuid"
#: Steps whose jobs a result names in its provenance.
PROVENANCE = (
    "bulk", "dielectric", "band_edges", "oriented_bulk", "slab_relaxation", "slab_potential",
)  # fmt: skip
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
_CLIENT_OPTIONS: dict[str, Any] = {
    "serverSelectionTimeoutMS": SERVER_SELECTION_TIMEOUT,
    "connectTimeoutMS": CONNECT_TIMEOUT,
    "socketTimeoutMS": SOCKET_TIMEOUT,
    "tz_aware": True,
    "appname": "surfalign",
}

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
    # A build asks for the results that rest on a job.
    IndexModel([(BUILT_UUID, ASCENDING)]),
    *(IndexModel([(f"provenance.{step}", ASCENDING)]) for step in PROVENANCE),
)

CAMPAIGN_CRYSTALS_INDEXES = (IndexModel([("key", ASCENDING)], unique=True),)
CAMPAIGN_SURFACES_INDEXES = (
    IndexModel([("key", ASCENDING)], unique=True),
    IndexModel([("state", ASCENDING), ("crystal", ASCENDING)]),
    IndexModel([("crystal", ASCENDING), ("name", ASCENDING)]),
    IndexModel([("bulk", ASCENDING)]),
    IndexModel([("campaigns", ASCENDING)]),
)


class Database:
    """The collections of one database; nothing is sent before something is asked.

    Parameters
    ----------
    uri
        ``mongodb://`` URI.
    name
        Name of the database.

    Attributes
    ----------
    address
        URI without the password, for messages.
    """

    def __init__(self, uri: str, name: str) -> None:
        self.address = masked(uri)
        self.name = name
        self._uri = uri
        self._client: MongoClient[dict[str, Any]] = MongoClient(uri, **_CLIENT_OPTIONS)

    @cached_property
    def jobs(self) -> JobStore:
        """Jobflow's store: the output of every job, unique by (uuid, index)."""
        from jobflow import JobStore

        store = JobStore(self._store(JOBS))
        store.connect()
        return store

    @cached_property
    def surface_levels(self) -> DatabaseStore:
        """The results: one document a surface and method, unique by ``identifier``."""
        store = self._store(SURFACE_LEVELS, key="identifier")
        store.connect()
        return store

    def _store(self, collection: str, **arguments: Any) -> DatabaseStore:
        from surfalign.stores.database_store import DatabaseStore

        return DatabaseStore(
            database=self.name,
            collection_name=collection,
            uri=self._uri,
            mongoclient_kwargs=dict(_CLIENT_OPTIONS),
            **arguments,
        )

    def collection(self, name: str) -> Collection[dict[str, Any]]:
        """Return a collection of this database."""
        return self._client[self.name][name]

    def close(self) -> None:
        """Close all connections."""
        opened = self.__dict__
        stores = [opened["jobs"].docs_store] if "jobs" in opened else []
        stores += [opened["surface_levels"]] if "surface_levels" in opened else []
        for store in stores:
            # A builder or a flow may have closed it already.
            if getattr(store, "_coll", None) is not None:
                store.close()
        self._client.close()

    def __repr__(self) -> str:
        return f"Database({self.address!r}, {self.name!r})"

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
    if not uri.startswith(("mongodb://", "mongodb+srv://")):
        raise _malformed(masked(uri))
    with errors_named(masked(uri)):
        try:
            database = Database(uri, settings.database_name)
        except ValueError:  # of pymongo's, for a port that is no number
            raise _malformed(masked(uri)) from None
        try:
            _ensure_indexes(database)
        except BaseException:
            database.close()
            raise
    return database


def _malformed(address: str) -> ConfigurationError:
    return ConfigurationError(
        f"the database URI {address!r} is malformed",
        "mongodb://user:password@host:port/ with user and password percent-encoded",
        "correct database_uri (SURFALIGN_DATABASE_URI)",
    )


def _ensure_indexes(database: Database) -> None:
    """Create what is missing; a user who may only read goes on without."""
    try:
        for name, indexes in (
            (JOBS, JOB_INDEXES),
            (SURFACE_LEVELS, SURFACE_LEVELS_INDEXES),
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
