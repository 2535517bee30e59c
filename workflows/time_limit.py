"""A time limit for the work on one crystal, so that no crystal holds up the others."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from surfalign.errors import TimeLimitError


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

    def stop(*_: object) -> None:
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
    outer, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, previous)
        # An alarm that was set before goes on; zero would switch it off.
        rest = max(outer - (time.monotonic() - start), 1e-3) if outer else 0.0
        signal.setitimer(signal.ITIMER_REAL, rest)
