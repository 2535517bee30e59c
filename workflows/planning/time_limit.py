"""A time limit for the work on one crystal, so that no crystal holds up the others."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from surfalign.errors import TimeLimitError

# An exception can be swallowed where it is raised; the alarm is then given again, after this time.
REPEAT_SECONDS = 1.0
# So long the alarm waits where it may not raise one.
SOON_SECONDS = 1e-3


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
    if seconds == math.inf or threading.current_thread() is not threading.main_thread():
        yield
        return
    alarm = _Alarm(f"{what} took longer than {seconds:g} s")
    alarm.set(seconds)
    try:
        yield
    except Exception as error:
        if alarm.raised is None or isinstance(error, TimeLimitError):
            raise
        # Libraries put errors of their own in the place of any exception; spglib does.
        raise alarm.raised from None
    finally:
        alarm.unset()
    if alarm.raised is not None:
        # Swallowed on the way: what the block made may lack something.
        raise alarm.raised


class _Alarm:
    """An alarm that raises once it rings, and rings again where its exception was lost.

    Parameters
    ----------
    found
        What the error says.

    Attributes
    ----------
    raised
        The last exception that it raised.
    """

    def __init__(self, found: str) -> None:
        self.raised: TimeLimitError | None = None
        self._found = found
        self._is_set = False

    def set(self, seconds: float) -> None:
        """Ring after some time."""
        self._hook, sys.unraisablehook = sys.unraisablehook, self._lose
        self._handler = signal.signal(signal.SIGALRM, self._ring)
        self._start = time.monotonic()
        self._is_set = True
        self._outer, self._repeat = signal.setitimer(signal.ITIMER_REAL, seconds, REPEAT_SECONDS)

    def unset(self) -> None:
        """Ring no more; an alarm that was set before goes on."""
        self._is_set = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler)
        sys.unraisablehook = self._hook
        if self._outer:
            rest = max(self._outer - (time.monotonic() - self._start), SOON_SECONDS)
            signal.setitimer(signal.ITIMER_REAL, rest, self._repeat)

    def _ring(self, _: int, frame: FrameType | None) -> None:
        if not self._is_set:
            return
        if _must_wait(frame):
            self._ring_soon()
            return
        self.raised = TimeLimitError(
            self._found,
            "a crystal that is done within the time limit",
            "give a longer --time-limit, a smaller --max-index, or a smaller cell",
        )
        raise self.raised

    def _ring_soon(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, SOON_SECONDS, REPEAT_SECONDS)

    def _lose(self, lost: sys.UnraisableHookArgs) -> None:
        """Hear of an exception that was lost in a callback of the interpreter, or of an extension."""
        if not isinstance(lost.exc_value, TimeLimitError):
            self._hook(lost)
        elif self._is_set:
            self._ring_soon()


def _must_wait(frame: FrameType | None) -> bool:
    """Say whether an exception raised here would be lost, or would leave the alarm set.

    It is lost in finalizers and in callbacks of weak references. Raised while the block is entered or
    left, it would skip what unsets the alarm.
    """
    if frame is not None and frame.f_globals.get("__name__") in (__name__, "contextlib"):
        return True
    while frame is not None:
        if frame.f_code.co_name == "__del__" or frame.f_globals.get("__name__") in (
            "weakref",
            "_weakrefset",
        ):
            return True
        frame = frame.f_back
    return False
