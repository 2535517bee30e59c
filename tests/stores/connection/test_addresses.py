"""The address of the database: one name, no secret shown, and refused before anything is looked up."""

from __future__ import annotations

import socket
import traceback
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from surfalign.errors import ConfigurationError
from surfalign.settings import Settings, address_source, load_settings
from surfalign.stores.connection.addresses import address_of, masked
from surfalign.stores.database import Database, connect

SECRET = "s3cret"


def settings(uri: str, **more: Any) -> Settings:
    return Settings(database_uri=SecretStr(uri), **more)


@pytest.fixture
def no_look_up(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every host that Python asks for."""
    asked: list[Any] = []

    def note(host: object, *arguments: object, **options: object) -> list[Any]:
        asked.append(host)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", note)
    return asked


# --- the name ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "name", "used"),
    [
        ("mongodb://host/", None, "surfalign"),
        ("mongodb://host", None, "surfalign"),
        ("mongodb://host/", "oxides", "oxides"),
        ("mongodb://host/oxides", None, "oxides"),
        ("mongodb://host/oxides?authSource=admin", None, "oxides"),
        ("mongodb://host/oxides", "oxides", "oxides"),
        ("mongodb://a:1,b:2,c/oxides?replicaSet=r", None, "oxides"),
        ("mongodb+srv://u:p@cluster0.example.net/oxides?w=majority", None, "oxides"),
        ("mongodb://host/oxid%65s", None, "oxides"),
        # Where the user is known, which is no place for results.
        ("mongodb://u:p@host/admin", None, "surfalign"),
        ("mongodb://u:p@host/admin", "oxides", "oxides"),
        ("mongodb://%2Ftmp%2Fmongodb.sock/oxides", None, "oxides"),
    ],
)
def test_the_database_of_the_uri_or_of_the_settings_is_used(
    uri: str, name: str | None, used: str
) -> None:
    more = {} if name is None else {"database_name": name}
    assert address_of(settings(uri, **more)).name == used


@pytest.mark.parametrize("options", ["", "?authSource=users", "?replicaSet=r"])
def test_two_names_are_refused(options: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"names the database 'users', the settings 'oxides'.*authSource"
    ):
        address_of(settings(f"mongodb://u:p@host/users{options}", database_name="oxides"))


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("mongodb://host/", "my.db"),
        ("mongodb://host/", "admin"),
        ("mongodb://host/", ""),
        ("mongodb://host/", "x" * 64),
        ("mongodb://host/oxides.levels", None),
        ("mongodb://host/two words", None),
    ],
)
def test_what_cannot_be_a_name_is_refused(uri: str, name: str | None) -> None:
    more = {} if name is None else {"database_name": name}
    with pytest.raises(ConfigurationError, match="cannot be the name of a database"):
        address_of(settings(uri, **more))


def test_results_go_to_the_database_of_the_uri(database: Database, server_uri: str) -> None:
    uri = server_uri.replace("/?", f"/{database.name}?authSource=admin&")
    with connect(settings(uri)) as named:
        named.collection("jobs").insert_one({"uuid": "a", "index": 1})
        assert named.name == database.name
    assert database.collection("jobs").count_documents({}) == 1


# --- where it is named -------------------------------------------------------------------------


@pytest.fixture
def uri_file(tmp_path: Path) -> Path:
    path = tmp_path / "uri"
    path.touch(mode=0o600)
    path.write_text(f"mongodb://u:{SECRET}@host/\n")
    return path


def test_a_private_file_names_the_database(uri_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURFALIGN_DATABASE_URI_FILE", str(uri_file))
    found = load_settings()
    assert address_of(found).uri == f"mongodb://u:{SECRET}@host/"
    assert address_source(found) == str(uri_file)
    uri_file.chmod(0o644)
    with pytest.raises(ConfigurationError, match=r"can be read by others \(mode 644\)"):
        load_settings()


@pytest.mark.parametrize("key", ["database_uri", "database_uri_file"])
def test_a_variable_wins_over_the_settings_file(
    key: str, uri_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = uri_file if key == "database_uri_file" else "mongodb://file/"
    path = tmp_path / "surfalign.yaml"
    path.write_text(f"{key}: {value}\n")
    monkeypatch.setenv("SURFALIGN_CONFIG_FILE", str(path))
    assert address_source(load_settings()) == str(uri_file if key.endswith("file") else path)
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", "mongodb://variable/")
    found = load_settings()
    assert address_of(found).uri == "mongodb://variable/"
    assert address_source(found) == "SURFALIGN_DATABASE_URI"


def test_two_addresses_in_one_place_are_refused(
    uri_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_DATABASE_URI_FILE", str(uri_file))
    monkeypatch.setenv("SURFALIGN_DATABASE_URI", "mongodb://variable/")
    with pytest.raises(ConfigurationError, match="by database_uri and by database_uri_file"):
        load_settings()


@pytest.mark.parametrize(
    "content",
    [
        f"database_uri: mongodb://u: {SECRET}@host/\n",
        f"database_url: mongodb://u:{SECRET}@host/\n",
        f"database_uri: [mongodb://u:{SECRET}@host/]\n",
        f"database_uri: 'mongodb://u:{SECRET}@host/\n",
        f"profiles: mongodb://u:{SECRET}@host/\n",
    ],
)
def test_a_broken_settings_file_shows_no_secret(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "surfalign.yaml"
    path.write_text(content)
    monkeypatch.setenv("SURFALIGN_CONFIG_FILE", str(path))
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


# --- secrets -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        f"mongodb://user:pa@12/{SECRET}@host/",
        f"mongodb://user:pa@{SECRET}@host/",
        f"mongodb://user:12/{SECRET}@host/",
        f"mongodb://user:{SECRET}/x@host:27017/d?authSource=admin",
        f"mongodb://user:{SECRET}:x@host/",
        f"mongodb://user:{SECRET}%@host/",
        f"mongodb://user:{SECRET}%zz@host/",
        f"mongodb://us%er:{SECRET}@host/",
        f"mongodb://user:{SECRET}?x=y@host/",
        f"mongodb+srv://user:{SECRET}/x@cluster0.example.net/",
        f"mongodb+srv://user:x@{SECRET}@cluster0.example.net/",
        f"mongodb://user@example.org:{SECRET}@host/",
        f"mongodb://a,b:12/{SECRET}@c/?replicaSet=r",
    ],
)
def test_an_unencoded_password_is_refused_before_any_look_up(
    uri: str, no_look_up: list[Any]
) -> None:
    with pytest.raises(ConfigurationError, match=r"not percent-encoded.*%40 for @") as caught:
        connect(settings(uri))
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert all(piece not in caught.value.found for piece in ("user:", "12", "cluster0", "host"))
    assert no_look_up == []


def test_an_encoded_password_is_accepted(no_look_up: list[Any]) -> None:
    uri = "mongodb://user%40example.org:p%40s%2Fs%3A%25w%3Ford@host/?authSource=admin"
    assert (
        address_of(settings(uri)).shown == "mongodb://user%40example.org:***@host/?authSource=admin"
    )


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("mongodb://host:27017/db", "mongodb://host:27017/db"),
        ("mongodb://host/?a=b;c=d", "mongodb://host/?a=b;c=d"),
        (f"mongodb://u:{SECRET}@host/db", "mongodb://u:***@host/db"),
        (f"mongodb+srv://u:{SECRET}@a,b/db?w=1", "mongodb+srv://u:***@a,b/db?w=1"),
        (f"mongodb://u:{SECRET}@x@host/", "mongodb://u:***@host/"),
        (f"mongodb://u:a/{SECRET}@host/", "mongodb://u:***@host/"),
        (f"mongodb://u:a?{SECRET}@host/", "mongodb://u:***@host/"),
        ("mongodb://user@host/", "mongodb://user@host/"),
        (
            f"mongodb://host/?tlsCertificateKeyFilePassword={SECRET}&tls=true",
            "mongodb://host/?tlsCertificateKeyFilePassword=***&tls=true",
        ),
        (
            f"mongodb://host/?tlsCertificateKeyFilePassword=a,{SECRET}&{SECRET}",
            "mongodb://host/?tlsCertificateKeyFilePassword=***&***",
        ),
        (
            f"mongodb://host/?ssl_pem_passphrase={SECRET};tls=true",
            "mongodb://host/?ssl_pem_passphrase=***;tls=true",
        ),
        (
            f"mongodb://host/?authMechanismProperties=AWS_SESSION_TOKEN:{SECRET},A:b",
            "mongodb://host/?authMechanismProperties=AWS_SESSION_TOKEN:***,A:b",
        ),
        (
            f"mongodb://host/?authMechanismProperties=A:b,AWS_SESSION_TOKEN:{SECRET},{SECRET}&w=1",
            "mongodb://host/?authMechanismProperties=A:b,AWS_SESSION_TOKEN:***&w=1",
        ),
        (None, ""),
    ],
)
def test_no_secret_of_a_uri_is_shown(uri: str | None, shown: str) -> None:
    assert masked(uri) == shown


# --- files of TLS ------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["tlsCAFile", "tlsCertificateKeyFile", "tlscafile"])
def test_an_absent_file_of_tls_is_named(option: str, no_look_up: list[Any]) -> None:
    uri = f"mongodb://u:{SECRET}@host/?tls=true&{option}=%2Fnowhere%2Fca.pem"
    with pytest.raises(
        ConfigurationError, match=r"the file /nowhere/ca\.pem, which .* as tlsC.*No such file"
    ):
        connect(settings(uri))
    assert no_look_up == []


def test_a_folder_is_no_file_of_tls(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Is a directory"):
        connect(settings(f"mongodb://host/?tls=true&tlsCAFile={tmp_path}"))
