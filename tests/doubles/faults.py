"""The faults that are put into a running campaign, each with what it hit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

import psutil
from fault_campaign import FaultCampaign, wait_until

#: How long a fault waits for something to hit (s), how long an outage lasts.
PATIENCE = 120.0
OUTAGE = (1.0, 6.0)


def kill_job(campaign: FaultCampaign, chance: random.Random) -> str:
    """Kill -9 of every process of a running job."""
    number = _running(campaign, chance)
    if number is None:
        return "nothing ran"
    processes = campaign.processes_of(number)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return f"{len(processes)} processes of job {number}"


def kill_worker(campaign: FaultCampaign, chance: random.Random) -> str:
    """Kill -9 of the worker loop (FireWorks) or the runner (jobflow-remote), started again later."""
    campaign.keep_worker()
    campaign.kill_worker()
    pause = chance.uniform(*OUTAGE)
    time.sleep(pause)
    campaign.start_worker()
    return f"away for {pause:.1f} s"


def scancel(campaign: FaultCampaign, chance: random.Random) -> str:
    """Scancel of a running or pending job."""
    wait_for_jobs(campaign)
    jobs = [j["id"] for j in campaign.cluster.jobs() if j["state"] in ("RUNNING", "PENDING")]
    if not jobs:
        return "nothing was queued"
    number = chance.choice(jobs)
    campaign.cluster.client("scancel", number, check=False)
    return f"job {number}"


def walltime(campaign: FaultCampaign, chance: random.Random) -> str:
    """A step hangs and SLURM ends its job for the walltime."""
    campaign.hangs.touch()
    with suppress(TimeoutError):
        wait_until(lambda: not campaign.hangs.exists(), "a step that hangs", PATIENCE)
        # Whichever hangs ran before; those that go on are not harmed by a limit of a minute.
        for number in campaign.running_jobs():
            campaign.cluster.client(
                "scontrol", "update", f"JobId={number}", "TimeLimit=1", check=False
            )
        return "time limit set to a minute"
    campaign.hangs.unlink(missing_ok=True)
    return "nothing ran"


def stop_slurmd(campaign: FaultCampaign, chance: random.Random) -> str:
    """Slurmd stopped (or killed) and restarted."""
    by_force = chance.random() < 0.5
    campaign.cluster.stop_node(by_force=by_force)
    pause = chance.uniform(*OUTAGE)
    time.sleep(pause)
    campaign.cluster.start_node()
    return f"{'kill -9' if by_force else 'stopped'}, away for {pause:.1f} s"


def kill_database(campaign: FaultCampaign, chance: random.Random) -> str:
    """Kill -9 of the database server, started again later."""
    pid = campaign.server.status().pid
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
    pause = chance.uniform(*OUTAGE)
    time.sleep(pause)
    campaign.server.start()
    return f"away for {pause:.1f} s"


def fill_disk(campaign: FaultCampaign, chance: random.Random) -> str:
    """No space left in the work directory, for some seconds."""
    if not campaign.has_own_disk:
        return "no disk of its own could be mounted"
    ballast = campaign.work / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as stream:
        while True:
            stream.write(b"x" * 100_000)
    pause = chance.uniform(*OUTAGE)
    time.sleep(pause)
    ballast.unlink()
    return f"full for {pause:.1f} s"


def two_submitters(campaign: FaultCampaign, chance: random.Random) -> str:
    """Two submitters of the same surfaces at once; sometimes one of them is killed."""
    number = chance.randint(1, 3)
    first, _ = campaign.submit(number, submitters=2)
    if chance.random() < 0.5:
        with suppress(subprocess.TimeoutExpired):
            first.wait(chance.uniform(2.0, 8.0))
        campaign._kill(first)
        return f"{number} more surfaces; one killed"
    return f"{number} more surfaces"


def empty_squeue(campaign: FaultCampaign, chance: random.Random) -> str:
    """Squeue prints nothing and exits with 0, for some seconds; sometimes nobody else knows more."""
    wait_for_jobs(campaign)
    troubles = ["empty-squeue", *(["silent-scontrol"] if chance.random() < 0.5 else [])]
    pause = chance.uniform(*OUTAGE)
    with campaign.troubled.trouble(*troubles):
        time.sleep(pause)
    return f"{' and '.join(troubles)} for {pause:.1f} s"


def sbatch_fails_although(campaign: FaultCampaign, chance: random.Random) -> str:
    """Sbatch fails although SLURM takes the job; sometimes squeue does not show it either."""
    troubles = ["taken-but-failed", *(["empty-squeue"] if chance.random() < 0.5 else [])]
    with campaign.troubled.trouble(*troubles):
        taken = _next_job(campaign)
    return f"{' and '.join(troubles)}: job {taken}" if taken else "nothing was submitted"


def held(campaign: FaultCampaign, chance: random.Random) -> str:
    """A job is held; people are to be told so before it is released."""
    with campaign.troubled.trouble("held"):
        taken = _next_job(campaign)
    if taken is None:
        return "nothing was submitted"
    try:
        wait_until(lambda: any("JobHeld" in s for s in campaign.stuck().values()), "words", 60)
        told = "people were told"
    except TimeoutError:
        campaign.silent.append(taken)
        told = "nobody was told"
    for job in campaign.cluster.jobs():
        if job["state"] == "PENDING":
            campaign.cluster.client("scontrol", "release", job["id"], check=False)
    return f"job {taken}; {told}"


def banner(campaign: FaultCampaign, chance: random.Random) -> str:
    """The clients print a site's banner before all else."""
    with campaign.troubled.trouble("banner"):
        taken = _next_job(campaign)
    return f"job {taken}" if taken else "nothing was submitted"


def slow_controller(campaign: FaultCampaign, chance: random.Random) -> str:
    """The clients take seconds to answer, or do not reach the controller at all."""
    trouble = "slow" if chance.random() < 0.5 else "no-controller"
    pause = chance.uniform(*OUTAGE)
    with campaign.troubled.trouble(trouble):
        time.sleep(pause)
    return f"{trouble} for {pause:.1f} s"


Fault = Callable[[FaultCampaign, random.Random], str]
FAULTS: dict[str, Fault] = {
    "kill -9 of a job": kill_job,
    "kill -9 of the worker": kill_worker,
    "scancel": scancel,
    "walltime": walltime,
    "slurmd stopped and restarted": stop_slurmd,
    "database killed -9 and restarted": kill_database,
    "disk full": fill_disk,
    "two submitters at once": two_submitters,
    "squeue empty at exit 0": empty_squeue,
    "sbatch fails although SLURM took the job": sbatch_fails_although,
    "held job": held,
    "banner": banner,
    "slow or unreachable controller": slow_controller,
}


def _next_job(campaign: FaultCampaign) -> str | None:
    """Wait for a job that is new to SLURM; None where none comes."""
    before = {job["id"] for job in campaign.cluster.jobs()}
    new: set[str] = set()

    def come() -> bool:
        new.update({job["id"] for job in campaign.cluster.jobs()} - before)
        return bool(new)

    campaign.keep_worker()
    with suppress(TimeoutError):
        wait_until(come, "a new job", PATIENCE / 4)
        return min(new, key=int)
    return None


def wait_for_jobs(campaign: FaultCampaign) -> None:
    with suppress(TimeoutError):
        wait_until(lambda: bool(campaign.running_jobs()), "a running job", PATIENCE)


def _running(campaign: FaultCampaign, chance: random.Random) -> str | None:
    wait_for_jobs(campaign)
    numbers = campaign.running_jobs()
    return chance.choice(numbers) if numbers else None
