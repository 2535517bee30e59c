"""Identities of jobs: the same calculation has the same uuid, wherever and whenever it is built.

A job's uuid is derived from what it computes: the stable name of its step, the maker's settings and the
identities of its inputs (uuid version 5, so a Merkle tree over the graph). A step that finished once is
therefore found again in the job store by its uuid: a killed run goes on where it stopped, the bulk steps
of a crystal serve all its surfaces, and a repeated submission adds nothing. Names for people, sources and
resources are no part of an identity; neither is where code lies: no module, no class, no version of a
library.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from inspect import get_annotations
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import numpy as np
from jobflow import Flow, Job, JobStore, Maker
from jobflow.core.reference import OnMissing, find_and_resolve_references
from monty.json import MSONable
from pymatgen.core import Structure

from surfalign.errors import ConfigurationError
from surfalign.stores.jobstore import finished_uuids

if TYPE_CHECKING:
    from surfalign.workflows.earlier_uuids import EarlierUuids

#: Changing this namespace, or METHOD_VERSION, makes all earlier results new calculations.
_NAMESPACE = UUID("5b0f6a9e-7a39-5c3f-9d53-1f4d8a0c7e21")
#: Raised when the physics of a step changes so that old outputs must not be reused.
METHOD_VERSION = 1

#: Keys that do not change what is computed.
_COSMETIC = frozenset({"name", "source", "reuse"})
#: Rounding of floats before hashing: below it lies the noise of file formats.
_DECIMALS = 7
_AS_THEY_ARE = frozenset({str, int, bool, type(None)})
_CONVERSIONS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Enum, lambda value: value.value),
    ((np.ndarray, np.generic), lambda value: value.tolist()),
    (MSONable, lambda value: value.as_dict()),
)
#: In the place of a default: the field counts whatever its value is.
_ALWAYS = object()


def content_uuid(*content: Any) -> str:
    """Return the uuid of some content: plain values, arrays, structures, makers and other dataclasses.

    Floats are rounded to 1e-7; keys that are labels (``name``, ``source``, ...) or serialisation marks
    (``@module``, ...) are ignored at any depth.

    Raises
    ------
    ConfigurationError
        When the content holds something else, or a maker without a stable name.
    """
    text = json.dumps([METHOD_VERSION, _plain(content)], sort_keys=True, separators=(",", ":"))
    return str(uuid5(_NAMESPACE, text))


def identify(job: Job | Flow, *inputs: Any, earlier: EarlierUuids | None = None) -> Job:
    """Give a job the uuid of its step, its maker's settings and ``inputs``; return the job.

    Call it before ``job.output`` is used. ``inputs`` are structures, numbers, or the uuids of the
    jobs whose outputs the job takes.

    Parameters
    ----------
    job
        Made by a maker with a stable name.
    inputs
        What it is computed from.
    earlier
        Knows the uuids of a store from before version 0.2: a step that is there keeps its uuid.

    Raises
    ------
    ConfigurationError
        When an engine's maker returns a flow: one step is one job, so that it can be found again.
        When the maker has no stable name.
    """
    if isinstance(job, Flow):
        raise ConfigurationError(
            f"the maker of '{job.name}' returns a flow",
            "a maker whose make() is one job",
            "wrap the stages of the step in one job of the engine",
        )
    known = earlier.find(job, inputs) if earlier is not None else None
    job.set_uuid(known or content_uuid(job.maker, *inputs))
    return job


def stable_name(maker: Maker) -> str:
    """Return the name by which a maker's step is known for good, e.g. ``gpaw.bulk``.

    Raises
    ------
    ConfigurationError
        When its class does not state one.
    """
    name = getattr(type(maker), "stable_name", None)
    if not isinstance(name, str):
        raise ConfigurationError(
            f"the maker {type(maker).__name__} has no stable name, so its results would not be found",
            "a class attribute such as stable_name = 'gpaw.bulk', unique and never changed",
            "add one to the class (docs/extending.md)",
        )
    return name


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


def _plain(value: Any) -> Any:
    """Return what is hashed of a value."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is float:
        return round(value, _DECIMALS) + 0.0  # no negative zero
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        if value.get("@class") == "Structure":
            return _plain_structure(value)
        return {
            str(k): _plain(v)
            for k, v in value.items()
            if k not in _COSMETIC and not str(k).startswith("@")
        }
    if isinstance(value, Structure):
        return _plain_structure(value)
    if is_dataclass(value) and not isinstance(value, type):
        settings = {
            name: _plain(setting)
            for name, default in _fields(kind)  # type: ignore[arg-type] # classes are hashable
            for setting in [getattr(value, name)]
            if default is _ALWAYS or setting != default
        }
        return [stable_name(value), settings] if isinstance(value, Maker) else settings
    for other, convert in _CONVERSIONS:
        if isinstance(value, other):
            return _plain(convert(value))
    raise ConfigurationError(
        f"a {kind.__name__} is part of what identifies a step",
        "plain values, arrays, dataclasses and monty's MSONable objects",
        "make it a dataclass, or leave it out of the maker's fields",
    )


def _plain_structure(structure: Structure | Mapping[str, Any]) -> list[Any]:
    """Return lattice (rows, angstrom), sites and what is known of them; pymatgen's labels are names.

    The dictionary of a structure gives the same as the structure.
    """
    if isinstance(structure, Structure):
        matrix = structure.lattice.matrix.tolist()
        sites = [(s.species_string, s.frac_coords.tolist(), s.properties) for s in structure]
    elif all(_is_one_atom(site["species"]) for site in structure["sites"]):
        matrix = structure["lattice"]["matrix"]
        sites = [
            (s["species"][0]["element"], s["abc"], s.get("properties") or {})
            for s in structure["sites"]
        ]
    else:
        return _plain_structure(Structure.from_dict(dict(structure)))
    return [_plain(matrix), _plain(sites)]


def _is_one_atom(species: list[dict[str, Any]]) -> bool:
    """Ask whether a site holds one neutral atom, as nearly all do: no need to make objects of it."""
    return (
        len(species) == 1 and species[0]["occu"] == 1 and species[0].keys() <= {"element", "occu"}
    )


@cache
def _fields(kind: type[Any]) -> list[tuple[str, Any]]:
    """Return the fields of a dataclass that are settings, each with the value that does not count.

    A field that comes from a base class of a library counts only where it is set: a newer version of
    that library must not make other calculations of ours by adding one. The same holds for an option of our
    own that says that it came later (``metadata={"since": ...}``).
    """
    homes = {_package(kind), "surfalign"}
    ours = {
        name for base in kind.__mro__ if _package(base) in homes for name in get_annotations(base)
    }
    return [
        (field.name, _ALWAYS if _counts_always(field, ours) else _default(field))
        for field in fields(kind)
        if field.init and field.name not in _COSMETIC
    ]


def _counts_always(field: Field[Any], ours: set[str]) -> bool:
    return field.name in ours and "since" not in field.metadata


def _package(kind: type[Any]) -> str:
    return kind.__module__.partition(".")[0]


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()
