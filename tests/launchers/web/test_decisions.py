"""The pages of screening, shapes and junctions, and the same by the REST interface."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest
from starlette.testclient import TestClient
from stored_faces import face, rutile
from stored_results import flagged_result, passed_result, store

from surfalign.launchers.web.application import create_app
from surfalign.launchers.web.prediction_process import PredictionProcess
from surfalign.settings import load_settings
from surfalign.stores.database import Database, connect
from surfalign.stores.screening.candidates import Candidates

#: Both edges lie beyond the levels of water at pH 7 (-4.03 and -5.25 eV).
SPLITTER = passed_result(
    "aa-splitter", formula="SrTiO3", surface_name="SrTiO3(100)-A", ionization_potential=6.3,
    electron_affinity=3.3, band_gap=3.0,
)  # fmt: skip
#: Neither level lies where water needs it.
POOR = passed_result(
    "bb-poor", formula="PbO", surface_name="PbO(001)-A", ionization_potential=4.0,
    electron_affinity=3.9, band_gap=0.1,
)  # fmt: skip
FLAGGED = flagged_result("cc-flagged")
REDUCED = face(
    "SnO2", (1, 1, 0), 1.0, ending="reduced", excess_oxygen=-2, surface_energy=None,
    surface_energy_oxygen_rich=2.0, oxygen_reference="H2O and H2", ionization_potential=6.5,
)  # fmt: skip


@pytest.fixture
def pages(database: Database) -> Iterator[TestClient]:
    """A browser before three surfaces, and four faces of SnO2 with a reduced one."""
    store(database, SPLITTER, POOR, FLAGGED, *rutile(), REDUCED)
    settings = load_settings()
    with TestClient(
        create_app(lambda: connect(settings)),
        base_url="http://127.0.0.1",
        raise_server_exceptions=False,
    ) as client:
        yield client


def text(client: TestClient, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status, response.text
    return unescape(response.text)


def names(page: str) -> list[str]:
    """Return the surfaces of a table in their order."""
    return re.findall(r'<th scope="row"><a href="[^"]*">([^<]+)</a>', page)


def problem(page: str) -> str:
    found = re.search(r'id="problem">(.*?)</div>', page, re.S)
    assert found, page
    return re.sub(r"<[^>]*>", "", found[1])


# --- screening ---------------------------------------------------------------------------------------


def test_the_rules_are_listed_where_none_is_chosen(pages: TestClient) -> None:
    page = text(pages, "/screen")
    assert "/screen?rule=water-splitting" in page
    assert "/screen?rule=gate-dielectric" in page


def test_surfaces_are_ranked_with_the_reasons_against_them(pages: TestClient) -> None:
    page = text(pages, "/screen?rule=water-splitting&ph=7&query=formula+in+(SrTiO3,+PbO)")
    assert names(page) == ["SrTiO3(100)-A", "PbO(001)-A"]
    assert "meets it" in page
    # VBM -4.00 eV against O2/H2O at pH 7: -4.44 - 1.229 + 7 * 0.05916 = -5.25 eV.
    assert "valence band -4.00 eV, 1.25 above O2/H2O (-5.25 eV)" in page
    assert "<strong>1</strong> of 2 surfaces" in page


def test_a_margin_and_elements_to_avoid_change_the_answer(pages: TestClient) -> None:
    page = text(pages, "/screen?rule=water-splitting&ph=7&margin=1.2&without=Pb,Cd")
    assert "PbO(001)-A: holds Pb" in page
    assert "PbO(001)-A" not in names(page)
    assert "meets it" not in page


def test_an_end_of_the_gap_that_is_left_empty_is_the_rules(pages: TestClient) -> None:
    page = text(pages, "/screen?rule=water-splitting&gap_above=2&gap_below=")
    assert "gap above 2.00 eV and below 4.00 eV" in page


def test_flagged_surfaces_are_left_out_with_a_reason_and_used_when_asked_for(
    pages: TestClient,
) -> None:
    page = text(pages, "/screen?rule=water-splitting")
    assert "CaO(100)-A: flagged: slab centre (“Flagged results, too” uses it)" in page
    assert "CaO(100)-A" not in names(page)
    page = text(pages, "/screen?rule=water-splitting&flagged=true")
    assert "CaO(100)-A" in names(page)


def test_formulas_are_ranked_by_their_best_surface(pages: TestClient) -> None:
    page = text(pages, "/screen?rule=water-splitting&ph=7&by=formula")
    assert names(page)[0] == "SrTiO3"
    assert sorted(names(page)) == ["PbO", "SnO2", "SrTiO3"]


class CountingProcess(PredictionProcess):
    """Counts what it is asked, and predicts nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def ask(self, question: object) -> Candidates:  # type: ignore[override]
        self.asked += 1
        return Candidates()


@pytest.mark.parametrize(("origin", "asked"), [("computed", 0), ("both", 2)])
def test_a_ranking_with_predictions_is_made_anew_for_a_model_may_be(
    database: Database, origin: str, asked: int
) -> None:
    store(database, SPLITTER)
    settings, process = load_settings(), CountingProcess()
    app = create_app(lambda: connect(settings), process=process)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        for _ in range(2):
            page = text(client, f"/screen?rule=water-splitting&ph=7&origin={origin}")
            assert names(page) == ["SrTiO3(100)-A"]
    assert process.asked == asked


def test_predicted_surfaces_stand_beside_computed_ones(pages: TestClient) -> None:
    page = text(
        pages, "/screen?rule=water-splitting&ph=7&origin=both&query=formula+in+(SrTiO3,+MgO)"
    )
    assert "SrTiO3(100)-A" in names(page)
    assert re.search(r"MgO\(100\)-A <small>predicted, ", page)
    answer = pages.get("/api/v1/screen/water-splitting?origin=predicted&query=formula+=+MgO").json()
    assert [s["source"] for s in answer["surfaces"]] == ["predicted"]
    said = problem(text(pages, "/screen?rule=n-contact&origin=predicted&query=formul+=+MgO", 400))
    assert "there is no field 'formul'" in said


def test_a_form_that_keeps_the_boxes_of_another_rule_is_answered(pages: TestClient) -> None:
    page = text(pages, "/screen?rule=gate-dielectric&ph=7&margin=&couple=&partner=GaN")
    assert "GaN" in page
    assert 'name="ph"' not in page


def test_bands_are_drawn_with_the_levels_at_the_ph(pages: TestClient) -> None:
    picture = pages.get("/screen/band-edges.svg?rule=water-splitting&ph=7")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert "pH 7" in picture.text
    assert "script" not in picture.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ("rule=nope", 422, "there is no rule 'nope'"),
        ("rule=/etc/passwd.yaml", 422, "there is no rule '/etc/passwd.yaml'"),
        ("rule=water-splitting&ph=15", 422, "a pH of 15"),
        ("rule=water-splitting&margin=-1", 422, "a margin of -1 eV"),
        ("rule=water-splitting&without=Xx", 422, "“Without elements” names Xx"),
        ("rule=water-splitting&gap_above=3&gap_below=2", 422, "a gap above 3 and below 2 eV"),
        ("rule=co2-reduction&couple=H2/H2", 422, "H2/H2"),
        ("rule=water-splitting&query=formula+=+CdO", 404, "no surface to screen"),
        ("rule=water-splitting&query=formulae+=+CdO", 400, "there is no field 'formulae'"),
    ],
)  # fmt: skip
def test_what_cannot_be_screened_is_explained_beside_the_form(
    pages: TestClient, asked: str, status: int, said: str
) -> None:
    page = text(pages, f"/screen?{asked}", status)
    assert said in problem(page)
    assert '<select id="rule"' in page
    assert "--" not in problem(page).replace("surfalign screen --list", "")


# --- shapes ------------------------------------------------------------------------------------------


def test_crystals_with_surface_energies_lead_to_their_shapes(pages: TestClient) -> None:
    page = text(pages, "/shapes")
    assert names(page) == ["SnO2"]
    assert 'href="/shapes/SnO2"' in page


def test_a_shape_tells_shares_averages_and_what_is_missing(pages: TestClient) -> None:
    page = text(pages, "/shapes/SnO2")
    shares = re.findall(r'data-label="share">(\d+) %', page)
    assert sum(map(int, shares)) == pytest.approx(100, abs=2)
    assert int(shares[0]) == max(map(int, shares))
    assert {"SnO2(110)-B", "SnO2(101)-B"} < set(names(page))
    assert "Not computed: (111)" in page
    assert "Would show below (J/m²)" in page
    assert "needs JavaScript" in page
    picture = pages.get("/shapes/SnO2/shape.svg")
    assert "equilibrium shape" in picture.text


def test_a_crystal_is_named_by_one_of_its_results(pages: TestClient) -> None:
    by_result = text(pages, "/shapes/SnO2%20SnO2(110)-B")
    assert names(by_result) == names(text(pages, "/shapes/SnO2"))


def test_faces_with_less_oxygen_are_shown_against_its_chemical_potential(pages: TestClient) -> None:
    page = text(pages, "/shapes/SnO2")
    assert "(110) in oxygen gas" in page
    assert "SnO2(110)-reduced" in page
    assert "H2O and H2" in page
    picture = pages.get("/shapes/SnO2/oxygen.svg?hkl=1,1,0")
    assert "chemical potential of oxygen" in picture.text
    assert pages.get("/shapes/SnO2/oxygen.svg?hkl=1,0,0").status_code == 404


def test_a_shape_that_does_not_close_says_what_is_missing(pages: TestClient) -> None:
    page = text(pages, "/shapes/SnO2?query=miller_index+=+(1,1,0)")
    assert "enclose no volume" in problem(page)
    assert "(110) in oxygen gas" in page


def test_mixed_methods_are_refused_unless_asked_for(pages: TestClient, database: Database) -> None:
    store(database, *(r.model_copy(update={"identifier": f"q{i}", "quality": "standard"}) for i, r in enumerate(rutile())))  # fmt: skip
    said = problem(text(pages, "/shapes/SnO2", 422))
    assert "whose energies do not compare" in said
    assert "“Several methods side by side”" in said
    assert "Of 2 methods, whose energies do not compare" in text(pages, "/shapes/SnO2?mixed=true")


@pytest.mark.parametrize("name", ["MgO", "no-such-crystal", "mp-1265"])
def test_a_crystal_without_results_is_told(pages: TestClient, name: str) -> None:
    assert problem(text(pages, f"/shapes/{name}", 404))


# --- junctions ---------------------------------------------------------------------------------------


def test_two_surfaces_are_joined_with_offsets_and_probabilities(pages: TestClient) -> None:
    page = text(pages, "/junctions?first=aa-splitter&second=bb-poor")
    # IP 6.3 - 4.0 and EA 3.3 - 3.9 eV.
    assert "+2.30" in page
    assert "-0.60" in page
    shown = re.findall(r"Probability of type (?:I|II|III)</dt><dd>([\d.]+)", page)
    assert sum(map(float, shown)) == pytest.approx(1.0, abs=0.02)
    picture = pages.get("/junctions/band-edges.svg?first=aa-splitter&second=bb-poor")
    assert "Junctions with" in picture.text


def test_the_best_partners_of_a_surface_are_listed(pages: TestClient) -> None:
    page = text(pages, "/junctions?first=aa-splitter&type=I&query=formula+in+(SrTiO3,+PbO,+SnO2)")
    assert "SrTiO3(100)-A" not in names(page)
    assert len(names(page)) == 6
    assert "second=bb-poor" in page


def test_a_surface_leads_to_its_junctions_and_its_shape(pages: TestClient) -> None:
    page = text(pages, "/surfaces/SnO2%20SnO2(110)-B")
    assert 'href="/junctions?first=SnO2%20SnO2%28110%29-B"' in page
    assert 'href="/shapes/SnO2%20SnO2%28110%29-B"' in page


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ("first=aa-splitter&second=aa-splitter", 422, "with itself"),
        ("first=aa-splitter&second=cc-flagged", 422, "failed the checks slab_centre"),
        ("first=aa-splitter&second=nope", 404, "no result has the identifier 'nope'"),
        ("second=aa-splitter", 404, "one side of the junction is empty"),
        ("first=aa-splitter&query=formula+=+SrTiO3", 404, "no other one"),
    ],
)
def test_what_cannot_be_joined_is_explained(
    pages: TestClient, asked: str, status: int, said: str
) -> None:
    explained = problem(text(pages, f"/junctions?{asked}", status))
    assert said in explained
    assert "--" not in explained


def test_levels_of_two_methods_are_joined_only_when_asked_for(
    pages: TestClient, database: Database
) -> None:
    store(database, passed_result("dd-other", functional="hse06"))
    asked = "/junctions?first=aa-splitter&second=dd-other"
    assert "2 methods: ddh, hse06" in problem(text(pages, asked, 422))
    assert "Levels of 2 methods" in text(pages, f"{asked}&mixed=true")


# --- REST --------------------------------------------------------------------------------------------


def test_programs_get_the_same_numbers(pages: TestClient) -> None:
    ranked = pages.get("/api/v1/screen/water-splitting?ph=7&limit=2").json()
    assert ranked["surfaces"][0]["identifier"] == "aa-splitter"
    assert len(ranked["surfaces"]) == 2
    assert ranked["number"] == 7
    assert ranked["left_out_reasons"] == {"flagged": 1}
    made = pages.get("/api/v1/shapes/SnO2").json()
    assert sum(t["area_fraction"] for t in made["terminations"]) == pytest.approx(1.0)
    assert made["oxygen"][0]["miller_index"] == [1, 1, 0]
    joined = pages.get("/api/v1/junctions?first=aa-splitter&second=bb-poor").json()
    assert joined["junctions"][0]["valence_offset"] == pytest.approx(2.3)
    described = pages.get("/api/v1/openapi.json").json()
    assert described["paths"]["/screen/{rule}"]["get"]["summary"]
    assert described["components"]["schemas"]["ShapeAnswer"]["properties"]["oxygen"]["description"]


def test_programs_are_told_what_is_wrong(pages: TestClient) -> None:
    for address, status in (
        ("/api/v1/screen/nope", 422), ("/api/v1/screen/water-splitting?ph=99", 422),
        ("/api/v1/shapes/MgO", 404), ("/api/v1/junctions", 404),
    ):  # fmt: skip
        answer = pages.get(address)
        assert answer.status_code == status
        assert answer.json()["found"]
