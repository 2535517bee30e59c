"""The server process: its address, its end, and a database that goes away."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient
from stored_results import passed_result, store
from typer.testing import CliRunner

from surfalign.errors import AddressRefusedError, ConfigurationError
from surfalign.launchers.cli.main import app
from surfalign.launchers.database.server import LocalServer
from surfalign.launchers.web.application import create_app
from surfalign.launchers.web.identity import Entrance
from surfalign.launchers.web.memory import ROOM, Memory
from surfalign.launchers.web.serving import bound_socket, entrance_of, refuse_unless_asked
from surfalign.settings import load_settings
from surfalign.stores.database import Database, connect
from surfalign.stores.sharing.access_tokens import AccessRegister

HOSTS = ["0.0.0.0", "", "::", "192.168.0.1", "example.org", "127.0.0.2"]


@pytest.mark.parametrize("host", HOSTS)
def test_an_address_that_others_reach_is_refused_while_nobody_has_access(
    host: str, database: Database
) -> None:
    with pytest.raises(AddressRefusedError, match="nobody has an access token"):
        refuse_unless_asked(host, Entrance(asks=True), AccessRegister(database).has_valid)
    result = CliRunner().invoke(app, ["serve", "--host", host])
    assert isinstance(result.exception, AddressRefusedError)


@pytest.mark.parametrize("host", HOSTS)
def test_an_address_that_others_reach_asks_who_they_are(host: str, database: Database) -> None:
    register = AccessRegister(database)
    register.add("anna")
    entrance = entrance_of(host, load_settings())
    assert entrance.asks
    assert not entrance.public
    refuse_unless_asked(host, entrance, register.has_valid)
    register.revoke("anna")
    with pytest.raises(AddressRefusedError):
        refuse_unless_asked(host, entrance, register.has_valid)
    refuse_unless_asked(host, entrance_of(host, load_settings(), public=True), register.has_valid)


def test_the_loopback_address_asks_only_behind_a_proxy_or_for_the_public() -> None:
    settings = load_settings()
    assert not entrance_of("127.0.0.1", settings).asks
    assert entrance_of("127.0.0.1", settings, public=True).asks
    behind = settings.model_copy(update={"web_proxies": ["127.0.0.1"]})
    entrance = entrance_of("localhost", behind, hosts=["levels.example.org", "*"])
    assert entrance.asks
    assert entrance.hosts == ("127.0.0.1", "localhost", "levels.example.org")


@pytest.mark.parametrize("proxies", ['["*"]', '["proxy.example.org"]', '["10.0.0.0/40"]'])
def test_proxies_are_addresses_or_networks(proxies: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURFALIGN_WEB_PROXIES", proxies)
    with pytest.raises(ConfigurationError, match="web_proxies"):
        load_settings()


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "a" * 70, ""])
def test_an_address_that_is_not_of_this_machine_is_named(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--host .* cannot be used"):
        bound_socket(host, 0)


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            ConfigurationError, match=f"port {port} cannot be used: another program"
        ):
            bound_socket("127.0.0.1", port)


def test_what_is_remembered_takes_no_more_room_than_it_may() -> None:
    answers: Iterator[int] = iter(range(10))
    memory = Memory()

    def recalled(question: str) -> int:
        return memory.recall(question, lambda: next(answers), lambda _: ROOM // 3)

    assert [recalled(question) for question in "aabcabdb"] == [0, 0, 1, 2, 0, 1, 3, 1]
    assert recalled("c") == 4  # was asked for longest ago
    assert memory.recall("large", lambda: 5, lambda _: 2 * ROOM) == 5
    assert [recalled("large"), recalled("a")] == [5, 5]


def test_an_error_is_not_remembered() -> None:
    memory = Memory()

    def fails() -> int:
        raise ValueError("away")

    with pytest.raises(ValueError, match="away"):
        memory.recall("question", fails)
    assert memory.recall("question", lambda: 1) == 1


@pytest.mark.mongo
@pytest.mark.processes
def test_a_database_that_goes_away_is_told_and_found_again(tmp_path: Path) -> None:
    server = LocalServer(tmp_path / "database")
    try:
        settings = load_settings().model_copy(update={"database_uri": SecretStr(server.start())})
        with connect(settings) as database:
            store(database, passed_result("mgo-100"))
        with TestClient(
            create_app(lambda: connect(settings)), base_url="http://127.0.0.1"
        ) as client:
            assert "mgo-100" in client.get("/").text
            server.stop()
            for address in ("/", "/surfaces/mgo-100"):
                away = client.get(address)
                assert away.status_code == 503
                assert "does not answer" in away.text
                assert "To do:" in away.text
            told = client.get("/api/v1/surfaces")
            assert (told.status_code, told.json()["error"]) == (503, "DatabaseUnreachableError")
            assert client.get("/models").status_code == 200  # what needs no database goes on
            server.start()
            assert "mgo-100" in client.get("/").text
    finally:
        server.stop()


Send = Callable[[bytes], tuple[int, bytes]]


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Send]:
    """Start a real server on a free port; what is given to it is sent byte by byte as it is."""
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "surfalign.launchers.cli.main", "serve", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "SURFALIGN_DATA_DIRECTORY": str(folder)},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"Serving at http://[\d.]+:(\d+)/", line)
    assert found, (folder / "log").read_text()

    def send(content: bytes) -> tuple[int, bytes]:
        connection = socket.create_connection(("127.0.0.1", int(found[1])))
        connection.sendall(content)
        with connection, http.client.HTTPResponse(connection) as response:
            response.begin()
            return response.status, response.read()

    try:
        yield send
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
        process.stdout.close()
        log.close()
        assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture
def served(database: Database, tmp_path: Path) -> Iterator[Send]:
    """A real server for its owner."""
    store(database, passed_result("mgo-100"))
    with serving(tmp_path) as send:
        yield send


@pytest.mark.processes
def test_the_command_lets_in_who_has_a_token(database: Database, tmp_path: Path) -> None:
    store(database, passed_result("mgo-100"))
    token, _ = AccessRegister(database).add("anna", "admin")
    ask = b"GET /surfaces/mgo-100 HTTP/1.1\r\nHost: levels.example.org\r\n"
    with serving(
        tmp_path, "--host", "0.0.0.0", "--allow-host", "levels.example.org", "--public"
    ) as send:
        assert send(ask + b"\r\n")[0] == 404
        assert send(ask + b"Authorization: Bearer x\r\n\r\n")[0] == 401
        status, page = send(ask + f"Authorization: Bearer {token}\r\n\r\n".encode())
        assert status == 200
        assert b"mgo-100" in page
        assert send(ask.replace(b"levels", b"other") + b"\r\n")[0] == 400
        AccessRegister(database).revoke("anna")
        assert send(ask + f"Authorization: Bearer {token}\r\n\r\n".encode())[0] == 401
    noted = (tmp_path / "web" / "served.jsonl").read_text()
    assert len(noted.splitlines()) == 4
    assert token not in noted
    assert "unencrypted" in (tmp_path / "log").read_text()


@pytest.mark.processes
def test_the_command_serves_refuses_what_is_too_large_and_ends_by_ctrl_c(
    served: Send,
) -> None:
    status, page = served(b"GET / HTTP/1.1\r\nHost: localhost:80\r\n\r\n")
    assert status == 200
    assert b"mgo-100" in page
    for content in (
        b"GET /?query=" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /?query=" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n",
    ):
        assert 400 <= served(content)[0] < 500
    assert served(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")[0] == 200
