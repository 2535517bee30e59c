"""Builders: from the outputs of jobs to the collection of results."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from jobflow import JobStore
from maggma.core import Builder, Store
from maggma.utils import grouper
from pydantic import ValidationError
from pymongo.errors import BulkWriteError

from surfalign.batches import batches
from surfalign.stores.changed_outputs import ChangedOutputs
from surfalign.stores.connection.failures import DUPLICATE_KEY
from surfalign.stores.documents import ResultState, SurfaceLevelsDocument
from surfalign.stores.jobstore import completion_times, outputs
from surfalign.stores.levels import LEVELS_VERSION
from surfalign.stores.query.fields import large_fields
from surfalign.stores.recomputation import can_recompute, recompute

logger = logging.getLogger(__name__)

#: Results looked at in one go.
CHUNK_SIZE = 50
#: Results whose documents are held in memory at a time; those of the steps are some 100 kB each.
BATCH_SIZE = 10
#: Outputs of a result's steps, by name, to those of today.
Renew = Callable[[Mapping[str, Any]], Mapping[str, Any]]
_LARGE = frozenset(large_fields(SurfaceLevelsDocument))


@dataclass(frozen=True)
class BuildItem:
    """A result to be built.

    Parameters
    ----------
    job
        The store's document of the job that aligned the levels.
    steps
        Outputs of the steps by name, where the levels are to be computed again; else None.
    built_from
        Which versions of the sources these are.
    is_new
        Whether nothing has been built under its identifier so far.
    """

    job: dict[str, Any]
    steps: dict[str, dict[str, Any]] | None
    built_from: dict[str, Any]
    is_new: bool


class SurfaceLevelsBuilder(Builder):
    """Bring the store of results up to date with the outputs of the jobs.

    The target holds, for each identifier, the best of its sources: one with numbers before a failed
    one, then the youngest. With a result is stored what it was built from (``built_from``): job, times
    of completion of the job and of every step behind it, version of the formulas. A pass compares
    these and rewrites a result only where one differs, so a pass is incremental and can be repeated. It
    looks at the results of those jobs only that are new or changed (:mod:`.changed_outputs`), and at all of
    them where results are missing.

    The levels of the aligning job are taken over where it used today's formulas on today's documents
    of the steps. Otherwise they are computed again from the stored documents, potentials included, by
    the function that the job calls: a mended formula needs no new DFT.

    maggma's MapBuilder needs one key for both sides and compares truncated times; its GroupBuilder
    overlooks updated sources. Neither fits.

    Parameters
    ----------
    jobs
        jobflow's store.
    surface_levels
        The store of results, with ``identifier`` as its key.
    chunk_size
        Results compared at a time.
    recompute_all
        Whether all levels are computed again from the documents of the steps.
    compare_all
        Whether all results are compared with their sources, as after outputs were edited or deleted by
        hand.
    renew
        Turns stored outputs of steps into what would be stored today, before levels are computed from them.
    """

    def __init__(
        self,
        jobs: JobStore,
        surface_levels: Store,
        chunk_size: int = CHUNK_SIZE,
        recompute_all: bool = False,
        compare_all: bool = False,
        renew: Renew = dict,
    ) -> None:
        self.renew = renew
        self.jobs = jobs
        self.surface_levels = surface_levels
        self.recompute_all = recompute_all
        self.compare_all = compare_all or recompute_all
        super().__init__(sources=[jobs], targets=[surface_levels], chunk_size=chunk_size)

    def get_items(self) -> Iterator[BuildItem]:
        """Yield the results that are missing in the target or out of date, with their sources."""
        for chunk in grouper(self._best_sources({}), self.chunk_size):
            yield from self._stale(chunk, self.recompute_all)

    def process_item(self, item: BuildItem) -> dict[str, Any] | None:
        """Return the result, or None where the job's output does not fit the schema."""
        output = item.job["output"]
        # Structures and curves are checked by those who read them: decoding them takes long.
        small = {name: value for name, value in output.items() if name not in _LARGE}
        try:
            SurfaceLevelsDocument.model_validate(small)
            if item.steps is not None:
                output = recompute(output, self.renew(item.steps))
        except ValidationError as error:
            logger.warning("Output of job %s is no valid result: %s", item.job["uuid"], error)
            return None
        return {**output, "built_from": item.built_from}

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
        outputs, results = self.jobs.docs_store._collection, self.surface_levels._collection
        changes = ChangedOutputs(outputs, results, LEVELS_VERSION)
        written = inserted = 0
        if self.compare_all or not changes.can_be_trusted():
            generation = changes.generation()
            written, inserted = self._write(self.get_items(), changes)
            if not changes.finish(changes.noted, generation):
                return written  # the next build compares all again
        else:
            for notes in changes.batches():
                generation = changes.generation()
                more, new = self._write(self._changed_items(changes.identifiers(notes)), changes)
                written, inserted = written + more, inserted + new
                changes.finish(notes, generation)
        changes.end(inserted)
        return written

    def _changed_items(self, identifiers: Iterable[str]) -> Iterator[BuildItem]:
        """Yield what is to be built among some results."""
        for chunk in batches(sorted(identifiers), self.chunk_size):
            sources = list(self._best_sources({"output.identifier": {"$in": chunk}}))
            yield from self._stale(sources)

    def _write(self, items: Iterable[BuildItem], changes: ChangedOutputs) -> tuple[int, int]:
        """Write the results of some items; return how many, and how many of them are new."""
        written = inserted = 0
        for batch in batches(items, BATCH_SIZE):
            changes.begin_changes()
            for item in batch:
                changes.saw((item.built_from["completed_at"], *item.built_from["steps"].values()))
            built = [(item, self.process_item(item)) for item in batch]
            self.update_targets([result for _, result in built if result is not None])
            written += sum(result is not None for _, result in built)
            inserted += sum(item.is_new and result is not None for item, result in built)
        return written, inserted

    def _best_sources(self, chosen: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the best source of each chosen identifier, in the order of the identifiers."""
        candidates = self.jobs.query(
            {"output.@class": SurfaceLevelsDocument.__name__, **chosen},
            properties={
                "_id": 0,
                "completed_at": 1,
                "output.identifier": 1,
                "output.state": 1,
                "output.created_at": 1,
                "output.provenance": 1,
            },
            sort={"output.identifier": 1},
        )
        for identifier, sources in groupby(candidates, lambda job: job["output"].get("identifier")):
            if identifier is not None:
                yield _best(sources)

    def _stale(
        self, sources: Sequence[dict[str, Any]], recompute_all: bool = False
    ) -> Iterator[BuildItem]:
        """Yield what is to be built among a few sources, all of it with ``recompute_all``."""
        steps = {uuid for source in sources for uuid in _provenance(source).values()}
        times = completion_times(self.jobs, steps)
        built = {
            result["identifier"]: result.get("built_from")
            for result in self.surface_levels.query(
                {"identifier": {"$in": [source["output"]["identifier"] for source in sources]}},
                properties={"identifier": 1, "built_from": 1, "_id": 0},
            )
        }
        stale = [
            (source, built_from, before)
            for source in sources
            for built_from in [_built_from(source, times)]
            for before in [built.get(source["output"]["identifier"])]
            if recompute_all or before != built_from
        ]
        for batch in batches(stale, BATCH_SIZE):
            yield from self._items(batch, recompute_all)

    def _items(
        self,
        stale: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]],
        recompute_all: bool,
    ) -> Iterator[BuildItem]:
        """Fetch the documents of a few results."""
        found = self.jobs.query({"uuid": {"$in": [source["uuid"] for source, _, _ in stale]}})
        jobs = {(job["uuid"], job["index"]): job for job in found}
        present = [
            (job, built_from, before, recompute_all or _is_outdated(job, built_from, before))
            for source, built_from, before in stale
            # Deleted meanwhile?
            if (job := jobs.get((source["uuid"], source["index"]))) is not None
        ]
        needed = {uuid for job, *_, old in present if old for uuid in _provenance(job).values()}
        documents = outputs(self.jobs, needed)
        for job, built_from, before, outdated in present:
            steps = {
                step: documents[uuid]
                for step, uuid in _provenance(job).items()
                if uuid in documents
            }
            computable = outdated and can_recompute(job["output"], steps)
            if outdated and not computable:
                logger.info("The steps behind %s are not stored any more", job["uuid"])
            yield BuildItem(job, steps if computable else None, built_from, is_new=not before)


def _is_outdated(
    job: dict[str, Any], built_from: dict[str, Any], before: dict[str, Any] | None
) -> bool:
    """Ask whether the job's own levels are not those of today's formulas and steps."""
    output = job["output"]
    if output.get("state") == ResultState.FAILED:
        return False
    if output.get("levels_version") != LEVELS_VERSION:
        return True
    before = before or {}
    if _source(before) == _source(built_from) and before.get("steps") != built_from["steps"]:
        return True
    # Clocks of several machines: an hour's difference costs a needless computation at worst.
    completed = job.get("completed_at") or ""
    return any(time > completed for time in built_from["steps"].values())


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


def _provenance(job: dict[str, Any]) -> dict[str, str]:
    return job["output"].get("provenance") or {}


def _built_from(job: dict[str, Any], times: dict[str, str]) -> dict[str, Any]:
    """Return what identifies one version of all the sources of a result."""
    return {
        "uuid": job["uuid"],
        "index": job["index"],
        "completed_at": job.get("completed_at"),
        "levels_version": LEVELS_VERSION,
        "steps": {
            step: times[uuid] for step, uuid in sorted(_provenance(job).items()) if uuid in times
        },
    }


def _source(built_from: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return which version of which job's output."""
    return built_from.get("uuid"), built_from.get("index"), built_from.get("completed_at")
