"""The engine's process (child side): reads tasks from standard input, answers on standard output.

Run by :mod:`~..engine_process`; under MPI rank 0 speaks, and all ranks compute. Any error ends the process: after
one, the state of the other ranks is unknown.
"""

from __future__ import annotations

import json
import os
import queue
import resource
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import IO, Any

from surfalign.errors import SurfalignError
from surfalign.processes import end_with_parent

#: What other ranks wait before they end the job, so that rank 0 can report its error first.
_GRACE = 5.0  # s


def main() -> None:
    """Serve tasks until standard input ends."""
    channel = _take_standard_output()
    end_with_parent()
    from gpaw.mpi import broadcast, world

    lines = _reader() if world.rank == 0 else None
    speaker = channel if world.rank == 0 else None

    def report(text: str) -> None:
        _say(speaker, {"progress": text})

    from surfalign.workflows.engines.gpaw.child.tasks import Tasks

    tasks = Tasks(report)
    while True:
        line = broadcast(lines.get() if lines is not None else None, 0, comm=world)
        try:
            message = json.loads(line)
            result = tasks.run(message.pop("task"), **message)
        except BaseException as error:  # noqa: BLE001 - the last handler of this process
            _fail(speaker, error)
        usage = {
            "cpu_time": world.sum_scalar(_cpu_time()),
            "peak_memory": world.sum_scalar(_peak_memory()),
        }
        _say(speaker, {"result": result, "usage": usage})


def _take_standard_output() -> IO[str]:
    """Keep standard output for the protocol; whatever prints goes to the log."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return channel


def _reader() -> queue.Queue[str]:
    """Read lines in a thread; the end of the input means that the parent is gone."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _say(speaker: IO[str] | None, message: dict[str, Any]) -> None:
    if speaker is not None:
        speaker.write(json.dumps(message) + "\n")
        speaker.flush()


def _fail(speaker: IO[str] | None, error: BaseException) -> None:
    """Report an error and end all ranks."""
    traceback.print_exc()
    sys.stderr.flush()
    if speaker is None:
        time.sleep(_GRACE)
        os._exit(1)
    if isinstance(error, SurfalignError):
        name, arguments = type(error).__name__, list(error.args)
    elif isinstance(error, MemoryError):
        name = "InsufficientMemoryError"
        arguments = [f"the engine ran out of memory: {error}", "", "take a smaller cell"]
    else:
        name = "EngineError"
        last = traceback.format_exc().strip().splitlines()[-4:]
        arguments = [
            f"the engine failed: {type(error).__name__}: {error} ({' | '.join(last)})",
            "a calculation that ends",
            "check the structure; report it where it looks right",
        ]
    _say(speaker, {"error": name, "arguments": arguments})
    os._exit(1)


def _cpu_time() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _peak_memory() -> float:
    """Largest resident size of this process, GB.

    Linux carries the peak that ``getrusage`` tells over from the process that started this one, which
    may be far larger; its status file starts anew with the program.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:  # not Linux: macOS counts in bytes
        unit = 1.0 if sys.platform == "darwin" else 1024.0
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak) * 1024 / 1e9


if __name__ == "__main__":
    main()
