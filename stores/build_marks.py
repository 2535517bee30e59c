"""Which outputs of jobs the results rest on already, so that a build looks only at what is new or changed.

No clock decides this. The builder marks a document once the results that rest on it are written. jobflow
stores an output again by replacing its document, and the mark goes with the old one: new, repeated and
copied documents, stamped by whatever clock, are those without a mark. An index finds them.

More traces are kept in one small document. The numbers of outputs and of built results tell whether some
were deleted, or copied here with their marks. The latest time of completion finds documents that were
edited in place, which keeps the mark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pymongo.errors import DuplicateKeyError

from surfalign.batches import batches
from surfalign.stores.database import BUILDS, BUILT_UUID, BUILT_VERSION, PROVENANCE, SURFACE_LEVELS
from surfalign.stores.documents import SurfaceLevelsDocument

if TYPE_CHECKING:
    from pymongo.collection import Collection

#: Documents looked at and marked in one go.
BATCH_SIZE = 200
#: Times of completion are local times of many machines: one further ahead than this is no time of now.
_CLOCKS_DIFFER_BY = timedelta(days=1)
_SHOWN = {"uuid": 1, "completed_at": 1, "output.@class": 1, "output.identifier": 1}


class BuildMarks:
    """The marks in the collection of job outputs, and the two traces.

    Parameters
    ----------
    jobs
        Outputs of the jobs.
    results
        What is built from them.
    version
        Of the formulas: documents marked by an earlier one count as changed.
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
        self._record = jobs.database[BUILDS]
        self._key = {"_id": SURFACE_LEVELS}
        with suppress(DuplicateKeyError):  # two builders make it at once
            self._record.update_one(self._key, {"$setOnInsert": {"generation": 0}}, upsert=True)
        self._before = self._record.find_one(self._key) or {}
        self._latest: str | None = self._before.get("latest")
        # An index finds the missing by None; of a negation it makes a walk through everything.
        self._unmarked = {BUILT_VERSION: {"$in": [None, *range(1, version)]}}
        # The server knows how many documents there are without reading them.
        self._outputs = int(jobs.estimated_document_count())
        # Failures that a launcher reported are stored among the results, but not built.
        reported = results.count_documents({BUILT_UUID: None})
        self._results = int(results.estimated_document_count()) - int(reported)
        self._changing = False

    def can_be_trusted(self) -> bool:
        """Ask whether all is there that earlier builds left, and nothing else is marked."""
        if "results" not in self._before:
            # Never built, or a build was killed, or the marks were copied here without this note.
            return self.jobs.find_one({BUILT_VERSION: {"$gte": 1}}, {"_id": 1}) is None
        if self._results != self._before["results"]:
            return False
        new = self._outputs - int(self._before["outputs"])
        return 0 <= new <= self.jobs.count_documents(self._unmarked)

    def changed(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the documents that are new or changed since they were marked, in batches.

        Each has its ``uuid``, its ``completed_at``, and of its output class and identifier.
        """
        found = self.jobs.find(self._unmarked, _SHOWN, batch_size=BATCH_SIZE)
        yield from batches(found, BATCH_SIZE)
        if self._latest is not None:
            edited = {"completed_at": {"$gt": self._latest}, BUILT_VERSION: self.version}
            yield from batches(self.jobs.find(edited, _SHOWN), BATCH_SIZE)

    def identifiers(self, documents: Sequence[dict[str, Any]]) -> set[str]:
        """Return the identifiers of the results that rest, or are to rest, on some documents."""
        found = set()
        for document in documents:
            output = document.get("output")
            # A class is named in the outputs of results alone, see the projection.
            if isinstance(output, dict) and output.get("@class") == SurfaceLevelsDocument.__name__:
                found.add(output.get("identifier"))
        uuids = [document["uuid"] for document in documents]
        for source in (BUILT_UUID, *(f"provenance.{step}" for step in PROVENANCE)):
            built = self.results.find({source: {"$in": uuids}}, {"_id": 0, "identifier": 1})
            found |= {result["identifier"] for result in built}
        return {identifier for identifier in found if identifier is not None}

    def generation(self) -> int:
        """Return a number that changes whenever any builder marks something."""
        found = self._record.find_one(self._key, {"generation": 1})
        return int(found["generation"]) if found else 0

    def begin_changes(self) -> None:
        """Note that results are being written: a build that is killed leaves no numbers."""
        if not self._changing:
            self._changing = True
            self._record.update_one(self._key, {"$unset": {"results": "", "outputs": ""}})

    def mark(self, documents: Sequence[dict[str, Any]], generation: int) -> None:
        """Mark documents whose results are written, unless they were replaced meanwhile.

        Where another builder has marked something since ``generation`` was read, the two may have seen
        different versions of one step, and written them in either order: then the marks of these documents
        are taken away, and the next build compares their results again.
        """
        for document in documents:
            self._note_time(document.get("completed_at"))
        chosen: dict[str, Any] = {"_id": {"$in": [document["_id"] for document in documents]}}
        if not self._advance(generation):
            self.jobs.update_many(chosen, {"$unset": {BUILT_VERSION: ""}})
            return
        # Two versions of an output differ in the microsecond at which they were completed.
        times = list({document.get("completed_at") for document in documents})
        seen = chosen | {"completed_at": {"$in": times}}
        self.jobs.update_many(seen, {"$set": {BUILT_VERSION: self.version}})
        # Whoever looked for results while these were being marked has not seen all.
        self._record.update_one(self._key, {"$inc": {"generation": 1}})

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
            "latest": self._latest or "",
        }
        self._record.update_one(self._key, {"$set": traces})

    def _note_time(self, completed_at: Any) -> None:
        limit = (datetime.now() + _CLOCKS_DIFFER_BY).isoformat()
        if isinstance(completed_at, str) and completed_at < limit:
            self._latest = max(self._latest or "", completed_at)

    def _advance(self, generation: int) -> bool:
        """Raise the generation by one, if nobody else has."""
        unchanged = self._key | {"generation": generation}
        return bool(self._record.update_one(unchanged, {"$inc": {"generation": 1}}).modified_count)
