"""Hand FireWorks jobs of one queue to SLURM, several as one job where ``jobs_per_allocation`` says so.

Each SLURM job has a directory of its own, by which it is found again where sbatch fails after SLURM took it.
Only jobs that ask SLURM for the same share an allocation, the walltime excepted: it is the sum of what they
need, as far as the queue allows. A job that was lost before gets an allocation of its own, so that what
happens in it is the job's own doing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from surfalign.launchers.cluster import slurm_submission
from surfalign.launchers.cluster.fireworks import allocation_runner
from surfalign.launchers.cluster.fireworks.allocation_runner import Allocation, Member
from surfalign.launchers.cluster.fireworks.launcher import MEMBER, note_number, prologue
from surfalign.launchers.cluster.job_requests import asked_for, expected_seconds, walltime
from surfalign.launchers.cluster.profiles import Cluster, Profile, Queue, python_of

if TYPE_CHECKING:
    from fireworks import Firework, LaunchPad

    from surfalign.launchers.cluster.job_files import Worksite

logger = logging.getLogger(__name__)

MEMBERS = "members.json"
#: Beginning of the names of the folders of allocations.
_ALLOCATION = "allocation_"
_MODULE = re.compile(r'"@module": "([\w.]+)"')
#: So many ready jobs are looked at for each that an allocation may have.
_LOOKED_AT = 10


class AllocationSubmitter:
    """Fills allocations with ready jobs of a queue.

    Parameters
    ----------
    launchpad
        Connected.
    profile, name, cluster, site
        The profile, the name of its queue, and where that is.
    """

    def __init__(
        self, launchpad: LaunchPad, profile: Profile, name: str, cluster: Cluster, site: Worksite
    ) -> None:
        from fireworks import FWorker

        self.launchpad = launchpad
        self.profile = profile
        self.name = name
        self.queue = profile.queues[name]
        self.cluster = cluster
        self.site = site
        self._shares = self.queue.jobs_per_allocation > 1
        self._fworker = FWorker(name="surfalign", category=name)

    def submit(self, folder: Path) -> str:
        """Reserve jobs and submit them as one; return why none more can be, or an empty text.

        Where nobody knows whether SLURM took the job, the reservations stay until the worker's next looks.
        """
        place = Path(mkdtemp(prefix=_ALLOCATION, dir=folder))
        place.chmod(0o755)
        members: list[Member] = []
        try:
            fireworks = []
            for firework, member in self._reserve(place):
                fireworks.append(firework)
                members.append(member)
            if not members:
                place.rmdir()
                return ""
            queue = self._request(fireworks)
            allocation = Allocation(
                members=members,
                seconds=queue.seconds,
                modules=_modules(fireworks),
                launchpad=self.site.launchpad,
                fworker=self.site.fworker,
            )
            (place / MEMBERS).write_text(allocation.model_dump_json(indent=1), encoding="utf-8")
            runner = f"{python_of(self.cluster)} -m {allocation_runner.__name__} {MEMBERS}"
            lines = [*prologue(self.profile, queue, self.site, place), runner]
            title = fireworks[0].name if len(members) == 1 else f"{self.name}_{len(members)}_jobs"
            done = slurm_submission.submit(queue, "\n".join(lines), place, title)
        except Exception:
            if slurm_submission.give_back(place):
                self._give_back(members)
            raise
        number = done.number
        if not number and not done.doubtful and not slurm_submission.give_back(place):
            number = slurm_submission.owner_of(place)  # it began while sbatch failed
        for member in members if number else ():
            note_number(self.launchpad, member.launch_id, number)
        if not number and not done.doubtful:
            self._give_back(members)
            # A queue that is refused for days leaves no folder a round; without it no job can begin either.
            rmtree(place, ignore_errors=True)
        return "" if number else done.complaint

    def _give_back(self, members: list[Member]) -> None:
        for member in members:
            self.launchpad.cancel_reservation(member.launch_id)

    def _reserve(self, place: Path) -> Iterator[tuple[Firework, Member]]:
        """Reserve the next ready job, and more that ask for the same."""
        first, launch_id = self.launchpad.reserve_fw(self._fworker, str(place))
        if first is None:
            return
        yield first, self._member(first, launch_id, place, 0)
        if first.spec.get("_losses"):
            return
        number, seconds = 1, self._seconds(first.spec) or 0.0
        for spec, fw_id in self._candidates(first.spec) if self._shares else ():
            if number == self.queue.jobs_per_allocation:
                return
            more = self._seconds(spec) or 0.0
            if seconds + more > self.queue.seconds:
                continue
            firework, launch_id = self.launchpad.reserve_fw(self._fworker, str(place), fw_id=fw_id)
            if firework is not None:
                yield firework, self._member(firework, launch_id, place, number)
                number, seconds = number + 1, seconds + more

    def _candidates(self, like: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield ready jobs that ask for the same, and were never lost."""
        ready = {
            "state": "READY",
            "spec._category": self.name,
            "spec._losses": {"$exists": False},
        }
        shown = {"fw_id": 1, "spec.resources": 1, "spec._raised": 1}
        limit = _LOOKED_AT * self.queue.jobs_per_allocation
        for document in list(self.launchpad.fireworks.find(ready, shown, limit=limit)):
            spec = document.get("spec", {})
            if self._shared(spec) == self._shared(like):
                yield spec, document["fw_id"]

    def _shared(self, spec: dict[str, Any]) -> Queue:
        """Return what a job asks for but the walltime."""
        asked = asked_for(self.queue, spec.get("resources"), spec.get("_raised"))
        return asked.model_copy(update={"walltime": self.queue.walltime})

    def _seconds(self, spec: dict[str, Any]) -> float | None:
        return expected_seconds(self.queue, spec.get("resources"), spec.get("_raised"))

    def _member(self, firework: Firework, launch_id: int, place: Path, number: int) -> Member:
        directory = place / f"{MEMBER}{number}"
        directory.mkdir()
        self.launchpad.change_launch_dir(launch_id, str(directory))
        return Member(
            fw_id=firework.fw_id,
            launch_id=launch_id,
            directory=directory,
            seconds=self._seconds(firework.spec),
        )

    def _request(self, fireworks: list[Firework]) -> Queue:
        """Return what the allocation asks for: the sum of its jobs' times, where these are estimated."""
        queue = self._shared(fireworks[0].spec)
        times = [self._seconds(firework.spec) for firework in fireworks]
        if "walltime" in queue.estimated and None not in times:
            total = min(sum(time for time in times if time is not None), queue.seconds)
            queue = queue.model_copy(update={"walltime": walltime(total)})
        return queue


def began_late(directory: Path) -> bool:
    """Ask whether a job ran in an allocation after others, so that it did not have all of its time.

    Parameters
    ----------
    directory
        Where it ran.
    """
    return directory.parent.name.startswith(_ALLOCATION) and directory.name != f"{MEMBER}0"


def _modules(fireworks: list[Firework]) -> list[str]:
    """Return the modules that the jobs name, which their processes would each load."""
    texts = [task["job"] for firework in fireworks for task in firework.tasks]
    return sorted(
        {module for text in texts if isinstance(text, str) for module in _MODULE.findall(text)}
    )
