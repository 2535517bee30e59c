"""The pages, as a browser without JavaScript sees them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from typing import Any

import pytest
from memory_launcher import MemoryLauncher
from pymatgen.core import Structure
from starlette.testclient import TestClient
from stored_results import failed_result, passed_result, store

from surfalign.launchers.cluster.launcher import JobRecord, JobState
from surfalign.launchers.cluster.profiles import Profile
from surfalign.launchers.web.application import create_app
from surfalign.settings import load_settings
from surfalign.stores.database import Database, connect


def text(client: TestClient, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status, response.text
    return unescape(response.text)


def rows(page: str) -> list[str]:
    """Return the surfaces of the list in their order."""
    return re.findall(r'<th scope="row"><a href="/surfaces/([^"]+)"', page)


def test_the_list_shows_levels_and_marks_of_checks(client: TestClient) -> None:
    page = text(client, "/")

    assert "<strong>3</strong> results" in page
    assert sorted(rows(page)) == ["cao-100", "mgo-100", "zno-110"]
    for shown in ("7.15", "✓", "passed", "flagged", "1/2: slab centre", "ConvergenceError"):
        assert shown in page


def test_the_list_is_filtered_and_sorted_by_its_address(client: TestClient) -> None:
    page = text(client, "/?query=ionization_potential+>+1+eV&sort=ionization_potential")
    assert rows(page) == ["cao-100", "mgo-100"]
    assert 'aria-sort="ascending"' in page
    page = text(client, "/?sort=ionization_potential&descending=true")
    assert rows(page) == ["mgo-100", "cao-100", "zno-110"]


def test_a_wrong_query_is_explained_beside_its_box(client: TestClient) -> None:
    page = text(client, "/?query=ionisation_potential+>+6", status=400)

    assert 'value="ionisation_potential > 6"' in page
    assert "there is no field 'ionisation_potential'" in page
    assert "a field such as ionization_potential" in page


def test_the_pages_of_the_list_hold_each_surface_once(
    client: TestClient, database: Database
) -> None:
    store(database, *(passed_result(f"more-{i:03d}") for i in range(70)))
    first = text(client, "/?query=formula+=+MgO&sort=identifier")
    following = re.search(r'<a href="([^"]+)" rel="next">', first)
    assert following
    second = text(client, following[1])

    assert len(rows(first)) == 50
    assert rows(first) + rows(second) == ["mgo-100", *(f"more-{i:03d}" for i in range(70))]
    assert 'rel="next"' not in second


def test_an_unchanged_list_is_not_sent_again_and_a_changed_one_at_once(
    client: TestClient, database: Database
) -> None:
    address = "/?query=formula+=+MgO"
    tag = client.get(address).headers["etag"]
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 304
    for ip in (5.01, 5.02):
        store(database, passed_result("mgo-100", ionization_potential=ip))
        changed = client.get(address, headers={"If-None-Match": tag})
        assert changed.status_code == 200
        assert f">{ip}<" in changed.text
        assert f">-{ip}<" in text(client, "/formulas/MgO")
        [listed] = client.get(f"/api/v1/surfaces{address[1:]}").json()["results"]
        assert listed["ionization_potential"] == ip
    database.surface_levels.remove_docs({"identifier": "mgo-100"})
    assert rows(text(client, address)) == []


def test_what_is_shown_is_saved_as_csv_and_json(client: TestClient) -> None:
    csv = client.get("/surfaces.csv?query=formula+=+MgO")
    assert csv.headers["content-type"].startswith("text/csv")
    assert [line.split(",")[0] for line in csv.text.splitlines()] == ["identifier", "mgo-100"]
    saved = client.get("/surfaces.json?sort=ionization_potential").json()
    assert [result["identifier"] for result in saved] == ["cao-100", "mgo-100", "zno-110"]


def test_an_empty_store_says_what_to_do(database: Database) -> None:
    settings = load_settings()
    with TestClient(create_app(lambda: connect(settings)), base_url="http://127.0.0.1") as client:
        assert "surfalign run MgO" in text(client, "/")


def test_several_methods_are_told_apart(client: TestClient, database: Database) -> None:
    store(database, passed_result("hse", functional="hse06"))
    assert "whose levels do not compare" in text(client, "/")


def test_a_formula_shows_its_edges_against_vacuum_and_electrode(client: TestClient) -> None:
    page = text(client, "/formulas/MgO?ph=7")

    # IP 7.15 eV, EA -0.75 eV; SHE at -4.44 eV; water shifts by 0.0592 eV a pH, from 0 and 1.229 V.
    for shown in ("-7.15", "0.75", "2.71", "-5.19", "-4.03", "-0.41", "0.81"):
        assert f">{shown}<" in page
    picture = client.get("/formulas/MgO/band-edges.svg?ph=7")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert "water at pH 7" in picture.text
    assert "there is no" not in text(client, "/formulas")


def test_a_formula_without_numbers_lists_why(client: TestClient) -> None:
    assert "ConvergenceError" in text(client, "/formulas/ZnO")
    assert client.get("/formulas/ZnO/band-edges.svg").status_code == 404


def test_a_surface_shows_checks_method_cost_and_files(client: TestClient) -> None:
    page = text(client, "/surfaces/mgo-100")

    for shown in (
        "vacuum flat", "The vacuum level is flat.", "0.01", "fraction of exact exchange 0.338",
        "10.1021/jacs.3c13574", "slab.poscar", "slab.cif", "potential.svg", "ecut",
    ):  # fmt: skip
        assert shown in page
    shown = json.loads(re.search(r'id="slabs">(.*?)</script>', page, re.S)[1])  # type: ignore[index]
    assert [e["symbol"] for e in shown["after"]["elements"]] == ["Mg", "O"]
    assert len(shown["after"]["elements"][0]["places"]) == 4
    assert shown["before"] is None


def test_a_failed_surface_shows_its_error(client: TestClient) -> None:
    page = text(client, "/surfaces/zno-110")
    assert "SCF stopped at [step 3]" in page
    assert client.get("/surfaces/zno-110/potential.svg").status_code == 404
    assert client.get("/surfaces/zno-110/slab.cif").status_code == 404


@pytest.mark.parametrize("name", ["slab.poscar", "slab.cif"])
def test_a_structure_is_saved_as_a_file_that_can_be_read(client: TestClient, name: str) -> None:
    response = client.get(f"/surfaces/mgo-100/{name}")
    found = Structure.from_str(response.text, fmt=name.partition(".")[2])
    assert found.composition.reduced_formula == "MgO"
    assert "attachment" in response.headers["content-disposition"]


def test_a_result_is_saved_whole(client: TestClient) -> None:
    saved = client.get("/surfaces/mgo-100/result.json").json()
    assert saved["identifier"] == "mgo-100"
    assert len(saved["slab_structure"]["sites"]) == 2


def test_what_is_stored_is_shown_as_text_never_as_markup(
    client: TestClient, database: Database
) -> None:
    evil = "<script>alert(1)</script>"
    store(
        database,
        passed_result(
            "evil'\"<b>", surface_name=evil, warnings=[evil], source=evil, settings={"x": evil}
        ),
        failed_result("evil-2", surface_name=evil),
    )
    for address in (
        "/",
        "/surfaces/evil'%22%3Cb%3E",
        "/surfaces/evil-2",
        "/formulas/MgO",
        "/screen?rule=water-splitting",
        "/junctions?first=evil'%22%3Cb%3E&query=%3Cb%3E",
        "/shapes",
        "/screen?rule=%3Cscript%3Ealert(1)",
    ):
        assert "<script>alert" not in client.get(address).text
    assert "<script>alert" not in client.get(f"/?query={evil}").text


def test_a_picture_and_a_list_are_not_sent_twice(client: TestClient) -> None:
    address = "/surfaces/mgo-100/potential.svg"
    tag = client.get(address).headers["etag"]
    again = client.get(address, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_the_models_page_shows_the_model_that_comes_along(client: TestClient) -> None:
    page = text(client, "/models")
    address = re.search(r'href="(/models/oxides-v0/[^"]+)"', page)
    assert address
    card = text(client, address[1])
    assert "gaussian-process" in card
    assert "ionization potential" in card
    assert client.get("/models/oxides-v0/..%2f..").status_code == 404


def test_every_page_brings_nothing_from_another_host(client: TestClient) -> None:
    for address in (
        "/", "/formulas", "/formulas/MgO", "/surfaces/mgo-100", "/predict", "/models", "/campaign",
        "/screen", "/screen?rule=water-splitting&ph=7", "/shapes", "/shapes/MgO", "/junctions",
        "/junctions?first=mgo-100&second=cao-100&flagged=true", "/api", "/nowhere",
    ):  # fmt: skip
        response = client.get(address)
        brought = re.findall(r'(?:src|srcset|action)="([^"]*)"', response.text)
        brought += re.findall(r'<link[^>]*href="([^"]*)"', response.text)
        assert all(one.startswith("/") and not one.startswith("//") for one in brought)
        assert not re.search(r"<script(?![^>]*(src=|application/json))", response.text)
        assert not re.search(r'style="|\son\w+="', response.text)
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"


def test_our_files_and_the_script_of_plotly_are_served_from_here(client: TestClient) -> None:
    for address in (
        "/static/style.css",
        "/static/slab.js",
        "/static/shape.js",
        "/static/icon.svg",
        "/plotly.min.js",
    ):
        assert client.get(address).status_code == 200
    assert client.get("/static/../application.py").status_code == 404
    assert client.get("/static/%2e%2e/application.py").status_code == 404


def campaign_client(records: list[JobRecord]) -> TestClient:
    """Return a browser before a campaign whose jobs are these."""
    settings = load_settings()
    launcher = MemoryLauncher()
    launcher.records = records
    queue: Any = {"partition": "cpu"}
    profile = Profile(
        name="cluster", launcher="fireworks", queues={"small": queue}, steps={"default": "small"},
        clusters={"local": {"work_directory": "/work"}},
    )  # fmt: skip

    @contextmanager
    def opened() -> Iterator[tuple[Any, Database, Profile]]:
        with connect(settings) as database:
            yield launcher, database, profile

    return TestClient(create_app(lambda: connect(settings), opened), base_url="http://127.0.0.1")


def test_a_campaign_shows_failures_with_the_command_that_mends_them(database: Database) -> None:
    def job(uuid: str, state: JobState, **fields: Any) -> JobRecord:
        metadata = {"crystal": "MgO", "surface_name": "MgO(100)-A"}
        return JobRecord(uuid, f"job {uuid}", "slab relaxation", state, metadata=metadata, **fields)

    with campaign_client(
        [
            job("1", JobState.FAILED, cause="walltime", message="TIMEOUT <b>"),
            job("2", JobState.FAILED, cause="node"),
            job("3", JobState.CANCELLED),
        ]
    ) as client:
        page = text(client, "/campaign")

    assert "surfalign retry --profile cluster --step 'slab relaxation' --cause walltime" in page
    assert "longer walltime" in page
    assert "The worker runs these again by itself" in page
    assert "--cause cancelled" in page
    assert "<b>" not in client.get("/campaign").text


def test_a_campaign_lists_its_surfaces_of_a_state(database: Database) -> None:
    database.collection("campaign_surfaces").insert_many(
        [
            {
                "key": name,
                "formula": "MgO",
                "name": name,
                "bulk": "MgO",
                "crystal": "c",
                "state": state,
            }
            for name, state in (("MgO(100)-A", "submitted"), ("MgO(110)-A", "new"))
        ]
    )
    metadata = {"crystal": "MgO", "surface_name": "MgO(100)-A"}
    failed = JobRecord(
        "1",
        "job",
        "slab potential",
        JobState.FAILED,
        metadata=metadata,
        cause="memory",
        message="<i>",
    )
    with campaign_client([failed]) as client:
        assert 'href="/campaign?state=failed#surfaces"' in client.get("/campaign").text
        shown = client.get("/campaign?state=failed").text
        assert "MgO(100)-A" in shown
        assert "memory: &lt;i&gt;" in shown
        assert "MgO(110)-A" not in shown
        assert "MgO(110)-A" in client.get("/campaign?state=waiting").text
        assert "There is none." in client.get("/campaign?state=done").text
        assert client.get("/campaign?state=lost").status_code == 422


def test_without_a_profile_the_page_of_campaigns_says_how_to_name_one(client: TestClient) -> None:
    assert "surfalign serve --profile" in text(client, "/campaign")
