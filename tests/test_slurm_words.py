"""SLURM's words of 20.11 to 25.05, in any case, are one cause or reason each."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from surfalign.errors import InsufficientMemoryError
from surfalign.launchers.cluster.launcher import Cause, classify
from surfalign.settings import Settings
from surfalign.slurm_words import (
    OUT_OF_MEMORY,
    PROLOGUE_FAILED,
    cause_in,
    is_doubtful,
    is_hopeless,
    key_to_correct,
    stuck_because,
)
from surfalign.workflows.engines.gpaw.engine_process import EngineProcess
from surfalign.workflows.engines.vasp.running.recoveries import OutOfMemoryHandler

MEMORY = [
    # 20.11, 21.08 and later, 25.05, srun, cgroup v1, accounting by polling.
    "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.batch cgroup. Some of your processes may "
    "have been killed by the cgroup out-of-memory handler.",
    "slurmstepd: error: Detected 1 oom_kill event in StepId=11300781.0. Some of the step tasks have been "
    "OOM Killed.",
    "[2026-09-21T10:00:00.123] error: Detected 2 oom_kill events in StepId=7.0. Some of the step tasks have "
    "been OOM Killed.",
    "srun: error: node6156: task 0: Out Of Memory",
    "srun: error: nid001277: tasks 1-3,7: Out Of Memory",
    "slurmstepd: error: task 0 (17) Out Of Memory (OOM)",
    "slurmstepd: error: StepId=7.batch exceeded memory limit (734003200 > 52428800), being killed",
    "slurmstepd: error: Exceeded job memory limit at some point.",
    "slurmstepd: error: Step 7.0 exceeded virtual memory limit (9 > 8), being killed",
]  # fmt: skip
LAST = "slurmstepd: error: *** {what} ON node1 CANCELLED AT 2026-11-28T10:00:00 {why} ***"


@pytest.mark.parametrize("change", [str, str.upper, str.lower])
@pytest.mark.parametrize("words", MEMORY)
def test_a_lack_of_memory_is_one_for_launchers_and_error_handlers(
    words: str, change: type[str], tmp_path: Path
) -> None:
    words = change(words)
    assert cause_in(words) == "memory"
    # srun's own lines follow, and SLURM cancels the rest of the step.
    text = f"reading input\n{words}\nsrun: Terminating StepId=7.0\n" + LAST.format(
        what="STEP 7.0", why=""
    )
    assert classify(f"{text}\nsrun: error: node2: task 9: Terminated\nsrun: done\nbye") is (
        Cause.MEMORY
    )
    (tmp_path / "std_err.txt").write_text(text)
    assert OutOfMemoryHandler().check(str(tmp_path))


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (LAST.format(what="JOB 12", why="DUE TO TIME LIMIT"), Cause.WALLTIME),
        (LAST.format(what="STEP 12.0", why="DUE TO TIME LIMIT"), Cause.WALLTIME),
        (LAST.format(what="JOB 12", why="DUE TO PREEMPTION"), Cause.NODE),
        (
            LAST.format(what="JOB 12", why="DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS"),
            Cause.NODE,
        ),
        (LAST.format(what="JOB 12", why="DUE TO JOB REQUEUE"), Cause.NODE),
        (
            "slurmstepd: error: *** JOB 12 STEPD TERMINATED ON n1 AT 2026-11-28T10:00:00 DUE TO JOB NOT "
            "ENDING WITH SIGNALS ***",
            Cause.NODE,
        ),
        (LAST.format(what="JOB 12", why="").replace("  ", " "), Cause.CANCELLED),
        (f"{PROLOGUE_FAILED}module load gcc/13", Cause.ENVIRONMENT),
        ("slurm_script: line 9: /opt/venv/bin/python: No such file or directory", Cause.ENVIRONMENT),
        ("/opt/bin/python3.12: error while loading shared libraries: libm.so.7", Cause.ENVIRONMENT),
        ("/usr/bin/python3: No module named surfalign", Cause.ENVIRONMENT),
        # It may not have harmed anything.
        ("StepId=7.0 hit memory limit at least once during execution. This may or may not result in some "
         "failure.", Cause.ERROR),
        # Of the user's own .bashrc: no word on the job.
        ("/home/me/.bashrc: line 3: thefuck: command not found", Cause.ERROR),
        ("OSError: [Errno 28] No space left on device", Cause.DISK),
    ],
)  # fmt: skip
def test_last_words_tell_the_cause(words: str, cause: Cause) -> None:
    assert classify(words) is cause
    assert classify(words.upper()) in (cause, Cause.ERROR)


def test_an_exception_counts_by_its_last_lines_alone() -> None:
    trace = 'Traceback\n  File "a.py"\n    check("out of memory")\nA\nB\nConvergenceError: no'
    assert classify(trace) is Cause.CONVERGENCE


@pytest.mark.programs
def test_an_engine_that_srun_saw_out_of_memory_lacked_memory(tmp_path: Path) -> None:
    words = "srun: error: node1: tasks 0-3: Out Of Memory"
    script = f"import sys; sys.stdin.readline(); print({words!r}, file=sys.stderr); sys.exit(137)"
    command = [sys.executable, "-c", script]
    with (
        EngineProcess(2, settings=Settings(data_directory=tmp_path), command=command) as engine,
        pytest.raises(InsufficientMemoryError, match="ended for lack of memory"),
    ):
        engine.call("bulk")


@pytest.mark.parametrize(
    ("reason", "hopeless"),
    [
        ("JobHeldUser", True), ("JobHeldAdmin", True), ("JobHoldMaxRequeue", True),
        ("launch failed requeued held", True), ("job requeued in held state", True),
        ("DependencyNeverSatisfied", True), ("BadConstraints", True),
        ("PartitionNodeLimit", True), ("PartitionTimeLimit", True),
        ("AssocMaxCpuPerJobLimit", True), ("AssocMaxWallDurationPerJobLimit", True),
        ("QOSMaxMemoryPerJob", True), ("QOSMaxWallDurationPerJobLimit", True), ("QOSMinGRES", True),
        ("InvalidAccount", True), ("InvalidQOS", True), ("QOSNotAllowed", True),
        ("AccountNotAllowed", True), ("AssocMaxJobsLimit", False), ("AssocGrpCPUMinutesLimit", False),
        ("AssocGrpCPURunMinutesLimit", False), ("QOSMaxJobsPerUserLimit", False),
        ("QOSGrpCpuLimit", False), ("MaxSubmitJobsPerAccount", False),
        ("ReqNodeNotAvail, UnavailableNodes:node[1-3]", False),
        ("ReqNodeNotAvail(Unavailable:node1)", False), ("(ReqNodeNotAvail, May be reserved)", False),
        ("Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
         False),
        ("PartitionDown", False), ("PartitionInactive", False),
        ("A reason of 26.11", False),
    ],
)  # fmt: skip
def test_who_waits_in_vain_is_told_so(reason: str, hopeless: bool) -> None:
    assert reason.strip("()") in stuck_because("PENDING", reason)
    assert is_hopeless("PENDING", reason) is hopeless


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("PENDING", "Priority"), ("PENDING", "Resources"), ("PENDING", "(Resources)"),
        ("PENDING", "None"), ("PENDING", ""), ("PENDING", "BeginTime"), ("PENDING", "Dependency"),
        ("RUNNING", "None"), ("COMPLETING", "None"), ("TIMEOUT", "TimeLimit"),
        ("CONFIGURING", "None"),
    ],
)  # fmt: skip
def test_who_needs_only_patience_is_left_in_peace(state: str, reason: str) -> None:
    assert stuck_because(state, reason) == ""
    assert not is_hopeless(state, reason)


@pytest.mark.parametrize("state", ["SUSPENDED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"])
def test_a_job_that_was_halted_is_stuck_whatever_the_reason(state: str) -> None:
    assert stuck_because(state, "None").startswith(state)


@pytest.mark.parametrize(
    ("complaint", "doubtful", "key"),
    [
        ("Batch job submission failed: Socket timed out on send/recv operation", True, ""),
        ("Batch job submission failed: Unable to contact slurm controller (connect failure)", True, ""),
        ("Batch job submission failed: Zero Bytes were transmitted or received", True, ""),
        ("Batch job submission failed: Slurm temporarily unable to accept job, sleeping and retrying",
         True, ""),
        ("Batch job submission failed: Invalid account or account/partition combination specified",
         False, "account"),
        ("Batch job submission failed: Invalid qos specification", False, "qos"),
        ("Batch job submission failed: Invalid partition name specified", False, "partition"),
        ("Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)",
         False, "walltime"),
        ("Memory specification can not be satisfied", False, "memory"),
        ("You must specify --mem on this cluster; see the handbook", False, "memory"),
        ("Batch job submission failed: Requested node configuration is not available", False, "tasks"),
        ("Batch job submission failed: Invalid generic resource (gres) specification", False, "gpus"),
        ("ask the helpdesk", False, ""),
    ],
)  # fmt: skip
def test_a_complaint_of_sbatch_is_understood(complaint: str, doubtful: bool, key: str) -> None:
    assert is_doubtful(complaint) is doubtful
    assert key_to_correct(complaint) == key


def test_vasp_and_cuda_tell_a_lack_of_memory_too() -> None:
    for words in ("CUDA_ERROR_OUT_OF_MEMORY", "std::bad_alloc", "Cannot allocate memory"):
        assert OUT_OF_MEMORY.search(words)
