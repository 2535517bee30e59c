"""A table in memory answers as the database does."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from stored_results import failed_result, flagged_result, passed_result, store

from surfalign.stores.database import Database
from surfalign.stores.query.language import to_filter
from surfalign.stores.query.results import find
from surfalign.stores.query.table import USUAL, needed, table_of, visible_among
from surfalign.stores.sharing.register import SharingRegister
from surfalign.stores.sharing.visibility import ANYONE, visible_to

QUERIES = (
    "", "formula = MgO", "formula != MgO", "not formula = MgO", "formula in (MgO, ZnO)",
    "ionization_potential > 6.5 eV", "not ionization_potential > 6.5 eV", "ionization_potential = null",
    "ionization_potential != null and band_gap < 7", "formula = MgO or electron_affinity > 0",
    "(formula = MgO or formula = CaO) and not state = flagged", "failed_checks = slab_centre",
    "not failed_checks = slab_centre", "miller_index = (1, 0, 0)", "relaxed = false", "state = failed",
    "code_versions.gpaw = '24.1'", "not code_versions.gpaw = '24.1'", "error.step = slab_potential",
    "ionization_potential >= 6.6 and ionization_potential <= 7.15", "not ionization_potential < 6.6",
    "created_at > '2000-01-01'", "origin = computed", "surface_name = 'CaO(100)-A' or n_atoms = 7",
)  # fmt: skip


@pytest.fixture
def filled(database: Database) -> Database:
    store(
        database,
        passed_result("a", code_versions={"gpaw": "24.1"}),
        passed_result("b", ionization_potential=6.6, n_atoms=7),
        flagged_result("c"),
        failed_result("d"),
    )
    return database


@pytest.mark.parametrize("query", QUERIES)
def test_a_table_finds_what_the_database_finds(filled: Database, query: str) -> None:
    condition = to_filter(query)
    fields = needed(condition, ["n_atoms"])
    assert fields is not None
    found = [
        one["identifier"]
        for one in table_of(filled, fields).records(condition, None, ["identifier"])
    ]
    assert sorted(found) == [one.identifier for one in find(filled, query, sort="identifier")]


def test_what_summaries_lack_is_in_no_table() -> None:
    assert needed(to_filter("formula = MgO"), []) == USUAL
    assert needed(to_filter("checks.name = vacuum_flat"), []) is None
    assert needed(to_filter("sharing.visibility = public"), []) is None
    assert needed({}, ["settings"]) is None


def test_those_who_see_some_find_some(filled: Database) -> None:
    SharingRegister(filled).change(["a", "d"], {"visibility": "public"})
    visible = visible_among(filled, visible_to(ANYONE, datetime.now(UTC)))
    assert visible == {"a", "d"}
    table = table_of(filled, USUAL)
    assert [one["identifier"] for one in table.records({}, visible, ["identifier"])] == ["a", "d"]
    assert list(table.records(to_filter("formula = CaO"), visible, ["formula"])) == []
