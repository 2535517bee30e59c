"""What one job asks SLURM for: the queue's fixed values, or the engine's estimate within them.

A queue of the profile says by ``estimated`` what of its jobs follows the estimate that an engine left in
the metadata of each (:mod:`surfalign.workflows.engines.step_resources`). The queue's own value is the most that
is asked for. Jobs without an estimate ask for it at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from surfalign.launchers.cluster.launcher import Cause
from surfalign.launchers.cluster.profiles import Queue

#: Failures for want of something, and what a retry asks more of.
RAISED_BY = {Cause.WALLTIME.value: "walltime", Cause.MEMORY.value: "memory"}
#: By so much more.
RAISE = 2.0
#: A retry raises no further: beyond this every queue's own value is reached.
_MOST_RAISED = 2.0**10


def asked_for(
    queue: Queue,
    resources: Mapping[str, Any] | None,
    raised: Mapping[str, float] | None = None,
) -> Queue:
    """Return the queue with what one job asks for.

    An estimate holds for the processors that the engine would like. On fewer a job takes longer in
    proportion; on more it is not taken to be faster, and needs more memory, as each process brings some.

    Parameters
    ----------
    queue
        Of the profile.
    resources
        Estimate of the engine (:class:`~surfalign.workflows.engines.step_resources.StepResources`, plain);
        empty or None where it made none.
    raised
        Factors of ``walltime`` and ``memory`` after failures for want of them.
    """
    if not resources or not queue.estimated:
        return queue
    raised = raised or {}
    on_gpus = resources["kind"] == "gpu" and queue.gpus > 0
    wanted = resources["gpus"] if on_gpus else resources["cores"]
    given = queue.gpus * queue.nodes if on_gpus else queue.tasks * queue.cores_per_task
    update: dict[str, Any] = {}
    if "walltime" in queue.estimated:
        seconds = resources["wall_time"] * max(1.0, wanted / given)
        seconds *= queue.safety * raised.get("walltime", 1.0)
        update["walltime"] = walltime(min(max(seconds, queue.least_seconds), queue.seconds))
    if "memory" in queue.estimated and queue.memory is not None:
        needed = resources["memory"] + (given - wanted) * resources.get("processor_memory", 0.0)
        needed *= queue.safety * raised.get("memory", 1.0) / queue.nodes
        update["memory"] = min(max(needed, queue.least_memory), queue.memory)
    return queue.model_copy(update=update)


def expected_seconds(
    queue: Queue,
    resources: Mapping[str, Any] | None,
    raised: Mapping[str, float] | None = None,
) -> float | None:
    """Return how long a job takes at most in a queue by its estimate (s); None where it has none.

    Parameters
    ----------
    queue, resources, raised
        As of :func:`asked_for`; the queue need not go by estimates.
    """
    if not resources:
        return None
    return asked_for(
        queue.model_copy(update={"estimated": ("walltime",)}), resources, raised
    ).seconds


def raised_after(raised: Mapping[str, float] | None, cause: str) -> dict[str, float]:
    """Return the factors of a job that is tried again after a failure.

    Parameters
    ----------
    raised
        Factors until now.
    cause
        Why it failed (:class:`~.launcher.Cause`).
    """
    factors = dict(raised or {})
    what = RAISED_BY.get(cause)
    if what is not None:
        factors[what] = min(RAISE * factors.get(what, 1.0), _MOST_RAISED)
    return factors


def walltime(seconds: float) -> str:
    """Write a time as SLURM takes it, in whole minutes: ``H:MM:SS`` or ``D-HH:MM:SS``."""
    minutes = math.ceil(seconds / 60)
    days, hours = divmod(minutes // 60, 24)
    text = f"{hours}:{minutes % 60:02}:00"
    return f"{days}-{hours:02}:{minutes % 60:02}:00" if days else text
