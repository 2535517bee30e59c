"""Routing: which queue runs which kind of step, also for jobs that do not exist yet.

The jobs of the surfaces are added while a flow runs, on a compute node that knows no profile. The table
from step to manager configuration therefore travels in the configuration of the job that adds them.
Configurations are no part of an identity: moving a step to another queue computes nothing anew.

Profiles need the names of the steps, and commands that only look at a campaign need profiles: jobflow,
which takes half a second to load, is imported where flows are at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobflow import Flow, Job

#: Where the table is kept in the manager configuration of a job that adds others.
ROUTES = "_surfalign_routes"
#: Step kinds of the flow, as ``metadata["step"]`` names them.
STEPS = (
    "bulk",
    "dielectric",
    "band edges",
    "surfaces",
    "oriented bulk",
    "slab relaxation",
    "slab potential",
    "hydrogen molecule",
    "water molecule",
    "alignment",
)

#: Kinds of machine that a step may declare to need (:mod:`.engines.step_resources`).
RESOURCE_KINDS = ("cpu", "gpu")
#: What all other steps take.
DEFAULT = "default"

Routes = Mapping[str, Mapping[str, Any]]


def route(flow: Flow | Job, routes: Routes) -> None:
    """Give every job the manager configuration of its step, in place.

    Parameters
    ----------
    flow
        Flow whose jobs have a ``step`` in their metadata.
    routes
        Manager configuration (jobflow's ``JobConfig.manager_config``) by step, by the kind of machine
        that a step declares, or ``default``: the first of these that is named. A job that none is
        named for keeps what it has.
    """
    for job in jobs_of(flow):
        kind = job.metadata.get("resources", {}).get("kind", "")
        names = (job.metadata.get("step", ""), kind, DEFAULT)
        configuration = next((routes[name] for name in names if name in routes), None)
        if configuration is not None:
            job.config.manager_config = deepcopy(dict(configuration))
        if job.config.expose_store:
            # These jobs add others; see inherited_routes.
            job.config.manager_config[ROUTES] = {k: dict(v) for k, v in routes.items()}


def inherited_routes() -> Routes:
    """Return the table that came with the job that is running; empty where none did."""
    from jobflow import CURRENT_JOB

    job = CURRENT_JOB.job
    routes: Routes = {} if job is None else job.config.manager_config.get(ROUTES, {})
    return routes


def jobs_of(flow: Flow | Job) -> list[Job]:
    """Return all jobs, those of nested flows too, in the order they were put in."""
    from jobflow import Job

    if isinstance(flow, Job):
        return [flow]
    return [job for item in flow.jobs for job in jobs_of(item)]
