"""Questions to SLURM: what became of a job, and whether it would take one."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from surfalign.errors import EngineError, MissingDependencyError
from surfalign.launchers.cluster.launcher import Cause, classify
from surfalign.launchers.cluster.profiles import Queue

#: A client of SLURM that does not answer within this time counts as out of order (s).
TIMEOUT = 60.0
#: States in which a job occupies the queue.
ACTIVE = frozenset(
    (
        *("PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "STAGE_OUT"),
        *("SIGNALING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESIZING", "SPECIAL_EXIT"),
        "RESV_DEL_HOLD",
    )
)
#: What the final states mean for us; FAILED and COMPLETED mean that the job ended silently.
CAUSES = {
    "TIMEOUT": Cause.WALLTIME,
    "DEADLINE": Cause.WALLTIME,
    "OUT_OF_MEMORY": Cause.MEMORY,
    "NODE_FAIL": Cause.NODE,
    "BOOT_FAIL": Cause.NODE,
    "PREEMPTED": Cause.NODE,
    "REVOKED": Cause.NODE,
    "CANCELLED": Cause.CANCELLED,
}
_GIVEN_MEMORY = (
    '[ -z "$SLURM_MEM_PER_NODE" ] || '
    "export SURFALIGN_MEMORY_LIMIT=$((SLURM_MEM_PER_NODE * {nodes} / 1000))"
)
#: State of a job that SLURM no longer knows.
FORGOTTEN = "FORGOTTEN"


@dataclass(frozen=True)
class SlurmJob:
    """What SLURM says of a job."""

    state: str
    reason: str = ""

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ACTIVE


#: Runs a client of SLURM, here or on another machine; returns its output, or None where it fails.
Ask = Callable[..., str | None]


def ask_here(*command: str) -> str | None:
    """Run a client on this machine; None where it is missing, fails or hangs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def own_jobs(ask: Ask = ask_here) -> dict[str, SlurmJob] | None:
    """Return this user's jobs that SLURM remembers, by id; None where it does not answer."""
    text = ask("squeue", "--me", "-t", "all", "-h", "-o", "%i|%T|%r")
    if text is None:
        return None
    jobs = {}
    for line in text.splitlines():
        identifier, state, reason = (part.strip() for part in line.split("|", 2))
        jobs[identifier] = SlurmJob(state, reason)
    return jobs


def states_of(identifiers: Collection[str], ask: Ask = ask_here) -> dict[str, SlurmJob] | None:
    """Return what became of jobs, from the queue and, where there is one, the accounting.

    Parameters
    ----------
    identifiers
        SLURM's numbers.
    ask
        Where SLURM is.

    Returns
    -------
    dict or None
        A job for every number; None where SLURM does not answer, which says nothing of the jobs.
    """
    known = own_jobs(ask)
    if known is None:
        return None
    missing = sorted(set(identifiers) - set(known))
    if missing:
        # None where there is no accounting.
        text = ask("sacct", "-n", "-X", "-P", "-j", ",".join(missing), "-o", "JobID,State")
        for line in (text or "").splitlines():
            identifier, _, state = line.partition("|")
            # "CANCELLED by 1000"
            known[identifier] = SlurmJob(state.split()[0] if state.split() else FORGOTTEN)
    return {i: known.get(i, SlurmJob(FORGOTTEN)) for i in identifiers}


def cause_of(job: SlurmJob, directory: Path | None = None) -> tuple[Cause, str]:
    """Say why a SLURM job ended without reporting a result.

    Parameters
    ----------
    job
        What SLURM says.
    directory
        Where it ran: the last words of its error file tell a full disk or a lost database.

    Returns
    -------
    Cause, str
        The cause, and a line for people.
    """
    words = last_words(directory) if directory is not None else ""
    reason = f" ({job.reason})" if job.reason not in ("", "None") else ""
    text = f"SLURM: {job.state}{reason}{'; ' + words.splitlines()[-1] if words else ''}"
    if job.state in CAUSES:
        return CAUSES[job.state], text
    told = classify(words)
    return (Cause.KILLED if told is Cause.ERROR else told), text


def last_words(directory: Path, length: int = 2000) -> str:
    """Return the end of the newest error file of a job's directory."""
    files = sorted(
        [*directory.glob("*.error"), *directory.glob("queue.err")],
        key=lambda path: path.stat().st_mtime,
    )
    if not files:
        return ""
    with files[-1].open("rb") as stream:
        stream.seek(max(0, files[-1].stat().st_size - length))
        return stream.read().decode(errors="replace").strip()


def cancel(identifiers: Collection[str], ask: Ask = ask_here) -> None:
    """Cancel jobs; those that have ended do no harm."""
    if identifiers:
        ask("scancel", *sorted(identifiers))


def directories(ask: Ask = ask_here) -> dict[str, str]:
    """Return the working directory of every job in the queue, by SLURM's number."""
    text = ask("squeue", "--me", "-h", "-o", "%i|%Z") or ""
    return dict(line.split("|", 1) for line in text.splitlines() if "|" in line)


def options(queue: Queue) -> dict[str, str]:
    """Return what a queue asks for, as options of sbatch."""
    wanted = {
        "partition": queue.partition,
        "nodes": str(queue.nodes),
        "ntasks": str(queue.tasks),
        "cpus-per-task": str(queue.cores_per_task),
        "gres": queue.gres,
        "mem": f"{queue.memory * 1000:.0f}M" if queue.memory else None,
        "time": queue.walltime,
        "account": queue.account,
        "qos": queue.qos,
        "constraint": queue.constraint,
    }
    return {name: value for name, value in wanted.items() if value}


def prologue(queue: Queue, environment: dict[str, str]) -> list[str]:
    """Return the shell lines that prepare a job: modules, variables, the queue's own commands."""
    return [
        *(f"module load {quote(module)}" for module in queue.modules),
        *(f"export {name}={quote(value)}" for name, value in sorted(environment.items())),
        # An engine keeps to what its own job was given; SLURM tells in MB of a node.
        *([_GIVEN_MEMORY.format(nodes=queue.nodes)] if "memory" in queue.estimated else []),
        *queue.commands,
    ]


def would_accept(queue: Queue) -> str:
    """Ask SLURM whether it would take a job of this queue; return its complaint, or an empty text.

    Raises
    ------
    MissingDependencyError
        When there is no sbatch here.
    """
    _, complaint = _sbatch(["--test-only", *_flags(queue)], "true")
    return complaint


def submit(queue: Queue, command: str, directory: Path, name: str) -> str:
    """Submit a job of this queue that runs in a directory; return its number, or "" where it is refused.

    Parameters
    ----------
    queue
        What the job asks for.
    command
        Shell lines.
    directory
        Where it runs, shared with the nodes.
    name
        Under which SLURM lists it.
    """
    files = [f"--output={name}-%j.out", f"--error={name}-%j.error", f"--chdir={directory}"]
    flags = ["--parsable", f"--job-name={name}", *files, *_flags(queue)]
    number, complaint = _sbatch(flags, command)
    return "" if complaint else number.strip().split(";")[0]


def run_probe(queue: Queue, command: str, directory: Path, timeout: float) -> str:
    """Run a command in a job of this queue and return what it prints.

    Parameters
    ----------
    queue
        What the job asks for.
    command
        Shell lines.
    directory
        Where a folder is made for it, shared with the nodes.
    timeout
        How long the job may wait and run, s.

    Raises
    ------
    EngineError
        When SLURM refuses the job, or it fails or does not end in time.
    """
    with tempfile.TemporaryDirectory(prefix=".probe-", dir=directory) as folder:
        output = Path(folder) / "output"
        number, complaint = _sbatch(
            ["--parsable", *_flags(queue), f"--output={output}", f"--chdir={folder}"], command
        )
        if complaint:
            raise EngineError(complaint, "a job that SLURM takes", "correct the queue")
        identifier = number.strip().split(";")[0]
        try:
            state = _wait_for(identifier, timeout)
        finally:
            cancel([identifier])
        text = output.read_text(errors="replace").strip() if output.is_file() else ""
    if state != "COMPLETED":
        raise EngineError(
            f"job {identifier} in partition {queue.partition}: {state}; it said: {text[-300:]}",
            "a job that ends well",
            "try the same by hand: sbatch --wrap",
        )
    return text


def _wait_for(identifier: str, timeout: float) -> str:
    """Wait until a job has ended; return its state, or how it waits when the time is over."""
    deadline = time.monotonic() + timeout
    while True:
        states = states_of([identifier])
        job = states[identifier] if states is not None else SlurmJob("no answer")
        if (not job.active and states is not None) or time.monotonic() > deadline:
            return job.state if not job.active else f"still {job.state} ({job.reason})"
        time.sleep(0.3)


def _flags(queue: Queue) -> list[str]:
    return [f"--{name}={value}" for name, value in options(queue).items()]


def _sbatch(flags: list[str], command: str) -> tuple[str, str]:
    """Call sbatch; return its output and its complaint."""
    if shutil.which("sbatch") is None:
        raise MissingDependencyError(
            "there is no sbatch here",
            "a machine from which SLURM takes jobs",
            "run this on a login node, or take a profile with the launcher 'local'",
        )
    script = f"#!/bin/bash -l\n{command}\n"
    try:
        done = subprocess.run(
            ["sbatch", *flags],
            input=script,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", f"sbatch did not answer within {TIMEOUT:.0f} s"
    complaint = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no reason given"
    return done.stdout, "" if done.returncode == 0 else complaint.removeprefix("sbatch: error: ")
