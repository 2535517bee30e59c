"""The loop behind ``surfalign worker`` for FireWorks: hands jobs to SLURM and finds those that were lost.

FireWorks hears of the end of a job from the job itself. One that is killed, runs into its walltime or
loses its node says nothing; SLURM knows. A job that SLURM has ended and FireWorks believes to be alive,
in two looks one after the other, is lost: its cause is noted, and where the cause says nothing against
the calculation it is started again.

FireWorks is optional, hence imported inside functions: the launcher has said by then where it is missing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from surfalign.batches import batches
from surfalign.errors import ConfigurationError
from surfalign.launchers.cluster import slurm, slurm_submission
from surfalign.launchers.cluster.fireworks.allocation_submitter import (
    AllocationSubmitter,
    began_late,
)
from surfalign.launchers.cluster.fireworks.launcher import (
    CHUNK_SIZE,
    UNFINISHED,
    fail_launch,
    note_number,
    place_of,
    slurm_number,
)
from surfalign.launchers.cluster.job_table import Troubles
from surfalign.launchers.cluster.launcher import TRANSIENT, BetweenRounds, Cause, nothing
from surfalign.launchers.cluster.profiles import Queue
from surfalign.launchers.cluster.suspicions import Suspects

if TYPE_CHECKING:
    from surfalign.launchers.cluster.fireworks.launcher import FireworksLauncher

logger = logging.getLogger(__name__)

#: A reservation without a SLURM number is this old when its maker has died (s).
GRACE = 30.0
_UNNUMBERED = "sbatch failed, and nobody knows whether SLURM took the job: it is looked for"
#: How often workflows are searched for jobs that wait for nothing (s).
MENDING_INTERVAL = 60.0
#: A workflow is locked for milliseconds; after this its locker has died (s).
LOCK_GRACE = 30.0


def work(
    launcher: FireworksLauncher,
    between_rounds: BetweenRounds,
    *,
    once: bool = False,
    stop: threading.Event | None = None,
) -> None:
    """Serve the queues of the launcher's cluster."""
    FireworksWorker(launcher, launcher.served_cluster(), between_rounds).run(once=once, stop=stop)


class FireworksWorker:
    """One loop for the queues of one cluster.

    Parameters
    ----------
    launcher
        Connected.
    cluster
        Name of the cluster in the profile.
    between_rounds
        Called between two rounds.
    """

    def __init__(
        self, launcher: FireworksLauncher, cluster: str, between_rounds: BetweenRounds = nothing
    ) -> None:
        self.launcher = launcher
        self.launchpad = launcher.launchpad
        self.profile = launcher.profile
        self.name = cluster
        self.cluster = self.profile.clusters[cluster]
        self.queues = {n: q for n, q in self.profile.queues.items() if q.cluster == cluster}
        self.site = launcher.worksite(cluster)
        self.between_rounds = between_rounds
        self._suspects = Suspects()
        self._waiting = Suspects()
        self._number_at: Callable[[str], str | None] = slurm.number_at
        self._mended = time.monotonic()
        self._troubles = Troubles(launcher.table)

    def run(self, *, once: bool = False, stop: threading.Event | None = None) -> None:
        """Loop until stopped, or with ``once`` until nothing is left to do.

        Raises
        ------
        ConfigurationError
            When another worker serves this cluster.
        """
        stop = stop or threading.Event()
        try:
            with FileLock(self.site.lock, timeout=0):
                while not stop.is_set():
                    try:
                        self.between_rounds()
                        if self.round() == 0 and once and not self.between_rounds(now=True):
                            return
                    except Exception as error:  # noqa: BLE001 (the loop outlives what it meets)
                        logger.warning("%s: %s", type(error).__name__, str(error)[:300])
                    stop.wait(self.profile.poll_interval)
        except Timeout as error:
            raise ConfigurationError(
                f"another worker serves {self.cluster.work_directory}",
                "one worker for each cluster",
                "let it run, or end it first",
            ) from error

    def round(self) -> int:
        """Look for lost jobs, hand over ready ones; return how many are unfinished."""
        self.recover()
        if time.monotonic() - self._mended > MENDING_INTERVAL:
            self._mended = time.monotonic()
            self.mend()
        if not self.launcher.paused:
            for name, queue in self.queues.items():
                self.hand_over(name, queue)
        number: int = self.launchpad.fireworks.count_documents(
            {"state": {"$in": list(UNFINISHED)}, "spec._category": {"$in": list(self.queues)}}
        )
        return max(number - self._blocked(), 0)

    def _blocked(self) -> int:
        """Count the jobs that wait for one that failed or was cancelled."""
        # A job that ends makes its children ready a moment after it is done itself, and holds the lock of
        # its workflow meanwhile: who looks only once may see neither.
        if self._is_active() or self.launchpad.workflows.find_one({"locked": True}, {"_id": 1}):
            return 0
        if self._is_active():
            return 0
        # Nothing runs and nothing is ready: what waits, waits in vain.
        number: int = self.launchpad.fireworks.count_documents({"state": "WAITING"})
        return number

    def _is_active(self) -> bool:
        active = {"state": {"$in": ["READY", "RESERVED", "RUNNING"]}}
        return self.launchpad.fireworks.find_one(active, {"_id": 1}) is not None

    # --- to SLURM ----------------------------------------------------------------------------

    def hand_over(self, name: str, queue: Queue) -> int:
        """Submit ready jobs of a queue, up to its limit; return how many SLURM jobs."""
        from fireworks import FWorker

        active = self._occupied(name)
        worker = FWorker(name="surfalign", category=name)
        folder = self.cluster.work_directory / name / f"{datetime.now(UTC):%Y-%m-%d}"
        submitted, complaint = 0, ""
        while active + submitted < queue.max_jobs and self.launchpad.run_exists(worker):
            folder.mkdir(parents=True, exist_ok=True)
            submitter = AllocationSubmitter(
                self.launchpad, self.profile, name, self.cluster, self.site
            )
            if complaint := submitter.submit(folder):
                break
            submitted += 1
        if submitted or complaint or not self.launchpad.run_exists(worker):
            self._troubles.note(f"queue {name}", complaint and f"SLURM takes no job: {complaint}")
        return submitted

    def _occupied(self, name: str) -> int:
        """Count the SLURM jobs of a queue that have not ended."""
        query = {"spec._category": name, "state": {"$in": ["RESERVED", "RUNNING"]}}
        if self.queues[name].jobs_per_allocation == 1:
            return int(self.launchpad.fireworks.count_documents(query))
        launches = self._launches(list(self.launchpad.fireworks.find(query, {"launches": 1})))
        return len(
            {
                slurm_number(launch) or launch["launch_id"]
                for launch in launches.values()
                if launch["state"] in ("RESERVED", "RUNNING")
            }
        )

    # --- what was lost -----------------------------------------------------------------------

    def recover(self) -> int:
        """Look for jobs that ended silently; return how many were dealt with."""
        self._suspects.begin()
        self._number_at = cache(slurm.number_at)  # members of an allocation share a place
        self._unlock()
        documents = list(
            self.launchpad.fireworks.find(
                {
                    "state": {"$in": ["RESERVED", "RUNNING"]},
                    "spec._category": {"$in": list(self.queues)},
                },
                {"fw_id": 1, "state": 1, "launches": 1, "spec._losses": 1, "spec._stuck": 1},
            )
        )
        launches = self._launches(documents)
        numbers = {i: slurm_number(launch) for i, launch in launches.items()}
        known = slurm.states_of({number for number in numbers.values() if number})
        self._troubles.note(
            f"cluster {self.name}", "SLURM does not answer: nothing is changed" * (known is None)
        )
        answerable = _answerable(launches, numbers)
        dealt = 0
        for document in documents if known is not None else ():
            active = [
                launches[i]
                for i in document.get("launches", ())
                if i in launches and launches[i]["state"] in ("RESERVED", "RUNNING")
            ]
            if not active:
                dealt += self._without_launch(document)
                continue
            launch = active[-1]
            number = numbers[launch["launch_id"]]
            job = known[number] if number and known is not None else None
            self._note_stuck(document, launch, job)
            if job is None:
                dealt += self._without_number(document, launch)
            elif job.ended and self._suspects.persists(("lost", launch["launch_id"]), 0.0):
                dealt += self._ended(document, launch, job, launch["launch_id"] in answerable)
        self._note_failures()
        return dealt

    def _note_stuck(
        self, document: dict[str, Any], launch: dict[str, Any], job: slurm.SlurmJob | None
    ) -> None:
        """Note for people why a job does not get on in SLURM's queue, or that it does again."""
        told = job.stuck if job is not None else _UNNUMBERED * (launch["state"] == "RESERVED")
        if told != document["spec"].get("_stuck", ""):
            change = {"$set": {"spec._stuck": told}} if told else {"$unset": {"spec._stuck": ""}}
            self.launchpad.fireworks.update_one({"fw_id": document["fw_id"]}, change)

    def _ended(
        self, document: dict[str, Any], launch: dict[str, Any], job: slurm.SlurmJob, answers: bool
    ) -> bool:
        """Deal with a job whose SLURM job has ended: it is lost, or its turn had not come."""
        owner = slurm_submission.owner_of(place_of(launch))
        if owner and owner != slurm_number(launch):
            # sbatch made two jobs of one; this one had nothing to do.
            note_number(self.launchpad, launch["launch_id"], owner)
            return True
        if answers:
            self._lost(document, launch, job)
            return True
        return self._guarded(partial(self.launchpad.cancel_reservation, launch["launch_id"]))

    def _launches(self, documents: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
        wanted = [number for document in documents for number in document.get("launches", ())]
        found = self.launchpad.launches.find(
            {"launch_id": {"$in": wanted}},
            {"launch_id": 1, "state": 1, "launch_dir": 1, "state_history.reservation_id": 1},
        )
        return {launch["launch_id"]: launch for launch in found}

    def _lost(self, document: dict[str, Any], launch: dict[str, Any], job: slurm.SlurmJob) -> None:
        """Note the cause of a job that SLURM has ended; start it again where that makes sense."""
        current = self.launchpad.launches.find_one({"launch_id": launch["launch_id"]}, {"state": 1})
        if current is None or current["state"] not in ("RESERVED", "RUNNING"):
            return
        folders = {place_of(launch), Path(launch["launch_dir"])}
        cause, message = slurm.cause_of(job, slurm.last_words(*folders))
        if cause is Cause.WALLTIME and began_late(Path(launch["launch_dir"])):
            # Others had used up the time of the allocation; the next one is its own.
            cause = Cause.KILLED
        fail_launch(self.launchpad, launch["launch_id"], cause, message)
        self._retry_or_note(document["fw_id"], document["spec"].get("_losses", 0), cause, message)

    def _retry_or_note(self, fw_id: int, losses: int, cause: str, message: str) -> None:
        if cause in TRANSIENT and losses < self.profile.reruns:
            logger.warning("firework %d is started again: %s: %s", fw_id, cause, message)
            self.launchpad.fireworks.update_one({"fw_id": fw_id}, {"$inc": {"spec._losses": 1}})
            self.launchpad.rerun_fw(fw_id)
            self.launcher.forget_failure(fw_id)
        else:
            logger.warning("firework %d failed: %s: %s", fw_id, cause, message)
            self.launchpad.fireworks.update_one(
                {"fw_id": fw_id}, {"$set": {"spec._cause": str(cause), "spec._message": message}}
            )

    def _note_failures(self) -> None:
        """Note the causes of jobs that failed by themselves; start again what may be."""
        query = {"state": "FIZZLED", "spec._cause": {"$exists": False}}
        for document in list(
            self.launchpad.fireworks.find(query, {"fw_id": 1, "launches": 1, "spec._losses": 1})
        ):
            cause, message = self.launcher.failure_of(document)
            losses = document.get("spec", {}).get("_losses", 0)
            self._retry_or_note(document["fw_id"], losses, cause, message)

    def _without_launch(self, document: dict[str, Any]) -> bool:
        """Mend a firework whose update was interrupted: its launch has ended, or was never made."""
        if not self._suspects.persists(("torn", document["fw_id"], document["state"]), GRACE):
            return False
        fw_id = document["fw_id"]
        if document.get("launches"):
            return self._guarded(lambda: self.launchpad._refresh_wf(fw_id))
        return self._guarded(lambda: self.launchpad.rerun_fw(fw_id))

    def mend(self) -> int:
        """Refresh jobs that wait although all that they wait for is done; return how many.

        A process that dies between two updates of a workflow leaves such jobs.
        """
        self._waiting.begin()
        unfinished = self.launchpad.workflows.find(
            {"state": {"$nin": ["COMPLETED", "DEFUSED", "ARCHIVED"]}},
            {"parent_links": 1, "nodes": 1},
        )
        return sum(self._mend(workflows) for workflows in batches(unfinished, CHUNK_SIZE))

    def _mend(self, workflows: list[dict[str, Any]]) -> int:
        nodes = [fw_id for workflow in workflows for fw_id in workflow["nodes"]]
        states = {
            document["fw_id"]: document["state"]
            for document in self.launchpad.fireworks.find(
                {"fw_id": {"$in": nodes}}, {"fw_id": 1, "state": 1}
            )
        }
        number = 0
        for workflow in workflows:
            for fw_id in workflow["nodes"]:
                parents = workflow["parent_links"].get(str(fw_id), [])
                done = all(states.get(parent) == "COMPLETED" for parent in parents)
                waits = states.get(fw_id) == "WAITING"
                if waits and done and self._waiting.persists(fw_id):
                    number += self._guarded(partial(self.launchpad._refresh_wf, fw_id))
        return number

    def _without_number(self, document: dict[str, Any], launch: dict[str, Any]) -> bool:
        """Find the SLURM job of a reservation whose number nobody noted, or give the reservation back.

        Its maker died, or sbatch failed although SLURM may have taken the job.
        """
        if launch["state"] != "RESERVED":
            return False
        place = place_of(launch)
        if number := self._number_at(str(place)):
            note_number(self.launchpad, launch["launch_id"], number)
            return True
        # Once it is given back no job can begin there.
        if not self._suspects.persists(
            ("unnumbered", launch["launch_id"]), GRACE
        ) or not slurm_submission.give_back(place):
            return False
        return self._guarded(lambda: self.launchpad.cancel_reservation(launch["launch_id"]))

    def _unlock(self) -> None:
        """Free workflows whose locker died."""
        for workflow in self.launchpad.workflows.find({"locked": True}, {"nodes": 1}):
            if self._suspects.persists(("locked", workflow["_id"]), LOCK_GRACE):
                logger.warning("freeing a workflow that was left locked")
                self.launchpad.workflows.update_one(
                    {"_id": workflow["_id"]}, {"$unset": {"locked": True}}
                )

    @staticmethod
    def _guarded(act: Callable[[], object]) -> bool:
        try:
            act()
        except (ValueError, RuntimeError) as error:
            # FireWorks' word for a workflow that another process is changing.
            logger.warning("left for the next round: %s", error)
            return False
        return True


def _answerable(launches: dict[int, dict[str, Any]], numbers: dict[int, str | None]) -> set[int]:
    """Return the launches that answer for the end of their SLURM job.

    Of several jobs in one allocation it is that which ran. Where none ran, it is the next one: an
    allocation that never gets anywhere must not be submitted for ever. The others are given back.
    """
    answerable = {i for i, launch in launches.items() if launch["state"] == "RUNNING"}
    told = {numbers[i] for i in answerable}
    for i in sorted(launches):
        if launches[i]["state"] == "RESERVED" and numbers[i] not in told:
            answerable.add(i)
            told.add(numbers[i])
    return answerable
