"""jobflow-remote: a runner on this machine moves jobs to clusters and results to the database.

Compute nodes never reach the database: the runner uploads inputs and downloads outputs, by ssh where the
cluster is elsewhere. One worker of jobflow-remote stands for each queue of the profile. What goes beyond
it is in :mod:`.worker` (causes of failures, jobs that were lost) and :mod:`.controller`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import yaml

from surfalign.errors import MissingDependencyError
from surfalign.files import write_whole
from surfalign.launchers.cluster import slurm_submission
from surfalign.launchers.cluster.job_files import connection_options
from surfalign.launchers.cluster.job_requests import raised_after
from surfalign.launchers.cluster.launcher import JobRecord, JobState, classify, last_line
from surfalign.launchers.cluster.managed_launcher import ManagedLauncher
from surfalign.launchers.cluster.profiles import Cluster, Profile, Queue
from surfalign.stores.connection.errors import errors_named
from surfalign.stores.database import JOBS
from surfalign.workflows.routing import route

if TYPE_CHECKING:
    from jobflow import Flow

    from surfalign.launchers.cluster.remote.controller import Controller

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


class RemoteLauncher(ManagedLauncher):
    """Submit, look at and run flows through jobflow-remote.

    Parameters
    ----------
    profile
        Where they run.
    """

    collection_name = JOB_COLLECTION
    key_field = "db_id"
    uuid_field = "uuid"
    step_field = "job.metadata.step"
    projection: ClassVar = dict.fromkeys(
        (
            *("uuid", "state", "worker", "error", "remote.error", "start_time", "end_time"),
            *("job.name", "job.metadata", "surfalign", "previous_state"),
        ),
        1,
    )
    states = STATES

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        data = profile.settings().data_directory.expanduser().absolute()
        self.folder = data / "jobflow-remote" / profile.name

    @cached_property
    def controller(self) -> Controller:
        """jobflow-remote's own connection, with its project; for those who change something."""
        content = project(self.profile, self.uri, self.database_name, self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.profile.name}.yaml"
        write_whole(path, yaml.safe_dump(content), private=True)
        controller = _open_controller(self.folder, self.profile.name)
        with errors_named(self.address):
            controller.initialise()
        return controller

    def _close_manager(self) -> None:
        if "controller" in self.__dict__:
            self.controller.close()

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

    def _record(self, document: dict[str, Any]) -> JobRecord:
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
            stuck=_stuck(document) if state in (JobState.QUEUED, JobState.RUNNING) else "",
            tries=1 + (document.get("surfalign") or {}).get("losses", 0),
            started_at=document.get("start_time"),
            ended_at=document.get("end_time"),
        )

    # --- changes -----------------------------------------------------------------------------

    def _restart(self, key: str) -> None:
        shown = {"error": 1, "remote.error": 1, "surfalign": 1}
        document = self.table.jobs.find_one({"db_id": key}, shown) or {}
        noted = document.get("surfalign") or {}
        raised = raised_after(noted.get("raised"), failure_of(document)[0])
        self.controller.restart(key)
        # Cause, message and losses belong to the failure; what it asks for now stays.
        change = (
            {"$set": {"surfalign": {"raised": raised}}} if raised else {"$unset": {"surfalign": ""}}
        )
        self.table.jobs.update_one({"db_id": key}, change)

    def cancel(self, uuids: Collection[str] | None = None) -> int:
        """Cancel what is not done, in SLURM too."""
        open_states = (JobState.WAITING, JobState.READY, JobState.QUEUED, JobState.RUNNING)
        return self._each(uuids, (*open_states, JobState.PAUSED), self.controller.stop)

    def _hold(self, key: str) -> None:
        self.controller.hold(key)

    def _release(self, key: str) -> None:
        self.controller.release(key)


def failure_of(document: dict[str, Any]) -> tuple[str, str]:
    """Return cause and message of a failed job: as noted by the worker, else from its traceback."""
    noted = document.get("surfalign") or {}
    if "cause" in noted:
        return noted["cause"], noted["message"]
    error = document.get("error") or (document.get("remote") or {}).get("error") or ""
    return classify(error).value, last_line(error)


def _stuck(document: dict[str, Any]) -> str:
    """Return why a job does not get on: as noted by the worker, else why a step of the runner failed."""
    noted: str = (document.get("surfalign") or {}).get("stuck", "")
    return noted or last_line((document.get("remote") or {}).get("error") or "")


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
        "@module": "surfalign.stores.database_store",
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
                *([slurm_submission.claim()] if cluster.scheduler == "slurm" else ()),
                # Batches call jf by its bare name.
                f"export PATH={cluster.bin_directory}:$PATH",
                *slurm_submission.prologue(queue, profile.environment(queue)),
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
    known = slurm_submission.options(queue).items()
    resources = {option.replace("-", "_"): value for option, value in known}
    further = [f"#SBATCH {flag}" for flag in slurm_submission.further_flags(queue)]
    return resources | ({"qverbatim": "\n".join(further)} if further else {})


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
    from surfalign.launchers.cluster.remote.controller import Controller

    SETTINGS.projects_folder = str(folder)
    return Controller.from_project_name(name)  # type: ignore[return-value]  # typed as its base
