"""Connecting: indexes, names of errors, and no password anywhere."""

from __future__ import annotations

import logging
import time
import traceback

import pytest
from jobflow import JobStore
from pydantic import SecretStr
from pymongo.errors import DuplicateKeyError
from stored_results import job_output, passed_result

from surfalign.errors import ConfigurationError, DatabaseUnreachableError
from surfalign.settings import Settings, load_settings
from surfalign.stores.database import (
    SERVER_SELECTION_TIMEOUT,
    Database,
    connect,
)
from surfalign.stores.jobstore import finished_uuids

PASSWORD = "s3cret"


def settings(uri: str | None) -> Settings:
    return Settings(database_uri=None if uri is None else SecretStr(uri))


def test_collections_have_their_unique_indexes(database: Database) -> None:
    jobs = database.jobs._collection.index_information()
    levels = database.surface_levels._collection.index_information()

    assert jobs["uuid_1_index_1"]["unique"]
    assert levels["identifier_1"]["unique"]
    assert {"formula_1", "ionization_potential_1", "miller_index_1", "state_1"} <= set(levels)


def test_no_job_and_no_result_can_be_stored_twice(database: Database) -> None:
    job = {"uuid": "a", "index": 1}
    database.jobs._collection.insert_one(dict(job))
    with pytest.raises(DuplicateKeyError, match="uuid"):
        database.jobs._collection.insert_one(dict(job))
    database.surface_levels._collection.insert_one({"identifier": "a"})
    with pytest.raises(DuplicateKeyError, match="identifier"):
        database.surface_levels._collection.insert_one({"identifier": "a"})


def test_connecting_twice_changes_nothing(database: Database) -> None:
    before = database.surface_levels._collection.index_information()
    with connect(load_settings()) as again:
        assert again.surface_levels._collection.index_information() == before


def test_an_unreachable_database_is_an_error_within_seconds_without_the_password() -> None:
    assert SERVER_SELECTION_TIMEOUT <= 10_000
    began = time.monotonic()
    with pytest.raises(DatabaseUnreachableError, match=r"//user:\*\*\*@127\.0\.0\.1:1/") as caught:
        connect(settings(f"mongodb://user:{PASSWORD}@127.0.0.1:1/"))

    assert time.monotonic() - began < 30  # pymongo's own limit; ours holds
    trace = "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in trace


@pytest.mark.parametrize(
    "uri",
    [
        f"mongodb://user:p@{PASSWORD}@host/",
        f"mongodb://user:p/{PASSWORD}@host/",
        f"mongodb://user:{PASSWORD}@host:port/",
        f"mongodb://user:{PASSWORD}@/",
        f"mongodb://user:{PASSWORD}@host/?nonsense",
        f"http://user:{PASSWORD}@host/",
        "nonsense",
        "",
    ],
)
def test_a_malformed_uri_is_an_error_without_the_password(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="malformed") as caught:
        connect(settings(uri))

    trace = "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in trace


def test_no_configured_database_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="surfalign db start"):
        connect(settings(None))


def test_refused_credentials_are_an_error_without_the_password(
    server_uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    host = server_uri.rpartition("@")[2].partition("/")[0]
    with pytest.raises(DatabaseUnreachableError, match="refuses this user") as caught:
        connect(settings(f"mongodb://user:{PASSWORD}@{host}/"))
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text

    assert PASSWORD not in shown


def test_reprs_do_not_show_the_password() -> None:
    from surfalign.stores.database_store import DatabaseStore

    uri = f"mongodb://user:{PASSWORD}@host/"
    store = DatabaseStore(database="d", collection_name="c", uri=uri)

    assert PASSWORD not in repr(store) + str(store) + store.name + JobStore(store).name
    assert PASSWORD not in repr(settings(uri))


def test_closing_twice_is_harmless(database: Database) -> None:
    database.close()
    database.close()
    database.jobs.connect()
    assert database.jobs.count() == 0


def test_finished_uuids(database: Database) -> None:
    database.jobs.update(
        [
            job_output(passed_result("a"), "done", "2026-01-01T00:00:00"),
            {"uuid": "replaced", "index": 1, "output": None},
            {"uuid": "replaced-and-done", "index": 1, "output": None},
            {"uuid": "replaced-and-done", "index": 2, "output": {"value": 1}},
        ]
    )

    asked = ["done", "replaced", "replaced-and-done", "unknown"]

    assert finished_uuids(database.jobs, asked) == {"done", "replaced-and-done"}
    assert finished_uuids(database.jobs, iter(())) == set()
