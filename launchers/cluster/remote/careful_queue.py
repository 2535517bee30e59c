"""jobflow-remote's way to SLURM, less its beliefs: what squeue leaves out has ended, what sbatch refuses is not there.

jobflow-remote takes a job that squeue does not list for finished, submits again where sbatch failed, and does
not find the number below a site's banner. Here SLURM must affirm an end, and a job is looked for in its
directory before it is submitted once more.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from jobflow_remote.jobs.batch import RemoteBatchManager
from jobflow_remote.jobs.data import BATCH_INFO_FILENAME
from jobflow_remote.remote.host.local import LocalHost
from jobflow_remote.remote.queue import QueueManager
from qtoolkit.core.data_objects import QJob, QState, SubmissionResult, SubmissionStatus

from surfalign.launchers.cluster import slurm
from surfalign.launchers.cluster.slurm_submission import Submission, judged

#: States in which a job runs, or did a moment ago.
_RUNNING = ("RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "RESIZING")


class CarefulQueue(QueueManager):
    """The queue of one worker.

    Attributes
    ----------
    states
        What SLURM last said of the jobs that were asked for, by number; None where it did not answer.
    complaint
        Of the last submission; empty where it succeeded.
    """

    def __init__(self, scheduler_io: Any, host: Any) -> None:
        super().__init__(scheduler_io, host)
        self.states: dict[str, slurm.SlurmJob] | None = {}
        self.complaint = ""

    def ask(self, *command: str) -> slurm.Answer:
        """Run a client of SLURM where the queue is."""
        if isinstance(self.host, LocalHost):
            return slurm.ask_here(*command)
        try:
            if not self.host.is_connected:
                self.host.connect()  # type: ignore[no-untyped-call]
            output, complaint, status = self.host.execute(
                shlex.join(command), timeout=int(slurm.TIMEOUT)
            )
        except Exception as error:  # noqa: BLE001 (whatever ssh raises)
            return slurm.Answer(complaint=f"{type(error).__name__}: {error}")
        return slurm.Answer(output, complaint, status)

    def submit(
        self, commands: Any, options: Any = None, work_dir: Any = None, pre_run: Any = None,
        post_run: Any = None, export: Any = None, modules: Any = None, script_fname: str = "submit.sh",
        create_submit_dir: bool = False, timeout: int | None = None,
    ) -> SubmissionResult:  # fmt: skip
        """Submit a job, unless an earlier try has brought it to SLURM already."""
        directory = str(work_dir)
        # A batch gets a new directory; that of a job may be one in which an earlier try still waits.
        found = "" if create_submit_dir else slurm.number_at(directory, self.ask)
        script = self.write_submission_script(
            commands, options, work_dir, pre_run, post_run, export, modules, script_fname,
            create_submit_dir,
        )  # fmt: skip
        if found is None:
            done = Submission(complaint="SLURM does not answer")
        elif found:
            done = Submission(found)
        else:
            # As told, not as the shell resolves it: by this directory the job is found again.
            answer = self.ask("sbatch", f"--chdir={directory}", str(script))
            done = judged(answer, directory, self.ask)
        if create_submit_dir and not done.number and not self._gave_back(directory):
            done = Submission(slurm.number_at(directory, self.ask) or "", done.complaint)
        self.complaint = done.complaint if not done.number else ""
        return SubmissionResult(
            job_id=done.number or None, stderr=self.complaint, exit_code=0 if done.number else 1,
            status=SubmissionStatus("SUCCESSFUL" if done.number else "FAILED"),
        )  # fmt: skip

    def _gave_back(self, directory: str) -> bool:
        """Keep a batch, whose next try has another directory, from ever running in this one."""
        text, file = quote(slurm.GIVEN_BACK), quote(f"{directory}/{slurm.CLAIM}")
        return self.ask("sh", "-c", f"set -C; echo {text} > {file}").status == 0

    def get_jobs_list(
        self, jobs: Sequence[Any] | None = None, user: str | None = None, timeout: Any = None
    ) -> list[QJob]:
        """Return the jobs whose end SLURM does not affirm."""
        numbers = [str(job.job_id if isinstance(job, QJob) else job) for job in jobs or ()]
        self.states = slurm.states_of(numbers, self.ask)
        known = self.states
        if known is None:
            known = dict.fromkeys(numbers, slurm.SlurmJob(slurm.UNKNOWN))
        return [QJob(job_id=i, state=_state(job)) for i, job in known.items() if not job.ended]


class CarefulBatches(RemoteBatchManager):
    """The files of one worker's allocations, of which one that is not whole stops no other."""

    def get_batch_info(
        self, batch_dir: Path | str, batch_info_file: str = BATCH_INFO_FILENAME
    ) -> dict[str, Any] | None:
        """Return when an allocation began and ended; None where a full disk left its file empty or cut off."""
        try:
            info = super().get_batch_info(batch_dir, batch_info_file)
        except ValueError:  # JSONDecodeError and UnicodeDecodeError are such
            return None
        return info if isinstance(info, dict) else None


def _state(job: slurm.SlurmJob) -> QState:
    if job.state == slurm.UNKNOWN:
        return QState("UNDETERMINED")
    return QState("RUNNING" if job.state in _RUNNING else "QUEUED")
