"""Whoever shows wrong tokens again and again has to wait, and nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from surfalign.errors import AccessError, ManyFailedLoginsError
from surfalign.launchers.web.application import create_app
from surfalign.launchers.web.failed_logins import MOST_KEYS, WINDOW, FailedLogins
from surfalign.launchers.web.identity import Entrance
from surfalign.settings import load_settings
from surfalign.stores.database import Database, connect
from surfalign.stores.sharing.access_tokens import AccessRegister

TOKEN = "surfalign_{:012x}_" + "A" * 43


class Clock:
    """Tells the time that it is set to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def fails(failed: FailedLogins, address: str, token: str = "x") -> None:
    request = Request({"type": "http", "client": (address, 1)})
    with pytest.raises(AccessError, match="unknown"), failed.counted(request, token):
        raise AccessError("unknown", "", "")


def refused(failed: FailedLogins, address: str, token: str = "x") -> int:
    """Return how long one has to wait; 0 where it is looked at."""
    try:
        with failed.counted(Request({"type": "http", "client": (address, 1)}), token):
            return 0
    except ManyFailedLoginsError as error:
        return error.wait


def test_an_address_waits_until_its_failures_are_a_minute_old() -> None:
    clock = Clock()
    failed = FailedLogins(3, clock)
    for _ in range(3):
        assert refused(failed, "10.0.0.1") == 0
        fails(failed, "10.0.0.1")
        clock.now += 10
    assert refused(failed, "10.0.0.1") == WINDOW - 30
    assert refused(failed, "10.0.0.2") == 0
    clock.now += WINDOW - 30
    assert refused(failed, "10.0.0.1") == 0


def test_a_token_that_is_tried_from_many_addresses_waits_as_well() -> None:
    failed = FailedLogins(3, Clock())
    for number in range(3):
        fails(failed, f"10.0.0.{number}", TOKEN.format(7))
    assert refused(failed, "10.0.0.9", TOKEN.format(7)) == WINDOW
    assert refused(failed, "10.0.0.9", TOKEN.format(8)) == 0


def test_addresses_of_one_ipv6_network_are_one() -> None:
    failed = FailedLogins(3, Clock())
    for number in range(3):
        fails(failed, f"2001:db8:1:2::{number}")
    assert refused(failed, "2001:db8:1:2:ffff::1") == WINDOW
    assert refused(failed, "2001:db8:1:3::1") == 0


def test_many_addresses_take_no_more_room_than_they_may() -> None:
    failed = FailedLogins(3, Clock())
    for number in range(MOST_KEYS + 100):
        fails(failed, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(failed._failures) == MOST_KEYS


@pytest.fixture
def client(database: Database, tmp_path: Path) -> Iterator[TestClient]:
    settings = load_settings()
    entrance = Entrance(asks=True, log=tmp_path / "served.jsonl", most_failures=3)
    with TestClient(
        create_app(lambda: connect(settings), entrance=entrance), base_url="http://127.0.0.1"
    ) as opened:
        yield opened


@pytest.mark.parametrize("way", ["form", "header", "session"])
def test_too_many_failures_are_answered_429_and_noted(
    client: TestClient, database: Database, tmp_path: Path, way: str
) -> None:
    token, _ = AccessRegister(database).add("anna", "reader")
    headers = {
        "form": {}, "session": {"Cookie": "surfalign_session=forged"},
        "header": {"Authorization": f"Bearer {TOKEN.format(0)}"},
    }[way]  # fmt: skip
    for status in (401, 401, 401, 429, 429):
        if way == "form":
            answer = client.post("/login", data={"token": TOKEN.format(0)})
        else:
            answer = client.get("/api/v1/surfaces", headers=headers)
        assert answer.status_code == status
        assert ("retry-after" in answer.headers) == (status == 429)
    assert 1 <= int(answer.headers["retry-after"]) <= WINDOW
    assert "too many failed logins" in answer.text
    # What is true is not looked at, either; who shows nothing is told to log in as ever.
    true = client.get("/api/v1/surfaces", headers={"Authorization": f"Bearer {token}"})
    assert (true.status_code, true.json()["error"]) == (429, "ManyFailedLoginsError")
    client.cookies.clear()
    assert client.get("/").status_code == 401
    entries = [json.loads(line) for line in (tmp_path / "served.jsonl").read_text().splitlines()]
    assert [entry["status"] for entry in entries] == [401, 401, 401, 429, 429, 429, 401]
    assert {entry["client"] for entry in entries} == {"testclient"}
