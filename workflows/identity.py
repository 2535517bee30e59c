"""Identities of jobs: the same calculation has the same uuid, wherever and whenever it is built.

A job's uuid is derived from what it computes: the function, the maker's settings and the identities of
its inputs (uuid version 5, so a Merkle tree over the graph). A step that finished once is therefore
found again in the job store by its uuid: a killed run goes on where it stopped, the bulk steps of a
crystal serve all its surfaces, and a repeated submission adds nothing. Names, sources and resources are
no part of an identity.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid5

from jobflow import Flow, Job, JobStore
from jobflow.core.reference import OnMissing, find_and_resolve_references
from monty.json import jsanitize

from surfalign.errors import ConfigurationError
from surfalign.stores.jobstore import finished_uuids

#: Changing this namespace, or METHOD_VERSION, makes all earlier results new calculations.
_NAMESPACE = UUID("5b0f6a9e-7a39-5c3f-9d53-1f4d8a0c7e21")
#: Raised when the physics of a step changes so that old outputs must not be reused.
METHOD_VERSION = 1

#: Keys that do not change what is computed.
_COSMETIC = frozenset({"@version", "name", "source", "reuse"})
#: Rounding of floats before hashing: below it lies the noise of file formats.
_DECIMALS = 7


def content_uuid(*content: Any) -> str:
    """Return the uuid of some content: anything that monty can serialise.

    Floats are rounded to 1e-7; keys that are labels (``name``, ``source``, ...) are ignored.
    """
    plain = _canonical(jsanitize(content, strict=True, enum_values=True, recursive_msonable=True))
    text = json.dumps([METHOD_VERSION, plain], sort_keys=True, separators=(",", ":"))
    return str(uuid5(_NAMESPACE, text))


def identify(job: Job | Flow, *inputs: Any) -> Job:
    """Give a job the uuid of its function, its maker's settings and ``inputs``; return the job.

    Call it before ``job.output`` is used. ``inputs`` are structures, numbers, or the uuids of the
    jobs whose outputs the job takes.

    Raises
    ------
    ConfigurationError
        When an engine's maker returns a flow: one step is one job, so that it can be found again.
    """
    if isinstance(job, Flow):
        raise ConfigurationError(
            f"the maker of '{job.name}' returns a flow",
            "a maker whose make() is one job",
            "wrap the stages of the step in one job of the engine",
        )
    function = job.function
    job.set_uuid(content_uuid(f"{function.__module__}.{function.__qualname__}", job.maker, *inputs))
    return job


def without_finished(flow: Flow, store: JobStore) -> Flow | None:
    """Return the flow less the jobs whose output is in the store, or None when nothing is left.

    References to finished jobs are replaced by the stored outputs, so the rest stands alone. Jobs that
    spawn others (their store is exposed) always stay: they are quick, and their children are pruned in
    the same way when they run.
    """
    jobs = _flat(flow)
    candidates = [job.uuid for job in jobs if not job.config.expose_store]
    finished = finished_uuids(store, candidates)
    rest = [job for job in jobs if job.uuid not in finished]
    if not rest:
        return None
    for job in rest:
        job.function_args = _resolved(tuple(job.function_args), store)
        job.function_kwargs = _resolved(dict(job.function_kwargs), store)
        job.hosts = []
    return Flow([*rest], name=flow.name)


def _flat(flow: Flow) -> list[Job]:
    """All jobs, those of nested flows too, in the order they were put in."""
    return [
        job for item in flow.jobs for job in (_flat(item) if isinstance(item, Flow) else [item])
    ]


def _resolved(arguments: Any, store: JobStore) -> Any:
    return find_and_resolve_references(arguments, store, on_missing=OnMissing.PASS)


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _canonical(v) for k, v in value.items() if k not in _COSMETIC}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, float):
        return round(value, _DECIMALS) + 0.0  # no negative zero
    return value
