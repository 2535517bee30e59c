"""What a sharing record may say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from surfalign.errors import SharingError
from surfalign.stores.sharing.record import Sharing, Visibility, changed


def test_a_record_is_private_and_belongs_to_nobody_where_nothing_is_said() -> None:
    assert changed(None, {}) == Sharing(owner="", group="", visibility=Visibility.PRIVATE)


def test_a_change_leaves_the_other_values() -> None:
    before = changed(None, {"owner": "anna", "licence": "cc-by-4.0"})
    after = changed(before, {"visibility": "public", "doi": "https://doi.org/10.5281/zenodo.12"})
    assert (after.owner, after.licence, after.doi) == ("anna", "CC-BY-4.0", "10.5281/zenodo.12")


def test_an_embargo_ends_at_a_whole_minute_of_utc() -> None:
    tokyo = datetime(2027, 1, 1, 0, 0, 1, tzinfo=timezone(timedelta(hours=9)))
    record = changed(None, {"visibility": "public", "embargo_until": tokyo})
    assert record.embargo_until == datetime(2026, 12, 31, 15, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"owner": "../anna"}, "owner cannot be '../anna'"),
        ({"owner": "a" * 65}, "owner cannot be"),
        ({"group": "a b"}, "group cannot be 'a b'"),
        ({"visibility": "secret"}, "visibility cannot be 'secret'"),
        ({"visibility": "group"}, "no group is named"),
        ({"visibility": "group", "group": "lab", "embargo_until": datetime.now(UTC)}, "an embargo"),
        ({"embargo_until": "tomorrow"}, "embargo_until cannot be 'tomorrow'"),
        ({"licence": "free"}, "licence cannot be 'free'"),
        ({"doi": "zenodo.12"}, "doi cannot be 'zenodo.12'"),
        ({"citation": "x" * 2001}, "citation cannot be"),
        ({"citation": "\x00"}, "citation cannot be"),
        ({"colour": "red"}, "there is no colour"),
    ],
)
def test_what_cannot_be_is_named(changes: dict[str, Any], found: str) -> None:
    with pytest.raises(SharingError, match=found):
        changed(None, changes)


def test_a_licence_of_ones_own_is_named_as_spdx_does() -> None:
    assert changed(None, {"licence": "LicenseRef-our-lab"}).licence == "LicenseRef-our-lab"
