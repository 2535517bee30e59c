"""The engine as a process of its own: started, spoken to, watched, and ended by the parent.

One JSON line goes in for each task; JSON lines come back: progress, then a result or an error. The
process ends with its parent (it sees the end of its standard input), with its limits (a watcher adds up
the memory of its tree) and with any error.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import psutil

from surfalign import errors
from surfalign.errors import (
    EngineError,
    EngineKilledError,
    InsufficientMemoryError,
    MissingDependencyError,
    SurfalignError,
)
from surfalign.processes import available_memory
from surfalign.settings import Settings, load_settings
from surfalign.slurm_words import OUT_OF_MEMORY
from surfalign.workflows.engines.gpaw import machine

WORKER = "surfalign.workflows.engines.gpaw.child.worker"
_WATCH_INTERVAL = 0.2  # s
_TAIL_LINES = 15

_progress = logging.getLogger("surfalign.progress")


class EngineProcess:
    """A running engine, one for the steps of one job; use it as a context manager.

    Parameters
    ----------
    processes
        MPI processes; 1 runs without MPI.
    label
        Begins each line of progress, e.g. ``MgO bulk``.
    settings
        Settings in force; None reads them.
    command
        Command of the process; None for the real engine. Tests give a double.
    """

    def __init__(
        self,
        processes: int,
        label: str = "",
        settings: Settings | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self.processes = processes
        self.label = label
        self.settings = settings or load_settings()
        self.memory_limit = available_memory(self.settings)
        self.peak_memory = 0.0  # GB
        self.cpu_time = 0.0  # s
        self._command = list(command or machine.launch_command(self.settings, processes, WORKER))
        if command is None and importlib.util.find_spec("gpaw") is None:
            raise MissingDependencyError(
                "gpaw is not installed", "the embedded engine", "pip install 'surfalign[gpaw]'"
            )
        self._exceeded = False
        self._process: subprocess.Popen[str] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._watcher: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="surfalign-gpaw-")
        with self.log_file.open("w") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self._folder.name,
                env=engine_environment(self.settings),
                text=True,
                start_new_session=True,
            )
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def log_file(self) -> Path:
        """What the engine writes besides its results."""
        assert self._folder is not None
        return Path(self._folder.name) / "engine.log"

    @property
    def pid(self) -> int:
        """Process id of the launcher."""
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise EngineError("the engine is not running", "a started process", "use it in 'with'")
        return self._process

    def call(self, task: str, **arguments: Any) -> dict[str, Any]:
        """Run one task and return its result.

        Raises
        ------
        SurfalignError
            The named error that the engine reports.
        EngineKilledError
            When the process ends without a result.
        InsufficientMemoryError
            When the task would need, or took, more memory than allowed.
        """
        process = self._running
        assert process.stdin is not None
        assert process.stdout is not None
        message = {"task": task, "memory_limit": self.memory_limit, **arguments}
        try:
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
        except OSError:
            raise self._ended(task) from None
        for line in process.stdout:
            answer = _answer(line)
            if "progress" in answer:
                self.say(answer["progress"])
            elif "error" in answer:
                raise _rebuilt(answer)
            elif "result" in answer:
                usage = answer["usage"]
                self.cpu_time = float(usage["cpu_time"])
                self.peak_memory = max(self.peak_memory, float(usage["peak_memory"]))
                result: dict[str, Any] = answer["result"]
                return result
        raise self._ended(task)

    def say(self, text: str) -> None:
        """Emit a line of progress."""
        _progress.info("%s: %s", self.label, text)

    def close(self) -> None:
        """End the process and all its children, and remove its folder."""
        if self._process is not None:
            _kill_tree(self._process)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    _close_quietly(pipe)
            self._process = None
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _watch(self) -> None:
        """Add up the memory of the tree; end it where it exceeds the limit."""
        process = self._process
        while process is not None and process.poll() is None:
            used = _memory_of_tree(process.pid)
            self.peak_memory = max(self.peak_memory, used)
            if used > self.memory_limit:
                self._exceeded = True
                _kill_tree(process)
            time.sleep(_WATCH_INTERVAL)

    def _ended(self, task: str) -> SurfalignError:
        """The error of a process that ended without a result."""
        code = self._running.wait()
        if self._exceeded:
            return InsufficientMemoryError(
                f"{self.label or task} took {self.peak_memory:.2f} GB of memory and was stopped",
                f"at most {self.memory_limit:.2f} GB",
                "raise SURFALIGN_MEMORY_LIMIT, take a smaller cell or quality, or a larger machine",
            )
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        words = self._tail()
        if OUT_OF_MEMORY.search(words):
            return InsufficientMemoryError(
                f"{self.label or task} was ended for lack of memory ({how}); its last words: {words}",
                "a process that keeps within the memory of its job",
                "ask for more memory, take a smaller cell or quality, or a larger machine",
            )
        return EngineKilledError(
            f"the engine ended without a result during '{task}' ({how}); its last words: {words}",
            "a process that runs until it answers",
            "see whether it was killed or the machine ran out of memory, and run again",
        )

    def _tail(self) -> str:
        with self.log_file.open(errors="replace") as log:
            lines = [line.strip() for line in deque(log, _TAIL_LINES) if line.strip()]
        return " | ".join(lines) or "none"


def engine_environment(settings: Settings) -> dict[str, str]:
    """One thread for each process; Open MPI as root, in containers, and polite when it waits.

    The default launcher stays on this node and starts its processes itself: inside a SLURM job it would
    else ask SLURM to, and spread or fail.
    """
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_mpi_yield_when_idle": "1",
        "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
        "SURFALIGN_DATA_DIRECTORY": str(settings.data_directory.expanduser().resolve()),
        "PYTHONWARNINGS": "ignore",
    }
    if settings.mpi_command is None:
        environment |= {"OMPI_MCA_plm": "isolated", "OMPI_MCA_ras": "^slurm"}
    return environment


def _answer(line: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError:
        return {}  # a launcher's own remark
    return answer if isinstance(answer, dict) else {}


def _rebuilt(answer: dict[str, Any]) -> SurfalignError:
    """The error that the engine reported, as the class of its name."""
    kind = getattr(errors, answer["error"], EngineError)
    error: SurfalignError = kind(*answer["arguments"])
    return error


def _memory_of_tree(pid: int) -> float:
    """Return the memory of a process and its children (GB), shared pages left out."""
    total = 0
    for process in _tree(pid):
        try:
            memory = process.memory_info()
        except psutil.Error:
            continue
        total += memory.rss - getattr(memory, "shared", 0)
    return total / 1e9


def _tree(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []


def _kill_tree(process: subprocess.Popen[str]) -> None:
    for member in _tree(process.pid):
        try:
            member.kill()
        except psutil.Error:
            continue
    process.wait()


def _close_quietly(pipe: Any) -> None:
    try:
        pipe.close()
    except OSError:
        return  # the other end is gone, with what was still to be written
