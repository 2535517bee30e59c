"""The files by which jobs on compute nodes find the database: private, in the work directory."""

from __future__ import annotations

from typing import Any

import yaml

from surfalign.files import write_whole
from surfalign.launchers.cluster.profiles import Cluster
from surfalign.stores.database import JOBS

FOLDER = ".surfalign"
#: How long a job waits for a database that is being restarted (ms): its result may be hours of work.
PATIENCE = 600_000
IMPATIENCE = 8_000
#: A lock that FireWorks holds on a workflow for longer than this was left by a process that died (s).
LOCK_EXPIRY = 60


class Worksite:
    """The folder ``.surfalign`` of a cluster's work directory.

    Parameters
    ----------
    cluster
        Whose jobs read it.
    database_name
        Name of the database.
    """

    def __init__(self, cluster: Cluster, database_name: str) -> None:
        self.database_name = database_name
        self.folder = cluster.work_directory / FOLDER
        self.launchpad = self.folder / "launchpad.yaml"
        self.fworker = self.folder / "fworker.yaml"
        self.jobflow = self.folder / "jobflow.yaml"
        self.fireworks = self.folder / "fireworks.yaml"
        self.uri = self.folder / "uri.yaml"  # one text, as settings read it
        self.lock = self.folder / "worker.lock"

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which jobflow, FireWorks and surfalign's settings find the files."""
        return {
            "JOBFLOW_CONFIG_FILE": str(self.jobflow),
            "FW_CONFIG_FILE": str(self.fireworks),
            # Whatever the shell that submitted, or the settings on the node, say.
            "SURFALIGN_DATABASE_URI": "",
            "SURFALIGN_DATABASE_URI_FILE": str(self.uri),
            "SURFALIGN_DATABASE_NAME": self.database_name,
        }

    def write(self, uri: str) -> None:
        """Write the files; three of them hold the address of the database, password included."""
        options = connection_options(patient=True)
        store = {
            "@module": "surfalign.stores.database_store",
            "@class": "DatabaseStore",
            "database": self.database_name,
            "collection_name": JOBS,
            "uri": uri,
            "mongoclient_kwargs": options | {"tz_aware": True},
        }
        launchpad = {
            "host": uri,
            "name": self.database_name,
            "uri_mode": True,
            "strm_lvl": "WARNING",
            "logdir": None,
            "mongoclient_kwargs": options,
        }
        fireworks = {
            "WFLOCK_EXPIRATION_SECS": LOCK_EXPIRY,
            "WFLOCK_EXPIRATION_KILL": True,
            "PRINT_FW_JSON": False,
            "PING_TIME_SECS": 600,
        }
        fworker = {"name": "surfalign", "category": "", "query": "{}"}
        jobstore = {"@module": "jobflow.core.store", "@class": "JobStore", "docs_store": store}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.uri, uri, private=True)
        for path, content in (
            (self.launchpad, launchpad),
            (self.jobflow, {"JOB_STORE": jobstore}),
            (self.fireworks, fireworks),
            (self.fworker, fworker),
        ):
            write_whole(path, yaml.safe_dump(content), private=True)


def connection_options(*, patient: bool) -> dict[str, Any]:
    """Return pymongo's options: jobs wait for a restarted database, people do not."""
    wait = PATIENCE if patient else IMPATIENCE
    return {
        "serverSelectionTimeoutMS": wait,
        "connectTimeoutMS": 20_000,
        "socketTimeoutMS": 300_000,
        "appname": "surfalign",
    }
