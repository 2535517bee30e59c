"""Knowledge is only what SLURM affirmed, and a launch is judged by the job that runs it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from slurm_cluster import SlurmCluster
from troubled_slurm import BANNER, NO_CONTACT, TIMED_OUT, TroubledSlurm

from surfalign.errors import EngineError
from surfalign.launchers.cluster import slurm as clients
from surfalign.launchers.cluster import slurm_submission
from surfalign.launchers.cluster.launcher import Cause
from surfalign.launchers.cluster.profiles import Queue
from surfalign.launchers.cluster.remote.launcher import resources_of
from surfalign.launchers.cluster.slurm import Answer, SlurmJob, cause_of, states_of
from surfalign.launchers.cluster.slurm_submission import judged

FAILED = Answer(complaint=NO_CONTACT, status=1)
GONE = Answer(complaint="slurm_load_jobs error: Invalid job id specified", status=1)
RUNNING = Answer("JobId=7 JobName=a JobState=RUNNING Reason=None\n", status=0)
ENDED = Answer("JobId=7 JobName=a JobState=COMPLETED Reason=None\n", status=0)
NOTHING = Answer(status=0)


def asked(calls: list[str] | None = None, **answers: Answer) -> Callable[..., Answer]:
    """SLURM's clients with an answer each."""

    def ask(*command: str) -> Answer:
        if calls is not None:
            calls.append(command[0])
        return answers.get(command[0], Answer())

    return ask


def listed(*lines: str) -> Answer:
    return Answer("".join(f"{line}\n" for line in lines), status=0)


@pytest.mark.parametrize(
    ("squeue", "sacct", "scontrol", "state"),
    [
        # squeue prints nothing and exits with 0: the others know, or nobody does.
        (NOTHING, listed("7|RUNNING"), RUNNING, "RUNNING"),
        (NOTHING, listed("7|COMPLETED"), Answer(), "COMPLETED"),
        (NOTHING, listed("7|CANCELLED by 1000"), Answer(), "CANCELLED"),
        (NOTHING, FAILED, RUNNING, "RUNNING"),
        (NOTHING, FAILED, FAILED, clients.UNKNOWN),
        (NOTHING, NOTHING, FAILED, clients.UNKNOWN),
        (NOTHING, NOTHING, Answer(), clients.UNKNOWN),
        (NOTHING, NOTHING, NOTHING, clients.UNKNOWN),
        (NOTHING, NOTHING, ENDED, "COMPLETED"),
        (NOTHING, Answer(), GONE, clients.FORGOTTEN),
        # Accounting that was never told of the end.
        (NOTHING, listed("7|RUNNING"), GONE, clients.FORGOTTEN),
        (NOTHING, listed("7|RUNNING"), FAILED, "RUNNING"),
        # Other jobs, banners, a state of a later version.
        (listed("8|RUNNING|None|/a"), NOTHING, FAILED, clients.UNKNOWN),
        (listed(*BANNER.splitlines(), "7|RUNNING|None|/a"), Answer(), Answer(), "RUNNING"),
        (NOTHING, listed(*BANNER.splitlines(), "17|FAILED", "7|TIMEOUT"), Answer(), "TIMEOUT"),
        (listed("7|EXPEDITING|None|/a|b"), Answer(), Answer(), "EXPEDITING"),
    ],
)
def test_an_end_is_what_slurm_affirms(
    squeue: Answer, sacct: Answer, scontrol: Answer, state: str
) -> None:
    found = states_of(["7"], asked(squeue=squeue, sacct=sacct, scontrol=scontrol))
    assert found is not None
    assert found["7"].state == state
    affirmed = ("COMPLETED", "CANCELLED", "TIMEOUT", clients.FORGOTTEN)
    assert found["7"].ended is (state in affirmed)


def test_of_an_unknown_job_people_are_told() -> None:
    assert "tells nothing" in SlurmJob(clients.UNKNOWN).stuck
    assert not SlurmJob(clients.UNKNOWN).ended


@pytest.mark.parametrize("squeue", [FAILED, Answer()])
def test_where_squeue_fails_nothing_is_said_of_any_job(squeue: Answer) -> None:
    assert states_of(["7"], asked(squeue=squeue, sacct=listed("7|FAILED"))) is None


def test_one_job_that_goes_on_ends_the_questions_for_the_others() -> None:
    calls: list[str] = []
    ask = asked(calls, squeue=NOTHING, scontrol=RUNNING)
    found = states_of([str(number) for number in range(3000)], ask)
    assert calls == ["squeue", "sacct", "scontrol"]
    assert found is not None
    assert not any(job.ended for job in found.values())
    calls.clear()
    found = states_of([str(number) for number in range(3000)], asked(calls, squeue=NOTHING, scontrol=GONE))  # fmt: skip
    # A few at a time: nobody asks a busy controller thousands of questions.
    assert calls.count("scontrol") == 20
    assert found is not None
    assert sum(job.ended for job in found.values()) == 20


@pytest.mark.programs
def test_a_users_own_filters_do_not_hide_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "squeue"
    program.write_text('#!/bin/sh\necho "7|RUNNING|$SQUEUE_PARTITION$SQUEUE_STATES|/a"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SQUEUE_PARTITION", "gpu")
    monkeypatch.setenv("SQUEUE_STATES", "PENDING")
    assert clients.own_jobs() == {"7": SlurmJob("RUNNING", "", "/a")}


@pytest.mark.parametrize(
    ("state", "words", "cause"),
    [
        ("FAILED", "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0.", Cause.MEMORY),
        ("OUT_OF_MEMORY", "", Cause.MEMORY),
        (clients.FORGOTTEN, "error: *** JOB 7 ON n1 CANCELLED AT T DUE TO TIME LIMIT ***", Cause.WALLTIME),
        ("CANCELLED", "slurmstepd: error: *** JOB 7 ON n CANCELLED AT T DUE TO PREEMPTION ***", Cause.NODE),
        ("CANCELLED", "slurmstepd: error: *** JOB 7 ON n CANCELLED AT T ***", Cause.CANCELLED),
        # scancel while the prologue ran.
        ("CANCELLED", "surfalign: this line of the prologue failed: module load a", Cause.CANCELLED),
        ("FAILED", "surfalign: this line of the prologue failed: module load a", Cause.ENVIRONMENT),
        ("NODE_FAIL", "No space left on device", Cause.NODE),
        ("COMPLETED", "", Cause.KILLED),
    ],
)  # fmt: skip
def test_states_decide_and_last_words_say_the_rest(state: str, words: str, cause: Cause) -> None:
    assert cause_of(SlurmJob(state), words)[0] is cause


def test_the_line_that_tells_is_shown_even_if_others_follow() -> None:
    words = "srun: error: n1: task 0: Out Of Memory\nsrun: Terminating StepId=7.0\nbye"
    assert cause_of(SlurmJob("FAILED"), words)[1].endswith("task 0: Out Of Memory")


# --- sbatch --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "output",
    [
        "Submitted batch job 4711\n",
        f"{BANNER}Submitted batch job 4711 on cluster north\n",
        f"Submitted batch job 4711\n{BANNER}2026\n",
        f"{BANNER}4711;north\n",
        "4711",
    ],
)
def test_the_number_is_taken_from_the_line_that_holds_it(output: str) -> None:
    assert slurm_submission.number_in(output) == "4711"
    assert slurm_submission.number_in(BANNER) == ""


@pytest.mark.parametrize(
    ("answer", "queue", "expected", "doubtful"),
    [
        (Answer("", f"sbatch: error: {TIMED_OUT}", 1), listed("9|RUNNING|None|/a"), "9", False),
        (Answer("", f"sbatch: error: {TIMED_OUT}", 1), listed("9|RUNNING|None|/b"), "", True),
        (Answer("", f"sbatch: error: {TIMED_OUT}", 1), NOTHING, "", True),
        (Answer("", f"sbatch: error: {TIMED_OUT}", 1), FAILED, "", True),
        (Answer(complaint="sbatch did not answer within 60 s"), NOTHING, "", True),
        (Answer(BANNER, "", 0), listed("9|PENDING|None|/a"), "9", False),
        (Answer(BANNER, "", 0), NOTHING, "", True),
        (Answer("", "sbatch: error: Invalid account", 1), NOTHING, "", False),
        # A job of the directory that has ended is another one's.
        (Answer("", f"sbatch: error: {TIMED_OUT}", 1), listed("9|CANCELLED|None|/a"), "", True),
    ],
)
def test_a_failed_sbatch_is_followed_by_a_look_for_the_job(
    answer: Answer, queue: Answer, expected: str, doubtful: bool
) -> None:
    done = judged(answer, "/a", asked(squeue=queue))
    assert (done.number, done.doubtful) == (expected, doubtful)
    assert bool(done.complaint) is not bool(expected)


def test_the_whole_complaint_is_shown() -> None:
    said = (
        "sbatch: error: ---- University cluster ----\n\nsbatch: error:   jobs need an account;\n"
        "see https://site.example\nsbatch: error: Batch job submission failed: Unspecified error\n"
    )
    done = judged(Answer("", said, 1), "/a", asked(squeue=NOTHING))
    assert done.complaint == (
        "---- University cluster ----; jobs need an account;; see https://site.example; "
        "Batch job submission failed: Unspecified error"
    )
    silent = judged(Answer("", "", 1), "/a", asked(squeue=NOTHING))
    assert silent.complaint == "sbatch gave no reason (exit status 1)"


def queue(**values: Any) -> Queue:
    return Queue.model_validate({"partition": "cpu", "walltime": "0:05:00"} | values)


def test_a_sites_own_rules_reach_sbatch_by_both_launchers() -> None:
    given = queue(
        sbatch_options={
            "reservation": "school 2026", "exclusive": True, "exclude": "node[1-3]",
            "ntasks-per-node": 8, "comment": "for x",
        }
    )  # fmt: skip
    flags = slurm_submission._flags(given)
    assert flags[-5:] == [
        "--reservation=school 2026", "--exclusive", "--exclude=node[1-3]", "--ntasks-per-node=8",
        "--comment=for x",
    ]  # fmt: skip
    verbatim = resources_of(given)["qverbatim"].splitlines()
    assert verbatim == [f"#SBATCH {flag}" for flag in flags[-5:]]
    assert "qverbatim" not in resources_of(queue())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time": "1:00:00"}, "told by the key 'walltime'"),
        ({"ntasks": 4}, "told by the key 'tasks'"),
        ({"array": "1-9"}, "launcher's own"),
        ({"output": "a"}, "launcher's own"),
        ({"--exclusive": True}, "without its two hyphens"),
        ({"x": "node1"}, "no long option"),
        ({"exclusive": False}, "leave it out"),
        ({"comment": "a\n#SBATCH --array=1-9"}, "in one line"),
        ({"exclude": ""}, "true for an option without a value"),
    ],
)
def test_options_that_would_lose_jobs_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        queue(sbatch_options=options)


# --- the lines with which a job begins -----------------------------------------------------------

#: As in Lmod, and in Environment Modules 3, which returns 0 whatever happens.
MODULES = """
module() {
  case $2 in
    good*) export LOADED=$2 ;;
    silent) echo "ModuleCmd_Load.c(213):ERROR:105: Unable to locate a modulefile for '$2'" >&2 ;;
    *) echo "Lmod has detected the following error: The following module(s) are unknown: \\"$2\\"" >&2
       return 1 ;;
  esac
}
"""


def run_shell(
    lines: list[str], folder: Path, number: str = "5"
) -> subprocess.CompletedProcess[str]:
    script = "\n".join([MODULES, *lines, "echo computed $LOADED $SOURCED"])
    return subprocess.run(
        ["bash"], input=script, cwd=folder, capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": os.environ["PATH"], "SLURM_JOB_ID": number},
    )  # fmt: skip


@pytest.mark.programs
@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"modules": ["good/1", "gcc/99"]}, "module load gcc/99"),
        ({"modules": ["silent"]}, "module load silent"),
        ({"commands": ["source /nowhere/activate"]}, "source /nowhere/activate"),
        ({"commands": ["conda activate surfalign"]}, "conda activate surfalign"),
        ({"commands": ["[ -d /nowhere ] || exit 3"]}, "[ -d /nowhere ] || exit 3"),
        ({"commands": ["export A=1", "cd '/no where'"]}, "cd '/no where'"),
        ({"commands": ["if true; then"]}, "if true; then"),
    ],
)
def test_a_line_of_the_prologue_that_fails_is_named_and_nothing_computes(
    values: dict[str, Any], line: str, tmp_path: Path
) -> None:
    done = run_shell(slurm_submission.prologue(queue(**values), {}), tmp_path)
    assert done.returncode == 78
    assert "computed" not in done.stdout
    assert done.stderr.endswith(f"surfalign: this line of the prologue failed: {line}\n")
    assert cause_of(SlurmJob("FAILED"), done.stderr)[0] is Cause.ENVIRONMENT


@pytest.mark.programs
def test_a_prologue_that_succeeds_leaves_its_variables_and_no_trap(tmp_path: Path) -> None:
    (tmp_path / "activate").write_text("false; declare SOURCED=yes; grep -q a /dev/null || true\n")
    given = queue(modules=["good/1"], commands=[f"source {tmp_path}/activate", "false || true"])
    done = run_shell([*slurm_submission.prologue(given, {"A": "it's"}), "echo $A; false"], tmp_path)
    assert done.stdout.split() == ["it's", "computed", "good/1", "yes"]
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.programs
def test_of_two_jobs_of_one_launch_one_computes(tmp_path: Path) -> None:
    place = tmp_path / "with a space"
    place.mkdir()
    lines = [slurm_submission.claim(place)]
    assert "computed" in run_shell(lines, tmp_path, "5").stdout
    ghost = run_shell(lines, tmp_path, "6")
    assert (ghost.returncode, ghost.stdout) == (0, "")
    assert "not computed by job 6; this launch belongs to: 5" in ghost.stderr
    assert slurm_submission.owner_of(place) == "5"
    # SLURM may start the same job again, on another node.
    assert "computed" in run_shell(lines, tmp_path, "5").stdout
    assert not slurm_submission.give_back(place)


@pytest.mark.programs
def test_what_was_given_back_is_not_computed_by_a_late_job(tmp_path: Path) -> None:
    assert slurm_submission.give_back(tmp_path)
    assert slurm_submission.give_back(tmp_path)
    late = run_shell([slurm_submission.claim()], tmp_path)
    assert (late.returncode, late.stdout) == (0, "")
    assert "belongs to: given back" in late.stderr
    assert slurm_submission.owner_of(tmp_path) == ""
    removed = tmp_path / "removed"
    assert slurm_submission.give_back(removed)
    late = run_shell([slurm_submission.claim(removed)], tmp_path)
    assert (late.returncode, late.stdout) == (0, "")


def test_a_number_that_is_about_to_be_written_is_waited_for(tmp_path: Path) -> None:
    claim = tmp_path / clients.CLAIM
    claim.touch()
    assert not slurm_submission.give_back(tmp_path)
    long_ago = time.time() - 60  # the disk was full when the job came
    os.utime(claim, (long_ago, long_ago))
    assert slurm_submission.give_back(tmp_path)


# --- with a real SLURM ---------------------------------------------------------------------------


@pytest.fixture
def troubled(slurm: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TroubledSlurm:
    """A real SLURM whose clients may be troubled."""
    found = TroubledSlurm(tmp_path / "site")
    monkeypatch.setenv("PATH", found.path)
    return found


def waiting(tmp_path: Path, name: str = "a", **values: Any) -> slurm_submission.Submission:
    """Submit a job that does not begin."""
    place = tmp_path / name
    place.mkdir()
    held = queue(sbatch_options={"begin": "now+1hour"}, **values)
    return slurm_submission.submit(held, "true", place, f"MgO (100) {name}/x%j")


@pytest.mark.parametrize("trouble", ["taken-but-failed", "taken-without-number", "banner"])
def test_a_job_that_slurm_took_is_found_whatever_sbatch_says(
    troubled: TroubledSlurm, slurm: SlurmCluster, tmp_path: Path, trouble: str
) -> None:
    (tmp_path / "real").mkdir()
    scratch = tmp_path / "scratch"
    scratch.symlink_to(tmp_path / "real")  # as on most clusters
    with troubled.trouble(trouble):
        done = waiting(scratch)
    (job,) = [job for job in slurm.jobs() if job["directory"] == str(scratch / "a")]
    assert done == slurm_submission.Submission(job["id"])
    clients.cancel([done.number])


def test_what_squeue_leaves_out_is_asked_of_the_controller(
    troubled: TroubledSlurm, tmp_path: Path
) -> None:
    number = waiting(tmp_path).number
    with troubled.trouble("empty-squeue"):
        states = states_of([number])
        assert states is not None
        assert states[number].state == "PENDING"
        with troubled.trouble("silent-scontrol"):
            assert states_of([number]) == {number: SlurmJob(clients.UNKNOWN)}
        clients.cancel([number])
        states = states_of([number])
        assert states is not None
        assert states[number].state == "CANCELLED"
        assert states_of(["999999"]) == {"999999": SlurmJob(clients.FORGOTTEN)}
    with troubled.trouble("no-controller"):
        assert states_of([number]) is None


def test_clients_that_hang_know_nothing(
    troubled: TroubledSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "TIMEOUT", 0.3)
    with troubled.trouble("hangs"):
        assert states_of(["1"]) is None
        done = waiting(tmp_path)
    assert done.doubtful
    assert done.complaint == "sbatch did not answer within 0 s"


def test_a_probe_does_not_wait_for_what_never_starts(
    troubled: TroubledSlurm, tmp_path: Path
) -> None:
    with troubled.trouble("held", "banner"):
        state, _ = slurm_submission.run_probe(queue(), "echo hello", tmp_path, 60.0)
    assert state.startswith("still PENDING (JobHeldUser: held by its user")
    with troubled.trouble("banner"):
        assert slurm_submission.run_probe(queue(), "echo hello", tmp_path, 60.0) == (
            "COMPLETED", "hello",
        )  # fmt: skip
    troubled.begin("refused", "sbatch: error: no project named\nsbatch: error: --account is a must")
    with pytest.raises(EngineError, match="no project named; --account is a must"):
        slurm_submission.run_probe(queue(), "echo hello", tmp_path, 60.0)
