"""FireWorks: workflows in the results database, handed to SLURM in reservation mode.

A job's category is the queue of the profile, so that each worker loop takes what its cluster serves. The
SLURM job of a reservation runs exactly its fireworks. What SLURM asks for is read from the profile when a
job is handed over and is not frozen in the workflow: a longer walltime in the profile is a longer
walltime at the next try.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pymongo import ASCENDING, IndexModel

from surfalign.errors import ConfigurationError, MissingDependencyError
from surfalign.launchers.cluster import slurm, slurm_submission
from surfalign.launchers.cluster.atomic_counters import number_one_at_a_time
from surfalign.launchers.cluster.job_files import LOCK_EXPIRY, Worksite, connection_options
from surfalign.launchers.cluster.job_requests import RAISED_BY, raised_after
from surfalign.launchers.cluster.launcher import Cause, JobRecord, JobState, classify, last_line
from surfalign.launchers.cluster.managed_launcher import ManagedLauncher
from surfalign.launchers.cluster.profiles import Profile, Queue
from surfalign.stores.connection.errors import errors_named
from surfalign.workflows.routing import route

if TYPE_CHECKING:
    from fireworks import LaunchPad
    from jobflow import Flow

logger = logging.getLogger(__name__)

STATES = {
    "WAITING": JobState.WAITING,
    "READY": JobState.READY,
    "RESERVED": JobState.QUEUED,
    "RUNNING": JobState.RUNNING,
    "COMPLETED": JobState.DONE,
    "FIZZLED": JobState.FAILED,
    "PAUSED": JobState.PAUSED,
    "DEFUSED": JobState.CANCELLED,
    "ARCHIVED": JobState.CANCELLED,
}
UNFINISHED = ("WAITING", "READY", "RESERVED", "RUNNING")
#: Documents inserted at a time.
CHUNK_SIZE = 200
#: Beginning of the name of a job's folder in that of its SLURM job.
MEMBER = "job_"


def open_launcher(profile: Profile, cluster: str | None = None) -> FireworksLauncher:
    """Return the launcher; FireWorks is loaded and its indexes made when something is changed."""
    return FireworksLauncher(profile, cluster)


class FireworksLauncher(ManagedLauncher):
    """Submit, look at and run flows through FireWorks.

    Parameters
    ----------
    profile
        Where they run.
    cluster
        Whose queues a worker serves; by default the only one of the profile.
    """

    collection_name = "fireworks"
    key_field = "fw_id"
    uuid_field = "spec.uuid"
    step_field = "spec.step"
    projection: ClassVar = {"spec._tasks": 0, "spec._surfalign_routes": 0}
    states = STATES

    def __init__(self, profile: Profile, cluster: str | None = None) -> None:
        super().__init__(profile)
        self.cluster = cluster

    @cached_property
    def launchpad(self) -> LaunchPad:
        """FireWorks' own connection, with its indexes; for those who change something."""
        launchpad = _open_launchpad(self.uri, self.database_name)
        with errors_named(self.address):
            _initialise(launchpad)
        return launchpad

    def _close_manager(self) -> None:
        if "launchpad" in self.__dict__:
            self.launchpad.connection.close()

    # --- flows in ----------------------------------------------------------------------------

    def submit(self, flows: Iterable[Flow]) -> int:
        """Add flows in bulk; return how many."""
        from surfalign.launchers.cluster.fireworks.task import to_workflow

        routes = {k: {"_category": queue} for k, queue in self.profile.queue_table().items()}
        added, chunk = 0, []
        with errors_named(self.address):
            for flow in flows:
                route(flow, routes)
                chunk.append(to_workflow(flow))
                if len(chunk) == CHUNK_SIZE:
                    self.launchpad.bulk_add_wfs(chunk)
                    added, chunk = added + len(chunk), []
            if chunk:
                self.launchpad.bulk_add_wfs(chunk)
        return added + len(chunk)

    # --- states out --------------------------------------------------------------------------

    def _record(self, document: dict[str, Any]) -> JobRecord:
        spec = document["spec"]
        state = STATES[document.get("state", "WAITING")]
        cause, message = "", ""
        if state is JobState.FAILED:
            cause, message = spec.get("_cause", ""), spec.get("_message", "")
            if not cause:
                cause, message = self.failure_of(document)
        ended = document.get("updated_on") if state in (JobState.DONE, JobState.FAILED) else None
        return JobRecord(
            uuid=spec.get("uuid", ""),
            name=document["name"],
            step=spec.get("step", ""),
            state=state,
            cause=cause,
            message=message,
            queue=spec.get("_category", ""),
            metadata={k: v for k, v in spec.items() if not k.startswith("_") and k != "uuid"},
            raised=spec.get("_raised", {}),
            stuck=spec.get("_stuck", "") if state in (JobState.QUEUED, JobState.RUNNING) else "",
            tries=len(document.get("launches", ())) + len(document.get("archived_launches", ())),
            ended_at=_time(ended),
        )

    def failure_of(self, document: dict[str, Any]) -> tuple[str, str]:
        """Return cause and message of a failed firework, from its last launch."""
        launch = self.table.database["launches"].find_one(
            {"launch_id": {"$in": document.get("launches", [])}},
            {"action.stored_data._exception": 1, "action.stored_data._lost": 1},
            sort=[("launch_id", -1)],
        )
        stored = ((launch or {}).get("action") or {}).get("stored_data") or {}
        if "_lost" in stored:
            return stored["_lost"]["cause"], stored["_lost"]["message"]
        trace = (stored.get("_exception") or {}).get("_stacktrace") or ""
        return classify(trace).value, last_line(trace)

    # --- changes -----------------------------------------------------------------------------

    def _restart(self, key: int) -> None:
        shown = {"fw_id": 1, "state": 1, "launches": 1, "spec._cause": 1, "spec._raised": 1}
        document = self.launchpad.fireworks.find_one({"fw_id": key}, shown)
        self._raise_request(document)
        self.forget_failure(key, losses=True)
        if document["state"] == "FIZZLED":
            self.launchpad.rerun_fw(key)
        else:
            self.launchpad.reignite_fw(key)

    def _hold(self, key: int) -> None:
        self.launchpad.pause_fw(key)

    def _release(self, key: int) -> None:
        self.launchpad.resume_fw(key)

    def _raise_request(self, document: dict[str, Any]) -> None:
        """Let a job that failed for want of time or memory ask for more."""
        spec = document.get("spec", {})
        cause = spec.get("_cause") or self.failure_of(document)[0]
        if cause in RAISED_BY:
            self.launchpad.fireworks.update_one(
                {"fw_id": document["fw_id"]},
                {"$set": {"spec._raised": raised_after(spec.get("_raised"), cause)}},
            )

    def forget_failure(self, fw_id: int, *, losses: bool = False) -> None:
        """Remove what is noted of a failure, and with ``losses`` the count of losses."""
        fields = {"spec._cause": "", "spec._message": ""} | ({"spec._losses": ""} if losses else {})
        self.launchpad.fireworks.update_one({"fw_id": fw_id}, {"$unset": fields})

    def cancel(self, uuids: Collection[str] | None = None) -> int:
        """Cancel what is not done, in SLURM too."""
        chosen: dict[str, Any] = {} if uuids is None else {"spec.uuid": {"$in": list(uuids)}}
        with errors_named(self.address):
            active = list(
                self.launchpad.fireworks.find(
                    chosen | {"state": {"$in": ["RESERVED", "RUNNING"]}},
                    {"fw_id": 1, "launches": 1},
                )
            )
            slurm.cancel(self._numbers_of(active))
            # FireWorks takes these back first, and their children with them, hence the order.
            for document in active:
                self.launchpad.defuse_fw(document["fw_id"])
            done = self.launchpad.fireworks.update_many(
                chosen | {"state": {"$in": ["WAITING", "READY", "PAUSED"]}},
                {"$set": {"state": "DEFUSED", "updated_on": datetime.now(UTC)}},
            )
        return len(active) + int(done.modified_count)

    def _numbers_of(self, active: list[dict[str, Any]]) -> set[str]:
        """Return the SLURM jobs of some jobs, less those that run others and have not come to these."""
        wanted = {n for document in active for n in document["launches"]}
        live: dict[str, list[dict[str, Any]]] = {}
        for launch in self.launchpad.launches.find(
            {"state": {"$in": ["RESERVED", "RUNNING"]}},
            {"launch_id": 1, "state": 1, "state_history.reservation_id": 1, "launch_dir": 1},
        ):
            if number := slurm_number(launch):
                live.setdefault(number, []).append(launch)
        return {
            number
            for number, launches in live.items()
            for ours in [[launch for launch in launches if launch["launch_id"] in wanted]]
            if ours == launches or any(launch["state"] == "RUNNING" for launch in ours)
        }

    # --- the worker --------------------------------------------------------------------------

    def served_cluster(self) -> str:
        """Return the cluster whose queues this launcher serves.

        Raises
        ------
        ConfigurationError
            When the profile has several and none was chosen, or no such one.
        """
        names = list(self.profile.clusters)
        if self.cluster is None and len(names) == 1:
            return names[0]
        if self.cluster not in names:
            raise ConfigurationError(
                f"cluster {self.cluster or '(none named)'} of profile '{self.profile.name}'",
                f"one of {', '.join(names)}",
                "name the cluster that this machine belongs to with --cluster",
            )
        return self.cluster

    def worksite(self, cluster: str) -> Worksite:
        """Write the files that the jobs of a cluster need; return where they are."""
        site = Worksite(self.profile.clusters[cluster], self.database_name)
        site.write(self.uri)
        return site


def fail_launch(launchpad: LaunchPad, launch_id: int, cause: Cause, message: str) -> None:
    """End a launch that ended without a word; :meth:`FireworksLauncher.failure_of` tells the cause."""
    from fireworks import FWAction

    lost = {"_lost": {"cause": cause.value, "message": message}}
    launchpad.complete_launch(launch_id, FWAction(stored_data=lost, exit=True), state="FIZZLED")


def slurm_number(launch: dict[str, Any]) -> str | None:
    """Return SLURM's number of a launch: as noted at submission, else by the job itself."""
    for state in launch.get("state_history", ()):
        if "reservation_id" in state:
            return str(state["reservation_id"])
    return slurm_submission.owner_of(place_of(launch)) or None


def place_of(launch: dict[str, Any]) -> Path:
    """Return the directory of the SLURM job of a launch, which several launches may share."""
    folder = Path(launch["launch_dir"])
    return folder.parent if folder.name.startswith(MEMBER) else folder


def note_number(launchpad: LaunchPad, launch_id: int, number: str) -> None:
    """Note SLURM's number of a launch.

    In one step, other than FireWorks' own way: the job may begin at this moment and change the launch.
    """
    launchpad.launches.update_one(
        {"launch_id": launch_id, "state_history.state": "RESERVED"},
        {"$set": {"state_history.$.reservation_id": number}},
    )


def prologue(profile: Profile, queue: Queue, site: Worksite, place: Path) -> list[str]:
    """Return the shell lines with which a SLURM job of this queue begins, in a directory of its own."""
    lines = slurm_submission.prologue(queue, profile.environment(queue) | site.environment)
    return [slurm_submission.claim(place), *lines]


def _open_launchpad(uri: str, name: str) -> LaunchPad:
    try:
        from fireworks import LaunchPad
        from fireworks.core import launchpad as module
    except ImportError as error:
        raise MissingDependencyError(
            "FireWorks is not installed",
            "the launcher that the profile names",
            "pip install 'surfalign[fireworks]'",
        ) from error
    logging.getLogger("launchpad").propagate = False
    # Its bulk insertion draws a progress bar without asking.
    module.tqdm = iter
    number_one_at_a_time()
    # As in the jobs: a lock is held for milliseconds; an older one was left by a process that died. Without
    # this, worker and operator wait for five minutes and give up.
    module.WFLock = partial(module.WFLock, expire_secs=LOCK_EXPIRY, kill=True)
    return LaunchPad(
        host=uri,
        name=name,
        uri_mode=True,
        strm_lvl="ERROR",
        mongoclient_kwargs=connection_options(patient=False),
    )


def _initialise(launchpad: LaunchPad) -> None:
    """Create FireWorks' counter and indexes where they are missing; nothing is ever reset."""
    launchpad.fw_id_assigner.update_one(
        {"_id": -1}, {"$setOnInsert": {"next_fw_id": 1, "next_launch_id": 1}}, upsert=True
    )
    launchpad.fireworks.create_indexes(
        [
            IndexModel([("fw_id", ASCENDING)], unique=True),
            IndexModel([("spec.uuid", ASCENDING)]),
            IndexModel([("state", ASCENDING), ("spec._category", ASCENDING)]),
            IndexModel([("launches", ASCENDING)]),
            IndexModel([("spec.step", ASCENDING), ("state", ASCENDING)]),
        ]
    )
    launchpad.launches.create_indexes(
        [
            IndexModel([("launch_id", ASCENDING)], unique=True),
            IndexModel([("fw_id", ASCENDING)]),
            IndexModel([("state", ASCENDING)]),
        ]
    )
    launchpad.workflows.create_indexes(
        [IndexModel([("nodes", ASCENDING)]), IndexModel([("locked", ASCENDING)])]
    )


def _time(value: Any) -> datetime | None:
    """Read FireWorks' times, which are text or datetimes in UTC."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)
