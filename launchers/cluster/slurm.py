"""Questions to SLURM: what became of a job. Knowledge is only what SLURM affirmed.

squeue may print nothing and exit with 0 while its controller is slow, accounting may lag behind or be
absent. A job that squeue does not list is therefore looked up by sacct and scontrol; one of which none of them
tells anything is unknown, which is no end.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from surfalign import slurm_words
from surfalign.launchers.cluster.launcher import Cause, classify

#: A client of SLURM that does not answer within this time counts as out of order (s).
TIMEOUT = 60.0
#: State of a job that the controller affirms not to know any more.
FORGOTTEN = "FORGOTTEN"
#: State of a job of which SLURM tells nothing.
UNKNOWN = "UNKNOWN"
#: Written by the job itself where it runs: its number, by which a launch is judged.
CLAIM = "slurm_job_id"
#: What stands there instead when the launch was given back: the job must not compute.
GIVEN_BACK = "given back"
#: So many jobs are looked up one by one at a time.
_LOOKED_UP = 20
#: Beginnings of variables by which a user lets the clients show less than is asked for here.
_FILTERS = ("SQUEUE_", "SACCT_")


@dataclass(frozen=True)
class SlurmJob:
    """What SLURM says of a job."""

    state: str
    reason: str = ""
    directory: str = ""

    @property
    def ended(self) -> bool:
        """Whether SLURM affirms that it has ended."""
        return self.state == FORGOTTEN or self.state in slurm_words.FINAL_STATES

    @property
    def stuck(self) -> str:
        """Why it does not get on, for people; empty where it does."""
        if self.state == UNKNOWN:
            return (
                "SLURM tells nothing of this job; if it has ended, cancel and retry start it again"
            )
        return slurm_words.stuck_because(self.state, self.reason)


@dataclass(frozen=True)
class Answer:
    """What a client of SLURM printed; the status is None where it is missing or hangs."""

    output: str = ""
    complaint: str = ""
    status: int | None = None

    @property
    def text(self) -> str | None:
        """The output, or None where the client failed."""
        return self.output if self.status == 0 else None


#: Runs a client of SLURM, here or on another machine.
Ask = Callable[..., Answer]


def ask_here(*command: str, script: str | None = None) -> Answer:
    """Run a client on this machine; sbatch reads a script."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_FILTERS)}
    try:
        done = subprocess.run(
            command, input=script, capture_output=True, text=True, errors="replace",
            timeout=TIMEOUT, check=False, env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Answer(complaint=f"{command[0]} did not answer within {TIMEOUT:.0f} s")
    except OSError as error:
        return Answer(complaint=str(error))
    return Answer(done.stdout, done.stderr, done.returncode)


def own_jobs(ask: Ask = ask_here) -> dict[str, SlurmJob] | None:
    """Return this user's jobs that SLURM remembers, by id; None where it does not answer."""
    text = ask("squeue", "--me", "-t", "all", "-h", "-o", "%i|%T|%r|%Z").text
    if text is None:
        return None
    jobs = {}
    for line in text.splitlines():
        parts = [part.strip() for part in line.split("|", 3)]
        if len(parts) == 4 and parts[0][:1].isdigit():  # no line of a banner
            jobs[parts[0]] = SlurmJob(*parts[1:])
    return jobs


def states_of(identifiers: Collection[str], ask: Ask = ask_here) -> dict[str, SlurmJob] | None:
    """Return what SLURM affirms of jobs, from the queue, the accounting and the controller.

    Parameters
    ----------
    identifiers
        SLURM's numbers.
    ask
        Where SLURM is.

    Returns
    -------
    dict or None
        A job for every number, ``UNKNOWN`` where nothing is affirmed; None where SLURM does not answer,
        which says nothing of the jobs.
    """
    known = own_jobs(ask)
    if known is None:
        return None
    missing = sorted(set(identifiers) - set(known))
    known |= _accounted(missing, ask) if missing else {}
    # The accounting may lag behind, or believe in a job whose end it was never told.
    known |= _looked_up([i for i in missing if i not in known or not known[i].ended], ask)
    return {i: known.get(i, SlurmJob(UNKNOWN)) for i in identifiers}


def _accounted(identifiers: list[str], ask: Ask) -> dict[str, SlurmJob]:
    """Return what the accounting knows of some jobs: nothing where there is none."""
    text = ask("sacct", "-n", "-X", "-P", "-j", ",".join(identifiers), "-o", "JobID,State").text
    found = {}
    for line in (text or "").splitlines():
        identifier, _, state = line.partition("|")
        if identifier in identifiers and state.split():
            # "CANCELLED by 1000"
            found[identifier] = SlurmJob(state.split()[0].rstrip("+"))
    return found


def _looked_up(identifiers: list[str], ask: Ask) -> dict[str, SlurmJob]:
    """Ask the controller for single jobs; one that goes on means that squeue left out the others, too."""
    found = {}
    for identifier in identifiers[:_LOOKED_UP]:
        answer = ask("scontrol", "show", "job", "-o", identifier)
        if answer.status is None:
            break
        if answer.status != 0:
            if "Invalid job id" not in answer.complaint:
                break
            found[identifier] = SlurmJob(FORGOTTEN)
            continue
        fields = dict(part.split("=", 1) for part in answer.output.split() if "=" in part)
        if "JobState" in fields:
            found[identifier] = SlurmJob(fields["JobState"], fields.get("Reason", ""))
            if not found[identifier].ended:
                break
    return found


def number_at(directory: str, ask: Ask = ask_here) -> str | None:
    """Return the number of the job that runs, or is to run, in a directory; "" where there is none.

    Parameters
    ----------
    directory
        Of one launch.
    ask
        Where SLURM is.

    Returns
    -------
    str or None
        As the job itself wrote it, else as the queue says; None where SLURM does not answer.
    """
    written = (ask("cat", f"{directory}/{CLAIM}").text or "").strip()
    if written.isdigit():
        return written
    jobs = own_jobs(ask)
    if jobs is None:
        return None
    return next((i for i, job in jobs.items() if job.directory == directory and not job.ended), "")


def cause_of(job: SlurmJob, words: str = "") -> tuple[Cause, str]:
    """Say why a SLURM job ended without reporting a result.

    Parameters
    ----------
    job
        What SLURM says.
    words
        The end of its error file: a lack of memory, a full disk or a lost database.

    Returns
    -------
    Cause, str
        The cause, and a line for people.
    """
    reason = f" ({job.reason})" if job.reason not in ("", "None") else ""
    told = classify(words)
    text = f"SLURM: {job.state}{reason}{'; ' + _telling_line(words) if words else ''}"
    decided = slurm_words.FINAL_STATES.get(job.state)
    # Whoever cancelled it may have told why.
    if decided == Cause.CANCELLED and told in (Cause.WALLTIME, Cause.MEMORY, Cause.NODE):
        return told, text
    if decided is not None:
        return Cause(decided), text
    return (Cause.KILLED if told is Cause.ERROR else told), text


def _telling_line(words: str) -> str:
    """Return the line that tells the cause, or the last one."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return next((line for line in lines if slurm_words.cause_in(line)), lines[-1] if lines else "")


def last_words(*directories: Path, length: int = 2000) -> str:
    """Return the ends of the error files of a job's directories, the newest last."""
    files = {
        path: path.stat().st_mtime
        for directory in directories
        for path in (*directory.glob("*.error"), *directory.glob("queue.err"))
    }
    words = []
    for path in sorted(files, key=lambda path: files[path])[-3:]:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - length))
            words.append(stream.read().decode(errors="replace").strip())
    return "\n".join(filter(None, words))


def cancel(identifiers: Collection[str], ask: Ask = ask_here) -> None:
    """Cancel jobs; those that have ended do no harm."""
    if identifiers:
        ask("scancel", *sorted(identifiers))
