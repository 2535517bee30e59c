"""Which outputs of jobs are new or changed since the last build, so that a build looks only at these.

No clock decides this. Whoever stores an output leaves a small note of it afterwards; the builder deletes the
note once the results that rest on the output are written. The outputs themselves are large, and to mark
each of them would cost more than to build all results.

More traces are kept in one small document. The numbers of outputs and of built results tell whether some
were deleted, or stored without a note. The latest time of completion finds outputs that were edited in
place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pymongo.errors import DuplicateKeyError

from surfalign.batches import batches
from surfalign.stores.database import (
    BUILDS,
    BUILT_UUID,
    CHANGED_OUTPUTS,
    PROVENANCE,
    SURFACE_LEVELS,
)
from surfalign.stores.documents import SurfaceLevelsDocument

if TYPE_CHECKING:
    from pymongo.collection import Collection

#: Notes looked at and deleted in one go; the local server compares each document with all that are named.
BATCH_SIZE = 50
#: Times of completion are local times of many machines: one further ahead than this is no time of now.
_CLOCKS_DIFFER_BY = timedelta(days=1)
#: Looks at the outputs and at the notes: between an output and its note pass some milliseconds.
_LOOKS = 3
#: What a note holds of an output.
_NOTED = {"_id": 0, "uuid": 1, "completed_at": 1, "output.@class": 1, "output.identifier": 1}


class ChangedOutputs:
    """The notes about stored outputs, and the traces.

    Parameters
    ----------
    jobs
        Outputs of the jobs.
    results
        What is built from them.
    version
        Of the formulas: with another one all results are looked at.

    Attributes
    ----------
    noted
        The notes that there were before anything was looked at.
    """

    def __init__(
        self,
        jobs: Collection[dict[str, Any]],
        results: Collection[dict[str, Any]],
        version: int,
    ) -> None:
        self.jobs = jobs
        self.results = results
        self.version = version
        self._notes = jobs.database[CHANGED_OUTPUTS]
        self._record = jobs.database[BUILDS]
        self._key = {"_id": SURFACE_LEVELS}
        with suppress(DuplicateKeyError):  # two builders make it at once
            self._record.update_one(self._key, {"$setOnInsert": {"generation": 0}}, upsert=True)
        self._before = self._record.find_one(self._key) or {}
        self._latest: str = self._before.get("latest", "")
        for _ in range(_LOOKS):
            # The server knows how many documents there are without reading them.
            self._outputs = int(jobs.estimated_document_count())
            self.noted = list(self._notes.find())
            if self._all_are_noted():
                break
        # Failures that a launcher reported are stored among the results, but not built.
        reported = results.count_documents({BUILT_UUID: None})
        self._results = int(results.estimated_document_count()) - int(reported)
        self._changing = False

    def can_be_trusted(self) -> bool:
        """Ask whether all is there that earlier builds left, and all that came since is noted."""
        before = self._before
        # Without results it was never built, or a build was killed.
        if before.get("version") != self.version or before.get("results") != self._results:
            return False
        return self._all_are_noted()

    def _all_are_noted(self) -> bool:
        """Ask whether the number of outputs is what it was and what has been noted since."""
        noted = sum(1 for note in self.noted if note["is_new"])
        return self._outputs == int(self._before.get("outputs", 0)) + noted

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        """Yield notes of the outputs that are new or changed."""
        yield from batches(self.noted, BATCH_SIZE)
        noted = {note["uuid"] for note in self.noted}
        later = self.jobs.find({"completed_at": {"$gt": self._before["latest"]}}, _NOTED)
        edited = (document for document in later if document["uuid"] not in noted)
        yield from batches(edited, BATCH_SIZE)

    def identifiers(self, notes: Sequence[dict[str, Any]]) -> set[str]:
        """Return the identifiers of the results that rest, or are to rest, on noted outputs."""
        outputs = [note["output"] for note in notes if isinstance(note.get("output"), dict)]
        found = {
            output.get("identifier")
            for output in outputs
            if output.get("@class") == SurfaceLevelsDocument.__name__
        }
        uuids = [note["uuid"] for note in notes]
        for source in (BUILT_UUID, *(f"provenance.{step}" for step in PROVENANCE)):
            built = self.results.find({source: {"$in": uuids}}, {"_id": 0, "identifier": 1})
            found |= {result["identifier"] for result in built}
        return {identifier for identifier in found if identifier is not None}

    def saw(self, times: Iterable[Any]) -> None:
        """Remember the latest time at which an output was completed, of those that were looked at.

        Parameters
        ----------
        times
            ISO texts, or None.
        """
        limit = (datetime.now() + _CLOCKS_DIFFER_BY).isoformat()
        for time in times:
            if isinstance(time, str) and time < limit:
                self._latest = max(self._latest, time)

    def generation(self) -> int:
        """Return a number that changes whenever any builder has finished a batch."""
        found = self._record.find_one(self._key, {"generation": 1})
        return int(found["generation"]) if found else 0

    def begin_changes(self) -> None:
        """Note that results are being written: a build that is killed leaves no numbers."""
        if not self._changing:
            self._changing = True
            self._record.update_one(self._key, {"$unset": {"results": "", "outputs": ""}})

    def finish(self, notes: Sequence[dict[str, Any]], generation: int) -> bool:
        """Delete notes whose results are written; an output that was replaced meanwhile has another one.

        Return whether nobody else was building.

        Where another builder has finished a batch since ``generation`` was read, the two may have seen
        different versions of one step, and written them in either order: then the outputs are noted
        again, and the next build compares their results once more.
        """
        alone = self._advance(generation)
        self.saw(note.get("completed_at") for note in notes)
        if not alone and notes:
            again = [{k: v for k, v in note.items() if k != "_id"} for note in notes]
            self._notes.insert_many([note | {"is_new": False} for note in again])
        for some in batches([note["_id"] for note in notes if "_id" in note], BATCH_SIZE):
            self._notes.delete_many({"_id": {"$in": some}})
        if alone:
            # Whoever looked for results while these were being written has not seen all.
            self._record.update_one(self._key, {"$inc": {"generation": 1}})
        return alone

    def end(self, inserted: int) -> None:
        """Note how many outputs and results there are now.

        Parameters
        ----------
        inserted
            How many were built that had not been built before.
        """
        traces = {
            "outputs": self._outputs,
            "results": self._results + inserted,
            "latest": self._latest,
            "version": self.version,
        }
        self._record.update_one(self._key, {"$set": traces})

    def _advance(self, generation: int) -> bool:
        """Raise the generation by one, if nobody else has."""
        unchanged = self._key | {"generation": generation}
        return bool(self._record.update_one(unchanged, {"$inc": {"generation": 1}}).modified_count)
