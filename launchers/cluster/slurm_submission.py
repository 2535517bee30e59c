"""Jobs for SLURM: what a queue asks for, the lines with which a job begins, and sbatch with its answers.

sbatch may fail although the job was taken, and print much besides its number. Every job therefore writes its
number into its directory before it computes (:data:`.slurm.CLAIM`), and only one job can: a launch that was
given back, or that runs already, is not computed a second time.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from surfalign import slurm_words
from surfalign.errors import EngineError, MissingDependencyError
from surfalign.launchers.cluster import slurm
from surfalign.launchers.cluster.profiles import Queue

_GIVEN_MEMORY = (
    '[ -z "$SLURM_MEM_PER_NODE" ] || '
    "export SURFALIGN_MEMORY_LIMIT=$((SLURM_MEM_PER_NODE * {nodes} / 1000))"
)
#: Lines that end a job which does not own its directory. A full disk leaves an empty file: see its complaint.
_CLAIM = """\
if ! (set -o noclobber; echo "$SLURM_JOB_ID" > {file}) && [ "$(cat {file})" != "$SLURM_JOB_ID" ]; then
  echo "surfalign: not computed by job $SLURM_JOB_ID; this launch belongs to: $(cat {file})" >&2
  exit 0
fi"""
#: Lines around those of the prologue: whichever ends the shell is named.
_GUARD = f"""\
trap 'echo "{slurm_words.PROLOGUE_FAILED}$surfalign_line" >&2; exit 78' EXIT"""
_GUARD_ENDS = "trap - EXIT"
#: Environment Modules 3 print their errors and return 0.
_MODULE_SAID = """\
surfalign_said=$(mktemp) || surfalign_said=/dev/null
eval "$surfalign_line" 2> "$surfalign_said"; surfalign_status=$?
cat "$surfalign_said" >&2
[ $surfalign_status -eq 0 ] || exit 1
! grep -Eqi ':ERROR:[0-9]+:|unable to locate a modulefile' "$surfalign_said" || exit 1
rm -f "$surfalign_said\""""
#: A job that made the file of its number has written into it by then (s).
_WRITTEN_WITHIN = 20.0
_SUBMITTED = re.compile(r"Submitted batch job (\d+)")
_PARSABLE = re.compile(r"^(\d+)(?:;\S+)?$", re.MULTILINE)


@dataclass(frozen=True)
class Submission:
    """What became of a call of sbatch.

    Parameters
    ----------
    number
        SLURM's number; empty where none is known.
    complaint
        All that sbatch said where there is no number.
    doubtful
        Whether SLURM may have taken the job nevertheless.
    """

    number: str = ""
    complaint: str = ""
    doubtful: bool = False


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


def further_flags(queue: Queue) -> list[str]:
    """Return the site's own options of a queue as sbatch takes them."""
    return [
        f"--{name}" if value is True else f"--{name}={value}"
        for name, value in queue.sbatch_options.items()
    ]


def claim(directory: Path | None = None) -> str:
    """Return the shell lines by which a job takes its directory, or ends where another has it.

    Parameters
    ----------
    directory
        None for the one in which the shell is.
    """
    return _CLAIM.format(file=quote(str(directory / slurm.CLAIM)) if directory else slurm.CLAIM)


def owner_of(directory: Path) -> str:
    """Return the number of the SLURM job that took a directory; empty where none did."""
    try:
        text = (directory / slurm.CLAIM).read_text().strip()
    except OSError:
        return ""
    return text if text.isdigit() else ""


def give_back(directory: Path) -> bool:
    """Take a directory so that no job computes in it any more; return False where one has it."""
    path = directory / slurm.CLAIM
    try:
        with open(path, "x", encoding="utf-8", opener=_shared) as stream:
            stream.write(slurm.GIVEN_BACK + "\n")
    except FileExistsError:
        text = path.read_text().strip()
        # Empty, it is about to be written, unless the disk was full.
        old = time.time() - path.stat().st_mtime > _WRITTEN_WITHIN
        return text == slurm.GIVEN_BACK or (not text and old)
    except OSError:
        # No directory, no job in it; no space: an empty file stands for it.
        return not directory.is_dir() or path.exists()
    return True


def _shared(path: str, flags: int) -> int:
    return os.open(path, flags, 0o644)


def prologue(queue: Queue, environment: dict[str, str]) -> list[str]:
    """Return the shell lines that prepare a job: modules, variables, the queue's own commands.

    A line that fails ends the job, and is named in its error file.
    """
    lines = []
    if queue.modules:
        lines.append('[ -n "$(type -t module)" ] || . /etc/profile')
    lines += [_checked(f"module load {quote(name)}", _MODULE_SAID) for name in queue.modules]
    lines += [f"export {name}={quote(value)}" for name, value in sorted(environment.items())]
    if "memory" in queue.estimated:
        # An engine keeps to what its own job was given; SLURM tells in MB of a node.
        lines.append(_GIVEN_MEMORY.format(nodes=queue.nodes))
    lines += [_checked(command, 'eval "$surfalign_line" || exit 1') for command in queue.commands]
    guarded = bool(queue.modules or queue.commands)
    return [_GUARD, *lines, _GUARD_ENDS] if guarded else lines


def _checked(line: str, run: str) -> str:
    return f"surfalign_line={quote(line)}\n{run}"


def would_accept(queue: Queue) -> str:
    """Ask SLURM whether it would take a job of this queue; return its complaint, or an empty text.

    Raises
    ------
    MissingDependencyError
        When there is no sbatch here.
    """
    answer = _sbatch(["--test-only", *_flags(queue)], "true")
    return "" if answer.status == 0 else complaint_of(answer)


def submit(queue: Queue, command: str, directory: Path, name: str) -> Submission:
    """Submit a job of this queue that runs in a directory of its own.

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
    name = re.sub(r"[^\w().+-]", "_", name)
    files = [f"--output={name}-%j.out", f"--error={name}-%j.error", f"--chdir={directory}"]
    flags = [f"--job-name={name}", *files, *_flags(queue)]
    return judged(_sbatch(flags, command), str(directory), slurm.ask_here)


def judged(answer: slurm.Answer, directory: str, ask: slurm.Ask) -> Submission:
    """Judge an answer of sbatch; where it holds no number, look for a job in the directory.

    Parameters
    ----------
    answer
        Of sbatch.
    directory
        In which the job was to run, and no other.
    ask
        Where SLURM is.
    """
    if answer.status == 0 and (number := number_in(answer.output)):
        return Submission(number)
    if found := slurm.number_at(directory, ask):
        return Submission(found)
    complaint = complaint_of(answer)
    doubtful = answer.status in (0, None) or slurm_words.is_doubtful(complaint)
    return Submission(complaint=complaint, doubtful=doubtful)


def number_in(output: str) -> str:
    """Return the job's number from what sbatch printed, a site's banner included; empty where there is none."""
    numbers = _SUBMITTED.findall(output) or _PARSABLE.findall(output)
    return str(numbers[-1]) if numbers else ""


def complaint_of(answer: slurm.Answer) -> str:
    """Return all that sbatch said, in one line."""
    text = answer.complaint.strip() or answer.output.strip()
    lines = [line.strip().removeprefix("sbatch: error: ").strip() for line in text.splitlines()]
    if answer.status == 0:
        lines.insert(0, "sbatch printed no number of a job")
    return "; ".join(filter(None, lines)) or f"sbatch gave no reason (exit status {answer.status})"


def run_probe(queue: Queue, command: str, directory: Path, timeout: float) -> tuple[str, str]:
    """Run a command in a job of this queue; return the job's last state and what it printed.

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
        When SLURM refuses the job.
    """
    with tempfile.TemporaryDirectory(prefix=".probe-", dir=directory) as folder:
        output = Path(folder) / "output"
        flags = [*_flags(queue), "--job-name=surfalign-probe", f"--output={output}"]
        answer = _sbatch([*flags, f"--chdir={folder}"], command)
        submitted = judged(answer, folder, slurm.ask_here)
        if not submitted.number:
            key = slurm_words.key_to_correct(submitted.complaint)
            remedy = f"correct '{key}' of the queue" if key else "correct the queue"
            raise EngineError(submitted.complaint, "a job that SLURM takes", remedy)
        try:
            state = _wait_for(submitted.number, timeout)
        finally:
            slurm.cancel([submitted.number])
        text = output.read_text(errors="replace").strip() if output.is_file() else ""
    return state, text


def _wait_for(identifier: str, timeout: float) -> str:
    """Wait until a job has ended or waits in vain; return its state, or how it waits."""
    deadline = time.monotonic() + timeout
    while True:
        states = slurm.states_of([identifier])
        job = states[identifier] if states is not None else slurm.SlurmJob("no answer")
        if job.ended:
            return job.state
        if time.monotonic() > deadline or slurm_words.is_hopeless(job.state, job.reason):
            return f"still {job.state} ({job.stuck or job.reason})"
        time.sleep(0.3)


def _flags(queue: Queue) -> list[str]:
    return [*(f"--{name}={value}" for name, value in options(queue).items()), *further_flags(queue)]


def _sbatch(flags: list[str], command: str) -> slurm.Answer:
    """Call sbatch with a script of some lines."""
    if shutil.which("sbatch") is None:
        raise MissingDependencyError(
            "there is no sbatch here",
            "a machine from which SLURM takes jobs",
            "run this on a login node, or take a profile with the launcher 'local'",
        )
    return slurm.ask_here("sbatch", *flags, script=f"#!/bin/bash -l\n{command}\n")
