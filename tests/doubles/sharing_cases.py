"""Random sharing records and people for property-based tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from surfalign.stores.sharing.record import Sharing, Visibility
from surfalign.stores.sharing.visibility import Role, Viewer

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
OWNERS = ("", "anna", "bert", "carl")
GROUPS = ("", "lab", "club")


def records(now: datetime = NOW, minutes: int = 3) -> st.SearchStrategy[Sharing | None]:
    """Return records whose embargoes end around a time, and None."""
    ends = st.integers(-minutes, minutes).map(lambda n: now + timedelta(minutes=n))
    return st.none() | st.builds(
        Sharing,
        owner=st.sampled_from(OWNERS),
        group=st.sampled_from(GROUPS),
        visibility=st.sampled_from(list(Visibility)),
        embargo_until=st.none() | ends,
    )


def viewers() -> st.SearchStrategy[Viewer]:
    """Return people with names, groups and roles, nobody in particular among them."""
    return st.builds(
        Viewer,
        name=st.sampled_from(OWNERS),
        groups=st.frozensets(st.sampled_from(GROUPS[1:])),
        role=st.sampled_from(list(Role)),
    )
