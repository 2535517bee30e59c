"""What a launcher's collection of jobs tells by itself: counts by step and state, and whether all is held.

Both workflow managers keep one document a job. Looking at them takes pymongo alone; the managers' own
packages, which load slowly, are for those who change something.
"""

from __future__ import annotations

import logging
from collections.abc import Collection as Container
from collections.abc import Mapping
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection

from surfalign.launchers.cluster.job_files import connection_options
from surfalign.launchers.cluster.launcher import JobState

logger = logging.getLogger(__name__)

#: Collection of the launcher's own facts: whether the campaign is paused.
FACTS = "launcher_facts"
#: The fact that names what keeps queues and clusters from working.
TROUBLES = "troubles"
#: What a pause of the whole campaign holds.
_HELD = (JobState.WAITING, JobState.READY)


class JobTable:
    """The jobs of one launcher in the database.

    Parameters
    ----------
    uri, name
        Address of the database, password included, and its name.
    collection
        Name of the collection of jobs.
    step
        Field of a job that holds its kind of step.
    states
        What the launcher's words for states mean.
    """

    def __init__(
        self, uri: str, name: str, collection: str, *, step: str, states: Mapping[str, JobState]
    ) -> None:
        client: MongoClient[dict[str, Any]] = MongoClient(uri, **connection_options(patient=False))
        self.database = client[name]
        self.jobs = self.database[collection]
        self._step = step
        self._states = states

    def close(self) -> None:
        """Close the connection."""
        self.database.client.close()

    def names(self, states: Container[JobState]) -> list[str]:
        """Return the launcher's words for some states."""
        return [name for name, state in self._states.items() if state in states]

    def counts(self) -> dict[str, dict[JobState, int]]:
        """Count the jobs by step and state, in one aggregation."""
        group = {
            "$group": {"_id": {"step": f"${self._step}", "state": "$state"}, "number": {"$sum": 1}}
        }
        table: dict[str, dict[JobState, int]] = {}
        for row in self.jobs.aggregate([group]):
            state = self._states[row["_id"].get("state", "WAITING")]
            states = table.setdefault(row["_id"].get("step") or "", {})
            states[state] = states.get(state, 0) + row["number"]
        return table

    @property
    def paused(self) -> bool:
        """Whether the whole campaign is held."""
        fact = self.database[FACTS].find_one({"_id": "paused"})
        return bool(fact and fact["value"])

    def pause(self, value: bool) -> int:
        """Hold or release the whole campaign; return how many jobs wait."""
        self.database[FACTS].update_one({"_id": "paused"}, {"$set": {"value": value}}, upsert=True)
        return self.jobs.count_documents({"state": {"$in": self.names(_HELD)}})

    def note_trouble(self, place: str, trouble: str) -> None:
        """Note what keeps a queue or a cluster from working; an empty text ends it."""
        field = place.replace(".", "-")  # a dot in a name would nest
        change = {"$set": {field: trouble}} if trouble else {"$unset": {field: ""}}
        self.database[FACTS].update_one({"_id": TROUBLES}, change, upsert=True)

    def troubles(self) -> dict[str, str]:
        """Return what keeps queues and clusters from working, as the worker noted it."""
        return troubles_in(self.database[FACTS])


class Troubles:
    """What a worker finds wrong with queues and clusters: told once to the log, and noted for people.

    Parameters
    ----------
    table
        Where it is noted.
    """

    def __init__(self, table: JobTable) -> None:
        self._table = table
        self._noted = table.troubles()

    def note(self, place: str, trouble: str) -> None:
        """Note what keeps a place from working; an empty text ends it."""
        if self._noted.get(place, "") != trouble:
            self._noted[place] = trouble
            self._table.note_trouble(place, trouble)
            if trouble:
                logger.error("%s: %s", place, trouble)


def troubles_in(facts: Collection[dict[str, Any]]) -> dict[str, str]:
    """Return what keeps queues and clusters from working.

    Parameters
    ----------
    facts
        The collection :data:`FACTS` of the results database.
    """
    found = facts.find_one({"_id": TROUBLES}) or {}
    return {place: trouble for place, trouble in sorted(found.items()) if place != "_id"}
