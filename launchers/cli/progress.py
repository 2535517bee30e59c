"""What a long run shows: one live line at a terminal, some lines a minute elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from rich.status import Status

    from surfalign.launchers.session import CrystalOutcome


#: Shortest time between two reports of the engine in a log file, seconds.
REPORT_INTERVAL = 20.0


class RunProgress:
    """Progress of a run over several crystals.

    At a terminal the engine's reports move in one live line; the start of each step stays. Elsewhere
    (a log file) the starts of steps are printed, and now and then what the engine reports.

    Parameters
    ----------
    console
        Where to print.
    total
        Number of crystals.
    """

    def __init__(self, console: Console, total: int) -> None:
        self.console = console
        self.total = total
        self._done = 0
        self._status: Status | None = None
        self._started = time.monotonic()
        self._printed = self._started

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._status = self.console.status("starting")
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def event(self, message: str) -> None:
        """Show an event; at a terminal only starts and failures of steps stay on the screen."""
        now = time.monotonic()
        stays = message.endswith(": started") or ": failed: " in message
        due = self._status is None and now - self._printed > REPORT_INTERVAL
        if stays or due:
            elapsed = now - self._started
            self.console.print(f"[dim]{elapsed:7.0f} s[/] {escape(message)}", soft_wrap=True)
            self._printed = now
        if self._status is not None:
            done = f"{self._done}/{self.total} done" if self.total > 1 else "running"
            self._status.update(f"[bold]{done}[/] {escape(message)}")

    def finish(self, outcome: CrystalOutcome) -> None:
        """A crystal ended; say what was taken over from an earlier run."""
        self._done += 1
        if outcome.reused:
            names = ", ".join(
                d.surface_name for d in outcome.documents if d.identifier in outcome.reused
            )
            self.console.print(
                f"{escape(names)}: reused, computed before with the same settings "
                "(--force recomputes)",
                soft_wrap=True,
            )
