"""jobflow-remote's controller, for jobs whose uuids say what they compute.

Jobs of two flows may be the same calculation, and an interrupted step of the runner may be repeated:
what is in the database already is then passed over, where jobflow-remote would stop with an error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from jobflow import Flow
from jobflow.core.flow import get_flow
from jobflow_remote import JobController
from jobflow_remote.jobs.state import JobState as RemoteState

from surfalign.launchers.cluster.atomic_counters import Counters

logger = logging.getLogger(__name__)

#: A lock that is older was left by a process that died (s); none is held for longer than a download.
LOCK_EXPIRY = 120.0
#: People wait this long for a document that the runner is changing (s).
WAIT = 30


class Controller(JobController):
    """A controller that knows equal jobs and mends what an interrupted runner left."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.auxiliary = Counters(self.auxiliary)
        #: Returns what a job asks SLURM for, or None for what its worker says; set by who submits.
        self.request: Callable[[dict[str, Any]], dict[str, str] | None] = lambda document: None

    def initialise(self) -> None:
        """Create counters and indexes where they are missing; nothing is ever reset."""
        for key, value in (("next_id", 1), ("running_runner", None), ("runner_pings", [])):
            self.auxiliary.update_one(
                {key: {"$exists": True}}, {"$setOnInsert": {key: value}}, upsert=True
            )
        self.build_indexes()
        self.jobs.create_index([("job.metadata.step", 1), ("state", 1)])

    def add_new_flow(self, flow: Flow, worker: str) -> bool:
        """Add a flow unless its last job is known; return whether it was added."""
        flow = get_flow(flow, allow_external_references=True)
        jobs = [job for job, _ in flow.iterflow()]
        known = self._known([job.uuid for job in jobs])
        if jobs[-1].uuid in known:
            return False
        if known:
            flow = Flow([job for job in _detached(jobs) if job.uuid not in known], name=flow.name)
        self.add_flow(flow, worker=worker, allow_external_references=True)
        return True

    def _append_flow(
        self, job_doc: dict[str, Any], flow_dict: dict[str, Any], new_flow_dict: dict[str, Any],
        *arguments: Any, **options: Any,
    ) -> None:  # fmt: skip
        """Append a flow less the jobs that are in the database already."""
        known = self._known(_uuids(new_flow_dict))
        if known:
            new_flow_dict = _without(new_flow_dict, known)
            if not _uuids(new_flow_dict):
                return
        super()._append_flow(job_doc, flow_dict, new_flow_dict, *arguments, **options)

    def _known(self, uuids: list[str]) -> set[str]:
        found = self.jobs.find({"uuid": {"$in": uuids}}, {"uuid": 1})
        return {document["uuid"] for document in found}

    def checkout_job(self, *arguments: Any, **options: Any) -> tuple[str, int] | None:
        """Check out a job, with what it asks SLURM for as the profile is now."""
        found: tuple[str, int] | None = super().checkout_job(*arguments, **options)
        if found is not None:
            query = {"uuid": found[0], "index": found[1]}
            shown = {"worker": 1, "resources": 1, "surfalign": 1, "job.metadata.resources": 1}
            document = self.jobs.find_one(query, shown)
            wanted = self.request(document)
            if wanted != (document.get("resources") or None):
                self.jobs.update_one(query, {"$set": {"resources": wanted}})
        return found

    # --- single jobs -------------------------------------------------------------------------

    def restart(self, db_id: str) -> None:
        """Make a failed or stopped job ready again."""
        state = RemoteState(self.jobs.find_one({"db_id": db_id}, {"state": 1})["state"])
        if state in (RemoteState.FAILED, RemoteState.REMOTE_ERROR):
            self.rerun_job(db_id=db_id, wait=WAIT, force=True)
            return
        self.set_job_state(state=RemoteState.WAITING, db_id=db_id, wait=WAIT)
        self._refresh(db_id)

    def watch(self, db_id: str, number: str) -> None:
        """Wait again for the end of a SLURM job that seemed lost."""
        values: dict[str, Any] = {
            "error": None,
            "previous_state": None,
            "remote.process_id": number,
        }
        values |= {"state": RemoteState.SUBMITTED.value, "remote.error": None}
        values |= {"remote.step_attempts": 0, "remote.retry_time_limit": None}
        self.set_job_doc_properties(values=values, db_id=db_id, wait=WAIT)

    def stop(self, db_id: str) -> None:
        """Cancel a job, in the queue of its cluster too."""
        state = RemoteState(self.jobs.find_one({"db_id": db_id}, {"state": 1})["state"])
        if state in (RemoteState.WAITING, RemoteState.PAUSED):
            self.set_job_state(state=RemoteState.USER_STOPPED, db_id=db_id, wait=WAIT)
        else:
            self.stop_job(db_id=db_id, wait=WAIT)

    def hold(self, db_id: str) -> None:
        """Pause a job."""
        self.pause_job(db_id=db_id, wait=WAIT)

    def release(self, db_id: str) -> None:
        """Resume a paused job."""
        self.resume_job(db_id=db_id, wait=WAIT)

    def _refresh(self, db_id: str) -> None:
        uuid = self.jobs.find_one({"db_id": db_id}, {"uuid": 1})["uuid"]
        flow = self.get_flow_info_by_job_uuid(uuid, ["jobs"])
        if flow:
            self.refresh_children(flow["jobs"])

    # --- what an interrupted runner leaves ---------------------------------------------------

    def break_old_locks(self, age: float = LOCK_EXPIRY) -> int:
        """Free documents whose locker died; return how many."""
        horizon = datetime.now(UTC) - timedelta(seconds=age)
        query = {"lock_id": {"$ne": None}, "lock_time": {"$lt": horizon}}
        free = {"$set": {"lock_id": None, "lock_time": None}}
        number = 0
        for collection in (self.jobs, self.flows):
            number += int(collection.update_many(query, free).modified_count)
        if number:
            logger.warning("freed %d documents that were left locked", number)
        return number

    def refresh_stuck(self) -> int:
        """Make jobs ready whose parents were completed without their noticing; return how many."""
        number = 0
        for flow in self.flows.find({"state": {"$in": ["READY", "RUNNING"]}}, {"jobs": 1}):
            states = self.jobs.distinct("state", {"uuid": {"$in": flow["jobs"]}})
            if "WAITING" in states and not set(states) - {"WAITING", "COMPLETED"}:
                number += len(self.refresh_children(flow["jobs"]))
        return number


def _detached(jobs: list[Any]) -> list[Any]:
    for job in jobs:
        job.hosts = []
    return jobs


def _uuids(flow: dict[str, Any]) -> list[str]:
    """Return the uuids of a serialised flow's jobs."""
    if flow.get("@class") != "Flow":
        return [flow["uuid"]]
    return [uuid for job in flow["jobs"] for uuid in _uuids(job)]


def _without(flow: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """Return a serialised flow less some jobs."""
    if flow.get("@class") != "Flow":
        return flow
    kept = [_without(job, known) for job in flow["jobs"] if set(_uuids(job)) - known]
    return {**flow, "jobs": kept}
