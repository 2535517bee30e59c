"""The loop behind ``surfalign worker`` for jobflow-remote: its runner, and a look at what was lost.

jobflow-remote sees that a SLURM job has ended, but not why; a job that was killed is to it one without
output. Here SLURM is asked for the cause, and what was lost through no fault of its own starts again.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from pymongo.errors import PyMongoError

from surfalign.errors import ConfigurationError
from surfalign.launchers.cluster import slurm
from surfalign.launchers.cluster.job_requests import asked_for
from surfalign.launchers.cluster.job_table import Troubles
from surfalign.launchers.cluster.launcher import TRANSIENT, BetweenRounds, Cause, nothing
from surfalign.launchers.cluster.remote.careful_queue import CarefulBatches, CarefulQueue
from surfalign.launchers.cluster.remote.launcher import failure_of, resources_of
from surfalign.launchers.cluster.remote.loggers import kept_loggers
from surfalign.launchers.cluster.remote.quoted_names import quote_names
from surfalign.launchers.cluster.suspicions import Suspects

if TYPE_CHECKING:
    from surfalign.launchers.cluster.remote.launcher import RemoteLauncher

logger = logging.getLogger(__name__)

#: What it says of a job whose allocation ended; it may run into its walltime through no fault of its last job.
ALLOCATION_ENDED = "The batch process that was running the job"
#: jobflow-remote's word for a job that ended without a result.
NO_RESULT = (
    ALLOCATION_ENDED,
    "does not contain the response",
    "was not present in the download",
    "store file",
    # A file of the result that is empty or cut off: the disk was full, or its writer was killed.
    "JSONDecodeError",
)
#: Its words for a job that SLURM did not take, or whose number it did not find.
NOT_SUBMITTED = ("submission failed", "ID not known")
ADVANCED = ("CHECKED_OUT", "UPLOADED", "RUN_FINISHED", "DOWNLOADED")
ACTIVE = (
    *ADVANCED, "READY", "SUBMITTED", "RUNNING", "BATCH_SUBMITTED", "BATCH_RUNNING"
)  # fmt: skip


def work(
    launcher: RemoteLauncher,
    between_rounds: BetweenRounds,
    *,
    once: bool = False,
    stop: threading.Event | None = None,
) -> None:
    """Run jobflow-remote's runner for all clusters of the profile."""
    RemoteWorker(launcher, between_rounds).run(once=once, stop=stop)


class RemoteWorker:
    """One runner for all clusters of a profile.

    Parameters
    ----------
    launcher
        Connected.
    between_rounds
        Called between two rounds.
    """

    def __init__(self, launcher: RemoteLauncher, between_rounds: BetweenRounds = nothing) -> None:
        from jobflow_remote.jobs.runner import Runner

        quote_names()
        self.launcher = launcher
        self.profile = launcher.profile
        self.controller = launcher.controller
        self.collection = launcher.table.jobs
        self.between_rounds = between_rounds
        with warnings.catch_warnings(), kept_loggers():
            warnings.filterwarnings("ignore", category=FutureWarning)  # jobflow-remote's own
            self.runner = Runner(project_name=self.profile.name)
        self.runner.job_controller.close()
        self.runner.job_controller = self.controller
        self.controller.request = self._request
        self.queues = {
            name: CarefulQueue(self.runner.get_worker(name).get_scheduler_io(), host)
            for name, host in self.runner.hosts.items()
            if self._scheduler(name) == "slurm"
        }
        self.runner.queue_managers |= self.queues
        self.runner.batch_workers = {
            name: CarefulBatches(batches.host, batches.files_dir)
            for name, batches in self.runner.batch_workers.items()
        }
        self._suspects = Suspects()
        self._troubles = Troubles(launcher.table)

    def _scheduler(self, queue: str) -> str:
        return self.profile.clusters[self.profile.queues[queue].cluster].scheduler

    def _request(self, document: dict[str, Any]) -> dict[str, str] | None:
        """Return what a job asks SLURM for where its queue goes by estimates, else None."""
        queue = self.profile.queues.get(document["worker"])
        if queue is None or not queue.estimated:
            return None
        if self._scheduler(document["worker"]) != "slurm":
            return None
        resources = (document["job"].get("metadata") or {}).get("resources")
        raised = (document.get("surfalign") or {}).get("raised")
        return resources_of(asked_for(queue, resources, raised))

    def run(self, *, once: bool = False, stop: threading.Event | None = None) -> None:
        """Loop until stopped, or with ``once`` until nothing is left to do.

        Raises
        ------
        ConfigurationError
            When another runner serves this profile.
        """
        stop = stop or threading.Event()
        try:
            with FileLock(self.launcher.folder / "worker.lock", timeout=0):
                self._guarded(lambda: self.controller.break_old_locks(age=0.0))
                while not stop.is_set():
                    self._guarded(self.between_rounds)
                    self.round()
                    if once and self._unfinished() == 0 and not self.between_rounds(now=True):
                        return
                    stop.wait(self.profile.poll_interval)
        except Timeout as error:
            raise ConfigurationError(
                f"another worker serves the profile '{self.profile.name}'",
                "one worker for each profile",
                "let it run, or end it first",
            ) from error

    def round(self) -> None:
        """Move every job one step on."""
        steps: list[Callable[[], Any]] = [self.controller.break_old_locks]
        if not self.launcher.paused:
            steps.append(self.runner.checkout)
        steps += [
            lambda: self.runner.advance_state(list(ADVANCED)),
            self.runner.check_run_status,
            self.runner.refresh_num_current_jobs,
            self.runner.update_batch_jobs,
            lambda: self.runner.advance_state(list(ADVANCED)),
            self.recover,
            self._note_waiting,
            self.controller.refresh_stuck,
        ]
        for step in steps:
            self._guarded(step)

    def _guarded(self, step: Callable[[], Any]) -> None:
        try:
            step()
        except Exception as error:  # noqa: BLE001 (the loop outlives whatever a step meets)
            name = getattr(step, "__name__", "step")
            logger.warning("%s: %s: %s", name, type(error).__name__, str(error)[:300])

    def _unfinished(self) -> int:
        try:
            number: int = self.collection.count_documents({"state": {"$in": list(ACTIVE)}})
        except PyMongoError:
            return 1
        return number

    # --- what does not get on ----------------------------------------------------------------

    def _note_waiting(self) -> None:
        """Note for people why jobs wait in SLURM's queue, and what keeps queues from working."""
        for name, queue in self.queues.items():
            batches = self.profile.queues[name].jobs_per_allocation > 1
            states = queue.states if queue.states is not None else {}
            trouble = f"SLURM takes no job: {queue.complaint}" if queue.complaint else ""
            if queue.states is None:
                trouble = "SLURM does not answer: nothing is changed"
            elif batches and not trouble:
                stuck = [
                    f"job {number}: {job.stuck}" for number, job in states.items() if job.stuck
                ]
                trouble = "; ".join(stuck[:3])
            self._troubles.note(f"queue {name}", trouble)
            if not batches and queue.states is not None:
                self._note_stuck(name, states)

    def _note_stuck(self, queue: str, states: dict[str, slurm.SlurmJob]) -> None:
        """Note with the jobs of a queue why they do not get on, or that they do again."""
        query = {"worker": queue, "state": {"$in": ["SUBMITTED", "RUNNING"]}}
        shown = {"remote.process_id": 1, "surfalign.stuck": 1}
        for document in list(self.collection.find(query, shown)):
            job = states.get(_number(document) or "")
            told = job.stuck if job is not None else ""
            if told != (document.get("surfalign") or {}).get("stuck", ""):
                field = {"surfalign.stuck": told}
                change = {"$set": field} if told else {"$unset": field}
                self.collection.update_one({"_id": document["_id"]}, change)

    # --- what was lost -----------------------------------------------------------------------

    def recover(self) -> None:
        """Note why jobs failed and start again those that were lost."""
        self._suspects.begin()
        shown = {"db_id": 1, "uuid": 1, "index": 1, "state": 1, "error": 1, "remote": 1, "run_dir": 1,
                 "surfalign": 1, "worker": 1}  # fmt: skip
        failed = list(
            self.collection.find(
                {
                    "state": {"$in": ["FAILED", "REMOTE_ERROR"]},
                    "surfalign.cause": {"$exists": False},
                    "lock_id": None,
                },
                shown,
            )
        )
        batched = list(self.collection.find({"state": "BATCH_RUNNING", "lock_id": None}, shown))
        self._watch_allocations([document for document in batched if not _number(document)])
        for name in self.profile.clusters:
            self._recover_cluster(
                name, *([d for d in found if self._is_on(name, d)] for found in (failed, batched))
            )

    def _watch_allocations(self, unwatched: list[dict[str, Any]]) -> None:
        """Find the allocations of jobs that run in one of which a killed worker left no note.

        The allocation wrote its SLURM number into its directory before it took a job.
        """
        from jobflow_remote.remote.data import get_job_path

        for name in {d["worker"] for d in unwatched} & set(self.queues):
            work = self.runner.get_worker(name).batch.work_dir  # type: ignore[union-attr]
            running = {(u, i): uid for u, i, uid in self.runner.batch_workers[name].get_running()}
            jobs = [d for d in unwatched if d["worker"] == name]
            for document in jobs:
                batch_uid = running.get((document["uuid"], document["index"]), "")
                place = str(get_job_path(batch_uid, None, work))
                number = slurm.number_at(place, self.queues[name].ask) if batch_uid else ""
                if number:
                    if not self.controller.batches.count_documents({"batch_uid": batch_uid}):
                        self.controller.add_batch_process(number, batch_uid, name)
                    self.collection.update_one(
                        {"db_id": document["db_id"], "remote.process_id": None},
                        {"$set": {"remote.process_id": number}},
                    )

    def _is_on(self, cluster: str, document: dict[str, Any]) -> bool:
        queue = self.profile.queues.get(document["worker"])
        return queue is not None and queue.cluster == cluster

    def _recover_cluster(
        self, name: str, failed: list[dict[str, Any]], batched: list[dict[str, Any]]
    ) -> None:
        numbers = {number for d in (*failed, *batched) if (number := _number(d))}
        known: dict[str, slurm.SlurmJob] | None = {}
        of_slurm = self.profile.clusters[name].scheduler == "slurm"
        if numbers and of_slurm:
            queue = next(
                q for n, q in self.queues.items() if self.profile.queues[n].cluster == name
            )
            known = slurm.states_of(numbers, queue.ask)
        if known is None:
            return
        for document in failed:
            if not (of_slurm and self._goes_on(document, known)):
                self._deal_with(document, *self._cause(document, known))
        for document in batched:
            job = known.get(_number(document) or "")
            if (
                job is not None
                and job.ended
                and self._suspects.persists(document["db_id"], 3 * self.profile.poll_interval)
            ):
                # A batch may run into its walltime through no fault of its last job.
                _, message = slurm.cause_of(job, _words(document))
                self._deal_with(document, Cause.KILLED, message)

    def _goes_on(self, document: dict[str, Any], known: dict[str, slurm.SlurmJob]) -> bool:
        """Ask whether a job that seems lost goes on in SLURM, or nobody knows; watch it again if so.

        It is judged by the SLURM job that runs it, which wrote its number into the directory.
        """
        error = _error(document)
        if not any(words in error for words in (*NO_RESULT, *NOT_SUBMITTED)):
            return False
        number, directory = _number(document), document.get("run_dir")
        job = known.get(number or "")
        ask = self.queues[document["worker"]].ask
        found = slurm.number_at(directory, ask) if directory else ""
        if found and found != number:
            self.controller.watch(document["db_id"], found)
        elif job is not None and not job.ended and job.state != slurm.UNKNOWN:
            self.controller.watch(document["db_id"], number or "")
        else:
            return found is None or (job is not None and not job.ended)
        return True

    def _cause(self, document: dict[str, Any], known: dict[str, slurm.SlurmJob]) -> tuple[str, str]:
        """Return cause and message of a failure; SLURM knows those that left no result."""
        cause, message = failure_of(document)
        error = _error(document)
        if any(words in error for words in NOT_SUBMITTED):
            return Cause.SUBMISSION, message
        if "duplicate key" in error:
            return Cause.DATABASE, message
        if not any(words in error for words in NO_RESULT):
            return cause, message
        job = known.get(_number(document) or "")
        if job is None:
            return Cause.KILLED, message
        cause, message = slurm.cause_of(job, _words(document))
        return (Cause.KILLED if ALLOCATION_ENDED in error else cause), message

    def _deal_with(self, document: dict[str, Any], cause: str, message: str) -> None:
        losses = (document.get("surfalign") or {}).get("losses", 0)
        query = {"db_id": document["db_id"]}
        if cause in TRANSIENT and losses < self.profile.reruns:
            logger.warning("job %s is started again: %s: %s", document["db_id"], cause, message)
            self.controller.rerun_job(db_id=document["db_id"], force=True)
            self.collection.update_one(query, {"$inc": {"surfalign.losses": 1}})
        else:
            logger.warning("job %s failed: %s: %s", document["db_id"], cause, message)
            note = {"surfalign.cause": str(cause), "surfalign.message": message}
            self.collection.update_one(query, {"$set": note})


def _number(document: dict[str, Any]) -> str | None:
    """Return SLURM's number of a job, where it has one."""
    number: str | None = (document.get("remote") or {}).get("process_id")
    return number


def _error(document: dict[str, Any]) -> str:
    return document.get("error") or (document.get("remote") or {}).get("error") or ""


def _words(document: dict[str, Any]) -> str:
    """Return the end of a job's error file: from its directory, or as it was fetched from elsewhere."""
    here = slurm.last_words(Path(document["run_dir"])) if document.get("run_dir") else ""
    return here or (document.get("remote") or {}).get("queue_err") or ""
