"""The results database: jobflow's store of all job outputs, and the store of the results.

Everything talks to a ``mongodb://`` URI. The URI may hold a password, which appears in no message, no
log and no ``repr``.

The two stores are jobflow's and maggma's, which take half a second to load: they are made when they are
first asked for, so that commands that only count documents answer at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from bson.errors import BSONError
from pymongo import ASCENDING, IndexModel, MongoClient
from pymongo.collection import Collection
from pymongo.errors import OperationFailure, PyMongoError

from surfalign.errors import ConfigurationError
from surfalign.settings import Settings
from surfalign.stores.connection.addresses import address_of, malformed, masked, options_of
from surfalign.stores.connection.errors import errors_named, named
from surfalign.stores.connection.failures import ATLAS_ERROR, UNAUTHORIZED

if TYPE_CHECKING:
    from jobflow import JobStore

    from surfalign.stores.database_store import DatabaseStore

JOBS = "jobs"
SURFACE_LEVELS = "surface_levels"
#: What is small of each result (stores/query/summaries.py); another name where summaries hold something else.
SURFACE_SUMMARIES = "surface_summaries_2"
#: A word that is another one after every write of results (stores/query/summaries.py).
RESULT_VERSIONS = "result_versions"
CAMPAIGN_CRYSTALS = "campaign_crystals"
CAMPAIGN_SURFACES = "campaign_surfaces"
#: What the last build left to the next one.
BUILDS = "builds"
#: Notes of the outputs that were stored since the last build.
CHANGED_OUTPUTS = "changed_outputs"
#: Who may see which result and data set: the truth, which results hold copies of.
SHARING_RECORDS = "sharing"
#: Who may ask from elsewhere.
ACCESS_TOKENS = "access_tokens"
#: Field of a result with the job that it was built from.
BUILT_UUID = "built_from.uuid"
#: Steps whose jobs a result names in its provenance.
PROVENANCE = (
    "bulk", "dielectric", "band_edges", "oriented_bulk", "slab_relaxation", "slab_potential",
    "hydrogen_molecule", "water_molecule",
)  # fmt: skip
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

SURFACE_SUMMARIES_INDEXES = (
    IndexModel([("identifier", ASCENDING)], unique=True),
    IndexModel([("summary_is_stale", ASCENDING)]),
)

CAMPAIGN_CRYSTALS_INDEXES = (IndexModel([("key", ASCENDING)], unique=True),)
CAMPAIGN_SURFACES_INDEXES = (
    IndexModel([("key", ASCENDING)], unique=True),
    IndexModel([("state", ASCENDING), ("crystal", ASCENDING)]),
    IndexModel([("crystal", ASCENDING), ("name", ASCENDING)]),
    IndexModel([("bulk", ASCENDING)]),
    IndexModel([("campaigns", ASCENDING)]),
)
SHARING_INDEXES = (IndexModel([("kind", ASCENDING), ("identifier", ASCENDING)], unique=True),)
ACCESS_INDEXES = (IndexModel([("id", ASCENDING)], unique=True),)


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
        self._client = _open_client(uri)

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
            mongoclient_kwargs=_client_options(self._uri),
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        """Close the connections; an error of pymongo that ends the block is named."""
        self.close()
        if isinstance(error, PyMongoError | BSONError):
            found = named(error, self.address)
            raise found from found.__cause__

    @contextmanager
    def errors_named(self) -> Iterator[None]:
        """Turn errors of pymongo inside the block into surfalign's."""
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
    DatabaseError
        When it refuses what surfalign needs.
    """
    address = address_of(settings)
    with errors_named(address.shown):
        database = Database(address.uri, address.name)
        try:
            _ensure_indexes(database)
        except BaseException:
            database.close()
            raise
    return database


def _open_client(uri: str) -> MongoClient[dict[str, Any]]:
    """Return pymongo's client; an option that it passes over with a warning is an error."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "", UserWarning, r"pymongo\.(uri_parser|common)")
            return MongoClient(uri, **_client_options(uri))
    except UserWarning:
        raise malformed("it has an unknown option, or one with a wrong value") from None
    except OSError as error:  # of ssl, for what is in a file
        raise ConfigurationError(
            f"the TLS files that the database URI names cannot be used: {error.strerror}",
            "certificates in PEM format",
            "correct tlsCAFile, tlsCertificateKeyFile or tlsCRLFile in database_uri",
        ) from error
    except (ValueError, TypeError):  # for a port or an option that is no number
        raise malformed("its host, its port or one of its options is wrong") from None


def _client_options(uri: str) -> dict[str, Any]:
    """Return our options less those of the URI: pymongo would let ours win."""
    said = {name.lower() for name, _ in options_of(uri)} - {"tz_aware"}
    return {name: value for name, value in _CLIENT_OPTIONS.items() if name.lower() not in said}


def _ensure_indexes(database: Database) -> None:
    """Create what is missing; a user who may only read goes on without."""
    try:
        for name, indexes in (
            (JOBS, JOB_INDEXES),
            (SURFACE_LEVELS, SURFACE_LEVELS_INDEXES),
            (SURFACE_SUMMARIES, SURFACE_SUMMARIES_INDEXES),
            (CAMPAIGN_CRYSTALS, CAMPAIGN_CRYSTALS_INDEXES),
            (CAMPAIGN_SURFACES, CAMPAIGN_SURFACES_INDEXES),
            (SHARING_RECORDS, SHARING_INDEXES),
            (ACCESS_TOKENS, ACCESS_INDEXES),
        ):
            database.collection(name).create_indexes(list(indexes))
    except OperationFailure as error:
        if error.code not in (UNAUTHORIZED, ATLAS_ERROR):
            raise
        # Atlas gives refused credentials the same code: who cannot read is not let in.
        database.collection(JOBS).find_one({}, {"_id": 1})
