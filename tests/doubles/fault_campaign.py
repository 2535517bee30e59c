"""A campaign of stub flows on a SLURM, a database and a disk of its own, which faults can be put into."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import yaml
from plans import write_plan
from pymatgen.core import Structure
from slurm_cluster import SlurmCluster, python_path, wait_until
from troubled_slurm import TroubledSlurm

from surfalign.errors import DatabaseUnreachableError
from surfalign.files import write_whole
from surfalign.launchers.campaign.control import Selection, retry
from surfalign.launchers.campaign.failed_results import report_failures
from surfalign.launchers.cluster.launcher import JobRecord, JobState, Launcher, open_launcher
from surfalign.launchers.cluster.profiles import load_profile
from surfalign.launchers.database.server import LocalServer
from surfalign.settings import Settings
from surfalign.stores.builders import SurfaceLevelsBuilder
from surfalign.stores.database import Database, connect

#: The relaxation of this one fails, whatever happens to the others.
FAILING = "CaO"
ACTIVE = (JobState.WAITING, JobState.READY, JobState.QUEUED, JobState.RUNNING)
#: What an operator tries again in the morning; other causes speak against the calculation.
RETRIED = ("walltime", "disk", "killed", "node", "cancelled", "database", "submission", "memory")


def big_plan(path: Path, n_surfaces: int, step: float = 1e-3) -> Path:
    """Write a plan of many crystals with one surface each: rock salt at volumes a step apart."""
    write_plan(path, ("MgO", "SrO", FAILING))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    crystals = [line for line in lines if line["kind"] == "crystal"]
    surfaces = {s["crystal"]: s for s in reversed(lines) if s["kind"] == "surface"}
    # One failing crystal is enough.
    order = sorted(crystals, key=lambda crystal: crystal["formula"] == FAILING)
    new: list[dict[str, Any]] = []
    for number in range(n_surfaces):
        crystal = order[2] if number == 1 else order[number % 2]
        structure = Structure.from_dict(crystal["structure"])
        structure.scale_lattice(structure.volume * (1 + step * number))
        key = f"{number:05d}"
        new.append(
            crystal | {"key": key, "structure": structure.as_dict(), "source": f"made:{key}"}
        )
        new.append(surfaces[crystal["key"]] | {"crystal": key, "source": f"made:{key}"})
    path.write_text("".join(json.dumps(line) + "\n" for line in [lines[0], *new]))
    return path


class FaultCampaign:
    """A running campaign: SLURM, database, disk, worker and submitters, all of which can be killed.

    Parameters
    ----------
    directory
        Everything is below it; short, for munge's socket.
    launcher
        ``fireworks`` or ``remote``.
    n_surfaces
        How many the plan has.
    cores
        Jobs at a time.
    toy_seconds
        How long a stub step takes at least.
    jobs_per_allocation
        Jobs that share a SLURM job.
    """

    def __init__(
        self,
        directory: Path,
        launcher: str,
        n_surfaces: int,
        cores: int = 3,
        toy_seconds: float = 1.0,
        jobs_per_allocation: int = 1,
    ) -> None:
        self.directory = directory
        self.launcher_name = launcher
        self.cluster = SlurmCluster(directory / "slurm", cores=cores)
        self.troubled = TroubledSlurm(directory / "site")
        self.server = LocalServer(directory / "database")
        self.runs = directory / "runs.jsonl"
        #: Held jobs of which people were not told.
        self.silent: list[str] = []
        self.work = directory / "work"
        self.hangs = directory / "hangs"
        self.profile = directory / "profile.yaml"
        self.n_surfaces = n_surfaces
        self.toy_seconds = toy_seconds
        self.jobs_per_allocation = jobs_per_allocation
        self.plan = directory / "plan.jsonl"
        self.worker: subprocess.Popen[bytes] | None = None
        self.submitters: list[subprocess.Popen[bytes]] = []
        self.limit = 0
        self.uri = ""
        self.has_own_disk = False

    # --- life --------------------------------------------------------------------------------

    @contextmanager
    def running(self) -> Iterator[FaultCampaign]:
        (self.directory / "slurm").mkdir(parents=True)
        self.work.mkdir()
        big_plan(self.plan, self.n_surfaces)
        mounted = False
        try:
            mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(self.work)]
            mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
            self.has_own_disk = mounted
            self.cluster.start()
            self.uri = self.server.start()
            self._write_profile()
            self.start_worker()
            yield self
        finally:
            self._kill(self.worker)
            for submitter in self.submitters:
                self._kill(submitter)
            self.cluster.stop()
            self.server.stop()
            if mounted:
                subprocess.run(["umount", "-l", str(self.work)], check=False)
            shutil.rmtree(self.work, ignore_errors=True)

    def _write_profile(self) -> None:
        write_whole(self.directory / "uri", self.uri, private=True)
        queue = {
            "walltime": "0:30:00",
            "jobs_per_allocation": self.jobs_per_allocation,
            "environment": {
                "PYTHONPATH": python_path(),
                "TOY_SECONDS": str(self.toy_seconds),
                "TOY_FAILS_FOR": FAILING,
                "TOY_SCRATCH": "1000000",
                "TOY_HANGS": str(self.hangs),
                "TOY_LOG": str(self.runs),
            },
        }
        content = {
            "launcher": self.launcher_name,
            "poll_interval": 0.5,
            "reruns": 3,
            "database": {"uri_file": str(self.directory / "uri"), "name": "faults"},
            "clusters": {"local": {"work_directory": str(self.work)}},
            "queues": {
                "small": {"partition": "cpu", "max_jobs": 6, **queue},
                "large": {"partition": "gpu", "gpus": 1, "max_jobs": 6, **queue},
            },
            "steps": {"default": "small", "band edges": "large", "slab potential": "large"},
        }
        self.profile.write_text(yaml.safe_dump(content))

    def environment(self) -> dict[str, str]:
        return os.environ | self.cluster.environment | {
            "PYTHONPATH": python_path(),
            "PATH": self.troubled.path,
            "SURFALIGN_DATA_DIRECTORY": str(self.directory / "data"),
            "OMP_NUM_THREADS": "1",
            # A login shell that is killed must not leave locks in the user's own directory.
            "HOME": str(self.directory),
        }  # fmt: skip

    def _spawn(self, log: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.directory / f"{log}.log").open("ab") as stream:
            return subprocess.Popen(
                [sys.executable, "-m", "toy_cli", *arguments],
                env=self.environment(), stdout=stream, stderr=stream, start_new_session=True,
            )  # fmt: skip

    def start_worker(self) -> None:
        self.worker = self._spawn("worker", "worker", "--profile", str(self.profile))

    def keep_worker(self) -> None:
        """Start the worker again when it has ended, as a service manager does."""
        if self.worker is None or self.worker.poll() is not None:
            self.start_worker()

    def kill_worker(self) -> None:
        self._kill(self.worker)
        self.worker = None

    def submit(self, number: int, submitters: int = 1) -> list[subprocess.Popen[bytes]]:
        """Submit so many more surfaces, by several submitters at once; do not wait."""
        self.limit = min(self.limit + number, self.n_surfaces)
        arguments = [
            "submit", str(self.plan), "--profile", str(self.profile), "--engine", "toy",
            "--quality", "quick", "--limit", str(self.limit),
        ]  # fmt: skip
        started = [self._spawn(f"submit{n}", *arguments) for n in range(submitters)]
        self.submitters += started
        return started

    @staticmethod
    def _kill(process: subprocess.Popen[bytes] | None) -> None:
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    # --- looking -----------------------------------------------------------------------------

    @contextmanager
    def opened(self) -> Iterator[tuple[Launcher, Database]]:
        with (
            open_launcher(load_profile(str(self.profile))) as launcher,
            connect(Settings(database_uri=self.uri, database_name="faults")) as database,
        ):
            yield launcher, database

    def running_jobs(self) -> list[str]:
        """SLURM numbers of the jobs that run."""
        return [job["id"] for job in self.cluster.jobs() if job["state"] == "RUNNING"]

    def processes_of(self, number: str) -> list[psutil.Process]:
        """Processes of a SLURM job, without SLURM's own."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("SLURM_JOB_ID") == number and str(
                    self.directory
                ) in process.environ().get("SLURM_CONF", ""):
                    found.append(process)
        return [process for process in found if process.name() != "slurmstepd"]

    def stuck(self) -> dict[str, str]:
        """What people are told of jobs and queues that do not get on, by uuids and names of queues."""
        with suppress(DatabaseUnreachableError), self.opened() as (launcher, _):
            told = {record.uuid: record.stuck for record in launcher.jobs() if record.stuck}
            return told | launcher.table.troubles()  # type: ignore[attr-defined]
        return {}

    def at_once(self) -> list[str]:
        """Jobs that ran to the end twice, the one while the other did."""
        begun: dict[tuple[str, int], float] = {}
        ended: dict[str, list[tuple[float, float]]] = {}
        lines = self.runs.read_text().splitlines() if self.runs.is_file() else []
        for run in map(json.loads, lines):
            key = (run["uuid"], run["pid"])
            if run["event"] == "start":
                begun[key] = run["at"]
            elif key in begun:
                ended.setdefault(run["uuid"], []).append((begun.pop(key), run["at"]))
        return [
            uuid
            for uuid, spans in ended.items()
            for (_, end), (start, _) in pairwise(sorted(spans))
            if start < end
        ]

    # --- the end -----------------------------------------------------------------------------

    def drain(self, timeout: float, note: Callable[[str], None] = lambda line: None) -> None:
        """Act as a careful operator until everything is done or failed for good."""
        deadline = time.monotonic() + timeout
        while not self.operate(note):
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {timeout:.0f} s not settled: {self.describe()}")
            time.sleep(3)

    def operate(self, note: Callable[[str], None] = lambda line: None) -> bool:
        """Look once as an operator: try again what may be; return whether all is settled."""
        self.keep_worker()
        with suppress(DatabaseUnreachableError), self.opened() as (launcher, database):
            tried = retry(launcher, Selection(causes=RETRIED))
            if tried:
                note(f"{tried} jobs tried again")
            return self._is_settled(launcher, database)
        return False

    def _is_settled(self, launcher: Launcher, database: Database) -> bool:
        registered = database.collection("campaign_surfaces")
        if registered.count_documents({}) < self.limit:
            if all(submitter.poll() is not None for submitter in self.submitters):
                self.submit(0)  # all submitters died
            return False
        if registered.count_documents({"state": {"$ne": "submitted"}}):
            return False
        failed = {r.metadata["crystal"] for r in launcher.jobs(states=[JobState.FAILED])}
        return all(
            record.state is JobState.WAITING and record.metadata["crystal"] in failed
            for record in launcher.jobs(states=ACTIVE)
        )

    def describe(self) -> str:
        """What stands where, for people."""
        with self.opened() as (launcher, database):
            counted = Counter((r.step, r.state.value, r.cause) for r in launcher.jobs())
            states = Counter(d["state"] for d in database.collection("campaign_surfaces").find())
        return f"{dict(counted)}; register {dict(states)}; SLURM {self.cluster.jobs()[-5:]}"

    def verdict(self) -> dict[str, Any]:
        """Build the results and count what must be: each surface once, done or failed with a cause."""
        with self.opened() as (launcher, database):
            builder = SurfaceLevelsBuilder(database.jobs, database.surface_levels)
            builder.run()
            report_failures(launcher, database)
            records = list(launcher.jobs())
            surfaces = list(database.collection("campaign_surfaces").find({}, {"_id": 0}))
            results = list(
                database.surface_levels.query(
                    properties={
                        "state": 1, "surface_name": 1, "provenance": 1, "error": 1, "source": 1,
                        "ionization_potential": 1, "identifier": 1,
                    }
                )
            )  # fmt: skip
            again = builder.run()
        done = Counter(r["source"] for r in results if r["state"] != "failed")
        failed = {r["source"]: r["error"] for r in results if r["state"] == "failed"}
        lost = [
            s["source"]
            for s in _with_sources(surfaces, records)
            if s["source"] not in done and s["source"] not in failed
        ]
        return {
            "surfaces": len(surfaces),
            "distinct": len({s["key"] for s in surfaces}),
            "done": len(done),
            "failed": {source: error["error"] for source, error in sorted(failed.items())},
            "twice": [source for source, number in done.items() if number > 1],
            "doubled jobs": _doubled(records),
            "at once": self.at_once(),
            "silent": self.silent,
            "lost": lost,
            "stuck": [r.name for r in records if r.state in (JobState.RUNNING, JobState.QUEUED)],
            "levels": sorted(
                {round(r["ionization_potential"], 6) for r in results if r["state"] != "failed"}
            ),
            "second build": again,
            "starts": sum(r.tries for r in records),
            "jobs": len(records),
        }


def _with_sources(surfaces: list[dict[str, Any]], records: list[JobRecord]) -> list[dict[str, Any]]:
    sources = {r.metadata["crystal"]: r.metadata["source"] for r in records}
    return [{**s, "source": sources.get(s.get("bulk", ""), "not submitted")} for s in surfaces]


def _doubled(records: list[JobRecord]) -> list[str]:
    counted = Counter(record.uuid for record in records)
    return [uuid for uuid, number in counted.items() if number > 1]


__all__ = ["FaultCampaign", "wait_until"]
