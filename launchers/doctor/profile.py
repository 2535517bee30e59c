"""Whether a profile works: every part of it is tried, and each fault comes with what repairs it.

``surfalign submit`` runs the quick checks before anything is submitted; ``surfalign doctor --profile``
also sends a short job through every queue.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from shlex import quote

from surfalign.errors import ConfigurationError
from surfalign.launchers.cluster import slurm_submission
from surfalign.launchers.cluster.fireworks.launcher import FireworksLauncher
from surfalign.launchers.cluster.launcher import Cause
from surfalign.launchers.cluster.profiles import (
    LAUNCHER_GROUP,
    Cluster,
    Engines,
    Profile,
    Queue,
    python_of,
)
from surfalign.launchers.cluster.slurm import SlurmJob, cause_of
from surfalign.launchers.database.server import open_database
from surfalign.launchers.doctor import compute_node
from surfalign.launchers.doctor.installation import Finding, State
from surfalign.slurm_words import PROLOGUE_FAILED, key_to_correct

#: How long a short job may wait and run (s).
PROBE_TIMEOUT = 300.0
PACKAGES = {"fireworks": "fireworks", "remote": "jobflow_remote"}

Check = Callable[[], Finding]


def quick_checks(profile: Profile, engine: str | None = None) -> Iterator[tuple[str, Check]]:
    """Yield the checks that take no job; the database first, for most depends on it.

    Parameters
    ----------
    profile
        What is looked at.
    engine
        Engine whose command is looked for; None for all that the profile names.
    """
    yield "launcher", partial(check_launcher, profile)
    yield "database", partial(check_database, profile)
    yield "engine", partial(check_engine, profile, engine)
    for name, cluster in profile.clusters.items():
        if cluster.host is None:
            yield f"work directory of {name}", partial(check_directory, name, cluster)
            yield f"programs of {name}", partial(check_programs, profile, name, cluster)
    for name, queue in profile.queues.items():
        if _is_slurm_here(profile, queue):
            yield f"queue {name}", partial(check_queue, name, queue)


def all_checks(profile: Profile) -> Iterator[tuple[str, Check]]:
    """Yield the quick checks, and a short job in every queue that is reached from here."""
    yield from quick_checks(profile)
    for name, queue in profile.queues.items():
        if _is_slurm_here(profile, queue):
            yield f"job in queue {name}", partial(check_job, profile, name, queue)


def require(profile: Profile, engine: str) -> None:
    """Run the quick checks and stop at the first fault.

    Raises
    ------
    ConfigurationError
        Names the fault and what repairs it.
    DatabaseUnreachableError
        When the database does not answer or refuses the user.
    """
    for name, check in quick_checks(profile, engine):
        finding = check()
        if finding.blocks:
            raise ConfigurationError(
                f"profile '{profile.name}', {name}: {finding.detail}",
                "a profile that works",
                finding.remedy,
            )


# --- the checks ----------------------------------------------------------------------------------


def check_launcher(profile: Profile) -> Finding:
    """Look for the package of the launcher."""
    package = PACKAGES.get(profile.launcher)
    if package is not None and importlib.util.find_spec(package) is None:
        remedy = f"pip install 'surfalign[{profile.launcher}]'"
        return Finding("launcher", State.MISSING, f"{package} is not installed", remedy)
    if package is None and profile.launcher != "local":
        LAUNCHER_GROUP.load(profile.launcher)  # names what is wrong with that of another package
    return Finding("launcher", State.OK, profile.launcher)


def check_database(profile: Profile) -> Finding:
    """Open the database; its own errors are clear enough to be passed on."""
    with open_database(profile.settings()) as database:
        number = database.surface_levels.count()
        detail = f"{database.name} at {database.address} answers: {number} results"
        return Finding("database", State.OK, detail)


def check_engine(profile: Profile, engine: str | None = None) -> Finding:
    """Look for the engine and its command."""
    problems = []
    if engine in ("gpaw", None) and importlib.util.find_spec("gpaw") is None:
        problems.append(("GPAW is not installed", "pip install 'surfalign[gpaw]'"))
    commands = {"gpaw": profile.engines.gpaw, "vasp": profile.engines.vasp}
    if engine == "vasp" and commands["vasp"] is None:
        commands["vasp"] = os.environ.get("ATOMATE2_VASP_CMD")
        if not commands["vasp"]:
            problems.append(("no command of VASP", "name it: engines: {vasp: srun vasp_std}"))
    for name, command in commands.items():
        if command and engine in (name, None) and _everything_is_here(profile):
            program = command.split()[0]
            # Modules may bring it on the nodes; a short job of doctor tells.
            if not shutil.which(program) and not any(q.modules for q in profile.queues.values()):
                remedy = f"correct engines.{name}, or load its module in the queues"
                problems.append((f"the program '{program}' of {name} is not found", remedy))
    if problems:
        found, remedies = zip(*problems, strict=True)
        return Finding("engine", State.MISSING, "; ".join(found), "; ".join(remedies))
    return Finding("engine", State.OK, engine or "found")


def check_directory(name: str, cluster: Cluster) -> Finding:
    """Write into the work directory."""
    try:
        cluster.work_directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cluster.work_directory) as stream:
            stream.write(b"0" * 4096)
    except OSError as error:
        remedy = f"correct clusters.{name}.work_directory, or make room there"
        detail = f"{cluster.work_directory}: {error.strerror}"
        return Finding(f"work directory of {name}", State.MISSING, detail, remedy)
    return Finding(f"work directory of {name}", State.OK, str(cluster.work_directory))


def check_programs(profile: Profile, name: str, cluster: Cluster) -> Finding:
    """Look for the programs that jobs of a cluster start with."""
    program = {"fireworks": "rlaunch", "remote": "jf"}.get(profile.launcher, "")
    path = cluster.bin_directory / program
    if not path.exists():
        remedy = f"correct clusters.{name}.bin_directory, or install surfalign there"
        return Finding(f"programs of {name}", State.MISSING, f"no {path}", remedy)
    return Finding(f"programs of {name}", State.OK, str(path))


def check_queue(name: str, queue: Queue) -> Finding:
    """Ask SLURM whether it would take a job of this queue."""
    title = f"queue {name}"
    complaint = slurm_submission.would_accept(queue)
    if complaint:
        detail = f"SLURM refuses a job in partition '{queue.partition}': {complaint}"
        return Finding(title, State.MISSING, detail, _correction(name, complaint))
    return Finding(title, State.OK, f"partition {queue.partition}")


def check_job(profile: Profile, name: str, queue: Queue) -> Finding:
    """Send a short job through a queue: its prologue, the packages, the engines and the database there."""
    title = f"job in queue {name}"
    cluster = profile.clusters[queue.cluster]
    lines = slurm_submission.prologue(queue, profile.environment(queue))
    if profile.launcher == "fireworks":
        with FireworksLauncher(profile, queue.cluster) as launcher:
            site = launcher.worksite(queue.cluster)
        lines += [f"export {key}={value}" for key, value in site.environment.items()]
    look = f"{python_of(cluster)} -m {compute_node.__name__} {' '.join(_looks(profile, queue))}"
    lines += [f"{look} || exit 1", "echo partition=$SLURM_JOB_PARTITION"]
    state, output = slurm_submission.run_probe(
        queue, "\n".join(lines), cluster.work_directory, PROBE_TIMEOUT
    )
    problems = [f for f in compute_node.findings_in(output) if f.state is not State.OK]
    if problems:
        blocks = any(finding.blocks for finding in problems)
        return Finding(
            title,
            State.MISSING if blocks else State.WARNING,
            "; ".join(f"{finding.name}: {finding.detail}" for finding in problems),
            "; ".join(dict.fromkeys(finding.remedy for finding in problems)),
        )
    if state != "COMPLETED":
        return _ended_badly(title, name, queue, state, output)
    if f"partition={queue.partition}" not in output:
        return Finding(title, State.MISSING, f"ran elsewhere: {output[-200:]}", "ask the admins")
    return Finding(title, State.OK, f"ran in partition {queue.partition}")


def _looks(profile: Profile, queue: Queue) -> list[str]:
    """Return what is looked for on a compute node, as options of :mod:`.compute_node`."""
    engines = profile.engines
    gpaw = _has_gpaw(engines)
    return [
        *(["--database"] if profile.launcher == "fireworks" else ()),
        *(["--gpaw"] if gpaw else ()),
        *(["--mpi"] if gpaw and queue.tasks > 1 else ()),
        *(["--vasp", quote(engines.vasp)] if engines.vasp else ()),
    ]


def _has_gpaw(engines: Engines) -> bool:
    """Tell whether the jobs of a profile may want GPAW: as it says, or as this installation does."""
    if engines.gpaw is not None or engines.vasp is not None:
        return engines.gpaw is not None
    return importlib.util.find_spec("gpaw") is not None


def _ended_badly(title: str, name: str, queue: Queue, state: str, output: str) -> Finding:
    """Say why a short job did not end well, with the key that is to be corrected."""
    said = "; ".join(line.strip() for line in output.splitlines()[-5:] if line.strip())
    failed = output.rpartition(PROLOGUE_FAILED)[2].splitlines()
    if PROLOGUE_FAILED in output and failed:
        detail = f"this line failed: {failed[0]}; {said}".removesuffix("; ")
        return Finding(title, State.MISSING, detail, f"correct queues.{name}: modules or commands")
    cause, _ = cause_of(SlurmJob(state), output)
    remedies = {
        Cause.MEMORY: f"raise queues.{name}.memory",
        Cause.WALLTIME: f"raise queues.{name}.walltime",
        Cause.NODE: "try again, and tell the admins",
        Cause.ENVIRONMENT: f"install surfalign where queues.{name} runs, or correct bin_directory",
    }
    detail = f"the job in partition {queue.partition} is {state}"
    if said:
        detail += f"; it said: {said[-600:]}"
    return Finding(title, State.MISSING, detail, remedies.get(cause) or _correction(name, state))


def _correction(name: str, complaint: str) -> str:
    """Return what is to be corrected in a queue that SLURM does not accept."""
    key = key_to_correct(complaint)
    where = {
        "account": "; sacctmgr show assoc user=$USER lists your accounts",
        "qos": "; sacctmgr show assoc user=$USER format=account,qos lists yours",
        "memory": "; scontrol show partition lists the limits",
    }
    if key:
        return f"correct queues.{name}.{key}{where.get(key, '; sinfo lists the partitions')}"
    return f"correct queues.{name}, or add what the site wants to its sbatch_options"


def _is_slurm_here(profile: Profile, queue: Queue) -> bool:
    cluster = profile.clusters[queue.cluster]
    return cluster.host is None and cluster.scheduler == "slurm"


def _everything_is_here(profile: Profile) -> bool:
    return all(cluster.host is None for cluster in profile.clusters.values())
