"""Questions to jobflow's store that jobflow does not answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from surfalign.batches import batches

if TYPE_CHECKING:
    from jobflow import JobStore
    from pymongo.collection import Collection

#: Uuids in one query.
GROUP_SIZE = 1000


def finished_uuids(jobstore: JobStore, uuids: Iterable[str]) -> set[str]:
    """Return those of ``uuids`` whose job has an output in the store.

    A job that returned nothing counts as unfinished: jobflow stores an empty output for a job that asks
    to be replaced by others (``Response(replace=...)``), long before those have run.

    Parameters
    ----------
    jobstore
        A connected store.
    uuids
        Identifiers of jobs.
    """
    return {document["uuid"] for document in _finished(jobstore, uuids, {"uuid": 1, "_id": 0})}


def completion_times(jobstore: JobStore, uuids: Iterable[str]) -> dict[str, str]:
    """Return when the finished ones among some jobs completed: ISO text, of the machine's local time.

    It tells one version of an output from another; times of different machines do not compare.

    Parameters
    ----------
    jobstore
        A connected store.
    uuids
        Identifiers of jobs.
    """
    projection = {"uuid": 1, "index": 1, "completed_at": 1, "_id": 0}
    latest = _latest(_finished(jobstore, uuids, projection))
    return {uuid: str(document.get("completed_at")) for uuid, document in latest.items()}


def outputs(jobstore: JobStore, uuids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the stored outputs of the finished ones among some jobs, by uuid.

    Parameters
    ----------
    jobstore
        A connected store.
    uuids
        Identifiers of jobs; few, as all outputs are held in memory.
    """
    found = _latest(_finished(jobstore, uuids, {"uuid": 1, "index": 1, "output": 1, "_id": 0}))
    return {uuid: document["output"] for uuid, document in found.items()}


def recent_jobs(jobs: Collection[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Return step, wall time (s) and end (UTC) of the jobs that completed last.

    Parameters
    ----------
    jobs
        Collection of the job outputs.
    limit
        How many at most.
    """
    # Local times of several machines order well enough for a sample.
    found = jobs.find(
        {"completed_at": {"$gt": ""}},
        {
            "_id": 0,
            "metadata.step": 1,
            "output.created_at": 1,
            "output.calculation.started_at": 1,
            "output.calculation.wall_time": 1,
        },
        sort={"completed_at": -1},
        limit=limit,
    )
    return [_timing(job) for job in found]


def _timing(job: dict[str, Any]) -> dict[str, Any]:
    output = job.get("output")
    output = output if isinstance(output, dict) else {}
    calculation = output.get("calculation") or {}
    wall_time, started = calculation.get("wall_time"), _utc(calculation.get("started_at"))
    ended = _utc(output.get("created_at"))
    if started is not None and wall_time is not None:
        ended = started + timedelta(seconds=wall_time)
    step = (job.get("metadata") or {}).get("step", "")
    return {"step": step, "wall_time": wall_time, "ended_at": ended}


def _utc(time: Any) -> datetime | None:
    """Read a stored time: a datetime or ISO text, UTC where nothing else is said."""
    if isinstance(time, dict):  # monty's
        time = time.get("string")
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    if not isinstance(time, datetime):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _finished(
    jobstore: JobStore, uuids: Iterable[str], projection: dict[str, int]
) -> Iterator[dict[str, Any]]:
    for group in batches(sorted(set(uuids)), GROUP_SIZE):
        yield from jobstore.query(
            {"uuid": {"$in": group}, "output": {"$ne": None}}, properties=projection
        )


def _latest(documents: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the document of highest index of each uuid: a job may have been replaced."""
    latest: dict[str, dict[str, Any]] = {}
    for document in documents:
        known = latest.get(document["uuid"])
        if known is None or known["index"] < document["index"]:
            latest[document["uuid"]] = document
    return latest
