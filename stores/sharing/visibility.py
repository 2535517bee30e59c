"""Who sees a result: the one rule, as a filter of the database and as a plain function."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from surfalign.stores.sharing.record import Sharing, Visibility

Filter = dict[str, Any]

#: Field of a stored result that holds the copy of its sharing record.
SHARING = "sharing"
#: Fields of a result that are made of other results, too, and would tell of hidden ones.
MADE_OF_OTHERS = ("area_fraction", "termination_weight")


class Role(StrEnum):
    """What a person may do."""

    READER = "reader"  # sees what is shared with them
    CONTRIBUTOR = "contributor"  # adds results, too
    ADMIN = "admin"  # sees and does all


@dataclass(frozen=True)
class Viewer:
    """Who asks.

    Parameters
    ----------
    name
        Name of the person; empty for nobody in particular.
    groups
        Groups of the person.
    role
        What the person may do.
    """

    name: str = ""
    groups: frozenset[str] = frozenset()
    role: Role = Role.READER

    @property
    def sees_all(self) -> bool:
        """Whether nothing is hidden."""
        return self.role is Role.ADMIN


#: Who runs surfalign on this machine.
OWNER = Viewer(role=Role.ADMIN)
#: Who brings no token: sees what is public.
ANYONE = Viewer()


def visible_to(viewer: Viewer, now: datetime) -> Filter:
    """Return MongoDB's filter of the results that someone may see at a time.

    A result without a sharing record is its computer's own: only who sees all sees it. :func:`may_see` says the
    same of one record.

    Parameters
    ----------
    viewer
        Who asks.
    now
        The time, with its zone.

    Returns
    -------
    dict
        Of documents of ``surface_levels``, or of any that hold a record as ``sharing``. Empty lets all be seen.
    """
    if viewer.sees_all:
        return {}
    embargo = f"{SHARING}.embargo_until"
    allowed: list[Filter] = [
        {
            f"{SHARING}.visibility": Visibility.PUBLIC.value,
            "$or": [{embargo: None}, {embargo: {"$lte": now}}],
        }
    ]
    if viewer.groups:
        allowed.append(
            {
                f"{SHARING}.group": {"$in": sorted(viewer.groups)},
                f"{SHARING}.visibility": {"$in": [Visibility.GROUP.value, Visibility.PUBLIC.value]},
            }
        )
    if viewer.name:
        allowed.append({f"{SHARING}.owner": viewer.name})
    return {"$or": allowed}


def may_see(record: Sharing | None, viewer: Viewer, now: datetime) -> bool:
    """Tell whether someone may see what a sharing record is of; see :func:`visible_to`.

    Parameters
    ----------
    record
        The record; None where there is none.
    viewer
        Who asks.
    now
        The time, with its zone.
    """
    if viewer.sees_all:
        return True
    if record is None:
        return False
    if record.owner and record.owner == viewer.name:
        return True
    if record.group in viewer.groups and record.visibility is not Visibility.PRIVATE:
        return True
    return record.visibility is Visibility.PUBLIC and (
        record.embargo_until is None or record.embargo_until <= now
    )
