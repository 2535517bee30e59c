"""Why a job of jobflow-remote failed: its own words, and SLURM's where it left none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from surfalign.launchers.cluster.launcher import TRANSIENT, Cause
from surfalign.launchers.cluster.remote.worker import RemoteWorker
from surfalign.launchers.cluster.slurm import SlurmJob

CUT_OFF = "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)"
RAISED = "surfalign.errors.ConvergenceError: no convergence in 10 steps"


def cause(folder: Path, job: SlurmJob | None, **document: Any) -> tuple[str, str]:
    worker = RemoteWorker.__new__(RemoteWorker)  # _cause asks nobody
    failed = {"remote": {"process_id": "12"}, "run_dir": str(folder)} | document
    return worker._cause(failed, {} if job is None else {"12": job})


@pytest.mark.parametrize(
    ("state", "words", "expected"),
    [
        ("FAILED", "", Cause.KILLED),
        ("COMPLETED", "", Cause.KILLED),
        ("FAILED", "OSError: [Errno 28] No space left on device", Cause.DISK),
        ("TIMEOUT", "", Cause.WALLTIME),
    ],
)
def test_a_result_that_was_cut_off_is_judged_by_slurm_and_the_last_words(
    state: str, words: str, expected: Cause, tmp_path: Path
) -> None:
    (tmp_path / "queue.err").write_text(words)
    remote = {"process_id": "12", "error": f"Traceback ...\n{CUT_OFF}\n"}
    assert cause(tmp_path, SlurmJob(state), remote=remote)[0] is expected


def test_a_cut_off_result_of_a_forgotten_slurm_job_is_tried_again(tmp_path: Path) -> None:
    remote = {"process_id": "12", "error": CUT_OFF}
    assert cause(tmp_path, None, remote=remote)[0] in TRANSIENT


def test_the_words_of_the_job_itself_count_most(tmp_path: Path) -> None:
    assert cause(tmp_path, SlurmJob("FAILED"), error=f"Traceback ...\n{RAISED}\n") == (
        Cause.CONVERGENCE.value, RAISED,
    )  # fmt: skip
