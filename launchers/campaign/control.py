"""Acting on a campaign: which jobs a person means by cause, step, surface or formula."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from surfalign.batches import batches
from surfalign.launchers.cluster.launcher import JobRecord, JobState

if TYPE_CHECKING:
    from surfalign.launchers.cluster.launcher import Launcher

#: Jobs acted on at a time.
BATCH_SIZE = 500


@dataclass(frozen=True)
class Selection:
    """Which jobs; an empty condition leaves them all in.

    Parameters
    ----------
    causes
        Causes of failure (:class:`~.launcher.Cause`).
    steps
        Kinds of step, e.g. ``slab relaxation``.
    formulas
        Reduced formulas.
    surfaces
        Surface names, e.g. ``MgO(100)-A``; bulk steps belong to no one surface.
    """

    causes: Collection[str] = ()
    steps: Collection[str] = ()
    formulas: Collection[str] = ()
    surfaces: Collection[str] = ()

    @property
    def everything(self) -> bool:
        """Whether there is no condition at all."""
        return not (self.causes or self.steps or self.formulas or self.surfaces)

    def matches(self, record: JobRecord) -> bool:
        """Tell whether a job is meant."""
        cause = record.cause or ("cancelled" if record.state is JobState.CANCELLED else "")
        return (
            (not self.causes or cause in self.causes)
            and (not self.steps or record.step in self.steps)
            and (not self.formulas or record.metadata.get("formula") in self.formulas)
            and (not self.surfaces or record.metadata.get("surface_name") in self.surfaces)
        )


def selected(
    launcher: Launcher, selection: Selection, states: Collection[JobState]
) -> Iterator[list[str]]:
    """Yield the uuids of the jobs that are meant, in batches."""
    matching = (r.uuid for r in launcher.jobs(states=states) if selection.matches(r))
    # All are found before any is changed: a cursor must not run over what moves.
    yield from batches(list(matching), BATCH_SIZE)


def retry(launcher: Launcher, selection: Selection) -> int:
    """Make failed and cancelled jobs ready again; return how many."""
    states = (JobState.FAILED, JobState.CANCELLED)
    return sum(launcher.rerun(batch) for batch in selected(launcher, selection, states))


def cancel(launcher: Launcher, selection: Selection) -> int:
    """End jobs that are not done; return how many."""
    if selection.everything:
        return launcher.cancel()
    states = (
        JobState.WAITING, JobState.READY, JobState.QUEUED, JobState.RUNNING, JobState.PAUSED
    )  # fmt: skip
    return sum(launcher.cancel(batch) for batch in selected(launcher, selection, states))


def pause(launcher: Launcher, selection: Selection) -> int:
    """Hold jobs that have not started; return how many."""
    if selection.everything:
        return launcher.pause()
    states = (JobState.WAITING, JobState.READY)
    return sum(launcher.pause(batch) for batch in selected(launcher, selection, states))


def resume(launcher: Launcher, selection: Selection) -> int:
    """Release held jobs; return how many."""
    if selection.everything:
        return launcher.resume()
    return sum(
        launcher.resume(batch) for batch in selected(launcher, selection, (JobState.PAUSED,))
    )
