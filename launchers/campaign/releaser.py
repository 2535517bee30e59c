"""What a worker does for the register: hands over surfaces that waited, once a minute."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from surfalign.errors import SurfalignError

if TYPE_CHECKING:
    from surfalign.launchers.cluster.launcher import Launcher
    from surfalign.launchers.cluster.profiles import Profile

logger = logging.getLogger(__name__)

INTERVAL = 60.0


class Releaser:
    """Release registered surfaces whose crystal is free again, or whose submitter died.

    Parameters
    ----------
    profile
        Names the database.
    launcher
        Takes the flows.
    """

    def __init__(self, profile: Profile, launcher: Launcher) -> None:
        self.profile = profile
        self.launcher = launcher
        self._last = float("-inf")

    def __call__(self, *, now: bool = False) -> int:
        """Make a pass if one is due, or ``now``; return how many flows were handed over."""
        from surfalign.launchers.campaign.submission import release
        from surfalign.launchers.database.server import open_database

        if not now and time.monotonic() - self._last < INTERVAL:
            return 0
        self._last = time.monotonic()
        try:
            with open_database(self.profile.settings()) as database, database.errors_named():
                return release(self.launcher, database)
        except SurfalignError as error:
            # The jobs that are under way need the loop, whatever ails the register.
            logger.warning("no surfaces released: %s", error)
            return 0
