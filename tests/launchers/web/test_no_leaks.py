"""Whatever is shared with whom until when: nobody is told anything of what they may not see.

Random sharing records of stored results, and people with tokens who ask for all there is, in every way there is. What
each may see is said by the plain rule (``may_see``), one record at a time.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sharing_cases import records
from starlette.testclient import TestClient
from stored_faces import rutile
from stored_results import passed_result, store

from surfalign.launchers.web.application import create_app
from surfalign.launchers.web.identity import Entrance
from surfalign.settings import load_settings
from surfalign.stores.database import Database, connect
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.sharing.access_tokens import AccessRegister
from surfalign.stores.sharing.record import Sharing
from surfalign.stores.sharing.register import SharingRegister
from surfalign.stores.sharing.visibility import ANYONE, Role, Viewer, may_see

#: Sets of records; the acceptance asks for 1,000, which take a quarter of an hour.
EXAMPLES = int(os.environ.get("SHARING_EXAMPLES", "25"))
#: Each has values that no other has, by which a leak is seen.
_ALL = [
    passed_result(name, formula=formula, surface_name=f"{formula}-{name}", **values)
    for name, formula, values in (
        ("aa11-first", "MgO", {"ionization_potential": 7.111, "functional": "ddh"}),
        ("aa22-second", "MgO", {"ionization_potential": 6.222, "functional": "hse06"}),
        ("bb33-third", "CaO", {"ionization_potential": 5.333, "functional": "ddh"}),
        ("cc44-fourth", "ZnO", {"ionization_potential": None, "functional": "pbe0"}),
        ("dd55-fifth", "SrO", {"ionization_potential": 4.555, "functional": "pbesol"}),
        ("ee66-sixth", "BaO", {"ionization_potential": 3.666}),
    )
]
#: One that no record was ever made for.
*RESULTS, UNSAID = _ALL
PEOPLE = (
    Viewer("anna"),
    Viewer("bert", frozenset({"lab"})),
    Viewer("carl", frozenset({"lab", "club"}), Role.CONTRIBUTOR),
    Viewer("dora", frozenset({"club"}), Role.ADMIN),
)
#: Embargoes end this far from now: far enough that none ends during a test.
NOW = datetime.now(UTC).replace(second=0, microsecond=0)


Results = list[SurfaceLevelsDocument]


@dataclass
class Case:
    """The application, and the tokens of the people."""

    client: TestClient
    tokens: Mapping[str, str]
    register: SharingRegister

    def get(self, viewer: Viewer, address: str, **headers: str) -> Any:
        if viewer.name:
            headers["Authorization"] = f"Bearer {self.tokens[viewer.name]}"
        return self.client.get(address, headers=headers)


@pytest.fixture
def case(database: Database) -> Iterator[Case]:
    # One server for all examples: a memory that forgets who asked would be found.
    store(database, *RESULTS, UNSAID)
    tokens = {
        viewer.name: AccessRegister(database).add(viewer.name, viewer.role, viewer.groups)[0]
        for viewer in PEOPLE
    }
    opened = load_settings()
    with TestClient(
        create_app(lambda: connect(opened), entrance=Entrance(asks=True, public=True)),
        base_url="http://127.0.0.1",
    ) as client:
        yield Case(client, tokens, SharingRegister(database))


def _hours(record: Sharing | None) -> Sharing | None:
    """Move the end of an embargo from minutes to hours from now."""
    if record is None or record.embargo_until is None:
        return record
    hours = (record.embargo_until - NOW) / timedelta(minutes=1) or -1.0
    return record.model_copy(update={"embargo_until": NOW + timedelta(hours=hours)})


SHARING = st.fixed_dictionaries({result.identifier: records(NOW).map(_hours) for result in RESULTS})


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # to look for a smaller case takes too long here
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    said=SHARING,
    viewer=st.sampled_from((ANYONE, *PEOPLE)),
    way=st.integers(0, 9),
    one=st.integers(0),
)
def test_nobody_is_told_of_what_they_may_not_see(
    case: Case, said: dict[str, Sharing | None], viewer: Viewer, way: int, one: int
) -> None:
    case.register.put({name: record or Sharing() for name, record in said.items()})
    now = datetime.now(UTC)
    shown = [result for result in RESULTS if may_see(said[result.identifier], viewer, now)]
    shown += [UNSAID] if viewer.sees_all else []
    hidden = [result for result in (*RESULTS, UNSAID) if result not in shown]
    _counts(case, viewer, shown)
    # The other ways take turns, for each takes its time.
    (_export, _cursors, _page, _optimade, _decisions)[way % 5](case, viewer, shown, hidden)
    if hidden:
        (_filter, _file)[way // 5](case, viewer, shown, hidden[one % len(hidden)], one)


def _identifiers(found: Results) -> list[str]:
    return sorted(result.identifier for result in found)


def _counts(case: Case, viewer: Viewer, shown: Results) -> None:
    answer = case.get(viewer, "/api/v1/surfaces").json()
    assert sorted(result["identifier"] for result in answer["results"]) == _identifiers(shown)
    assert answer["number"] == len(shown)
    numbered = [result for result in shown if result.ionization_potential is not None]
    assert answer["methods"] == Counter(result.functional for result in numbered)
    formulas = case.get(viewer, "/api/v1/formulas").json()
    assert formulas == Counter(result.formula for result in shown)


def _decisions(case: Case, viewer: Viewer, shown: Results, hidden: Results) -> None:
    """Rank surfaces and look for partners: nobody is hidden among the ranked, the joined or the counted."""
    usable = [r for r in shown if r.ionization_potential is not None]
    ranked = case.get(viewer, "/api/v1/screen/water-splitting?ph=7")
    if not usable:
        assert ranked.status_code == 404
        return
    answer = ranked.json()
    assert sorted(s["identifier"] for s in answer["surfaces"]) == _identifiers(usable)
    assert answer["number"] == len(usable)
    assert answer["methods"] == Counter(r.functional for r in usable)
    assert sum(f["n_surfaces"] for f in answer["formulas"]) == len(usable)
    assert len(answer["left_out"]) == len(shown) - len(usable)
    first = usable[0].identifier
    partners = case.get(viewer, f"/api/v1/junctions?first={first}&mixed=true")
    assert partners.status_code == (200 if len(usable) > 1 else 404)
    if len(usable) > 1:
        others = sorted(j["second"]["identifier"] for j in partners.json()["junctions"])
        assert others == [name for name in _identifiers(usable) if name != first]
    for result in hidden:
        for asked in (result.identifier, result.surface_name):
            refused = case.get(viewer, f"/api/v1/junctions?first={first}&second={asked}&mixed=true")
            assert refused.status_code == 404
            assert asked not in refused.text.replace(repr(asked), "")
    for address in ("/screen?rule=water-splitting", f"/junctions?first={first}", "/shapes"):
        _tells_nothing(case.get(viewer, address).text, shown, hidden)


def _export(case: Case, viewer: Viewer, shown: Results, _: Results) -> None:
    rows = case.get(viewer, "/surfaces.csv").text.splitlines()[1:]
    assert sorted(row.partition(",")[0] for row in rows) == _identifiers(shown)
    exported = case.get(viewer, "/surfaces.json").json()
    assert sorted(result["identifier"] for result in exported) == _identifiers(shown)


def _cursors(case: Case, viewer: Viewer, shown: Results, _: Results) -> None:
    """Ask page by page, and with a cursor of who sees all."""
    asked = "/api/v1/surfaces?limit=3&sort=identifier"
    first = case.get(viewer, asked).json()
    found = [result["identifier"] for result in first["results"]]
    if first["next_cursor"] is not None:
        second = case.get(viewer, f"{asked}&cursor={first['next_cursor']}").json()
        found += [result["identifier"] for result in second["results"]]
        assert second["next_cursor"] is None
    assert found == _identifiers(shown)
    other = case.get(PEOPLE[-1], asked).json()["next_cursor"]
    answer = case.get(viewer, f"{asked}&cursor={other}").json()
    behind = [name for name in _identifiers(shown) if name > "bb33-third"]
    assert [result["identifier"] for result in answer["results"]] == behind[:3]


def _page(case: Case, viewer: Viewer, shown: Results, hidden: Results) -> None:
    for address in ("/?sort=ionization_potential&descending=true", "/formulas"):
        page = case.get(viewer, address).text
        number = re.search(r"<strong>(\d+)</strong> results?", page)
        assert number is None or int(number[1]) == len(shown)
        _tells_nothing(page, shown, hidden)


def _optimade(case: Case, viewer: Viewer, shown: Results, hidden: Results) -> None:
    """Ask as other databases do, for all and for what hidden results alone would answer."""
    structures = "/optimade/v1/structures"
    found = case.get(viewer, f"{structures}?page_limit=100").json()
    assert sorted(entry["id"] for entry in found["data"]) == _identifiers(shown)
    assert found["meta"]["data_returned"] == found["meta"]["data_available"] == len(shown)
    for result in hidden:
        asked = f'filter=_surfalign_identifier="{result.identifier}"'
        assert case.get(viewer, f"{structures}?{asked}").json()["data"] == []
        assert not case.get(viewer, f"{structures}/{result.identifier}").json().get("data")


def _filter(
    case: Case, viewer: Viewer, shown: Results, hidden: SurfaceLevelsDocument, one: int
) -> None:
    """Ask for the values of a hidden result."""
    query = (
        f"identifier = '{hidden.identifier}'", f"formula = {hidden.formula} or sharing.owner != x",
        f"not identifier in ({', '.join(_identifiers(shown)) or 'x'})", "sharing.visibility = null",
    )[one % 4]  # fmt: skip
    answer = case.get(viewer, f"/api/v1/surfaces?query={query}").json()
    assert hidden.identifier not in str(answer)
    assert answer["number"] == len(answer["results"])
    assert {result["identifier"] for result in answer["results"]} <= set(_identifiers(shown))


def _file(
    case: Case, viewer: Viewer, shown: Results, hidden: SurfaceLevelsDocument, one: int
) -> None:
    """Ask for a hidden result by its name, its beginning, its formula, and with the mark of its content."""
    name = hidden.identifier
    tag = case.get(PEOPLE[-1], f"/api/v1/surfaces/{name}").headers["etag"]
    address, asked, absent = (
        ("/api/v1/surfaces/{}", name, "xx99-absent"),
        ("/surfaces/{}", name, "xx99-absent"),
        ("/surfaces/{}/result.json", name, "xx99-absent"),
        ("/surfaces/{}/slab.cif", name, "xx99-absent"),
        ("/api/v1/surfaces/{}", name[:4], "xx99"),
        ("/surfaces/{}", name[:4], "xx99"),
        ("/formulas/{}", hidden.formula, "CdO"),
        ("/shapes/{}", name, "xx99-absent"),
        ("/junctions?first={}", name, "xx99-absent"),
    )[one % 9]
    if hidden.formula == asked and asked in {result.formula for result in shown}:
        return
    there = case.get(viewer, address.format(asked), **{"If-None-Match": tag})
    nowhere = case.get(viewer, address.format(absent))
    assert there.status_code == nowhere.status_code == 404
    assert there.text.replace(asked, "?") == nowhere.text.replace(absent, "?")


def _tells_nothing(text: str, shown: Results, hidden: Results) -> None:
    formulas = {result.formula for result in shown}
    for result in hidden:
        assert result.identifier not in text
        assert result.ionization_potential is None or (
            f"{result.ionization_potential:.2f}" not in text
        )
        assert result.formula in formulas or f">{result.formula}" not in text


def test_a_shape_is_made_of_what_may_be_seen_alone(case: Case, database: Database) -> None:
    store(database, *rutile())
    faces = {result.miller_index: result.identifier for result in rutile()}
    hidden = faces.pop((1, 0, 0))
    case.register.put(dict.fromkeys([hidden], Sharing()))
    case.register.change(list(faces.values()), {"visibility": "public"})
    whole = case.get(PEOPLE[-1], "/api/v1/shapes/SnO2")
    assert hidden in whole.text
    seen = case.get(ANYONE, "/api/v1/shapes/SnO2")
    assert [t["identifier"] for t in seen.json()["terminations"] if t["area_fraction"]] == [
        faces[1, 1, 0], faces[1, 0, 1]
    ]  # fmt: skip
    assert [1, 0, 0] in [m["miller_index"] for m in seen.json()["missing"]]
    assert hidden not in seen.text
    page = case.get(ANYONE, "/shapes/SnO2").text
    assert "SnO2(100)" not in page
    assert re.search(r'<td class="number">3</td>', case.get(ANYONE, "/shapes").text)
    assert case.get(ANYONE, f"/shapes/{hidden}").status_code == 404


def test_a_share_that_rests_on_hidden_results_is_not_told(case: Case, database: Database) -> None:
    store(database, passed_result("ff77-share", area_fraction=0.4321, surface_identifier="s"))
    case.register.put({"ff77-share": Sharing()})
    case.register.change(["ff77-share"], {"visibility": "public"})
    asked = "/api/v1/screen/water-splitting"
    formulas = case.get(PEOPLE[-1], asked).json()["formulas"]
    assert any(row["area_weighted"] is not None for row in formulas)
    told = case.get(ANYONE, asked).json()
    assert [row["area_weighted"] for row in told["formulas"]] == [None]
    assert case.get(ANYONE, f"{asked}?query=area_fraction+>+0").status_code == 400


def test_a_beginning_that_a_hidden_result_has_as_well_is_unique(case: Case) -> None:
    case.register.change(["aa11-first"], {"visibility": "public"})
    assert case.get(ANYONE, "/api/v1/surfaces/aa").json()["identifier"] == "aa11-first"
    assert case.get(PEOPLE[-1], "/api/v1/surfaces/aa").status_code == 404


def test_what_is_made_private_is_forgotten_at_once(case: Case) -> None:
    case.register.change(["aa11-first"], {"visibility": "public"})
    first = case.get(ANYONE, "/api/v1/surfaces")
    assert first.json()["number"] == 1
    case.register.change(["aa11-first"], {"visibility": "private"})
    again = case.get(ANYONE, "/api/v1/surfaces", **{"If-None-Match": first.headers["etag"]})
    assert again.status_code == 200
    assert again.json()["number"] == 0
    assert case.get(ANYONE, "/api/v1/formulas").json() == {}
