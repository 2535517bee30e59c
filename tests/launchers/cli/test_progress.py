"""What a run prints where nobody watches: a log file."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from surfalign.launchers.cli import progress


def printed(*events: str) -> str:
    console = Console(file=StringIO(), width=120)
    with progress.RunProgress(console, total=1) as shown:
        for event in events:
            shown.event(event)
    return console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO


def test_a_log_shows_the_starts_and_failures_of_steps() -> None:
    text = printed("MgO bulk: started", "MgO bulk: step 1", "MgO bulk: failed: ConvergenceError: x")
    assert "MgO bulk: started" in text
    assert "ConvergenceError" in text
    assert "step 1" not in text


def test_a_log_shows_now_and_then_what_the_engine_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REPORT_INTERVAL", 0.0)
    assert "step 1" in printed("MgO bulk: step 1")
