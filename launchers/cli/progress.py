"""What long work shows: one live line at a terminal, some lines a minute elsewhere."""

from __future__ import annotations

import time
from typing import Self

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.status import Status

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

    def __exit__(self, *exception: object) -> None:
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

    def finish(self, line: str = "") -> None:
        """A crystal ended; the line, in rich's markup, stays on the screen."""
        self._done += 1
        if line:
            self.console.print(f"{self._done}/{self.total} {line}", soft_wrap=True)


class Lines:
    """Prints lines to standard error, with the time since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, line: str) -> None:
        """Print one line."""
        typer.echo(f"{time.monotonic() - self._start:7.0f} s  {line}", err=True)


class Counted:
    """Prints every twentieth part of a long work to standard error.

    Parameters
    ----------
    what
        What is counted, e.g. ``orientations``.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown = -1

    def __call__(self, done: int, total: int) -> None:
        """Tell how many are done, and of how many."""
        part = 20 * done // max(total, 1)
        if part > self._shown:
            self._shown = part
            typer.echo(f"{done} of {total} {self._what}", err=True)


class Bar:
    """A bar at the terminal that goes when the work is done; elsewhere nothing."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, title: str, done: int, total: int) -> None:
        """Show how many are done, and of how many."""
        self._progress.update(self._task, description=title, completed=done, total=total)
