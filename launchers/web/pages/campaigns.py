"""The page of a campaign: surfaces by state, jobs by step, and failures by cause with what mends them."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from surfalign.launchers.campaign.status import (
    CampaignStatus,
    FailureGroup,
    SurfaceRow,
    campaign_status,
    surface_rows,
)
from surfalign.launchers.cluster.launcher import TRANSIENT, JobState
from surfalign.launchers.web.access import require
from surfalign.launchers.web.pages.rendering import render
from surfalign.stores.sharing.visibility import Role

if TYPE_CHECKING:
    from surfalign.launchers.cluster.launcher import Launcher
    from surfalign.launchers.cluster.profiles import Profile
    from surfalign.stores.database import Database

#: Opens launcher and database of a profile.
OpenCampaign = Callable[[], AbstractContextManager[tuple["Launcher", "Database", "Profile"]]]

#: Surfaces of a state that are listed.
SHOWN = 300

#: What to do before the jobs of a cause are run again.
_FIRST = {
    "walltime": "Give the queue a longer walltime in the profile, then:",
    "memory": "Give the queue more memory or nodes in the profile, then:",
    "disk": "Make room in the work directory, then:",
    "environment": "surfalign doctor --profile names what is missing where jobs run; then:",
    "convergence": "Look at the surface; with other settings in the profile or the preset:",
    "error": "Do what the message says, then:",
}
_BY_ITSELF = "The worker runs these again by itself, as often as the profile allows; at once:"


def routes(open_campaign: OpenCampaign | None) -> APIRouter:
    """Return the page of the campaign of a profile."""
    router = APIRouter()
    looking = threading.Lock()

    @router.get("/campaign")
    def campaign(
        request: Request, state: Literal["", "done", "running", "waiting", "failed"] = ""
    ) -> Response:
        """Show the campaign as it stands now, and its surfaces of one state where that is asked for.

        To who sees all: it names surfaces.
        """
        require(request, Role.ADMIN)
        if open_campaign is None:
            return render(request, "campaign.html", status_now=None, profile=None)
        # Workflow managers keep their settings in the process: one look at a time.
        with looking, open_campaign() as (launcher, database, profile):
            found = campaign_status(launcher, database, profile, launcher.counts())
            rows = list(_surfaces(launcher, database, state)) if state else []
        return render(
            request,
            "campaign.html",
            status_now=found,
            profile=profile.name,
            states=[state.value for state in JobState],
            failures=[(group, *mending(group, profile.name)) for group in found.failures],
            shares=_shares(found),
            chosen=state,
            rows=rows[:SHOWN],
            more=len(rows) > SHOWN,
        )

    return router


def mending(group: FailureGroup, profile: str) -> tuple[str, str]:
    """Return what to do about jobs that failed for one cause, in words and as a command."""
    command = ["surfalign", "retry", "--profile", profile, "--step", group.step]
    first = _BY_ITSELF if group.cause in TRANSIENT else _FIRST.get(group.cause, _FIRST["error"])
    return first, shlex.join([*command, "--cause", group.cause])


def _surfaces(launcher: Launcher, database: Database, state: str) -> Iterator[SurfaceRow]:
    """Yield the surfaces of a state, one more than are shown where there are more."""
    states = (state, JobState.QUEUED.value) if state == "running" else (state,)
    matching = (row for row in surface_rows(launcher, database) if row.state in states)
    return islice(matching, SHOWN + 1)


def _shares(found: CampaignStatus) -> list[tuple[str, int]]:
    """Return the surfaces by state, for a bar and for people who read numbers."""
    return [
        ("done", found.done), ("running", found.running),
        ("waiting", found.waiting), ("failed", found.failed),
    ]  # fmt: skip
