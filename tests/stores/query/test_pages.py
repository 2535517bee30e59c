"""Pages of results by cursor: each result once, in order, whatever is forged."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from stored_results import failed_result, passed_result, store

from surfalign.errors import DocumentNotFoundError, QuerySyntaxError
from surfalign.stores.database import Database
from surfalign.stores.query.pages import LARGEST_PAGE, Order, listed, page
from surfalign.stores.query.results import find, formulas, get


def walk(database: Database, order: Order, limit: int, query: str = "") -> list[str]:
    """Return the identifiers of all pages."""
    found: list[str] = []
    cursor: str | None = None
    whole = listed(database, query, order=order)
    while True:
        one = page(database, whole, limit=limit, cursor=cursor)
        assert len(one.results) <= limit
        found += [document.identifier for document in one.results]
        if one.next_cursor is None:
            return found
        assert len(one.results) == limit
        cursor = one.next_cursor


@pytest.fixture
def results(database: Database) -> Database:
    """Eleven results; two share an ionization potential, two have none."""
    levels = [6.0, 5.0, 6.0, 7.0, 4.5, 8.0, 3.0, 9.0, 2.0]
    store(
        database,
        *(passed_result(f"r{i}", ionization_potential=ip) for i, ip in enumerate(levels)),
        failed_result("none-2"),
        failed_result("none-1"),
    )
    return database


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    "field", ["ionization_potential", "created_at", "identifier", "formula", "relaxed", "n_atoms"]
)
def test_the_pages_hold_each_result_once_in_the_order_of_the_list(
    results: Database, field: str, descending: bool
) -> None:
    whole = [d.identifier for d in find(results, sort=field, descending=descending)]
    if field == "ionization_potential":
        assert whole[-2:] == ["none-1", "none-2"]
    for limit in (1, 3, 9, 10, 11, 50):
        assert walk(results, Order(field, descending), limit) == whole


def test_a_list_names_the_methods_of_results_with_numbers(results: Database) -> None:
    store(results, passed_result("hse", functional="hse06"))
    assert listed(results).methods == {"ddh": 9, "hse06": 1}
    assert listed(results, "formula = ZnO").methods == {}


def test_a_query_narrows_the_pages(results: Database) -> None:
    order = Order("ionization_potential")
    assert walk(results, order, 2, "ionization_potential > 6 eV") == ["r3", "r5", "r7"]


def test_a_result_that_comes_meanwhile_repeats_and_hides_none(results: Database) -> None:
    order = Order("ionization_potential")
    first = page(results, listed(results, order=order), limit=3)
    store(results, passed_result("early", ionization_potential=1.0))
    anew = listed(results, order=order)
    second = page(results, anew, limit=3, cursor=first.next_cursor)
    assert [d.identifier for d in second.results] == ["r1", "r0", "r2"]


def cursor(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


@pytest.mark.parametrize(
    "forged",
    [
        "", "x", "!!!", "é", "a" * 3000, cursor(None), cursor([]), cursor({}), cursor([1, 2, 3, 4]),
        cursor(["band_gap", False, 1.0, "r0"]), cursor(["ionization_potential", True, 1.0, "r0"]),
        cursor(["ionization_potential", False, {"$gt": 0}, "r0"]),
        cursor(["ionization_potential", False, "6", "r0"]),
        cursor(["ionization_potential", False, True, "r0"]),
        cursor(["ionization_potential", False, 10**40, "r0"]),
        cursor(["ionization_potential", False, 1.0, {"$ne": ""}]),
        cursor(["ionization_potential", False, 1.0, "\ud800"]),
        cursor("[" * 1000),
    ],
)  # fmt: skip
def test_a_forged_cursor_is_refused(database: Database, forged: str) -> None:
    empty = listed(database, order=Order("ionization_potential"))
    with pytest.raises(QuerySyntaxError, match="no cursor of this list"):
        page(database, empty, cursor=forged)


@pytest.mark.parametrize("limit", [0, -1, LARGEST_PAGE + 1, 10**9])
def test_a_page_has_a_sensible_size(database: Database, limit: int) -> None:
    with pytest.raises(QuerySyntaxError, match=f"a page of {limit} results"):
        page(database, listed(database), limit=limit)


@pytest.mark.parametrize("field", ["miller_index", "failed_checks", "settings", "settings.x"])
def test_what_has_no_order_is_not_sorted_by(field: str) -> None:
    with pytest.raises(QuerySyntaxError, match="which have no order"):
        Order(field)


def test_what_may_not_be_seen_is_not_found(results: Database) -> None:
    within = {"identifier": {"$in": ["r0", "r1"]}}

    shown = page(results, listed(results, within=within)).results
    assert [d.identifier for d in shown] == ["r0", "r1"]
    # A list that was made before something was hidden tells nothing of it.
    assert [d.identifier for d in page(results, listed(results), within=within).results] == [
        "r0",
        "r1",
    ]
    assert [d.identifier for d in find(results, "formula = MgO", within=within)] == ["r0", "r1"]
    assert formulas(results, within=within) == {"MgO": 2}
    assert get(results, "r0", within=within).identifier == "r0"
    for hidden in ("r2", "none"):
        with pytest.raises(DocumentNotFoundError, match="no result has the identifier"):
            get(results, hidden, within=within)
