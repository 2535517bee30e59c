"""Numbers that two processes never get both, on every server that speaks MongoDB's protocol.

FireWorks and jobflow-remote number their documents by ``find_one_and_update({}, {"$inc": ...})`` and take
the number from the document that comes back. MongoDB reads and changes it in one step. The local server
(SecantusDB, beta) changes it in one step, too, but may return the same document to callers that come at
the same moment: two jobs get one number, and one of them is overwritten. A conditional update is
atomic on both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fireworks import LaunchPad
    from pymongo.collection import Collection


class Counters:
    """A collection of counters; everything but increments goes to the collection as it is.

    Parameters
    ----------
    collection
        Where the counters are.
    """

    def __init__(self, collection: Collection[dict[str, Any]]) -> None:
        self._collection = collection

    def __getattr__(self, name: str) -> Any:
        """Return what the collection offers."""
        return getattr(self._collection, name)

    def find_one_and_update(
        self, filter: Mapping[str, Any], update: Mapping[str, Any], **options: Any
    ) -> Any:
        """Increment, and return the document as it was before; None where there is none.

        Parameters
        ----------
        filter, update, options
            As pymongo's; other updates than a plain ``$inc`` are left to the collection.
        """
        if set(update) != {"$inc"} or options:
            return self._collection.find_one_and_update(filter, update, **options)
        while (before := self._collection.find_one(filter)) is not None:
            unchanged = {"_id": before["_id"]} | {name: before[name] for name in update["$inc"]}
            if self._collection.update_one(unchanged, update).modified_count:
                return before
        return None


def number_one_at_a_time() -> None:
    """Let every launchpad of this process draw its numbers through :class:`Counters`.

    FireWorks makes its launchpads itself on the compute nodes, hence a change of the class.
    """
    from fireworks import LaunchPad

    if not isinstance(vars(LaunchPad).get("fw_id_assigner"), property):
        LaunchPad.fw_id_assigner = property(_counters, _set_counters)


def _counters(launchpad: LaunchPad) -> Counters:
    counters: Counters = launchpad.__dict__["fw_id_assigner"]
    return counters


def _set_counters(launchpad: LaunchPad, collection: Collection[dict[str, Any]]) -> None:
    launchpad.__dict__["fw_id_assigner"] = Counters(collection)
