"""What is logged beside jobflow-remote's runner."""

from __future__ import annotations

import logging
from pathlib import Path

from jobflow_remote.utils.log import initialize_runner_logger

from surfalign.launchers.cluster.remote.loggers import kept_loggers


def test_the_runner_of_jobflow_remote_silences_no_logger(tmp_path: Path) -> None:
    ours, silent = (logging.getLogger(f"surfalign.tests.{name}") for name in ("ours", "silent"))
    silent.disabled = True
    with kept_loggers():
        initialize_runner_logger(tmp_path)
        assert ours.disabled  # else nothing needs to be kept any more
    assert not ours.disabled
    assert silent.disabled
