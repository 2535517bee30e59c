"""The task that runs a jobflow job under FireWorks, and flows as FireWorks workflows.

jobflow's own task does not look whether a job is done already: after a lost connection or a kill in the
last second a calculation of hours would be repeated. This one does, and gives the jobs that are added
on the way to tasks of the same kind.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

from fireworks import Firework, FWAction, Workflow, explicit_serialize
from jobflow import SETTINGS, Job, initialize_logger
from jobflow.core.flow import get_flow
from jobflow.managers.fireworks import JobFiretask
from monty.json import MontyDecoder, jsanitize

from surfalign.errors import MissingDependencyError
from surfalign.launchers.cluster.atomic_counters import number_one_at_a_time
from surfalign.stores.jobstore import finished_uuids
from surfalign.workflows.routing import ROUTES

# FireWorks loads this module, and makes its launchpad, on every compute node.
number_one_at_a_time()


@explicit_serialize
class StepTask(JobFiretask):
    """Run a job, unless its output is in the store of the machine that runs it.

    The job is kept as JSON text: whoever counts or moves fireworks need not take it apart.
    """

    required_params = ("job", "store")

    def to_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        job = self["job"]
        text = job if isinstance(job, str) else json.dumps(jsanitize(job.as_dict()))
        return {**self, "job": text, "_fw_name": self.fw_name}

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        """Run the job and return what is to be added to the workflow."""
        job = decoded_job(self["job"])
        store = SETTINGS.JOB_STORE
        store.connect()
        # A job that adds others is quick, and its children exist only if it ran to the end.
        if not job.config.expose_store and finished_uuids(store, [job.uuid]):
            return FWAction(stored_data={"reused": True})
        initialize_logger()
        response = job.run(store=store)
        between = (response.replace, response.detour)
        return FWAction(
            stored_data=response.stored_data,
            additions=[to_workflow(response.addition)] if response.addition is not None else None,
            detours=[to_workflow(flow) for flow in between if flow is not None],
            defuse_workflow=response.stop_jobflow,
            defuse_children=response.stop_children,
        )


def decoded_job(document: str | Job) -> Job:
    """Return the job of a task.

    Parameters
    ----------
    document
        JSON text; the job itself where an early version submitted it.

    Raises
    ------
    MissingDependencyError
        When it names modules that are not here. monty would leave plain dictionaries in the place of
        objects, and the job would fail later, elsewhere, and without their names.
    """
    if isinstance(document, Job):
        return document
    plain = json.loads(document)
    missing = sorted(name for name in _modules(plain) if not _is_here(name))
    if missing:
        raise MissingDependencyError(
            f"the job names modules that are not here: {', '.join(missing)}",
            "the version of surfalign, and the package of the engine, that submitted it",
            "install them where the job runs, or cancel the job and submit it anew",
        )
    job: Job = MontyDecoder().process_decoded(plain)
    return job


def _modules(value: Any) -> set[str]:
    """Return the modules that a serialised object names."""
    if isinstance(value, list):
        return {name for item in value for name in _modules(item)}
    if not isinstance(value, dict):
        return set()
    own = {value["@module"]} if isinstance(value.get("@module"), str) else set()
    return own.union(*(_modules(item) for item in value.values()))


def _is_here(module: str) -> bool:
    try:
        import_module(module)
    except ModuleNotFoundError:
        return False
    return True


def to_workflow(flow: Any) -> Workflow:
    """Return the workflow of a flow; every firework carries its job's metadata and uuid.

    Parameters
    ----------
    flow
        A flow or job; its jobs may refer to outputs that are in the store.
    """
    fireworks: dict[str, Firework] = {}
    flow = get_flow(flow, allow_external_references=True)
    for job, parents in flow.iterflow():
        configuration = {k: v for k, v in job.config.manager_config.items() if k != ROUTES}
        fireworks[job.uuid] = Firework(
            [StepTask(job=job, store=None)],
            spec={**configuration, **job.metadata, "uuid": job.uuid},
            name=job.name,
            parents=[fireworks[parent] for parent in parents if parent in fireworks] or None,
        )
    return Workflow(list(fireworks.values()), name=flow.name)
