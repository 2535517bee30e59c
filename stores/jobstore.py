"""Questions to jobflow's store that jobflow does not answer."""

from __future__ import annotations

from collections.abc import Iterable

from jobflow import JobStore


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
    wanted = list(uuids)
    if not wanted:
        return set()
    found = jobstore.query(
        {"uuid": {"$in": wanted}, "output": {"$ne": None}}, properties={"uuid": 1, "_id": 0}
    )
    return {document["uuid"] for document in found}
