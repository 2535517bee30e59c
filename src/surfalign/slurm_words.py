"""SLURM's words and what they mean for us: states, reasons, last words of jobs, complaints of sbatch.

Launchers and the engines' error handlers read one table, so that a lack of memory is one everywhere. The
words are those of 20.11 to 25.05, found in any case.
"""

from __future__ import annotations

import re

#: Final states and causes (of ``launchers.cluster.launcher.Cause``); none: the job ended silently.
FINAL_STATES = {
    "COMPLETED": None,
    "FAILED": None,
    "TIMEOUT": "walltime",
    "DEADLINE": "walltime",
    "OUT_OF_MEMORY": "memory",
    "NODE_FAIL": "node",
    "BOOT_FAIL": "node",
    "PREEMPTED": "node",
    "REVOKED": "node",
    "CANCELLED": "cancelled",
}

#: What the shell of a job writes before it gives up; ``launchers.cluster.slurm_submission`` has it written.
PROLOGUE_FAILED = "surfalign: this line of the prologue failed: "

_LACK_OF_MEMORY = (
    # slurmstepd: "Detected 1 oom_kill event in StepId=7.0." (since 21.08), "Detected 2 oom-kill event(s) in
    # StepId=7.batch" (20.11); "Exceeded job memory limit"; "StepId=7.batch exceeded memory limit (9 > 5)"
    r"oom[- _]?kill|exceeded (?:(?:job|step|virtual) )?memory limit"
    # srun: "node1: task 0: Out Of Memory"; slurmstepd: "task 0 (17) Out Of Memory (OOM)"; kernel, libraries
    r"|out[ _]of[ _]memory|cannot allocate memory|insufficient virtual memory"
    r"|allocation would exceed memory limit|std::bad_alloc"
)
#: Lack of memory, as SLURM, the kernel and libraries tell it.
OUT_OF_MEMORY = re.compile(_LACK_OF_MEMORY, re.IGNORECASE)

#: Causes and the last words of jobs that tell them, the most telling first.
_LAST_WORDS = {
    "environment": (
        re.escape(PROLOGUE_FAILED) + r"|error while loading shared libraries"
        # Of the job's shell, which does not find our own programs, and of Python, which does not find us.
        r"|line \d+: [^\n]*(?:python[\d.]*|jf|rlaunch): (?:command not found|no such file or directory)"
        r"|no module named '?(?:surfalign|fireworks|jobflow)"
    ),
    "memory": _LACK_OF_MEMORY,
    # "*** JOB 7 ON node1 CANCELLED AT 2026-11-28T10:00:00 DUE TO TIME LIMIT ***"
    "walltime": r"due to time limit|due to (?:job )?deadline",
    "node": r"due to (?:preemption|node failure|job requeue|system failure)"
    r"|stepd terminated on .* due to job not (?:running|ending)",
    "cancelled": r"\*\*\* job(?: |id=)\S+ on \S+ cancelled at [^*]*\*\*\*",
}
_CAUSES = {cause: re.compile(words, re.IGNORECASE) for cause, words in _LAST_WORDS.items()}

_HELD = "held by SLURM after a failure; scontrol release frees it, or cancel and retry"
_NEVER = "it never starts: correct the queue, cancel and retry"
#: Why a job waits that needs nothing but patience.
_PATIENCE = re.compile(
    r"(?:|None|Priority|Resources|Dependency|BeginTime|Cleaning|Prolog|Configuring|JobArrayTaskLimit"
    r"|Reservation|Licenses|Federation|FedJobLock|BurstBuffer(?:Resources|StageIn)|Wait\w*|Reboot\w*"
    r"|Power\w*|Scheduler|Defer\w*)",
    re.IGNORECASE,
)
#: Why a job waits for a person, or in vain, and what is to be done.
_HOPELESS = {
    r"JobHeldUser": "held by its user; scontrol release frees it",
    r"JobHeldAdmin": "held by an administrator; ask them",
    r"JobHoldMaxRequeue|.*requeued.held|.*requeued in held.*|launch.failed.*|ReservationDeleted": _HELD,
    r"DependencyNeverSatisfied": f"what it depends on failed; {_NEVER}",
    r"BadConstraints|.*constraints.*cannot be (?:met|satisfied).*": f"no node has what it asks for; {_NEVER}",
    r"PartitionNodeLimit|PartitionTimeLimit": f"it asks for more than the partition allows; {_NEVER}",
    r"(?:Assoc|QOS)M(?:ax|in)\w*Per(?:Job|Node)(?:Limit)?|QOSMin\w*|AssociationTimeLimit|QOSTimeLimit": (
        f"it asks for more than account or QOS allow to one job; {_NEVER}"
    ),
    r"InvalidAccount|AccountNotAllowed|InvalidQOS|QOSNotAllowed|AccountingPolicy": (
        f"its account or QOS is not accepted; {_NEVER}"
    ),
    r"BurstBuffer\w*|.*burst.?buffer.*": "staging of files failed; cancel and retry",
}
#: Why a job waits that may start some day without anybody's doing.
_LIMITED = {
    r"(?:Assoc|QOS)Grp(?!\w*RunMinutes)\w*Minutes\w*|QOSUsageThreshold": (
        "the budget of the account or QOS is used up; ask for more, or take another account"
    ),
    r"Assoc\w+|QOS\w+|MaxSubmit\w*": "a limit of the account or QOS is reached; it waits for other jobs to end",
    r"ReqNodeNotAvail.*|NodeDown|FrontEndDown|Nodes?.required.*(?:down|drained|reserved).*": (
        "no node that it may use is up"
    ),
    r"PartitionDown|PartitionInactive|.*partition.*(?:down|inactive).*": "the partition is closed",
}
_HOPELESS_REASONS, _LIMITING_REASONS = (
    {re.compile(words, re.IGNORECASE): meaning for words, meaning in table.items()}
    for table in (_HOPELESS, _LIMITED)
)
#: States in which nothing goes on although the job has not ended.
_HALTED = {
    "SUSPENDED": "suspended by SLURM or an administrator",
    "STOPPED": "stopped by SLURM or an administrator",
    **dict.fromkeys(
        ("REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD", "LAUNCH_FAILED", "RECONFIG_FAIL"),
        _HELD,
    ),
}

#: sbatch failed on the way to the controller or back: the job may have been taken.
_DOUBTFUL = re.compile(
    r"timed? ?out|did not answer|unable to contact|zero bytes|connection (?:refused|failure|reset)"
    r"|communication|message (?:send|receive|connect)|unexpected message|end of file|broken pipe"
    r"|not responding|temporarily|try again|standby|transport endpoint|header lengths|input/output error"
    r"|resource busy|no number",
    re.IGNORECASE,
)
#: What a complaint of sbatch is about, and the key of a queue that is to be corrected.
_COMPLAINTS = {
    "account": r"invalid account|account\b.*not permitted|no account|specify an? account|accountnotallowed",
    "qos": r"\bqos\b(?!.*policy)",
    "walltime": r"time limit|walltime|--time\b",
    "memory": r"memory|--mem\b",
    "gpus": r"\bgres\b|\bgpus?\b",
    "constraint": r"feature|constraint",
    "partition": r"partition",
    "tasks": r"node configuration|more (?:tasks|processors|nodes)|cpu count|node count",
}


def cause_in(words: str) -> str | None:
    """Return the cause of a failure that SLURM's words tell; None where they tell none.

    Parameters
    ----------
    words
        The end of a job's error file, or of an output of an engine.
    """
    return next((cause for cause, told in _CAUSES.items() if told.search(words)), None)


def stuck_because(state: str, reason: str) -> str:
    """Say why a job of SLURM does not get on; an empty text where it runs, or needs only patience.

    Parameters
    ----------
    state, reason
        As squeue writes them; a reason that nobody knows is shown, too.
    """
    if state in _HALTED:
        return f"{state}: {_HALTED[state]}"
    name = _reason(reason)
    if state in ("RUNNING", "COMPLETING", *FINAL_STATES) or _PATIENCE.fullmatch(name):
        return ""
    known = (_HOPELESS_REASONS | _LIMITING_REASONS).items()
    meaning = next((meaning for words, meaning in known if words.fullmatch(name)), "")
    return f"{name}: {meaning}" if meaning else f"SLURM's reason: {name}"


def is_hopeless(state: str, reason: str) -> bool:
    """Ask whether a job will not start unless a person does something."""
    waits = state not in ("RUNNING", "COMPLETING", *FINAL_STATES)
    return waits and any(words.fullmatch(_reason(reason)) for words in _HOPELESS_REASONS)


def _reason(reason: str) -> str:
    """Return the reason without the parentheses that some formats put around it."""
    return (
        reason[1:-1].strip() if reason.startswith("(") and reason.endswith(")") else reason.strip()
    )


def is_doubtful(complaint: str) -> bool:
    """Ask whether SLURM may have taken a job although sbatch failed with these words."""
    return bool(_DOUBTFUL.search(complaint))


def key_to_correct(complaint: str) -> str:
    """Return the key of a queue that a complaint of sbatch is about; an empty text where none is named."""
    found = (
        key for key, words in _COMPLAINTS.items() if re.search(words, complaint, re.IGNORECASE)
    )
    return next(found, "")
