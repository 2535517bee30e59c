"""The filter of the database and the plain rule agree, for any documents, people and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from sharing_cases import GROUPS, NOW, OWNERS, records, viewers

from surfalign.stores.database import Database
from surfalign.stores.query.matching import fields_of, holds
from surfalign.stores.sharing.record import Sharing, Visibility
from surfalign.stores.sharing.register import RegisterState
from surfalign.stores.sharing.visibility import ANYONE, OWNER, Role, Viewer, may_see, visible_to

MINUTES = range(-3, 4)


@settings(max_examples=1000, deadline=None)
@given(records(), viewers())
def test_the_filter_says_what_the_rule_says(record: Sharing | None, viewer: Viewer) -> None:
    stored = {"identifier": "x", "sharing": None if record is None else record.model_dump()}
    for minutes in MINUTES:
        now = NOW + timedelta(minutes=minutes)
        condition = visible_to(viewer, now)
        assert holds(condition, stored) is may_see(record, viewer, now)
        assert all(field.startswith("sharing.") for field in fields_of(condition))


@settings(max_examples=1000, deadline=None)
@given(records(), viewers())
def test_the_last_end_of_an_embargo_stands_for_the_time(
    record: Sharing | None, viewer: Viewer
) -> None:
    ends = () if record is None or record.embargo_until is None else (record.embargo_until,)
    state = RegisterState(1, (*ends, NOW - timedelta(days=1), NOW + timedelta(days=1)))
    for minutes in MINUTES:
        now = NOW + timedelta(minutes=minutes)
        assert may_see(record, viewer, state.last_end(now)) is may_see(record, viewer, now)


def test_the_database_finds_what_the_rule_says(database: Database) -> None:
    made = [
        Sharing(owner=owner, group=group, visibility=visibility, embargo_until=end)
        for owner in OWNERS for group in GROUPS for visibility in Visibility
        for end in (None, NOW - timedelta(minutes=1), NOW, NOW + timedelta(minutes=1))
    ]  # fmt: skip
    collection = database.collection("records")
    collection.insert_many(
        [
            {"number": n, "sharing": r.model_dump() | {"visibility": r.visibility.value}}
            for n, r in enumerate(made)
        ]
    )
    for viewer in (
        ANYONE, Viewer("anna"), Viewer("bert", frozenset({"lab"})), Viewer("", frozenset({"lab", "club"})),
        Viewer("carl", frozenset({"other"}), Role.CONTRIBUTOR), OWNER,
    ):  # fmt: skip
        for now in (NOW - timedelta(seconds=1), NOW, NOW + timedelta(minutes=1)):
            found = {record["number"] for record in collection.find(visible_to(viewer, now))}
            assert found == {n for n, r in enumerate(made) if may_see(r, viewer, now)}


def test_a_time_that_is_no_time_lets_nobody_see(database: Database) -> None:
    collection = database.collection("odd")
    odd = {"visibility": "public", "embargo_until": "2020-01-01", "owner": "", "group": ""}
    collection.insert_many(
        [
            {"identifier": "text", "sharing": odd},
            {"identifier": "number", "sharing": odd | {"embargo_until": 5}},
            {"identifier": "word", "sharing": odd | {"visibility": "PUBLIC"}},
            {"identifier": "list", "sharing": [odd]},
            {"identifier": "none", "sharing": None},
            {"identifier": "absent"},
        ]
    )
    condition = visible_to(ANYONE, datetime.now(UTC))
    stored = list(collection.find({}, {"_id": 0}))
    assert list(collection.find(condition)) == []
    assert [record for record in stored if holds(condition, record)] == []
