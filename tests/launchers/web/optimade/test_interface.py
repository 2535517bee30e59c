"""The OPTIMADE interface on the real local database: answers, pages, fields, errors, and who may see what."""

from __future__ import annotations

from typing import Any

import pytest
from optimade.models import (
    EntryInfoResponse,
    ErrorResponse,
    InfoResponse,
    LinksResponse,
    ReferenceResponseMany,
    StructureResponseMany,
    StructureResponseOne,
)
from pymatgen.core import Composition, Structure
from served_pages import store_shipped_results
from starlette.testclient import TestClient
from stored_results import failed_result, flagged_result, passed_result, store

from surfalign.launchers.web.access import Reader
from surfalign.launchers.web.memory import Memory
from surfalign.launchers.web.optimade.entries import entries
from surfalign.stores.database import Database

BASE = "/optimade/v1"
Answer = dict[str, Any]


def asked(client: TestClient, filter: str = "", **parameters: Any) -> Answer:
    """Return the answer to a list of structures, which the models of the library accept."""
    given = {"filter": filter} if filter else {}
    response = client.get(f"{BASE}/structures", params=given | parameters)
    assert response.status_code == 200, response.text
    found: Answer = response.json()
    if "response_fields" not in parameters:
        StructureResponseMany.model_validate(found)
    return found


def identifiers(found: Answer) -> list[str]:
    return [entry["id"] for entry in found["data"]]


@pytest.fixture
def bulk() -> Structure:
    return Structure.from_spacegroup("Fm-3m", [[4.2, 0, 0], [0, 4.2, 0], [0, 0, 4.2]], ["Mg", "O"],
                                     [[0, 0, 0], [0.5, 0.5, 0.5]])  # fmt: skip


def test_slabs_and_bulk_crystals_are_structures_that_name_each_other(
    client: TestClient, database: Database, bulk: Structure
) -> None:
    for name in ("mgo-110", "mgo-111"):
        store(database, passed_result(name, bulk_structure=bulk, space_group_number=225))
    found = asked(client)
    # Of the fixture a passed and a flagged slab; the failed result has no structure.
    crystal = next(id_ for id_ in identifiers(found) if id_.startswith("bulk-"))
    assert identifiers(found) == [crystal, "cao-100", "mgo-100", "mgo-110", "mgo-111"]
    assert crystal.endswith("-ddh-quick")
    entry = found["data"][0]
    assert [link["id"] for link in entry["relationships"]["structures"]["data"]] == [
        "mgo-110", "mgo-111",
    ]  # fmt: skip
    attributes = entry["attributes"]
    assert attributes["chemical_formula_reduced"] == "MgO"
    assert attributes["chemical_formula_anonymous"] == "AB"
    assert attributes["dimension_types"] == [1, 1, 1]
    assert len(attributes["cartesian_site_positions"]) == attributes["nsites"] == 8
    assert attributes["_surfalign_band_gap"] == 7.9
    assert attributes["_surfalign_ionization_potential"] is None
    slab = found["data"][3]
    assert slab["attributes"]["dimension_types"] == [1, 1, 0]
    assert slab["attributes"]["_surfalign_ionization_potential"] == 7.15
    assert slab["attributes"]["_surfalign_miller_index"] == [1, 0, 0]
    assert slab["relationships"]["structures"]["data"][0]["id"] == crystal
    assert [reference["id"] for reference in found["included"]] == ["doi:10.1021/jacs.3c13574"]
    assert identifiers(asked(client, f'structures.id HAS "{crystal}"')) == ["mgo-110", "mgo-111"]
    assert identifiers(asked(client, "space_group_it_number = 225")) == [crystal]


def test_filters_on_the_shipped_results_have_the_answers_that_their_file_has(
    client: TestClient, database: Database
) -> None:
    stored = store_shipped_results(database)
    names = {result["identifier"]: result for result in stored}

    def those(filter: str) -> list[Answer]:
        found = asked(client, filter, page_limit=500)
        return [names[entry["id"]] for entry in found["data"] if entry["id"] in names]

    def expected(test: Any) -> list[str]:
        return sorted(name for name, result in names.items() if test(result))

    cases: dict[str, Any] = {
        "_surfalign_ionization_potential > 7": lambda r: r["ionization_potential"] > 7,
        "NOT _surfalign_electron_affinity >= 0": lambda r: r["electron_affinity"] < 0,
        '_surfalign_kind = "slab"': lambda r: True,
        'elements HAS ALL "Ti","O"': lambda r: "Ti" in r["formula"],
        'elements HAS ONLY "Mg","Ca","O"': lambda r: r["formula"] in ("MgO", "CaO"),
        "nsites >= 20 AND nelements = 2": lambda r: (
            r["n_atoms"] >= 20 and len(Composition(r["formula"])) == 2
        ),
        '_surfalign_surface_name CONTAINS "(110)"': lambda r: "(110)" in r["surface_name"],
        '_surfalign_surface_name CONTAINS "(.*)"': lambda r: False,
        '_surfalign_surface_name STARTS WITH "Sn"': lambda r: r["surface_name"].startswith("Sn"),
        "_surfalign_miller_index LENGTH 3": lambda r: True,
        "_surfalign_checks_passed = FALSE": lambda r: r["state"] != "passed",
        "_surfalign_failed_checks LENGTH 0": lambda r: not r["failed_checks"],
        'chemical_formula_anonymous = "A2B" AND _surfalign_excess_oxygen = 0': lambda r: (
            Composition(r["formula"]).anonymized_formula == "AB2" and r["excess_oxygen"] == 0
        ),
    }  # fmt: skip
    for filter, test in cases.items():
        assert sorted(result["identifier"] for result in those(filter)) == expected(test), filter


def test_pages_lead_through_all_entries_in_the_order_asked_for(client: TestClient) -> None:
    first = asked(client, sort="-_surfalign_ionization_potential", page_limit=1)
    assert identifiers(first) == ["mgo-100"]
    assert first["meta"]["more_data_available"] is True
    assert (first["meta"]["data_returned"], first["meta"]["data_available"]) == (2, 2)
    second = client.get(first["links"]["next"]).json()
    assert identifiers(second) == ["cao-100"]
    assert second["meta"]["more_data_available"] is False
    assert second["links"]["next"] is None
    assert identifiers(asked(client, page_number=2, page_limit=1)) == ["mgo-100"]
    assert identifiers(asked(client, page_offset=10**9)) == []
    # Results without a value come last in both orders.
    assert identifiers(asked(client, sort="_surfalign_area,-id")) == ["mgo-100", "cao-100"]


def test_only_the_fields_asked_for_are_shown(client: TestClient) -> None:
    fields = "nsites,_surfalign_band_gap,immutable_id,_mp_energy,_nobody_x"
    found = asked(client, response_fields=fields)
    assert found["data"][0]["attributes"] == {
        "nsites": 2, "_surfalign_band_gap": 6.1, "immutable_id": None, "_mp_energy": None, "_nobody_x": None,
    }  # fmt: skip
    assert [warning["type"] for warning in found["meta"]["warnings"]] == ["warning"]
    assert "_nobody_x" in found["meta"]["warnings"][0]["detail"]
    assert asked(client, include="")["included"] == []


def test_a_number_that_is_not_finite_is_null(client: TestClient, database: Database) -> None:
    store(database, passed_result("odd", surface_energy=float("nan")))
    found = asked(client, 'id = "odd"')
    assert found["data"][0]["attributes"]["_surfalign_surface_energy"] is None


def test_one_entry_is_found_by_its_identifier_and_none_is_null(client: TestClient) -> None:
    found = client.get(f"{BASE}/structures/mgo-100").json()
    StructureResponseOne.model_validate(found)
    assert found["data"]["attributes"]["species_at_sites"] == ["Mg", "O"]
    for name in ("nope", "$gt", "..%2f", "a" * 3000, "zno-110"):
        assert client.get(f"{BASE}/structures/{name}").json()["data"] is None
    reference = client.get(f"{BASE}/references/doi:10.1021/jacs.3c13574").json()["data"]
    assert reference["attributes"]["year"] == "2024"


def test_the_interface_describes_itself(client: TestClient) -> None:
    InfoResponse.model_validate(client.get(f"{BASE}/info").json())
    LinksResponse.model_validate(client.get(f"{BASE}/links").json())
    ReferenceResponseMany.model_validate(client.get(f"{BASE}/references").json())
    described = client.get(f"{BASE}/info/structures").json()
    EntryInfoResponse.model_validate(described)
    own = {
        name: one for name, one in described["data"]["properties"].items() if name[0] == "_"
    }  # fmt: skip
    assert own["_surfalign_ionization_potential"]["unit"] == "eV"
    assert own["_surfalign_surface_energy"]["unit"] == "J/m2"
    assert own["_surfalign_area"]["unit"] == "Ao2"
    assert all(one["description"] for one in own.values())
    shown = asked(client)["data"][0]["attributes"]
    assert set(own) <= set(shown)
    assert client.get("/optimade/versions").text == "version\n1\n"
    assert client.get("/optimade/openapi.json").json()["servers"] == [{"url": "/optimade"}]


REFUSED = {
    "structures?filter=crazyfield=2": 400, "structures?filter=((": 400, "structures?sort=elements": 400,
    "structures?sort=nope": 400, "structures?page_limit=0": 400, "structures?page_limit=-1": 400,
    "structures?page_limit=501": 403, "structures?page_limit=many": 400, "structures?page_offset=1e9": 400,
    "structures?page_offset=99999999999999999999": 400, "structures?response_format=xml": 400,
    "structures?response_fields=nope": 400, "structures?response_fields=_surfalign_nope": 400,
    "structures?unknown_parameter=1": 400, "structures?_surfalign_nope=1": 400, "structures?include=structures": 400,
    "structures?dimension_slices=dim_sites[0:1:1]": 501, "structures?api_hint=v2": 553,
    "structures?api_hint=v1.3": 553, "structures?api_hint=one": 400, "info/calculations": 404, "nope": 404,
    "versions": 404, 'structures?filter=nsites="1"': 501, "structures?filter=" + "x" * 20_000: 400,
    "structures?filter=%00": 400, "structures?filter=%ED%9F%BF": 400,
}  # fmt: skip


def test_what_cannot_be_met_is_an_error_of_the_specification(client: TestClient) -> None:
    for address, status in REFUSED.items():
        response = client.get(f"{BASE}/{address}")
        assert response.status_code == status, (address, response.text)
        ErrorResponse.model_validate(response.json())


def test_other_versions_are_told_apart_from_other_addresses(client: TestClient) -> None:
    for version in ("", "/v1", "/v1.2", "/v1.2.0"):
        assert client.get(f"/optimade{version}/info").status_code == 200
    for version in ("v2", "v0.9", "v123123", "v1.3"):
        assert client.get(f"/optimade/{version}/info").status_code == 553
    assert client.get("/optimade/").status_code == 404


def test_parameters_of_other_providers_are_ignored(client: TestClient) -> None:
    found = asked(
        client, _mp_key="x", _nobody_key="x", email_address="a@b.example", api_hint="v1.1"
    )
    assert len(found["data"]) == 2
    assert ["_nobody_key" in said["detail"] for said in found["meta"]["warnings"]] == [True]


def test_of_what_may_not_be_seen_there_is_neither_entry_nor_crystal_nor_link(
    database: Database, bulk: Structure
) -> None:
    store(
        database,
        passed_result("seen", bulk_structure=bulk),
        flagged_result("hidden", bulk_structure=bulk),
        flagged_result("hidden-too", bulk_structure=bulk.copy().scale_lattice(70)),
        failed_result("hidden-failed"),
    )
    within = {"state": "passed"}
    memory = Memory()
    reader = Reader(database, within, memory)
    crystal, slab = reader.derived("structures", entries)
    assert slab.id == "seen"
    assert crystal.related == ("seen",)
    assert set(reader.fields_of(["seen", "hidden"], ["slab_structure"])) == {"seen"}
    # Another asker with the same memory is answered anew.
    assert len(Reader(database, {}, memory).derived("structures", entries)) == 5
