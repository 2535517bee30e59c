"""Processes that run the jobs of a local run (parent side of :mod:`.job_worker`)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Self

from jobflow import Response
from monty.json import MontyDecoder, MontyEncoder

from surfalign.errors import EngineKilledError
from surfalign.launchers.local.flow_graph import Node
from surfalign.launchers.local.shares import Share

#: Time in which a process that is told to stop may tidy up, s.
_GRACE = 10.0


@dataclass(frozen=True)
class JobResult:
    """What a job gave.

    Parameters
    ----------
    updates
        Documents, key and save for each call of the store's ``update``.
    response
        What it asks for, without the output.
    """

    updates: list[tuple[Any, Any, Any]]
    response: Response[Any]


Outcome = JobResult | Exception


@dataclass
class _Worker:
    """A process, and the job that it runs."""

    process: subprocess.Popen[bytes]
    pipe: Connection
    node: Node | None = None
    share: Share | None = None


class Workers:
    """Processes for jobs, started when needed and kept for the next job; use it in ``with``.

    Parameters
    ----------
    on_event
        Called with each line of progress.
    """

    def __init__(self, on_event: Callable[[str], None]) -> None:
        self.on_event = on_event
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """End all: by an interrupt, on which engines are closed and folders removed, or by force."""
        for worker in self._workers:
            worker.pipe.close()
            if worker.node is not None:
                worker.process.send_signal(signal.SIGINT)
        for worker in self._workers:
            try:
                worker.process.wait(timeout=_GRACE)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()

    @property
    def running(self) -> bool:
        """Whether a job is running."""
        return any(worker.node is not None for worker in self._workers)

    @property
    def shares(self) -> list[Share]:
        """Shares of the machine in use."""
        return [worker.share for worker in self._workers if worker.share is not None]

    def start(self, node: Node, share: Share, folder: Path) -> None:
        """Run a job, whose references are resolved, in a folder with a share of the machine."""
        worker = next((worker for worker in self._workers if worker.node is None), None)
        if worker is None:
            worker = _launch()
            self._workers.append(worker)
        limits = {
            "SURFALIGN_CORES": str(share.cores),
            "SURFALIGN_MEMORY_LIMIT": str(share.memory),
        }
        worker.node, worker.share = node, share
        worker.pipe.send((json.dumps(node.job, cls=MontyEncoder), str(folder), limits))

    def wait(self) -> list[tuple[Node, Outcome]]:
        """Wait for news; pass progress on and return the jobs that ended."""
        ended = []
        busy = {worker.pipe: worker for worker in self._workers if worker.node is not None}
        for pipe in wait(list(busy)) if busy else ():
            worker = busy[pipe]  # type: ignore[index]  # only pipes were given
            outcome = self._news(worker)
            if outcome is not None and worker.node is not None:
                ended.append((worker.node, outcome))
                worker.node = worker.share = None
        return ended

    def _news(self, worker: _Worker) -> Outcome | None:
        """Return how a job ended, or None where it only told of its progress."""
        try:
            kind, content = worker.pipe.recv()
        except (EOFError, OSError):
            self._workers.remove(worker)
            worker.pipe.close()
            return EngineKilledError(
                f"the process of a step ended without a result (exit status {worker.process.wait()})",
                "a process that runs until it answers",
                "see whether it was killed or the machine ran out of memory, and run again",
            )
        if kind == "progress":
            self.on_event(content)
            return None
        if kind == "error":
            error: Exception = content
            return error
        updates, response = content
        return JobResult(updates, json.loads(response, cls=MontyDecoder))


def _launch() -> _Worker:
    """Start a process; it is out of reach of the terminal's Ctrl-C, which this process passes on."""
    ours, theirs = Pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "surfalign.launchers.local.job_worker", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        start_new_session=True,
    )
    theirs.close()
    return _Worker(process, ours)
