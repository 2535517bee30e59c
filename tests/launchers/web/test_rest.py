"""The REST interface: the query language in JSON, with cursors and ETags."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from starlette.testclient import TestClient

from surfalign.launchers.web.rest import SurfaceLevels, WholeSurfaceLevels


def identifiers(found: dict[str, Any]) -> list[str]:
    return [result["identifier"] for result in found["results"]]


def test_the_surfaces_are_listed_a_page_at_a_time(client: TestClient) -> None:
    parameters: dict[str, Any] = {"sort": "ionization_potential", "limit": 2}
    first = client.get("/api/v1/surfaces", params=parameters).json()
    assert identifiers(first) == ["cao-100", "mgo-100"]
    assert first["number"] == 3
    assert first["methods"] == {"ddh": 2}
    parameters["cursor"] = first["next_cursor"]
    second = client.get("/api/v1/surfaces", params=parameters).json()
    assert identifiers(second) == ["zno-110"]
    assert second["next_cursor"] is None


def test_a_list_that_did_not_change_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/api/v1/surfaces")
    tag = first.headers["etag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        again = client.get("/api/v1/surfaces", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
    assert client.get("/api/v1/surfaces", headers={"If-None-Match": '"x"'}).status_code == 200


def test_the_answers_are_what_the_description_promises(client: TestClient) -> None:
    # The flagged one holds a number that is not finite, which JSON cannot say.
    listed = client.get("/api/v1/surfaces?query=not+state+=+flagged").json()["results"]
    assert len(listed) == 2
    for result in listed:
        assert "slab_structure" not in result
        SurfaceLevels.model_validate(result)
    whole = client.get("/api/v1/surfaces/mgo-100").json()
    assert whole["slab_structure"]["lattice"]["c"] == 20.0
    WholeSurfaceLevels.model_validate(whole)
    described = client.get("/api/v1/openapi.json").json()
    schema = described["components"]["schemas"]["SurfaceLevels"]
    assert schema["properties"]["ionization_potential"]["unit"] == "eV"
    jsonschema.validate(listed[0], schema | {"components": described["components"]})
    assert set(described["paths"]) == {
        "/surfaces", "/surfaces/{identifier}", "/formulas", "/fields", "/models", "/predict",
        "/screen/{rule}", "/shapes/{name}", "/junctions",
    }  # fmt: skip


def test_formulas_fields_and_models_are_listed(client: TestClient) -> None:
    assert client.get("/api/v1/formulas").json() == {"CaO": 1, "MgO": 1, "ZnO": 1}
    assert client.get("/api/v1/formulas?query=state+=+passed").json() == {"MgO": 1}
    fields = {field["path"]: field for field in client.get("/api/v1/fields").json()}
    assert fields["ionization_potential"]["unit"] == "eV"
    assert fields["state"]["choices"] == ["passed", "flagged", "failed", "registered"]
    models = client.get("/api/v1/models").json()
    assert models[-1]["name"] == "oxides-v0"
    assert models[-1]["card"]["kind"] == "gaussian-process"


@pytest.mark.parametrize(
    ("address", "status", "found"),
    [
        ("/surfaces?query=nonsense", 400, "the query cannot be understood"),
        ("/surfaces?query=colour+=+red", 400, "there is no field 'colour'"),
        ("/surfaces?sort=settings", 400, "have no order"),
        ("/surfaces?cursor=forged", 400, "no cursor of this list"),
        ("/surfaces?limit=1000000000", 422, "less than or equal to 500"),
        ("/surfaces/unknown", 404, "no result has the identifier 'unknown'"),
        ("/nowhere", 404, "Not Found"),
    ],
)
def test_a_wrong_question_is_explained_in_json(
    client: TestClient, address: str, status: int, found: str
) -> None:
    response = client.get(f"/api/v1{address}")
    assert response.status_code == status
    problem = response.json()
    assert found in problem["found"]
    assert problem["remedy"]


def test_the_interface_is_listed_on_a_page_of_our_own(client: TestClient) -> None:
    page = client.get("/api").text
    assert "GET /api/v1/surfaces" in page
    for elsewhere in ("/docs", "/redoc", "/api/v1/docs", "/api/v1/redoc"):
        assert client.get(elsewhere).status_code == 404
