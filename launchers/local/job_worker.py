"""A process that runs jobs for a local run, one after the other (child side of :mod:`.local`).

Jobs may change the directory and the environment, and jobflow knows one running job a process: so jobs
that run side by side need processes. The store stays with the parent, which resolves what a job takes
and stores what it gives; the two speak through a pipe. The process ends when the parent does.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from jobflow import CURRENT_JOB, Job, JobStore
from maggma.stores import MemoryStore
from monty.json import MontyDecoder, MontyEncoder

from surfalign.errors import SurfalignError
from surfalign.launchers.local.progress_reports import engine_reports
from surfalign.processes import end_with_parent


class Outbox(JobStore):
    """Takes the place of the store: keeps what a job would store."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.updates: list[tuple[Any, Any, Any]] = []

    def update(self, docs: Any, key: Any = None, save: Any = None) -> None:
        """Keep the arguments of :meth:`jobflow.JobStore.update`."""
        self.updates.append((docs, key, save))


def main() -> None:
    """Run jobs until the parent closes the pipe."""
    end_with_parent()
    pipe = Connection(int(sys.argv[1]))
    environment = dict(os.environ)
    # The end of the pipe, or an interrupt: the parent has no use for this process any more.
    with (
        contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt),
        engine_reports(lambda text: pipe.send(("progress", text))),
    ):
        while True:
            text, folder, changes = pipe.recv()
            os.environ.clear()
            os.environ.update(environment | changes)
            pipe.send(_answer(text, Path(folder)))


def _answer(text: str, folder: Path) -> tuple[str, Any]:
    """Run a job; return what is to be stored and done next, or its error."""
    box = Outbox()
    try:
        job: Job = json.loads(text, cls=MontyDecoder)
        with contextlib.chdir(folder):
            response = job.run(store=box, job_dir=folder)
        response.output = None  # is among the updates
        return "result", (box.updates, json.dumps(response, cls=MontyEncoder))
    except Exception as error:  # noqa: BLE001 - whatever a job raises is told the parent
        return "error", _portable(error)
    finally:
        CURRENT_JOB.reset()


def _portable(error: Exception) -> Exception:
    """Return the error if it can travel, else one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - errors may hold anything
        return SurfalignError(f"{type(error).__name__}: {error}")
    return error


if __name__ == "__main__":
    main()
