"""The form that registers measured levels, and the pages that show them."""

from __future__ import annotations

from html import unescape

import pytest
from starlette.testclient import TestClient

from surfalign.launchers.web.application import create_app
from surfalign.launchers.web.identity import Entrance
from surfalign.settings import load_settings
from surfalign.stores.database import Database, connect
from surfalign.stores.query import results
from surfalign.stores.sharing.register import SharingRegister

FORM = {
    "template": "ups",
    "formula": "MgO",
    "phase": "rocksalt",
    "space_group": "225",
    "orientation": "1 0 0",
    "grade": "A",
    "ionization_potential": "7.15",
    "ionization_potential_uncertainty": "0.15 eV",
    "preparation": "",
    "reference": "B. Author & C. Author, <i>J. Example</i> (2026)",
    "doi": "10.1000/example",
}


def test_a_form_becomes_a_surface_beside_the_computed_ones(
    client: TestClient, database: Database
) -> None:
    page = client.get("/register").text
    for shown in ("Photoemission (UPS)", "Ionization potential (eV) *", "Computed by others"):
        assert shown in unescape(page)
    answer = client.post("/register", data=FORM, follow_redirects=False)
    assert answer.status_code == 303
    [document] = results.find(database, "origin = measured")
    assert answer.headers["location"] == f"/surfaces/{document.identifier}"
    shown = client.get(answer.headers["location"]).text
    for part in ("Measured, not computed here", "7.15", "± 0.15", "&lt;i&gt;J. Example&lt;/i&gt;"):
        assert part in shown
    assert "<i>" not in shown
    assert "Provenance" not in shown
    formula = unescape(client.get("/formulas/MgO").text)
    assert "MgO(100) measured" in formula
    assert "measured: UPS" in unescape(client.get("/?query=origin+=+measured").text)
    assert client.get("/surfaces.csv?query=origin+=+measured").text.count("measured") >= 2


def test_the_same_form_sent_twice_is_stored_once(client: TestClient, database: Database) -> None:
    for _ in range(2):
        assert client.post("/register", data=FORM).status_code == 200
    assert results.count(database, "origin = measured") == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ionization_potential": "7150 meV"}, "given in 'meV'"),
        ({"ionization_potential": "seven"}, "no number with a unit"),
        ({"orientation": "up"}, "Miller index"),
        ({"space_group": "many"}, "space_group is 'many'"),
        ({"grade": "Z"}, "one of A, B, C"),
        ({"reference": " "}, "reference is missing"),
        ({"price": "3"}, "no field 'price'"),
        ({"template": "none"}, "there is no template 'none'"),
    ],
)
def test_a_mistake_is_explained_and_the_rest_of_the_form_kept(
    client: TestClient, database: Database, change: dict[str, str], told: str
) -> None:
    answer = client.post("/register", data=FORM | change)
    page = unescape(answer.text)
    assert 400 <= answer.status_code < 500
    assert told in page
    assert "To do:" in page
    if "template" not in change:
        assert 'value="rocksalt"' in page
    assert results.count(database, "state = registered") == 0


def test_a_form_of_another_site_or_with_files_is_refused(
    client: TestClient, database: Database
) -> None:
    answer = client.post("/register", data=FORM, headers={"Origin": "http://elsewhere.example"})
    assert answer.status_code == 403
    assert 400 <= client.post("/register", data=FORM, files={"sample": b"x"}).status_code < 500
    assert 400 <= client.post("/register", content=b"\xff" * 100).status_code < 500
    assert client.get("/register?template=none").status_code == 404
    assert results.count(database, "state = registered") == 0


def test_from_elsewhere_only_a_contributor_registers_and_owns_what_was_registered(
    database: Database,
) -> None:
    tokens = pytest.importorskip("surfalign.stores.sharing.access_tokens")
    settings = load_settings()
    application = create_app(lambda: connect(settings), entrance=Entrance(asks=True, public=True))
    register = tokens.AccessRegister(database)
    statuses = {}
    with TestClient(application, base_url="http://127.0.0.1") as elsewhere:
        statuses["nobody"] = elsewhere.post("/register", data=FORM).status_code
        for role in ("reader", "contributor"):
            token, _ = register.add(f"{role}1", role)
            headers = {"Authorization": f"Bearer {token}"}
            statuses[role] = elsewhere.post("/register", data=FORM, headers=headers).status_code
    assert statuses == {"nobody": 403, "reader": 403, "contributor": 200}
    [document] = results.find(database, "origin = measured")
    owners = SharingRegister(database).get([document.identifier])
    assert owners[document.identifier].owner == "contributor1"
