"""Loggers that jobflow-remote would silence."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_loggers() -> Iterator[None]:
    """Keep all loggers working: jobflow-remote's runner sets up its own and disables every other one."""
    known = logging.root.manager.loggerDict.values()
    working = [one for one in known if isinstance(one, logging.Logger) and not one.disabled]
    try:
        yield
    finally:
        for one in working:
            one.disabled = False
