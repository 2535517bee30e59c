"""What looks wrong once may be a change under way; what looks wrong in look after look is."""

from __future__ import annotations

import time
from collections.abc import Hashable


class Suspects:
    """Remembers since when something has looked wrong without a break."""

    def __init__(self) -> None:
        self._before: dict[Hashable, float] = {}
        self._now: dict[Hashable, float] = {}

    def begin(self) -> None:
        """Begin a look; what the one before did not find suspicious is forgotten."""
        self._before, self._now = self._now, {}

    def persists(self, what: Hashable, grace: float = 0.0) -> bool:
        """Note that something looks wrong; tell whether it did in every look for ``grace`` seconds.

        Parameters
        ----------
        what
            The thing and what is wrong with it.
        grace
            Seconds since it was first noted; at least one earlier look is needed in any case.
        """
        first = self._before.get(what)
        self._now[what] = time.monotonic() if first is None else first
        return first is not None and time.monotonic() - first >= grace
