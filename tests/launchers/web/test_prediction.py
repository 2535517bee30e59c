"""Predictions of a page: the model that comes along, in a process of its own that can be ended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest
from pymatgen.core import Lattice, Structure
from served_pages import store_shipped_results
from starlette.testclient import TestClient
from stored_results import failed_result, passed_result, store

from surfalign.crystals.sources import load_crystal
from surfalign.errors import InvalidStructureError, TimeLimitError, UnknownMaterialError
from surfalign.launchers.web.application import create_app
from surfalign.launchers.web.prediction_process import (
    MOST_ATOMS,
    PredictionProcess,
    Question,
    attended,
    crystal_of,
)
from surfalign.ml.data.from_crystal import crystal_surfaces
from surfalign.settings import load_settings
from surfalign.stores.database import Database, connect


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A browser before a server whose database is of no matter."""

    def no_database() -> Database:
        raise AssertionError("a prediction asks no database")

    with TestClient(create_app(no_database), base_url="http://127.0.0.1") as opened:
        yield opened


@pytest.mark.programs
def test_a_crystal_of_the_library_is_predicted_with_interval_and_domain(client: TestClient) -> None:
    page = client.get("/predict?crystal=MgO").text
    assert "MgO, Fm-3m" in page
    assert "oxides-v0" in page
    assert re.search(r"MgO\(100\)-A", page)
    assert re.search(r"\d+\.\d\d to \d+\.\d\d|too few data", page)
    assert re.search(r"inside|outside", page)


@pytest.mark.programs
def test_a_pasted_and_an_uploaded_crystal_say_the_same(client: TestClient) -> None:
    crystal = load_crystal("MgO").structure
    asked = client.get("/predict?crystal=MgO").text
    row = r'<th scope="row">MgO\(100\)-A</th>\s*<td class="number" data-label="IP">([-\d.]+)</td>'
    level = re.search(row, asked)
    assert level
    for format in ("cif", "poscar", "json"):
        text = crystal.to(fmt=format)
        pasted = client.post("/predict", data={"text": text})
        uploaded = client.post("/predict", files={"file": ("any.name", text)})
        sent = client.post("/api/v1/predict", json={"text": text})
        assert (pasted.status_code, uploaded.status_code, sent.status_code) == (200, 200, 200)
        for page in (pasted.text, uploaded.text):
            assert level[0] in page
        [surface] = [s for s in sent.json()["surfaces"] if s["miller_index"] == [1, 0, 0]]
        assert f"{surface['ionization_potential']:.2f}" == level[1]


@pytest.mark.programs
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("this is no crystal", "cannot be read"),
        ("data_x\n_cell_length_a 1\n", "cannot be read"),
        ('{"@module": "os", "@class": "system", "command": "true"}', "holds no structure"),
        ("[1, 2, 3]", "holds no structure"),
        ("\x00\x01\x02", "cannot be read"),
        ("{" * 100_000, "cannot be read"),
    ],
)
def test_what_is_no_crystal_is_refused_without_the_path_of_our_copy(
    client: TestClient, text: str, found: str
) -> None:
    answer = client.post("/api/v1/predict", json={"text": text})
    assert answer.status_code == 422
    assert found in answer.json()["found"], answer.json()
    assert "/tmp" not in answer.text


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../MgO.cif", "mp-1265", "optimade:https://example.org/1", "Unobtainium"],
)
def test_a_name_is_never_a_path_or_an_address(name: str) -> None:
    with pytest.raises(UnknownMaterialError, match="is not in the library"):
        crystal_of(Question(name=name))


def test_a_large_crystal_is_refused() -> None:
    crystal = load_crystal("MgO").structure
    crystal = crystal * (5, 5, 3)
    crystal.perturb(0.05)
    with pytest.raises(InvalidStructureError, match=f"150 atoms|{MOST_ATOMS}"):
        crystal_of(Question(text=crystal.to(fmt="poscar")))


@pytest.mark.programs
def test_a_prediction_that_takes_too_long_is_ended_and_the_next_one_answered() -> None:
    process = PredictionProcess(time_limit=0.01)
    try:
        with pytest.raises(TimeLimitError, match=r"longer than 0\.01 s"):
            process.ask(Question(name="MgO"))
        process._time_limit = 300.0
        assert process.ask(Question(name="MgO")).crystal == "MgO, Fm-3m"
    finally:
        process.close()


def test_the_atoms_that_a_model_looks_at_are_told_by_element_and_depth() -> None:
    slab = Structure(
        Lattice.tetragonal(3, 20),
        ["Mg", "O", "Mg", "O", "O"],
        [[0, 0, 0.4], [0, 0, 0.5], [0, 0, 0.6], [0.5, 0, 0.4], [0.5, 0, 0.6]],
    )
    found = attended(slab, [0.1, 0.5, 0.1, 0.2, 0.1])
    assert [(g["element"], g["depth"], g["atoms"], round(g["weight"], 3)) for g in found] == [
        ("O", 2.0, 1, 0.5), ("O", 0.0, 2, 0.3), ("Mg", 0.0, 2, 0.2),
    ]  # fmt: skip
    assert attended(slab, []) == []


@pytest.mark.programs
def test_the_list_shows_what_a_model_says_beside_what_was_computed(database: Database) -> None:
    results = store_shipped_results(database)
    store(database, failed_result("zno-110"))
    settings = load_settings()
    with TestClient(create_app(lambda: connect(settings)), base_url="http://127.0.0.1") as opened:
        assert "IP predicted" not in opened.get("/?sort=identifier").text
        pages = [opened.get("/?predicted=true&sort=identifier").text]
        while following := re.search(r'<a href="([^"]+)" rel="next">', pages[-1]):
            pages.append(opened.get(unescape(following[1])).text)
        one = results[3]
        alone = opened.get(f"/surfaces/{one['identifier']}?predicted=true").text
        again = opened.get("/?predicted=true&sort=identifier").text
    assert "Predicted by oxides-v0" in pages[0]
    cells = {
        name: re.findall(r'<td class="number">([^<]*)', row)
        for name, row in re.findall(
            r'<th scope="row"><a href="/surfaces/([^"]+)"(.*?)</tr>', "".join(pages), re.S
        )
    }
    assert len(cells) == len(results) + 1
    assert [cell.strip() for cell in cells["zno-110"][-2:]] == ["–", "–"]
    assert f">{cells[one['identifier']][-2].strip()}<" in alone
    assert again == pages[0]


@pytest.mark.programs
def test_the_page_of_a_surface_shows_what_the_model_says_beside_it(database: Database) -> None:
    slab = crystal_surfaces(load_crystal("MgO"), [(1, 0, 0)], 1)[0].structure
    store(database, passed_result("mgo-100", unrelaxed_slab_structure=slab))
    settings = load_settings()
    with TestClient(create_app(lambda: connect(settings)), base_url="http://127.0.0.1") as client:
        page = client.get("/surfaces/mgo-100").text
        assert 'href="/surfaces/mgo-100?predicted=true#prediction"' in page
        page = client.get("/surfaces/mgo-100?predicted=true").text
        row = re.search(
            r'IP</th><td class="number">7.15</td><td class="number">([\d.]+)</td>', page
        )
        assert row
        direct = client.get("/predict?crystal=MgO").text
        assert f'MgO(100)-A</th>\n<td class="number" data-label="IP">{row[1]}</td>' in direct
        store(database, passed_result("bare", slab_structure=None))
        assert "holds no slab" in client.get("/surfaces/bare?predicted=true").text
