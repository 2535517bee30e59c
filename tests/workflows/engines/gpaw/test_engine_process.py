"""The protocol and the limits of the engine's process, with a double in the engine's place."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from surfalign.errors import (
    ConvergenceError,
    EngineError,
    EngineKilledError,
    InsufficientMemoryError,
)
from surfalign.settings import load_settings
from surfalign.workflows.engines.gpaw.engine_process import EngineProcess

pytestmark = pytest.mark.programs

STUB_ENGINE = [sys.executable, str(Path(__file__).with_name("stub_engine.py"))]


def stub_process(**settings: object) -> EngineProcess:
    return EngineProcess(1, "MgO bulk", load_settings(**settings), command=STUB_ENGINE)


def test_a_task_returns_its_result_and_its_usage() -> None:
    with stub_process() as engine:
        result = engine.call("echo", number=3)
    assert result["number"] == 3
    assert engine.cpu_time == 1.5
    assert engine.peak_memory >= 0.25


def test_the_memory_limit_travels_with_the_task() -> None:
    with stub_process(memory_limit=0.75) as engine:
        assert engine.call("echo")["memory_limit"] == 0.75


def test_progress_is_logged_with_the_label(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="surfalign.progress"), stub_process() as engine:
        engine.call("echo")
    assert caplog.messages == ["MgO bulk: half way"]


def test_a_named_error_is_raised_as_its_class() -> None:
    with stub_process() as engine, pytest.raises(ConvergenceError, match="found") as caught:
        engine.call("fail", error="ConvergenceError")
    assert caught.value.remedy == "remedy"


def test_an_unknown_error_is_an_engine_error() -> None:
    with stub_process() as engine, pytest.raises(EngineError, match="found"):
        engine.call("fail", error="NoSuchError")


def test_a_crash_tells_the_exit_status_and_the_end_of_the_log() -> None:
    with (
        stub_process() as engine,
        pytest.raises(EngineKilledError, match=r"exit status 7.*last words of the engine"),
    ):
        engine.call("crash")


def test_a_killed_engine_tells_the_signal() -> None:
    with stub_process() as engine, pytest.raises(EngineKilledError, match="signal 9"):
        engine.call("die")


def test_an_engine_that_ended_before_the_task_is_an_error_too() -> None:
    with stub_process() as engine:
        process = psutil.Process(engine.pid)
        process.kill()
        process.wait(timeout=300)
        with pytest.raises(EngineKilledError, match="without a result"):
            engine.call("echo")


def test_an_engine_above_the_memory_limit_is_stopped() -> None:
    with (
        stub_process(memory_limit=0.2) as engine,
        pytest.raises(InsufficientMemoryError, match=r"at most 0\.20 GB"),
    ):
        engine.call("eat", gigabytes=0.4)


def test_the_end_of_the_block_ends_the_process_and_removes_its_folder() -> None:
    with stub_process() as engine:
        process, folder = psutil.Process(engine.pid), engine.log_file.parent
        assert folder.is_dir()
    assert not process.is_running()
    assert not folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count differently")
def test_the_memory_of_the_engine_is_not_that_of_its_parent() -> None:
    ballast = bytearray(b"x" * 500_000_000)
    code = "from surfalign.workflows.engines.gpaw.child.worker import _peak_memory as p; print(p())"
    told = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert len(ballast) == 500_000_000
    assert 0.005 < float(told) < 0.2  # GB
