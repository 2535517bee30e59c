"""Every error of pymongo has a name, a remedy, and no secret; the server that fails is a double."""

from __future__ import annotations

import inspect
import logging
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import gridfs.errors
import pymongo.errors
import pytest
from bson.errors import InvalidDocument
from failing_database import FailingDatabase, write_certificate
from pydantic import SecretStr
from pymongo.errors import OperationFailure, PyMongoError

from surfalign.errors import (
    ConfigurationError,
    DatabaseError,
    DatabaseUnreachableError,
    MissingDependencyError,
    SurfalignError,
)
from surfalign.settings import Settings
from surfalign.stores.connection.errors import errors_named, named
from surfalign.stores.database import Database, connect

SECRET = "s3cret"


def settings(uri: str) -> Settings:
    return Settings(database_uri=SecretStr(uri))


def refusal(code: int, text: str = "no") -> dict[str, Any]:
    return {"ok": 0, "code": code, "errmsg": text}


def find(database: Database) -> None:
    list(database.collection("c").find({}))


def insert(database: Database) -> None:
    database.collection("c").insert_many([{"a": 1}, {"a": 2}])


def insert_one(document: dict[str, Any]) -> Callable[[Database], object]:
    return lambda database: database.collection("c").insert_one(document)


def meet(
    double: FailingDatabase, act: Callable[[Database], object] = find, options: str = ""
) -> str:
    """Return what a user reads, which is the whole of a traceback."""
    with (
        double,
        pytest.raises(SurfalignError) as caught,
        connect(settings(double.uri(options))) as database,
    ):
        act(database)
    assert caught.value.remedy
    return f"{type(caught.value).__name__}: {caught.value}"


# --- rights and credentials --------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        refusal(13, "not authorized on surfalign to execute command { createIndexes: ... }"),
        refusal(8000, "user is not allowed to do action [createIndex] on [surfalign.jobs]"),
    ],
)
def test_a_user_who_may_only_read_goes_on_without_indexes(answer: dict[str, Any]) -> None:
    with (
        FailingDatabase({"createIndexes": answer, "insert": answer}) as double,
        connect(settings(double.uri())) as database,
    ):
        find(database)
        with pytest.raises(DatabaseUnreachableError, match="refuses this user"), database:
            insert(database)


@pytest.mark.parametrize("code", [11, 13, 18, 8000])
def test_refused_credentials_are_named_at_once(code: int) -> None:
    text = meet(FailingDatabase({"*": refusal(code, "bad auth : authentication failed")}))
    assert text.startswith("DatabaseUnreachableError: ")
    assert "refuses this user: bad auth" in text
    assert "percent-encoded" in text


def test_a_full_quota_of_atlas_is_no_refused_user() -> None:
    answer = refusal(8000, "you are over your space quota, using 512 MB of 512 MB")
    assert "has no room left: you are over" in meet(FailingDatabase({"insert": answer}), insert)


# --- connections -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("mongodb://nosuch.invalid/?serverSelectionTimeoutMS=200", "name does not resolve"),
        (f"mongodb://u:{SECRET}@a.invalid,b.invalid/?serverSelectionTimeoutMS=200", "not resolve"),
        (f"mongodb+srv://u:{SECRET}@nosuch.example.invalid/?connectTimeoutMS=2000", "not resolve"),
        ("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200", "Connection refused"),
    ],
)
def test_a_host_that_is_not_there_is_named(uri: str, message: str) -> None:
    with pytest.raises(DatabaseUnreachableError, match=message) as caught:
        connect(settings(uri))
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_options_of_the_uri_win_over_ours() -> None:
    with Database("mongodb://127.0.0.1:1/?socketTimeoutMS=7000&appName=mine", "d") as database:
        options = database.collection("c").database.client.options
        assert options.pool_options.socket_timeout == 7
        assert options.pool_options.appname == "mine"
        assert options.server_selection_timeout == 10


@pytest.mark.parametrize(
    ("hello", "options", "message"),
    [
        ({"maxWireVersion": 4}, "", "DatabaseError: .* is of a version that this client"),
        ({"minWireVersion": 99, "maxWireVersion": 120}, "", "DatabaseError: .* is of a version"),
        ({"setName": "a", "hosts": ["127.0.0.1:1"]}, "replicaSet=b", "another replica set"),
    ],
)
def test_a_server_of_another_kind_is_named(
    hello: dict[str, Any], options: str, message: str
) -> None:
    assert re.search(message, meet(FailingDatabase(hello=hello), options=options))


@pytest.mark.parametrize("command", ["find", "insert"])
def test_a_closed_connection_is_named(command: str) -> None:
    text = meet(FailingDatabase({command: None}), find if command == "find" else insert)
    assert "DatabaseUnreachableError" in text
    assert "closed the connection" in text


@pytest.mark.parametrize(
    ("days", "host", "with_authority", "message"),
    [
        ((-10, -1), "127.0.0.1", True, "its certificate is not valid now"),
        ((1, 10), "127.0.0.1", True, "its certificate is not valid now"),
        ((-10, 10), "10.0.0.1", True, "its certificate does not fit"),
        ((-10, 10), "127.0.0.1", False, "its certificate does not fit"),
    ],
)
def test_a_certificate_that_cannot_be_trusted_is_named(
    days: tuple[float, float], host: str, with_authority: bool, message: str, tmp_path: Path
) -> None:
    pytest.importorskip("cryptography")
    path = write_certificate(tmp_path / "server.pem", days, host)
    authority = f"&tlsCAFile={path}" if with_authority else ""
    text = meet(FailingDatabase(certificate=path), options=f"tls=true{authority}")
    assert message in text
    assert ("clock" if "valid now" in message else "tlsCAFile=/path/ca.pem") in text


def test_a_good_certificate_lets_in(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    path = write_certificate(tmp_path / "server.pem", (-1, 1))
    with (
        FailingDatabase(certificate=path) as double,
        connect(settings(double.uri(f"tls=true&tlsCAFile={path}"))) as database,
    ):
        find(database)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ("tls=true&tlsCAFile={garbage}", ConfigurationError, "TLS files .* cannot be used"),
        ("tls=true&tlsCertificateKeyFile={garbage}", ConfigurationError, "key and certificate"),
        ("authMechanism=MONGODB-AWS", MissingDependencyError, r"pymongo\[srv,aws,gssapi\]"),
        ("tlsCAPath=/x", ConfigurationError, "unknown option"),
        ("readPreference=nearby", ConfigurationError, "wrong value"),
        ("tls=maybe", ConfigurationError, "malformed"),
        ("tlsInsecure=true&tlsAllowInvalidCertificates=true", ConfigurationError, "malformed"),
        ("authMechanism=GSSAPI", ConfigurationError, "malformed"),
    ],
)
def test_options_that_cannot_be_used_are_named(
    options: str, error: type[Exception], message: str, tmp_path: Path
) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    double = FailingDatabase()
    with double, pytest.raises(error, match=message):
        connect(settings(double.uri(options.format(garbage=garbage))))


# --- operations --------------------------------------------------------------------------------

_BULK = {"ok": 1, "n": 1, "writeErrors": [{"index": 1, "code": 11000, "errmsg": "E11000 dup"}]}
_UNCONFIRMED = {
    "ok": 1, "n": 2, "writeConcernError": {"code": 64, "errmsg": "timed out", "errInfo": {"wtimeout": 1}},
}  # fmt: skip
_OPEN = {"ok": 1, "cursor": {"id": bson.Int64(5), "ns": "surfalign.c", "firstBatch": [{"a": 1}]}}


@pytest.mark.parametrize(
    ("answers", "act", "message"),
    [
        ({"insert": _BULK}, insert, "holds this document already: 1 writes failed, .*E11000 dup"),
        ({"insert": _UNCONFIRMED}, insert, "did not confirm a write"),
        ({"insert": refusal(64)}, insert, "did not confirm a write"),
        ({"insert": refusal(14031)}, insert, "has failed.*room on its disk"),
        ({"insert": refusal(20, "Transaction numbers are only")}, insert, "retryWrites=false"),
        ({"insert": refusal(121, "Document failed validation")}, insert, "rules of its own"),
        ({"insert": refusal(112, "WriteConflict")}, insert, "another writer"),
        ({"find": _OPEN, "getMore": refusal(43, "cursor id 5 not found")}, find, "half way"),
        ({"find": _OPEN, "getMore": refusal(237, "cursor killed")}, find, "half way"),
        ({"find": refusal(50, "operation exceeded time limit")}, find, "took longer"),
        ({"find": refusal(292, "Sort exceeded memory limit")}, find, "lacks the memory"),
        ({"find": refusal(91, "The server is in quiesce mode")}, find, "shutting down"),
        ({"find": refusal(10107, "not primary")}, find, "has no primary now"),
        ({"find": refusal(59, "no such command")}, find, "newer server"),
        ({"find": refusal(9, "our mistake")}, find, r"not foreseen: .*our mistake \(code 9\)"),
        ({"createIndexes": refusal(86, "same name")}, find, "indexes of the same name"),
        ({"createIndexes": refusal(11000, "E11000")}, find, "holds this document already"),
        ({}, insert_one({"a": "x" * (17 * 2**20)}), "no document as large as this"),
        ({}, insert_one({"a": object()}), "cannot hold this document"),
        ({}, lambda database: database.collection("a..b"), "InvalidName"),
    ],
)  # fmt: skip
def test_what_a_server_refuses_is_named(
    answers: dict[str, Any], act: Callable[[Database], object], message: str
) -> None:
    assert re.search(message, meet(FailingDatabase(answers), act))


def _classes() -> list[type[Exception]]:
    modules = (pymongo.errors, gridfs.errors, bson.errors)
    found = {
        value
        for module in modules
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, PyMongoError | bson.errors.BSONError)
    }
    return sorted(found, key=lambda value: value.__name__)


@pytest.mark.parametrize("kind", _classes(), ids=lambda kind: kind.__name__)
def test_every_class_of_pymongo_has_a_name_and_a_remedy(kind: type[Exception]) -> None:
    error = _made(kind)
    found = named(error, "mongodb://host/")  # type: ignore[arg-type]
    assert found.remedy
    assert found.expected
    with pytest.raises(type(found)), errors_named("mongodb://host/"):
        raise error
    with pytest.raises(type(found)), Database("mongodb://127.0.0.1:1/", "d"):
        raise error


def _made(kind: type[Exception]) -> Exception:
    arguments: dict[str, tuple[Any, ...]] = {
        "BulkWriteError": ({"writeErrors": [], "writeConcernErrors": []},),
        "ClientBulkWriteException": ({"writeErrors": [], "writeConcernErrors": []}, True),
        "EncryptionError": (ValueError("x"),),
        "EncryptedCollectionError": (ValueError("x"), {}),
    }
    return kind(*arguments.get(kind.__name__, ("x",)))


def test_pieces_of_a_uri_that_pymongo_quotes_are_cut_off() -> None:
    for kind in (pymongo.errors.InvalidURI, pymongo.errors.ConfigurationError):
        with (
            pytest.raises(ConfigurationError) as caught,
            errors_named("mongodb://u:***@host/"),
        ):
            raise kind(f"Bad value {SECRET}@host")
        assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_no_log_shows_a_password(server_uri: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nor at the most talkative level."""
    caplog.set_level(logging.DEBUG)
    password = server_uri.partition("surfalign:")[2].partition("@")[0]
    with connect(settings(server_uri)) as database:
        database.jobs.count()
        assert password not in repr(database) + repr(database.jobs) + repr(database.surface_levels)
    assert password not in caplog.text


def test_the_cause_stays_in_sight_for_the_full_trace() -> None:
    error = OperationFailure("no", 13)
    with pytest.raises(DatabaseError) as caught, errors_named("mongodb://host/"):
        raise error
    assert caught.value.__cause__ is error
    assert isinstance(named(InvalidDocument("x")).__cause__, InvalidDocument)
