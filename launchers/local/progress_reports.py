"""What engines report of their work, handed on; light, for every command may import it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Engines report what they are doing through this logger.
PROGRESS_LOGGER = "surfalign.progress"


class ProgressReporter(logging.Handler):
    """Hands each record of the engines' progress on.

    Parameters
    ----------
    report
        Takes the message.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__(level=logging.INFO)
        self.report = report

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one record on."""
        self.report(record.getMessage())


@contextmanager
def engine_reports(report: Callable[[str], None]) -> Iterator[None]:
    """Hand on what engines in this process report, for as long as the context lasts."""
    logger, reporter = logging.getLogger(PROGRESS_LOGGER), ProgressReporter(report)
    logger.addHandler(reporter)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(reporter)
