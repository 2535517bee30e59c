"""The rule of who sees what, case by case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from surfalign.stores.sharing.record import Sharing
from surfalign.stores.sharing.visibility import ANYONE, OWNER, Role, Viewer, may_see, visible_to

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
ANNA = Viewer("anna", frozenset({"lab"}))
BERT = Viewer("bert", frozenset({"lab"}))
CARL = Viewer("carl", frozenset({"other"}), Role.CONTRIBUTOR)
DORA = Viewer("dora", role=Role.ADMIN)
PRIVATE = Sharing(owner="anna", group="lab")
GROUP = Sharing(owner="anna", group="lab", visibility="group")
PUBLIC = Sharing(owner="anna", group="lab", visibility="public")
EMBARGOED = Sharing(
    owner="anna", group="lab", visibility="public", embargo_until=NOW + timedelta(minutes=1)
)
ENDED = Sharing(owner="anna", group="lab", visibility="public", embargo_until=NOW)


@pytest.mark.parametrize(
    ("record", "seen_by"),
    [
        (None, [OWNER, DORA]),
        (Sharing(), [OWNER, DORA]),
        (PRIVATE, [OWNER, DORA, ANNA]),
        (GROUP, [OWNER, DORA, ANNA, BERT]),
        (EMBARGOED, [OWNER, DORA, ANNA, BERT]),
        (PUBLIC, [OWNER, DORA, ANNA, BERT, CARL, ANYONE]),
        (ENDED, [OWNER, DORA, ANNA, BERT, CARL, ANYONE]),
    ],
)
def test_who_sees_a_record(record: Sharing | None, seen_by: list[Viewer]) -> None:
    everybody = [OWNER, DORA, ANNA, BERT, CARL, ANYONE]
    assert [viewer for viewer in everybody if may_see(record, viewer, NOW)] == seen_by


def test_the_filter_of_who_sees_all_is_empty() -> None:
    assert visible_to(OWNER, NOW) == visible_to(DORA, NOW) == {}
    assert visible_to(ANYONE, NOW)
