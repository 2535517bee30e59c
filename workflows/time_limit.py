"""A time limit for the work on one crystal, so that no crystal holds up the others."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from surfalign.errors import TimeLimitError

# An exception can be swallowed where it is raised; the alarm is then given again, after this time.
REPEAT_SECONDS = 1.0


def _loses_exceptions(frame: FrameType | None) -> bool:
    """Say whether an exception raised here would be printed and lost.

    So it is wherever the interpreter itself calls: finalizers and callbacks of weak references.
    """
    while frame is not None:
        if frame.f_code.co_name == "__del__" or frame.f_globals.get("__name__") in (
            "weakref",
            "_weakrefset",
        ):
            return True
        frame = frame.f_back
    return False


@contextmanager
def time_limit(seconds: float, what: str) -> Iterator[None]:
    """End the work of the block after some time.

    Works by the alarm signal, so only in a process's main thread; elsewhere nothing is limited.

    Parameters
    ----------
    seconds
        Wall-clock time.
    what
        What is worked on, for the message.

    Raises
    ------
    TimeLimitError
        The time is up.
    """

    def stop(_: int, frame: FrameType | None) -> None:
        if _loses_exceptions(frame):
            signal.setitimer(signal.ITIMER_REAL, 1e-3, REPEAT_SECONDS)
            return
        raise TimeLimitError(
            f"{what} took longer than {seconds:g} s",
            "a crystal that is done within the time limit",
            "give a longer --time-limit, a smaller --max-index, or a smaller cell",
        )

    if seconds == math.inf or threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGALRM, stop)
    start = time.monotonic()
    outer, repeat = signal.setitimer(signal.ITIMER_REAL, seconds, REPEAT_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        # An alarm that was set before goes on.
        if outer:
            rest = max(outer - (time.monotonic() - start), 1e-3)
            signal.setitimer(signal.ITIMER_REAL, rest, repeat)
