"""Builders: from the outputs of jobs to the collection of results."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from jobflow import JobStore
from maggma.core import Builder, Store
from maggma.utils import grouper
from pydantic import ValidationError
from pymongo.errors import BulkWriteError

from surfalign.stores.documents import ResultState, SurfaceLevelsDocument

logger = logging.getLogger(__name__)

#: Documents carry structures and curves (some 100 kB): few at a time.
CHUNK_SIZE = 50
DUPLICATE_KEY = 11000


class SurfaceLevelsBuilder(Builder):
    """Copy every :class:`SurfaceLevelsDocument` among the jobs' outputs to the store of results.

    The target holds, for each identifier, the best of its sources: one with numbers before a failed
    one, then the youngest. Which source a result came from is stored with it (``built_from``), so that
    a pass is incremental: it rewrites a result only where its best source is another one or was
    updated. maggma's MapBuilder needs one key for both sides and compares truncated times; its
    GroupBuilder overlooks updated sources. Neither fits.

    Parameters
    ----------
    jobs
        jobflow's store.
    surface_levels
        The store of results, with ``identifier`` as its key.
    chunk_size
        Documents held in memory at a time.
    """

    def __init__(self, jobs: JobStore, surface_levels: Store, chunk_size: int = CHUNK_SIZE) -> None:
        self.jobs = jobs
        self.surface_levels = surface_levels
        super().__init__(sources=[jobs], targets=[surface_levels], chunk_size=chunk_size)

    def get_items(self) -> Iterator[dict[str, Any]]:
        """Yield the job documents whose result is missing in the target or out of date."""
        for chunk in grouper(self._best_sources(), self.chunk_size):
            built = {
                result["identifier"]: result.get("built_from")
                for result in self.surface_levels.query(
                    {"identifier": {"$in": [source["identifier"] for source in chunk]}},
                    properties={"identifier": 1, "built_from": 1, "_id": 0},
                )
            }
            for source in chunk:
                if built.get(source["identifier"]) == source["built_from"]:
                    continue
                uuid, index = source["built_from"]["uuid"], source["built_from"]["index"]
                job = self.jobs.query_one({"uuid": uuid, "index": index})
                if job is not None:  # deleted meanwhile
                    yield job

    def process_item(self, item: dict[str, Any]) -> dict[str, Any] | None:
        """Return the result of a job document, or None where it does not fit the schema."""
        try:
            SurfaceLevelsDocument.model_validate(item["output"])
        except ValidationError as error:
            logger.warning("Output of job %s is no valid result: %s", item["uuid"], error)
            return None
        return {**item["output"], "built_from": _built_from(item)}

    def update_targets(self, items: list[dict[str, Any]]) -> None:
        """Insert or replace by identifier."""
        if not items:
            return
        try:
            self.surface_levels.update(items)
        except BulkWriteError as error:
            # Two builders inserted the same new identifier: the second finds it now and replaces it.
            if any(e["code"] != DUPLICATE_KEY for e in error.details["writeErrors"]):
                raise
            self.surface_levels.update(items)

    def run(self, log_level: int = logging.DEBUG) -> int:
        """Make one pass; return how many results were written.

        Unlike maggma's own it leaves the root logger alone and the connections open.

        Parameters
        ----------
        log_level
            Without effect, as logging is the caller's; part of maggma's interface.
        """
        self.jobs.connect()
        self.surface_levels.connect()
        written = 0
        for chunk in grouper(self.get_items(), self.chunk_size):
            results = [result for job in chunk if (result := self.process_item(job)) is not None]
            self.update_targets(results)
            written += len(results)
        return written

    def _best_sources(self) -> Iterator[dict[str, Any]]:
        """Yield the best source of each identifier, in the order of the identifiers."""
        candidates = self.jobs.query(
            {"output.@class": SurfaceLevelsDocument.__name__},
            properties={
                "_id": 0,
                "completed_at": 1,
                "output.identifier": 1,
                "output.state": 1,
                "output.created_at": 1,
            },
            sort={"output.identifier": 1},
        )
        for identifier, sources in groupby(candidates, lambda job: job["output"].get("identifier")):
            if identifier is not None:
                yield {"identifier": identifier, "built_from": _built_from(_best(sources))}


def _best(sources: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the source to prefer: computed before failed, then the youngest."""

    def rank(job: dict[str, Any]) -> tuple[bool, str, str, int]:
        output = job["output"]
        return (
            output.get("state") != ResultState.FAILED,
            # UTC times; completed_at is local time and only breaks ties.
            str(output.get("created_at")),
            job.get("completed_at") or "",
            job["index"],
        )

    return max(sources, key=rank)


def _built_from(job: dict[str, Any]) -> dict[str, Any]:
    """Return what identifies one version of a job's output."""
    return {"uuid": job["uuid"], "index": job["index"], "completed_at": job.get("completed_at")}
