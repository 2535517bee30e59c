"""The register of sharing records: the truth, and its copies in the results."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from stored_results import job_output, passed_result, store

from surfalign.errors import SharingError
from surfalign.stores.builders import SurfaceLevelsBuilder
from surfalign.stores.database import Database
from surfalign.stores.query.results import count, find, get
from surfalign.stores.sharing.record import Sharing, Visibility
from surfalign.stores.sharing.register import Kind, SharingRegister

PUBLIC = {"visibility": "public", "licence": "CC-BY-4.0"}


def test_a_change_reaches_register_and_results(database: Database) -> None:
    store(database, passed_result("one"), passed_result("two"))
    register = SharingRegister(database)
    assert get(database, "one").sharing is None
    before = register.state().number
    assert register.change(["one"], PUBLIC | {"owner": "anna"}) == 1
    expected = Sharing(owner="anna", visibility=Visibility.PUBLIC, licence="CC-BY-4.0")
    assert register.get(["one", "two"]) == {"one": expected}
    assert get(database, "one").sharing == expected
    assert get(database, "two").sharing is None
    assert register.state().number > before


def test_the_same_change_again_changes_nothing(database: Database) -> None:
    register = SharingRegister(database)
    assert register.change(["one"], PUBLIC) == 1
    assert register.change(["one"], PUBLIC) == 0
    assert register.change(["one"], {"doi": "10.5281/zenodo.1"}) == 1
    assert register.get(["one"])["one"].licence == "CC-BY-4.0"


def test_results_that_are_built_again_keep_who_may_see_them(database: Database) -> None:
    end = (datetime.now(UTC) + timedelta(days=9)).replace(second=0, microsecond=0)
    database.jobs.docs_store.update([job_output(passed_result("one"), "job", "2026-01-01")])
    SharingRegister(database).change(["one"], PUBLIC | {"embargo_until": end})
    SurfaceLevelsBuilder(database.jobs, database.surface_levels).run()
    assert get(database, "one").sharing.embargo_until == end
    database.surface_levels.remove_docs({})
    SurfaceLevelsBuilder(database.jobs, database.surface_levels, compare_all=True).run()
    assert get(database, "one").sharing.embargo_until == end


def test_a_result_that_is_stored_again_has_the_records_word_not_its_own(
    database: Database,
) -> None:
    store(database, passed_result("one", sharing=Sharing(visibility="public")))
    assert get(database, "one").sharing is None


def test_queries_ask_for_sharing(database: Database) -> None:
    store(database, passed_result("one"), passed_result("two"))
    SharingRegister(database).change(["one"], PUBLIC | {"group": "lab"})
    for query in (
        "sharing.visibility = public", "sharing.licence = 'CC-BY-4.0'", "sharing.group != null",
        "sharing.embargo_until = null and sharing.visibility != private",
    ):  # fmt: skip
        assert [result.identifier for result in find(database, query)] == ["one"], query
    assert count(database, "sharing.visibility = null") == 1


def test_an_embargo_that_is_over_is_refused_and_nothing_changed(database: Database) -> None:
    register = SharingRegister(database)
    with pytest.raises(SharingError, match="is over"):
        register.change(["one"], PUBLIC | {"embargo_until": "2020-01-01"})
    assert register.get(["one"]) == {}


def test_one_record_that_cannot_be_changed_leaves_all_as_they_were(database: Database) -> None:
    register = SharingRegister(database)
    register.change(["one"], {"group": "lab"})
    with pytest.raises(SharingError, match="no group is named"):
        register.change(["one", "two"], {"visibility": "group"})
    assert register.get(["one"])["one"].visibility is Visibility.PRIVATE


def test_a_data_set_has_a_record_of_its_own(database: Database) -> None:
    register = SharingRegister(database)
    register.change(["one"], PUBLIC, Kind.DATASET)
    assert register.get(["one"]) == {}
    assert [name for name, _ in register.all_of(Kind.DATASET)] == ["one"]


def test_the_register_knows_when_an_embargo_ended_last(database: Database) -> None:
    register = SharingRegister(database)
    first, second = (datetime(2090, month, 1, tzinfo=UTC) for month in (1, 2))
    for end in (second, first, second):
        register.change([str(end)], PUBLIC | {"embargo_until": end})
    state = register.state()
    second_before = timedelta(seconds=1)
    assert state.last_end(first - second_before) < first
    assert state.last_end(first) == state.last_end(second - second_before) == first
    assert state.last_end(second) == second
