"""Summaries follow the results whoever writes these, and whoever is killed while writing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored_results import failed_result, flagged_result, passed_result, record, slab, store

from surfalign.stores.database import SURFACE_LEVELS, SURFACE_SUMMARIES, Database
from surfalign.stores.query import results
from surfalign.stores.query.results import count, find_fields
from surfalign.stores.query.rows import row_of, rows_of
from surfalign.stores.query.searches import collection_of, find_summaries
from surfalign.stores.query.summaries import (
    LEFT_OUT,
    STALE,
    has_field,
    summaries_kept,
    summary,
    version,
)
from surfalign.stores.sharing.register import SharingRegister
from surfalign.stores.sharing.visibility import ANYONE, visible_to


def known(database: Database) -> dict[str, Any]:
    """Return the IP of each result as searches find it."""
    found = find_fields(database, None, ("identifier", "ionization_potential"))
    return {one["identifier"]: one.get("ionization_potential") for one in found}


def test_a_summary_holds_all_but_what_is_large_and_what_cells_are_made_of() -> None:
    stored = record(passed_result(bulk_structure=slab()))
    small = summary(stored)
    assert small["slab_cell"]["composition"] == {"Mg": 1, "O": 1}
    assert small["slab_cell"]["key"] == small["bulk_cell"]["key"]
    assert set(stored) - set(small) == LEFT_OUT & set(stored)
    assert summary(record(failed_result()))["slab_cell"] is None
    assert has_field("code_versions.gpaw")
    assert not has_field("settings.slab_potential.ecut")


def test_what_is_stored_replaced_and_removed_is_found_at_once(database: Database) -> None:
    store(database, passed_result("a"), flagged_result("b"), failed_result("c"))
    assert known(database) == {"a": 7.15, "b": 6.2, "c": None}
    store(database, passed_result("a", ionization_potential=5.0))
    database.surface_levels.remove_docs({"state": "failed"})
    assert known(database) == {"a": 5.0, "b": 6.2}
    assert count(database, "ionization_potential < 6") == 1
    assert results.methods(database) == {"ddh": 2}
    assert results.formulas(database) == {"CaO": 1, "MgO": 1}


def test_what_summaries_do_not_hold_is_asked_of_the_results(database: Database) -> None:
    store(
        database,
        passed_result("a"),
        passed_result("b", settings={"slab_potential": {"ecut": 500.0}}),
    )
    assert count(database, "settings.slab_potential.ecut > 450") == 1
    assert count(database, "checks.name = vacuum_flat and ionization_potential > 7") == 2
    [found] = find_fields(
        database, "settings.slab_potential.ecut > 450", ("identifier", "settings")
    )
    assert found == {"identifier": "b", "settings": {"slab_potential": {"ecut": 500.0}}}


def test_results_of_a_writer_that_knows_no_summaries_are_found(database: Database) -> None:
    store(database, passed_result("a"))
    assert known(database) == {"a": 7.15}
    raw = database.collection(SURFACE_LEVELS)
    raw.insert_many([record(passed_result("b")), record(failed_result("c"))])
    assert known(database) == {"a": 7.15, "b": 7.15, "c": None}
    raw.delete_one({"identifier": "a"})
    assert set(known(database)) == {"b", "c"}


@contextmanager
def killed_in(raw: Any, identifiers: list[str]) -> Iterator[None]:
    """Write some results and die before their summaries are written."""

    class KilledError(Exception):
        """Stands for the end of a process."""

    with suppress(KilledError), summaries_kept(raw, identifiers):
        yield
        raise KilledError


def test_a_writer_that_is_killed_leaves_nothing_that_is_old(database: Database) -> None:
    store(database, passed_result("a"))
    raw = collection_of(database)
    with killed_in(raw, ["a", "new", "never"]):
        raw.update_one({"identifier": "a"}, {"$set": {"ionization_potential": 1.0}})
        raw.insert_one(record(passed_result("new")))
    # As long as nobody asks, the old one stands marked beside its result.
    assert known(database) == {"a": 1.0, "new": 7.15}
    assert database.collection(SURFACE_SUMMARIES).count_documents({}) == 2


def test_every_write_of_results_gives_them_another_version(database: Database) -> None:
    raw = collection_of(database)
    versions = [version(database)]

    def is_new() -> bool:
        versions.append(version(database))
        return versions[-1] is not None and versions.count(versions[-1]) == 1

    store(database, passed_result("a"))
    assert is_new()
    assert not is_new()
    store(database, passed_result("a", ionization_potential=5.0))
    assert is_new()
    SharingRegister(database).change(["a"], {"visibility": "public"})
    assert not is_new()  # the register has a number of its own
    database.surface_levels.remove_docs({"identifier": "a"})
    assert is_new()
    # Who comes by surfalign's back door is found by the numbers of documents.
    raw.insert_one(record(passed_result("b")))
    assert version(database) is None
    assert is_new()


def test_while_results_are_written_nobody_relies_on_a_version(database: Database) -> None:
    store(database, passed_result("a"))
    before = version(database)
    raw = collection_of(database)
    with summaries_kept(raw, ["a"]):
        assert version(database) is None
        raw.update_one({"identifier": "a"}, {"$set": {"ionization_potential": 1.0}})
        # Who read in between took the mark away; what was read then is of a version that ends here.
        between = version(database)
        assert between not in (None, before)
    assert version(database) not in (None, before, between)
    with killed_in(raw, ["a"]):
        raw.update_one({"identifier": "a"}, {"$set": {"ionization_potential": 2.0}})
    killed = version(database)
    assert killed is None
    assert known(database) == {"a": 2.0}
    assert database.collection(SURFACE_SUMMARIES).find_one({STALE: True}) is None


def test_a_row_says_the_same_whether_read_from_a_summary_or_a_result(database: Database) -> None:
    made = [
        passed_result("a", space_group_symbol="Fm-3m", convergence_error=0.1),
        flagged_result("b"),
        failed_result("c"),
    ]
    store(database, *made)
    found = rows_of(database, ["c", "a", "b", "absent"])
    assert [row.identifier for row in found] == ["c", "a", "b"]
    expected = {row.identifier: row for row in map(row_of, made)}
    for row in found:
        same = expected[row.identifier]
        assert list(row.miller_index or ()) == list(same.miller_index or ())
        assert replace(row, miller_index=None) == replace(same, miller_index=None)
    assert (found[2].checks, found[2].checks_passed) == (2, 1)
    assert found[0].failure == "ConvergenceError in slab_potential"


def test_a_row_is_shown_to_who_may_see_it_by_the_register(database: Database) -> None:
    store(database, passed_result("a"), passed_result("b"), passed_result("c"))
    SharingRegister(database).change(["a", "b"], {"visibility": "public"})
    # A copy that was not yet made tells nothing.
    collection_of(database).update_many({}, {"$set": {"sharing": {"visibility": "public"}}})
    within = visible_to(ANYONE, datetime.now(UTC))
    assert [row.identifier for row in rows_of(database, ["c", "b", "a"], within=within)] == [
        "b",
        "a",
    ]


def test_who_may_not_see_all_is_answered_from_the_results(database: Database) -> None:
    store(database, passed_result("a"), flagged_result("b"))
    # A summary that says otherwise changes nothing for them.
    database.collection(SURFACE_SUMMARIES).update_many({}, {"$set": {"state": "passed"}})
    within = {"state": "passed"}
    assert [
        one["identifier"] for one in find_fields(database, None, ("identifier",), within=within)
    ] == ["a"]
    assert [one["identifier"] for one in find_summaries(database, within=within)] == ["a"]
    assert results.formulas(database, within=within) == {"MgO": 1}


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(
    st.sampled_from(["store", "raw", "remove", "raw remove", "killed"]), st.sampled_from("abcd"),
    st.floats(1, 9)), max_size=8))  # fmt: skip
def test_searches_find_what_is_stored_after_any_writers(
    database: Database, steps: list[tuple[str, str, float]]
) -> None:
    raw = collection_of(database)
    for what, name, ip in steps:
        result = record(passed_result(name, ionization_potential=ip))
        if what == "store":
            database.surface_levels.update([result])
        elif what == "raw" and raw.find_one({"identifier": name}) is None:
            raw.insert_one(result)
            known(database)
        elif what == "remove":
            database.surface_levels.remove_docs({"identifier": name})
        elif what == "raw remove":
            raw.delete_many({"identifier": name})
            known(database)
        else:
            with killed_in(raw, [name]):
                raw.update_many({"identifier": name}, {"$set": {"ionization_potential": ip}})
    stored = {one["identifier"]: one["ionization_potential"] for one in raw.find({})}
    assert known(database) == stored


def test_a_changed_sharing_record_is_found_at_once(database: Database) -> None:
    store(database, passed_result("a"), passed_result("b"))
    assert list(find_fields(database, "sharing.visibility = public", ("identifier",))) == []
    SharingRegister(database).change(["a"], {"visibility": "public"})
    found = find_fields(database, "sharing.visibility = public", ("identifier",))
    assert [one["identifier"] for one in found] == ["a"]
