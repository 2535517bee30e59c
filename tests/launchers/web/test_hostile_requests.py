"""Malformed and hostile requests: each is answered 4xx, none ends the server or is told of its inside."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient
from stored_results import passed_result, store

from surfalign.launchers.web.application import create_app
from surfalign.launchers.web.identity import COOKIE, Entrance
from surfalign.settings import load_settings
from surfalign.stores.database import Database, connect
from surfalign.stores.sharing.access_tokens import AccessRegister

LISTS = ("/", "/api/v1/surfaces", "/surfaces.csv", "/surfaces.json")
QUERIES = (
    "x", "(", ")", "=", "formula", "formula =", "formula = ", "not", "and", "or or", "formula = MgO and",
    "unknown_field = 1", "__class__ = 1", "$where = 1", "identifier = {'$ne': 1}", "settings = 3 eV =",
    "ionization_potential > 6 V", "ionization_potential > six", "state = wonderful", "slab_structure = 1",
    "miller_index = (1.5, 0, 0)", "created_at > yesterday", "formula = Xx", "band_gap in ()",
    "band_gap in (null)", "termination > A", "'; drop table", "<script>alert(1)</script>", "\x00", "\ud7ff",
    "(" * 3000, "not " * 2400 + "formula", "a" * 9_999, "x" * 10_001, "é" * 6_000, "formula = MgO" * 3_000,
    "x" * 60_000,
)  # fmt: skip
CURSORS = ("x", "AAAA", "=", "é", "[]", "'", "{}" * 500, "a" * 20_000)


def forged(*content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def requests() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, address and the rest of each request."""
    for address in LISTS[:2]:
        for query in QUERIES:
            yield "GET", f"{address}?query={quote(query)}", {}
    for address in LISTS:
        yield "GET", f"{address}?query=zzz", {}
        yield "GET", f"{address}?sort=zzz", {}
        yield "GET", f"{address}?sort=slab_structure", {}
        yield "GET", f"{address}?sort=%24where", {}
        yield "GET", f"{address}?sort={'a' * 300}", {}
        yield "GET", f"{address}?descending=perhaps", {}
        yield "POST", address, {}
        yield "DELETE", address, {}
    for cursor in CURSORS:
        yield "GET", f"/?cursor={quote(cursor)}", {}
        yield "GET", f"/api/v1/surfaces?cursor={quote(cursor)}", {}
    for content in (
        ("created_at", False, {"$gt": ""}, "x"), ("created_at", False, "no time", "x"),
        ("created_at", True, None, "x"), ("formula", False, "x", "x"), ("created_at", False, None, None),
    ):  # fmt: skip
        yield "GET", f"/api/v1/surfaces?cursor={forged(*content)}", {}
    for limit in ("0", "-1", "501", "1000000000", "1e9", "many", "", "9" * 400):
        yield "GET", f"/api/v1/surfaces?limit={limit}", {}
    for ph in ("nan", "inf", "-inf", "100", "seven", ""):
        yield "GET", f"/formulas/MgO?ph={ph}", {}
        yield "GET", f"/formulas/MgO/band-edges.svg?ph={ph}", {}
    for value in ("nan", "inf", "-1e9", "seven", "1e400", "20", "-1", "9" * 400):
        yield "GET", f"/screen?rule=water-splitting&ph={value}", {}
        yield "GET", f"/screen/band-edges.svg?rule=water-splitting&ph={value}", {}
        yield "GET", f"/api/v1/screen/water-splitting?ph={value}", {}
    for query in QUERIES[:28]:
        yield "GET", f"/screen?rule=water-splitting&query={quote(query)}", {}
        yield "GET", f"/api/v1/junctions?first=mgo-100&query={quote(query)}", {}
        yield "GET", f"/shapes/MgO?query={quote(query)}", {}
    for asked in (
        "/screen?rule=../../etc/passwd", "/screen?rule=/tmp/rule.yaml", f"/screen?rule={'a' * 300}",
        "/screen?rule=water-splitting&without=Xx", "/screen?rule=water-splitting&by=colour",
        "/screen?rule=water-splitting&margin=-1", "/screen?rule=water-splitting&gap_above=2&gap_below=1",
        "/screen?rule=n-contact&work_function=-4", "/screen?rule=gate-dielectric&partner=Xx",
        "/screen?rule=co2-reduction&couple=%3Cscript%3E", "/screen?rule=water-splitting&flagged=perhaps",
        f"/screen?rule=water-splitting&query={'x' * 20_001}", "/api/v1/screen/water-splitting?limit=0",
        "/api/v1/screen/water-splitting?limit=1000000000", "/api/v1/screen/%2e%2e%2fpasswd.yaml",
        "/shapes/MgO?max_index=9", "/shapes/MgO?max_index=0", "/shapes/MgO?temperature=nan",
        "/shapes/MgO?temperature=-1", "/shapes/MgO/oxygen.svg", "/shapes/MgO/oxygen.svg?hkl=1,1",
        "/shapes/MgO/passwd", "/junctions?first=mgo-100&second=mgo-100", "/junctions?first=mgo-100&type=IV",
        f"/junctions?first={'a' * 300}", "/junctions?first=mgo-100&second=zno-110",
        "/junctions/band-edges.svg", "/junctions/band-edges.svg?first=$gt", "/api/v1/junctions?limit=0&first=mgo-100",
    ):  # fmt: skip
        yield "GET", asked, {}
    for name in ("nope", "%2e%2e%2fetc%2fpasswd", "$gt", ".*", "%00", "a" * 5_000, "☃"):
        yield "GET", f"/surfaces/{name}", {}
        yield "GET", f"/api/v1/surfaces/{name}", {}
        yield "GET", f"/formulas/{name}", {}
        yield "GET", f"/shapes/{name}", {}
        yield "GET", f"/shapes/{name}/shape.svg", {}
        yield "GET", f"/junctions?first={name}", {}
        yield "GET", f"/api/v1/shapes/{name}", {}
    for address in (
        "/surfaces/mgo-100/slab.exe", "/surfaces/mgo-100/passwd.cif", "/surfaces/nope/slab.cif",
        "/surfaces.xml", "/static/../safety.py", "/static/%2e%2e/%2e%2e/errors.py", "/static/nope.js",
        "/models/x/y", "/models/%2e%2e/%2e%2e", "/api/v1/", "/api/v2/surfaces",
        "/.env", "/wp-login.php", "/cgi-bin/test", "/predict?crystal=../../etc/passwd",
        "/predict?max_index=0&crystal=MgO", "/predict?max_index=99&crystal=MgO", f"/predict?crystal={'a' * 300}",
    ):  # fmt: skip
        yield "GET", address, {}
    for host in (
        "evil.example",
        "127.0.0.1.evil.example",
        "",
        "localhost.evil.example:80",
        "10.0.0.1",
    ):
        yield "GET", "/", {"headers": {"Host": host}}
    for headers in (
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"}, {"Content-Length": "many"}, {"Content-Length": "9" * 30},
        {"Content-Length": "5000000"},
    ):  # fmt: skip
        yield "POST", "/predict", {"headers": headers, "content": b"text=x"}
    for body in (
        b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"crystal": 1}', b'{"crystal": "MgO", "x": 1}',
        b'{"max_index": 9, "crystal": "MgO"}', b'{"max_index": "x"}', b'{"text": {"$gt": 1}}', b"[" * 50_000,
    ):  # fmt: skip
        yield (
            "POST",
            "/api/v1/predict",
            {"content": body, "headers": {"Content-Type": "application/json"}},
        )
    yield "POST", "/predict", {}
    yield "POST", "/predict", {"data": {"text": " "}}
    yield "POST", "/predict", {"data": {"text": "x", "max_index": "7"}}
    yield "POST", "/predict", {"files": {"file": ("a.cif", b"\xff\x00\xfe" * 100)}}
    yield "POST", "/predict", {"files": {"file": ("a.cif", b"x" * 1_000_001)}}
    yield "POST", "/predict", {"files": {"file": ("a.cif", b"x" * 5_000_000)}}
    yield "POST", "/predict", {
        "content": b"--x\r\nbroken", "headers": {"Content-Type": "multipart/form-data; boundary=x"},
    }  # fmt: skip
    yield "POST", "/predict", {
        "content": b"text=1", "headers": {"Content-Type": "multipart/form-data"},
    }  # fmt: skip
    yield "TRACE", "/", {}
    yield "BREW", "/", {}


def credentials(token: str, forged: str) -> Iterator[dict[str, Any]]:
    """Yield headers of those who are not let in; ``token`` is valid, ``forged`` has its identifier."""
    for said in (
        forged, forged[:-1], forged * 2, token + "x", token[:-1], token.upper(), token.replace("_", "-"),
        "surfalign_", "surfalign_000000000000_" + "A" * 43, "x", "null", "undefined", "0", "' or 1=1 --",
        '{"$ne": ""}', "$gt", "../../etc/passwd", "%00", "\t", "a" * 3_000, "a" * 60_000, "eyJhbGciOiJub25lIn0.e30.",
    ):  # fmt: skip
        yield {"Authorization": f"Bearer {said}"}
    for said in (
        "", "Bearer", "Bearer ", token, f"Basic {token}", f"Token {token}", f"Bearer: {token}",
        f"Digest username={token}", "Negotiate", f"Bearer,{token}", f"Bearer {token} {token}",
    ):  # fmt: skip
        yield {"Authorization": said}
    yield {"Authorization": b"Bearer \xff\xfe"}
    yield {"X-Api-Key": token}
    yield {"Authentication": f"Bearer {token}"}
    for cookie in (
        "", "x", "a.b.c", token, forged, "IjAwMDAwMDAwMDAwMCI.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb", '"', "\\", "=;=;",
        '{"id": 1}', "a" * 5_000, "a" * 60_000, "%00", "null", ".eJwDAAAAAAE.x.y",
    ):  # fmt: skip
        yield {"Cookie": f"{COOKIE}={cookie}"}
    yield {"Cookie": f"{COOKIE}=x; {COOKIE}=y"}
    yield {"Cookie": "; ".join([f"{COOKIE}=x"] * 500)}
    yield {"Cookie": b"surfalign_session=\xff"}
    yield {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1"}
    yield {"X-Forwarded-For": ", ".join(["127.0.0.1"] * 900), "X-Forwarded-Proto": "https"}
    yield {"X-Remote-User": "anna", "X-Forwarded-User": "anna", "Remote-User": "anna"}


def intrusions(token: str, forged: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, address and the rest of requests that want in."""
    for headers in credentials(token, forged):
        yield "GET", "/api/v1/surfaces", {"headers": headers}
        yield "GET", "/surfaces/mgo-100", {"headers": headers}
    for query in (f"token={token}", f"access_token={token}", f"authorization=Bearer+{token}"):
        yield "GET", f"/?{query}", {}
        yield "GET", f"/api/v1/surfaces?{query}", {}
    for said in (forged, "", " ", "x" * 2_001, "x" * 900_000, '{"$ne": 1}', "\x00", token + "x"):
        yield "POST", "/login", {"data": {"token": said}}
    yield "POST", "/login", {}
    yield "POST", "/login", {"json": {"token": token}}
    yield "POST", "/login", {"data": {"token": token, "next": "x" * 2_001}}
    yield "POST", "/login", {"data": {"token": token}, "headers": {"Origin": "http://evil.example"}}
    yield "POST", "/login", {"data": {"token": token}, "headers": {"Sec-Fetch-Site": "cross-site"}}
    yield "PUT", "/login", {"data": {"token": token}}
    yield "GET", f"/login?next={'x' * 2_001}", {}
    yield "GET", "/logout", {}
    yield "POST", "/logout", {}
    yield "GET", "/loginx", {}
    yield "GET", "/static/%2e%2e/login.html", {}
    yield "GET", "//surfaces/mgo-100", {}
    yield "GET", "/login/../surfaces/mgo-100", {}
    yield (
        "GET",
        "/surfaces/mgo-100",
        {"headers": {"X-Original-URL": "/login", "X-Rewrite-URL": "/login"}},
    )
    yield "POST", "/predict", {"data": {"text": "x"}, "headers": {"X-HTTP-Method-Override": "GET"}}
    yield "OPTIONS", "/api/v1/surfaces", {"headers": {"Origin": "http://evil.example"}}


def test_nobody_gets_in_without_a_valid_token(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store(database, passed_result("mgo-100"))
    token, made = AccessRegister(database).add("anna", "admin")
    forged = f"surfalign_{made.id}_{'A' * 43}"
    log = tmp_path / "served.jsonl"
    settings = load_settings()
    asked = list(intrusions(token, forged))
    assert len(asked) >= 100
    with TestClient(
        create_app(
            lambda: connect(settings),
            # Each is looked at, however many fail.
            entrance=Entrance(asks=True, log=log, most_failures=10_000),
        ),
        base_url="http://127.0.0.1",
        raise_server_exceptions=False,
        follow_redirects=False,
    ) as client:
        for method, address, rest in asked:
            client.cookies.clear()
            response = client.request(method, address, **rest)
            told = f"{method} {address[:100]} {str(rest)[:100]}: {response.status_code}"
            assert 400 <= response.status_code < 500, f"{told} {response.text[:300]}"
            assert "7.15" not in response.text, told
            assert "Traceback" not in response.text, told
            assert token.split("_", 2)[2] not in response.text, told
            assert "Max-Age=0" in response.headers.get("set-cookie", "Max-Age=0"), told
        let_in = client.get("/surfaces/mgo-100", headers={"Authorization": f"Bearer {token}"})
        assert let_in.status_code == 200
        assert "7.15" in let_in.text
    secret = token.split("_", 2)[2]
    assert secret not in log.read_text()
    assert secret not in caplog.text
    assert len(log.read_text().splitlines()) == len(asked) + 1


def test_hostile_requests_are_answered_4xx_and_the_server_lives_on(client: TestClient) -> None:
    asked = list(requests())
    assert len(asked) >= 100
    for method, address, rest in asked:
        response = client.request(method, address, **rest)
        told = f"{method} {address[:100]} {str(rest)[:100]}: {response.status_code}"
        assert 400 <= response.status_code < 500, f"{told} {response.text[:300]}"
        assert "Traceback" not in response.text, told
        assert "site-packages" not in response.text, told
        assert "default-src 'none'" in response.headers["content-security-policy"], told
    assert client.get("/").status_code == 200
