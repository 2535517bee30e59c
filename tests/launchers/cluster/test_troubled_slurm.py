"""Both launchers on a real SLURM whose clients lie, fail or wait: nothing runs twice, nothing is stuck silently."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jobflow import Flow
from slurm_cluster import SlurmCluster, python_path, wait_until
from toy_engine import ToyBulkMaker
from troubled_slurm import TroubledSlurm

from surfalign.crystals.sources import load_crystal
from surfalign.files import write_whole
from surfalign.launchers.cluster import slurm as clients
from surfalign.launchers.cluster.fireworks import worker as fireworks_worker
from surfalign.launchers.cluster.launcher import JobRecord, JobState, Launcher, open_launcher
from surfalign.launchers.cluster.profiles import Profile, load_profile
from surfalign.stores.database import Database

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # of what FireWorks and jobflow-remote warn
    pytest.mark.timeout(300),
]
#: What an allocation of jobflow-remote writes of itself.
BATCH_INFO = "batch_info.json"
LAUNCHERS = pytest.mark.parametrize("kind", ["fireworks", "remote"])


@pytest.fixture
def campaign(
    troubled: TroubledSlurm, slurm: SlurmCluster, database: Database, tmp_path: Path,
    write_profile: Callable[..., Path], monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Campaign]]:  # fmt: skip
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path / "data"))
    write_whole(tmp_path / "uri.yaml", os.environ["SURFALIGN_DATABASE_URI"], private=True)
    begun: list[Campaign] = []

    def begin(kind: str, **queue: Any) -> Campaign:
        pytest.importorskip({"remote": "jobflow_remote"}.get(kind, kind))
        path = write_profile(kind, {"uri_file": str(tmp_path / "uri.yaml")}, poll_interval=0.1)
        profile = load_profile(str(path))
        changed = {n: q.model_copy(update=queue) for n, q in profile.queues.items()}
        profile = profile.model_copy(update={"queues": changed})
        begun.append(Campaign(profile, slurm, tmp_path))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()


class Campaign:
    """One short job, its launcher and its worker, whose rounds the test makes itself."""

    def __init__(self, profile: Profile, slurm: SlurmCluster, folder: Path) -> None:
        self.profile, self.slurm, self.folder = profile, slurm, folder
        self.launcher: Launcher = open_launcher(profile)
        self.submit("MgO")
        self.worker: Any
        if profile.launcher == "fireworks":
            self.worker = fireworks_worker.FireworksWorker(self.launcher, "local")  # type: ignore[arg-type]
        else:
            from surfalign.launchers.cluster.remote.worker import RemoteWorker

            self.worker = RemoteWorker(self.launcher)  # type: ignore[arg-type]

    def submit(self, formula: str) -> None:
        job = ToyBulkMaker().make(load_crystal(formula).structure)
        job.update_metadata({"step": "bulk", "formula": formula})
        assert self.launcher.submit([Flow([job], name=formula)]) == 1

    def close(self) -> None:
        clients.cancel([job["id"] for job in self.slurm_jobs()])
        self.launcher.__exit__()

    def slurm_jobs(self) -> list[dict[str, str]]:
        """SLURM's jobs of this test."""
        return [j for j in self.slurm.jobs() if j["directory"].startswith(str(self.folder))]

    def troubles(self) -> dict[str, str]:
        return self.launcher.table.troubles()  # type: ignore[attr-defined,no-any-return]

    def record(self) -> JobRecord:
        (record,) = self.launcher.jobs()
        return record

    def round(self) -> JobRecord:
        self.worker.round()
        return self.record()

    def until(self, state: JobState) -> JobRecord:
        """Make rounds until the job is there."""
        return self.rounds(lambda: self.record().state is state)

    def until_slurm_has_it(self) -> dict[str, str]:
        """Make rounds until SLURM has a job; return that."""
        self.rounds(lambda: bool(self.slurm_jobs()))
        (job,) = self.slurm_jobs()
        return job

    def rounds(self, reached: Callable[[], bool]) -> JobRecord:
        """Make rounds until something is reached."""
        deadline = time.monotonic() + 60
        while not reached():
            assert time.monotonic() < deadline, (self.record(), self.slurm_jobs())
            self.worker.round()
        return self.record()


# --- the same by both launchers ------------------------------------------------------------------


@LAUNCHERS
def test_what_slurm_took_although_sbatch_failed_runs_once(
    kind: str, campaign: Callable[..., Campaign], troubled: TroubledSlurm
) -> None:
    running = campaign(kind)
    with troubled.trouble("taken-but-failed", "banner"):
        done = running.until(JobState.DONE)
    assert done.tries == 1
    assert len(running.slurm_jobs()) == 1


@LAUNCHERS
def test_a_job_that_nobody_tells_anything_of_is_left_alone_and_shown(
    kind: str, campaign: Callable[..., Campaign], troubled: TroubledSlurm
) -> None:
    running = campaign(kind, sbatch_options={"begin": "now+1hour"})
    job = running.until_slurm_has_it()
    for troubles in (("empty-squeue", "silent-scontrol"), ("no-controller",), ("empty-squeue",)):
        with troubled.trouble(*troubles):
            for _ in range(4):
                found = running.round()
        assert (found.state, found.tries) == (JobState.QUEUED, 1)
        if "silent-scontrol" in troubles:
            assert "SLURM tells nothing of this job" in found.stuck
        told = "; ".join(running.troubles().values())
        assert ("SLURM does not answer" in told) is ("no-controller" in troubles)
    # It begins at last, and is seen.
    running.slurm.client("scontrol", "update", f"JobId={job['id']}", "StartTime=now")
    assert running.until(JobState.DONE).stuck == ""
    assert len(running.slurm_jobs()) == 1
    assert running.troubles() == {}


@LAUNCHERS
def test_a_refusal_and_a_hold_are_shown_until_they_are_over(
    kind: str, campaign: Callable[..., Campaign], troubled: TroubledSlurm
) -> None:
    running = campaign(kind)
    troubled.begin("refused", "sbatch: error: no project\nsbatch: error: name one by --account\n")
    running.rounds(lambda: bool(running.troubles()))
    assert running.troubles() == {
        "queue small": "SLURM takes no job: no project; name one by --account"
    }
    assert not running.slurm_jobs()
    troubled.end("refused")
    with troubled.trouble("held"):
        job = running.until_slurm_has_it()
    running.round()
    assert running.round().stuck == "JobHeldUser: held by its user; scontrol release frees it"
    assert running.troubles() == {}
    running.slurm.client("scontrol", "release", job["id"])
    assert running.until(JobState.DONE).stuck == ""
    assert len(running.slurm_jobs()) == 1


@LAUNCHERS
def test_a_job_whose_prologue_fails_does_not_compute(
    kind: str, campaign: Callable[..., Campaign], tmp_path: Path
) -> None:
    running = campaign(kind, modules=("gcc/99",), commands=(f"touch {tmp_path}/computed",))
    failed = running.until(JobState.FAILED)
    running.round()
    failed = running.record()
    assert failed.cause == "environment"
    assert failed.message.endswith(
        "surfalign: this line of the prologue failed: module load gcc/99"
    )
    assert not (tmp_path / "computed").exists()


def remote_number(running: Campaign) -> str | None:
    """SLURM's number of the job as jobflow-remote knows it."""
    number: str | None = running.worker.collection.find_one()["remote"]["process_id"]
    return number


# --- of two jobs of one launch -------------------------------------------------------------------


def test_a_ghost_of_fireworks_that_comes_late_does_not_compute(
    campaign: Callable[..., Campaign], troubled: TroubledSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = campaign("fireworks")
    with troubled.trouble("taken-but-failed", "held", "empty-squeue"):
        assert running.worker.hand_over("small", running.profile.queues["small"]) == 0
        running.worker.recover()
        assert running.record().stuck.startswith("sbatch failed, and nobody knows")
        monkeypatch.setattr(fireworks_worker, "GRACE", 0.0)
        running.worker.recover()
    assert running.record().state is JobState.READY
    (ghost,) = running.slurm_jobs()
    running.slurm.client("scontrol", "release", ghost["id"])
    wait_until(lambda: running.slurm_jobs()[0]["state"] == "COMPLETED", "the end of the ghost")
    assert running.record().state is JobState.READY
    assert running.until(JobState.DONE).tries == 2


def test_a_ghost_of_fireworks_that_is_found_in_time_is_the_launch(
    campaign: Callable[..., Campaign], troubled: TroubledSlurm
) -> None:
    running = campaign("fireworks")
    with troubled.trouble("taken-but-failed", "held", "empty-squeue"):
        running.worker.hand_over("small", running.profile.queues["small"])
        running.worker.recover()
    running.worker.recover()
    (ghost,) = running.slurm_jobs()
    (launch,) = running.launcher.launchpad.launches.find()  # type: ignore[attr-defined]
    assert fireworks_worker.slurm_number(launch) == ghost["id"]
    found = running.round()
    assert (found.state, found.tries) == (JobState.QUEUED, 1)
    assert found.stuck.startswith("JobHeldUser")


def test_of_two_slurm_jobs_of_one_launch_the_one_that_runs_counts(
    campaign: Callable[..., Campaign], troubled: TroubledSlurm
) -> None:
    """As where sbatch itself tries again, and tells the number of its second job."""
    running = campaign("fireworks", sbatch_options={"begin": "now+1hour"})
    running.round()
    (first,) = running.slurm_jobs()
    launches = running.launcher.launchpad.launches  # type: ignore[attr-defined]
    (launch,) = launches.find()
    done = running.slurm.client("sbatch", "--chdir=/tmp", "-o", "/dev/null", "--wrap", "true")
    second = done.split()[-1]
    launches.update_one({}, {"$set": {"state_history.0.reservation_id": second}})
    (fireworks_worker.place_of(launch) / clients.CLAIM).write_text(first["id"])
    ended = lambda: clients.states_of([second])[second].ended  # type: ignore[index]  # noqa: E731
    wait_until(ended, "the end of the job that has nothing to do")
    for _ in range(3):
        running.worker.recover()
    assert (running.record().state, running.record().tries) == (JobState.QUEUED, 1)
    (launch,) = launches.find()
    assert fireworks_worker.slurm_number(launch) == first["id"]


def test_jobflow_remote_submits_no_second_job_where_the_first_was_found_late(
    campaign: Callable[..., Campaign], troubled: TroubledSlurm
) -> None:
    running = campaign("remote", sbatch_options={"begin": "now+1hour"})
    with troubled.trouble("taken-but-failed", "empty-squeue"):
        ghost = running.until_slurm_has_it()
    found = running.record()
    assert found.state is JobState.QUEUED
    assert "Socket timed out" in found.stuck
    running.rounds(lambda: remote_number(running) is not None)
    assert remote_number(running) == ghost["id"]
    assert running.round().state is JobState.QUEUED
    assert len(running.slurm_jobs()) == 1


def test_of_two_slurm_jobs_of_jobflow_remote_the_one_that_runs_counts(
    campaign: Callable[..., Campaign], troubled: TroubledSlurm
) -> None:
    running = campaign("remote")
    with troubled.trouble("held"):
        first = running.until_slurm_has_it()
    directory = Path(first["directory"])
    # The first begins and writes its number; of the second, jobflow-remote knows the number.
    (directory / clients.CLAIM).write_text(first["id"])
    script = str(directory / "submit.sh")
    done = running.slurm.client("sbatch", f"--chdir={directory}", script)
    second = done.split()[-1]
    running.worker.collection.update_one({}, {"$set": {"remote.process_id": second}})
    ended = lambda: clients.states_of([second])[second].ended  # type: ignore[index]  # noqa: E731
    wait_until(ended, "the end of the job that has nothing to do")
    running.rounds(lambda: remote_number(running) == first["id"])
    found = running.round()
    assert (found.state, found.tries) == (JobState.QUEUED, 1)


def test_a_batch_of_jobflow_remote_that_comes_late_runs_nothing(
    campaign: Callable[..., Campaign], troubled: TroubledSlurm
) -> None:
    running = campaign("remote", jobs_per_allocation=3)
    with troubled.trouble("taken-but-failed", "held", "empty-squeue"):
        running.rounds(lambda: bool(running.slurm_jobs()))
    ghosts = [job["id"] for job in running.slurm_jobs()]
    with troubled.trouble("held"):
        running.rounds(lambda: "JobHeldUser" in running.troubles().get("queue small", ""))
    known = set(running.worker.queues["small"].states)
    running.slurm.client("scontrol", "release", ",".join(known - set(ghosts)))
    running.slurm.client("scontrol", "release", ",".join(ghosts))
    running.until(JobState.DONE)
    for job in running.slurm_jobs():
        words = clients.last_words(Path(job["directory"]))
        assert ("belongs to: given back" in words) is (job["id"] in ghosts)


def test_an_allocation_of_which_a_killed_worker_left_no_note_is_watched(
    campaign: Callable[..., Campaign], troubled: TroubledSlurm, tmp_path: Path
) -> None:
    hangs = tmp_path / "hangs"
    hangs.touch()
    environment = {"PYTHONPATH": python_path(), "TOY_HANGS": str(hangs)}
    running = campaign("remote", jobs_per_allocation=3, environment=environment)
    with troubled.trouble("held"):
        unnoted = running.until_slurm_has_it()
        # What the worker would have noted, had it not been killed behind sbatch.
        controller = running.launcher.controller  # type: ignore[attr-defined]
        assert controller.batches.delete_many({}).deleted_count == 1
        running.worker = type(running.worker)(running.launcher)
        running.rounds(lambda: len(running.slurm_jobs()) == 2)
        running.slurm.client("scontrol", "release", unnoted["id"])
        running.rounds(lambda: not hangs.exists() and remote_number(running) == unnoted["id"])
    assert running.record().state is JobState.RUNNING
    running.slurm.client("scancel", "--signal=KILL", unnoted["id"])
    (other,) = (job["id"] for job in running.slurm_jobs() if job["id"] != unnoted["id"])
    running.slurm.client("scontrol", "release", other)
    assert running.until(JobState.DONE).tries == 2


def test_an_allocation_whose_file_a_full_disk_left_empty_stops_nothing(
    campaign: Callable[..., Campaign], troubled: TroubledSlurm
) -> None:
    running = campaign("remote", jobs_per_allocation=3)
    with troubled.trouble("held"):
        job = running.until_slurm_has_it()
    (Path(job["directory"]) / BATCH_INFO).write_text("")
    running.worker.runner.update_batch_jobs()
    running.slurm.client("scontrol", "release", job["id"])
    assert running.until(JobState.DONE).tries == 1
