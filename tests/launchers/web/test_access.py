"""Who is let in, what each sees, and what is noted of it."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from stored_results import failed_result, flagged_result, passed_result, store

from surfalign.errors import DatabaseUnreachableError
from surfalign.launchers.web.application import create_app
from surfalign.launchers.web.audit import AuditLog
from surfalign.launchers.web.identity import COOKIE, Entrance
from surfalign.launchers.web.pages.login import own_address
from surfalign.ml.models.model_registry import CARD
from surfalign.settings import load_settings
from surfalign.stores.database import ACCESS_TOKENS, Database, connect
from surfalign.stores.sharing.access_tokens import AccessRegister
from surfalign.stores.sharing.register import SharingRegister

ALL = {"mgo-100", "cao-100", "zno-110"}


def application(log: Path | None = None, **entrance: object) -> TestClient:
    settings = load_settings()
    made = Entrance(asks=True, log=log, **entrance)  # type: ignore[arg-type]
    return TestClient(
        create_app(lambda: connect(settings), entrance=made),
        base_url="http://127.0.0.1",
        raise_server_exceptions=False,
    )


@pytest.fixture
def shared(database: Database) -> Database:
    """A public, a group's and a private result."""
    store(database, passed_result("mgo-100"), flagged_result("cao-100"), failed_result("zno-110"))
    register = SharingRegister(database)
    register.change(["mgo-100"], {"visibility": "public", "licence": "CC-BY-4.0"})
    register.change(["cao-100"], {"visibility": "group", "group": "lab"})
    register.change(["zno-110"], {"owner": "dora"})
    return database


@pytest.fixture
def client(shared: Database, tmp_path: Path) -> Iterator[TestClient]:
    with application(tmp_path / "served.jsonl") as opened:
        yield opened


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def seen(client: TestClient, **headers: str) -> set[str]:
    answer = client.get("/api/v1/surfaces", headers=headers)
    assert answer.status_code == 200, answer.text
    return {result["identifier"] for result in answer.json()["results"]}


def test_each_sees_what_is_shared_with_them(client: TestClient, shared: Database) -> None:
    register = AccessRegister(shared)
    for name, role, groups, expected in (
        ("anna", "reader", [], {"mgo-100"}),
        ("bert", "contributor", ["lab"], {"mgo-100", "cao-100"}),
        ("dora", "reader", ["lab"], ALL),
        ("emil", "admin", [], ALL),
    ):
        token, _ = register.add(name, role, groups)
        assert seen(client, **bearer(token)) == expected


def test_who_shows_nothing_is_not_let_in(client: TestClient) -> None:
    for address in ("/", "/surfaces/mgo-100", "/surfaces.csv", "/models", "/nowhere", "/api"):
        page = client.get(address)
        assert page.status_code == 401
        assert 'name="token"' in page.text
        assert "mgo" not in page.text.lower().replace(address, "")
    answer = client.get("/api/v1/surfaces")
    assert (answer.status_code, answer.json()["error"]) == (401, "AccessError")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert client.get("/static/style.css").status_code == 200


def test_public_results_are_shown_to_all_where_that_is_wanted(shared: Database) -> None:
    with application(public=True) as client:
        assert seen(client) == {"mgo-100"}
        assert client.get("/api/v1/formulas").json() == {"MgO": 1}
        page = client.get("/")
        assert "Log in" in page.text
        assert "Campaign" not in page.text
        assert client.get("/campaign").status_code == 403
        token, _ = AccessRegister(shared).add("emil", "admin")
        assert seen(client, **bearer(token)) == ALL
        assert client.get("/campaign", headers=bearer(token)).status_code == 200


def test_a_page_says_how_to_cite_and_reuse(shared: Database) -> None:
    SharingRegister(shared).change(
        ["mgo-100"], {"citation": "A. <b>Author</b>", "doi": "10.5281/zenodo.12", "owner": "anna"}
    )
    with application(public=True) as client:
        page = client.get("/surfaces/mgo-100").text
        for said in (
            "A. &lt;b&gt;Author&lt;/b&gt;", "https://doi.org/10.5281/zenodo.12", "CC-BY-4.0", "owner anna",
        ):  # fmt: skip
            assert said in page


def test_what_one_may_not_see_reads_as_what_does_not_exist(shared: Database) -> None:
    with application(public=True) as client:
        for address in (
            "/surfaces/{}", "/surfaces/{}/slab.cif", "/surfaces/{}/potential.svg",
            "/surfaces/{}/result.json", "/api/v1/surfaces/{}",
        ):  # fmt: skip
            for hidden, absent in (("zno-110", "xxx-110"), ("cao", "xxx")):
                there = client.get(address.format(hidden))
                nowhere = client.get(address.format(absent))
                assert there.status_code == nowhere.status_code == 404
                assert there.text.replace(hidden, "?") == nowhere.text.replace(absent, "?")
        there, nowhere = client.get("/formulas/ZnO"), client.get("/formulas/SrO")
        assert there.text.replace("ZnO", "?") == nowhere.text.replace("SrO", "?")


def test_what_is_made_of_hidden_results_is_not_told(shared: Database) -> None:
    shared.collection("surface_levels").update_many({}, {"$set": {"area_fraction": 0.37}})
    token, _ = AccessRegister(shared).add("emil", "admin")
    with application(public=True) as client:
        for headers, value in (({}, None), (bearer(token), 0.37)):
            one = client.get("/api/v1/surfaces/mgo-100", headers=headers).json()
            [listed, *_] = client.get("/api/v1/surfaces", headers=headers).json()["results"]
            assert one["area_fraction"] == listed["area_fraction"] == value
        for address in (
            "/api/v1/surfaces?query=not+area_fraction+<+0.3", "/api/v1/surfaces?sort=area_fraction",
            "/api/v1/formulas?query=formula=MgO+or+area_fraction+>+0.3", "/surfaces.csv?sort=area_fraction",
            "/?query=termination_weight+!=+null",
        ):  # fmt: skip
            assert client.get(address).status_code == 400
            assert client.get(address, headers=bearer(token)).status_code == 200


def test_models_that_know_hidden_results_are_for_who_sees_all(
    shared: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path))
    card = tmp_path / "models" / "secret-oxides" / "versions" / "1" / CARD
    card.parent.mkdir(parents=True)
    card.write_text("{}")
    token, _ = AccessRegister(shared).add("emil", "admin")
    with application(public=True) as client:
        for headers, names in (
            ({}, ["oxides-v0"]),
            (bearer(token), ["secret-oxides", "oxides-v0"]),
        ):
            listed = client.get("/api/v1/models", headers=headers).json()
            assert [model["name"] for model in listed] == names
            assert ("secret-oxides" in client.get("/models", headers=headers).text) is bool(headers)
        there, nowhere = (client.get(f"/models/{name}/1") for name in ("secret-oxides", "absent"))
        assert there.status_code == nowhere.status_code == 404
        assert there.text.replace("secret-oxides", "?") == nowhere.text.replace("absent", "?")


def test_an_embargo_ends_by_itself(shared: Database) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    register = SharingRegister(shared)
    register.change(["cao-100"], {"visibility": "public", "embargo_until": soon})
    with application(public=True) as client:
        assert seen(client) == {"mgo-100"}
        # The clock cannot be turned, so the end is: in the register and in the copy, as the embargo put it there.
        for collection in ("sharing", "surface_levels"):
            shared.collection(collection).update_many(
                {"sharing.embargo_until": {"$ne": None}},
                {"$set": {"sharing.embargo_until": datetime.now(UTC) - timedelta(seconds=1)}},
            )
        past = datetime.now(UTC)
        shared.collection("sharing").update_one(
            {"kind": "register"}, {"$set": {"embargoes": [past]}}
        )
        assert seen(client) == {"mgo-100", "cao-100"}


def test_a_session_begins_with_a_token_and_ends_with_it(
    client: TestClient, shared: Database
) -> None:
    token, _ = AccessRegister(shared).add("bert", groups=["lab"])
    login = client.post(
        "/login", data={"token": token, "next": "/?query=x"}, follow_redirects=False
    )
    assert (login.status_code, login.headers["location"]) == (303, "/?query=x")
    cookie = login.headers["set-cookie"]
    for said in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
        assert said in cookie
    assert token not in cookie
    page = client.get("/")
    assert page.status_code == 200
    assert "bert" in page.text
    assert "Log out" in page.text
    assert page.headers["cache-control"].startswith("private")
    assert {"authorization", "cookie"} <= set(page.headers["vary"].lower().split(", "))
    AccessRegister(shared).revoke("bert")
    assert client.get("/").status_code == 401


def test_logging_out_ends_the_session(client: TestClient, shared: Database) -> None:
    token, _ = AccessRegister(shared).add("bert")
    client.post("/login", data={"token": token})
    assert client.get("/").status_code == 200
    client.post("/logout", follow_redirects=False)
    assert COOKIE not in client.cookies
    assert client.get("/").status_code == 401


def test_a_form_of_another_site_neither_logs_in_nor_out(
    client: TestClient, shared: Database
) -> None:
    token, _ = AccessRegister(shared).add("bert")
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        for address in ("/login", "/logout"):
            answer = client.post(address, data={"token": token}, headers=headers)
            assert answer.status_code in (401, 403)
            assert "set-cookie" not in answer.headers or "Max-Age=0" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "address", ["https://evil.example", "//evil.example", "/\\evil.example", "x", "", "/a\nb"]
)
def test_a_login_leads_nowhere_else(address: str) -> None:
    assert own_address(address) == "/"


def test_expired_and_revoked_tokens_are_told_so(client: TestClient, shared: Database) -> None:
    register = AccessRegister(shared)
    expired, _ = register.add("anna")
    shared.collection(ACCESS_TOKENS).update_one({}, {"$set": {"expires_at": datetime.now(UTC)}})
    revoked, _ = register.add("bert")
    register.revoke("bert")
    for token, why in ((expired, "has expired"), (revoked, "was revoked"), ("x", "not known")):
        answer = client.get("/api/v1/surfaces", headers=bearer(token))
        assert answer.status_code == 401
        assert why in answer.json()["found"]
        page = client.post("/login", data={"token": token})
        assert page.status_code == 401
        assert why in page.text


def test_behind_a_proxy_its_word_counts_and_nobody_elses(shared: Database, tmp_path: Path) -> None:
    token, _ = AccessRegister(shared).add("bert")
    said = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    for trusted, client_noted, secure in (
        (("testclient",), "203.0.113.7", True), ((), "testclient", False),
    ):  # fmt: skip
        log = tmp_path / f"{secure}.jsonl"
        with application(log, proxies=trusted) as client:
            login = client.post(
                "/login",
                data={"token": token},
                headers=said,
                follow_redirects=False,
            )
            assert ("Secure" in login.headers["set-cookie"]) is secure
        assert json.loads(log.read_text())["client"] == client_noted


def test_a_server_for_its_owner_alone_takes_nothing_from_a_proxy(shared: Database) -> None:
    settings = load_settings()
    with TestClient(create_app(lambda: connect(settings)), base_url="http://127.0.0.1") as client:
        assert client.get("/").status_code == 200
        for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Forwarded-Host"):
            assert client.get("/", headers={name: "203.0.113.7"}).status_code == 403


def test_what_was_served_to_whom_is_noted_without_secrets(
    client: TestClient, shared: Database, tmp_path: Path
) -> None:
    token, _ = AccessRegister(shared).add("bert", groups=["lab"])
    client.get("/api/v1/surfaces?query=formula+=+MgO", headers=bearer(token))
    client.get("/surfaces/cao-100", headers=bearer(token))
    client.get("/surfaces.csv", headers=bearer(token))
    client.get(f"/?query={token}", headers=bearer(token))
    client.get(f"/surfaces/{token}", headers=bearer(token))
    client.post("/login", data={"token": token}, follow_redirects=False)
    client.get("/", headers=bearer("x"))
    log = tmp_path / "served.jsonl"
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [entry["status"] for entry in entries] == [200, 200, 200, 400, 404, 303, 401]
    first, second, third, *_, last = entries
    assert (first["viewer"], first["path"], first["query"]) == (
        "bert", "/api/v1/surfaces", "query=formula+=+MgO",
    )  # fmt: skip
    assert (first["results"], first["identifiers"]) == (1, ["mgo-100"])
    assert second["identifiers"] == ["cao-100"]
    assert third["results"] == 2
    assert third["bytes"] > 100
    assert last["viewer"] == ""
    assert token.split("_", 2)[2] not in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_an_answer_that_is_given_again_is_noted_again(
    client: TestClient, shared: Database, tmp_path: Path
) -> None:
    token, _ = AccessRegister(shared).add("emil", "admin")
    for address in ("/", "/", "/api/v1/surfaces", "/api/v1/surfaces"):
        assert client.get(address, headers=bearer(token)).status_code == 200
    entries = [json.loads(line) for line in (tmp_path / "served.jsonl").read_text().splitlines()]
    assert [set(entry["identifiers"]) for entry in entries] == [ALL] * 4


def test_who_is_greeted_is_nobody_else(client: TestClient, shared: Database) -> None:
    register = AccessRegister(shared)
    tokens = {name: register.add(name, "admin")[0] for name in ("emil", "dora")}
    for name in ("emil", "dora", "emil"):
        page = client.get("/", headers=bearer(tokens[name])).text
        assert [other for other in ("emil", "dora") if f"<span>{other}</span>" in page] == [name]


def test_a_full_log_begins_a_new_file(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "served.jsonl", size=300)
    for number in range(10):
        log._write({"number": number, "text": "x" * 100})
    log.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) == 5
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    noted = [json.loads(line)["number"] for file in files for line in file.read_text().splitlines()]
    assert sorted(noted) == list(range(10))


def test_addresses_of_this_machine_are_told_to_its_owner_alone(shared: Database) -> None:
    def away() -> Database:
        raise DatabaseUnreachableError(
            "mongodb://db.internal:27017 does not answer", "", "start it"
        )

    with TestClient(
        create_app(away, entrance=Entrance(asks=True, public=True)), base_url="http://127.0.0.1"
    ) as client:
        for address in ("/", "/api/v1/surfaces", "/surfaces/x", "/optimade/v1/structures"):
            answer = client.get(address, headers={} if address != "/surfaces/x" else bearer("x"))
            assert answer.status_code == 503
            assert "db.internal" not in answer.text
