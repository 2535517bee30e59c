"""jobflow-remote: a runner on this machine moves jobs to clusters and results to the database.

Compute nodes never reach the database: the runner uploads inputs and downloads outputs, by ssh where the
cluster is elsewhere. One worker of jobflow-remote stands for each queue of the profile. What goes beyond
it is in :mod:`.remote_worker` (causes of failures, jobs that were lost) and :mod:`.remote_controller`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Self

import yaml

from surfalign.errors import MissingDependencyError
from surfalign.launchers import slurm
from surfalign.launchers.job_table import JobTable
from surfalign.launchers.launcher import JobRecord, JobState, classify, last_line
from surfalign.launchers.profiles import Cluster, Profile, Queue, write_private
from surfalign.launchers.requests import raised_after
from surfalign.launchers.server import database_uri
from surfalign.launchers.worksite import connection_options
from surfalign.stores.database import JOBS, errors_named, masked
from surfalign.workflows.routing import route

if TYPE_CHECKING:
    from jobflow import Flow

    from surfalign.launchers.remote_controller import Controller

STATES = {
    "WAITING": JobState.WAITING,
    "READY": JobState.READY,
    "CHECKED_OUT": JobState.QUEUED,
    "UPLOADED": JobState.QUEUED,
    "SUBMITTED": JobState.QUEUED,
    "BATCH_SUBMITTED": JobState.QUEUED,
    "RUNNING": JobState.RUNNING,
    "BATCH_RUNNING": JobState.RUNNING,
    "RUN_FINISHED": JobState.RUNNING,
    "DOWNLOADED": JobState.RUNNING,
    "COMPLETED": JobState.DONE,
    "FAILED": JobState.FAILED,
    "REMOTE_ERROR": JobState.FAILED,
    "PAUSED": JobState.PAUSED,
    "STOPPED": JobState.CANCELLED,
    "USER_STOPPED": JobState.CANCELLED,
}
JOB_COLLECTION = "remote_jobs"


def open_launcher(profile: Profile, cluster: str | None = None) -> RemoteLauncher:
    """Return the launcher; jobflow-remote is loaded and its project written when something is changed."""
    del cluster  # one runner serves all clusters
    return RemoteLauncher(profile)


class RemoteLauncher:
    """Submit, look at and run flows through jobflow-remote.

    Parameters
    ----------
    profile
        Where they run.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        settings = profile.settings()
        self._uri = database_uri(settings)
        self._name = settings.database_name
        self.address = masked(self._uri)
        self.folder = (
            settings.data_directory.expanduser().absolute() / "jobflow-remote" / profile.name
        )
        self.table = JobTable(
            self._uri, self._name, JOB_COLLECTION, step="job.metadata.step", states=STATES
        )
        self.collection = self.table.jobs

    @cached_property
    def controller(self) -> Controller:
        """jobflow-remote's own connection, with its project; for those who change something."""
        content = project(self.profile, self._uri, self._name, self.folder)
        write_private(self.folder / f"{self.profile.name}.yaml", yaml.safe_dump(content))
        controller = _open_controller(self.folder, self.profile.name)
        with errors_named(self.address):
            controller.initialise()
        return controller

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if "controller" in self.__dict__:
            self.controller.close()
        self.table.close()

    # --- flows in ----------------------------------------------------------------------------

    def submit(self, flows: Iterable[Flow]) -> int:
        """Add flows; one whose jobs are known is passed over. Return how many were added."""
        routes = {k: {"worker": queue} for k, queue in self.profile.queue_table().items()}
        default = next(iter(self.profile.queues))
        added = 0
        with errors_named(self.address):
            for flow in flows:
                route(flow, routes)
                added += self.controller.add_new_flow(flow, worker=default)
        return added

    # --- states out --------------------------------------------------------------------------

    def counts(self) -> dict[str, dict[JobState, int]]:
        """Count the jobs by step and state."""
        with errors_named(self.address):
            return self.table.counts()

    def jobs(
        self,
        uuids: Collection[str] | None = None,
        states: Collection[JobState] | None = None,
    ) -> Iterator[JobRecord]:
        """Yield jobs without their inputs."""
        query: dict[str, Any] = {}
        if uuids is not None:
            query["uuid"] = {"$in": list(uuids)}
        if states is not None:
            query["state"] = {"$in": self.table.names(states)}
        shown = (
            *("uuid", "state", "worker", "error", "remote.error", "start_time", "end_time"),
            *("job.name", "job.metadata", "surfalign", "previous_state"),
        )
        with errors_named(self.address):
            for document in self.collection.find(query, dict.fromkeys(shown, 1)):
                yield _record(document)

    # --- changes -----------------------------------------------------------------------------

    def rerun(self, uuids: Collection[str]) -> int:
        """Make failed and cancelled jobs ready again."""
        return self._each(uuids, (JobState.FAILED, JobState.CANCELLED), self._restart)

    def _restart(self, db_id: str) -> None:
        shown = {"error": 1, "remote.error": 1, "surfalign": 1}
        document = self.collection.find_one({"db_id": db_id}, shown) or {}
        noted = document.get("surfalign") or {}
        raised = raised_after(noted.get("raised"), failure_of(document)[0])
        self.controller.restart(db_id)
        # Cause, message and losses belong to the failure; what it asks for now stays.
        change = (
            {"$set": {"surfalign": {"raised": raised}}} if raised else {"$unset": {"surfalign": ""}}
        )
        self.collection.update_one({"db_id": db_id}, change)

    def cancel(self, uuids: Collection[str] | None = None) -> int:
        """Cancel what is not done, in SLURM too."""
        open_states = (JobState.WAITING, JobState.READY, JobState.QUEUED, JobState.RUNNING)
        return self._each(uuids, (*open_states, JobState.PAUSED), self.controller.stop)

    def pause(self, uuids: Collection[str] | None = None) -> int:
        """Hold jobs that have not started; without ``uuids`` no worker starts any."""
        if uuids is None:
            return self._hold(True)
        return self._each(uuids, (JobState.WAITING, JobState.READY), self.controller.hold)

    def resume(self, uuids: Collection[str] | None = None) -> int:
        """Release held jobs."""
        if uuids is None:
            return self._hold(False)
        return self._each(uuids, (JobState.PAUSED,), self.controller.release)

    @property
    def paused(self) -> bool:
        """Whether the whole campaign is held."""
        return self.table.paused

    def _hold(self, value: bool) -> int:
        with errors_named(self.address):
            return self.table.pause(value)

    def _each(
        self,
        uuids: Collection[str] | None,
        states: tuple[JobState, ...],
        act: Any,
    ) -> int:
        query: dict[str, Any] = {"state": {"$in": self.table.names(states)}}
        if uuids is not None:
            query["uuid"] = {"$in": list(uuids)}
        with errors_named(self.address):
            documents = list(self.collection.find(query, {"db_id": 1}))
            for document in documents:
                act(document["db_id"])
        return len(documents)

    # --- the worker --------------------------------------------------------------------------

    def work(self, *, once: bool = False, stop: Event | None = None) -> None:
        """Run jobflow-remote's runner; see :class:`~.remote_worker.RemoteWorker`."""
        from surfalign.launchers.remote_worker import RemoteWorker

        RemoteWorker(self).run(once=once, stop=stop)


def failure_of(document: dict[str, Any]) -> tuple[str, str]:
    """Return cause and message of a failed job: as noted by the worker, else from its traceback."""
    noted = document.get("surfalign") or {}
    if "cause" in noted:
        return noted["cause"], noted["message"]
    error = document.get("error") or (document.get("remote") or {}).get("error") or ""
    return classify(error).value, last_line(error)


def _record(document: dict[str, Any]) -> JobRecord:
    metadata = document["job"].get("metadata") or {}
    state = STATES[document["state"]]
    cause, message = failure_of(document) if state is JobState.FAILED else ("", "")
    return JobRecord(
        uuid=document["uuid"],
        name=document["job"]["name"],
        step=metadata.get("step", ""),
        state=state,
        cause=cause,
        message=message,
        queue=document.get("worker", ""),
        metadata=metadata,
        raised=(document.get("surfalign") or {}).get("raised", {}),
        tries=1 + (document.get("surfalign") or {}).get("losses", 0),
        started_at=document.get("start_time"),
        ended_at=document.get("end_time"),
    )


# --- jobflow-remote's project --------------------------------------------------------------------


def project(profile: Profile, uri: str, name: str, folder: Path) -> dict[str, Any]:
    """Return the project of a profile, as jobflow-remote reads it.

    Parameters
    ----------
    profile
        Clusters and queues.
    uri, name
        Address of the database, password included, and its name.
    folder
        Where logs and temporary files are kept.
    """
    store = {
        "@module": "surfalign.stores.database",
        "@class": "DatabaseStore",
        "database": name,
        "uri": uri,
        "mongoclient_kwargs": connection_options(patient=False),
    }
    outputs = {**store, "collection_name": JOBS}
    outputs["mongoclient_kwargs"] = connection_options(patient=False) | {"tz_aware": True}
    pause = profile.poll_interval
    return {
        "name": profile.name,
        "base_dir": str(folder / "files"),
        "log_level": "warn",
        "runner": {
            "delay_checkout": pause,
            "delay_check_run_status": pause,
            "delay_advance_status": pause,
            "delay_update_batch": pause,
            "delta_retry": (2 * pause, 10 * pause, 40 * pause),
        },
        "workers": {
            queue_name: _worker(queue_name, queue, profile)
            for queue_name, queue in profile.queues.items()
        },
        "queue": {
            "store": {**store, "collection_name": JOB_COLLECTION},
            "flows_collection": "remote_flows",
            "auxiliary_collection": "remote_auxiliary",
            "batches_collection": "remote_batches",
        },
        "jobstore": {
            "@module": "jobflow.core.store",
            "@class": "JobStore",
            "docs_store": outputs,
        },
    }


def _worker(name: str, queue: Queue, profile: Profile) -> dict[str, Any]:
    cluster = profile.clusters[queue.cluster]
    worker: dict[str, Any] = {
        "scheduler_type": cluster.scheduler,
        "work_dir": str(cluster.work_directory / name),
        "pre_run": "\n".join(
            [
                # Batches call jf by its bare name.
                f"export PATH={cluster.bin_directory}:$PATH",
                *slurm.prologue(queue, profile.environment(queue)),
            ]
        ),
        "execution_cmd": f"{cluster.bin_directory}/jf -fe execution run {{}}",
        "max_jobs": queue.max_jobs,
        "resources": resources_of(queue) if cluster.scheduler == "slurm" else {},
        **_host(cluster),
    }
    if queue.jobs_per_allocation > 1:
        folder = cluster.work_directory / ".batches" / name
        worker["batch"] = {
            "jobs_handle_dir": str(folder / "jobs"),
            "work_dir": str(folder / "work"),
            "max_jobs_per_batch": queue.jobs_per_allocation,
            "max_wait": max(10.0, 2 * profile.poll_interval),
            "sleep_time": min(10.0, profile.poll_interval),
            # No job is begun that the walltime would probably cut off.
            "max_time": 0.5 * queue.seconds,
        }
    return worker


def resources_of(queue: Queue) -> dict[str, str]:
    """Return what a queue asks for in the words of jobflow-remote's SLURM template."""
    return {option.replace("-", "_"): value for option, value in slurm.options(queue).items()}


def _host(cluster: Cluster) -> dict[str, Any]:
    if cluster.host is None:
        return {"type": "local"}
    host: dict[str, Any] = {"type": "remote", "host": cluster.host}
    if cluster.user is not None:
        host["user"] = cluster.user
    if cluster.key_file is not None:
        host["key_filename"] = str(cluster.key_file.expanduser())
    return host


def _open_controller(folder: Path, name: str) -> Controller:
    try:
        from jobflow_remote import SETTINGS
    except ImportError as error:
        raise MissingDependencyError(
            "jobflow-remote is not installed",
            "the launcher that the profile names",
            "pip install 'surfalign[remote]'",
        ) from error
    from surfalign.launchers.remote_controller import Controller

    SETTINGS.projects_folder = str(folder)
    return Controller.from_project_name(name)  # type: ignore[return-value]  # typed as its base
