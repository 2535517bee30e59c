"""The uuids that steps had before version 0.2, so that a store filled by it is used on.

Until then a uuid was derived from the module paths of functions, makers and settings, and from surface
identifiers of an older kind. They cannot be translated where they are stored: the input of a bulk step
is in no output. But whoever builds a flow has that input, so both uuids can be derived, and a step that
the store knows by the earlier one simply keeps it: results, provenance, archives and the jobs of a
queue stay as they are, nothing is copied and nothing has to be run. The steps that follow derive their
uuids from those of the steps they really take, whichever kind these are.

The paths below are data: where the classes lie today does not matter. This file may go, with the
argument ``earlier`` of its callers, when no store that version 0.1 wrote to is in use any more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from monty.json import jsanitize

from surfalign.physics.lattice.identifiers import earlier_surface_identifier
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.stores.campaign_register import CampaignRegister
from surfalign.stores.database import CAMPAIGN_CRYSTALS, JOBS
from surfalign.stores.jobstore import finished_uuids

if TYPE_CHECKING:
    from jobflow import Job, JobStore
    from pymatgen.core import Structure

    from surfalign.stores.database import Database
    from surfalign.stores.documents import SurfaceDescription
    from surfalign.workflows.planning.survey import PlannedCrystal

_NAMESPACE = UUID("5b0f6a9e-7a39-5c3f-9d53-1f4d8a0c7e21")
_COSMETIC = frozenset({"@version", "name", "source", "reuse"})
_ENGINES = "surfalign.workflows.engines"
#: Where each class that was hashed lay in version 0.1.
_MODULES = {
    "Engine": f"{_ENGINES}.engine",
    "SurfacesMaker": "surfalign.workflows.flows",
    "GpawSettings": f"{_ENGINES}.gpaw.presets",
    "VaspSettings": f"{_ENGINES}.vasp.settings",
    **{
        f"{engine.capitalize()}{step}Maker": f"{_ENGINES}.{engine}.makers"
        for engine in ("gpaw", "vasp")
        for step in ("Bulk", "Dielectric", "BandEdges", "SlabRelax", "SlabPotential")
    },
}


def earlier_uuids(database: Database) -> EarlierUuids | None:
    """Return what a database knows by the uuids of version 0.1; None where that version never wrote to it.

    Parameters
    ----------
    database
        With the outputs of jobs and the register.
    """
    oldest = database.collection(JOBS).find_one(
        {}, {"output.@version": 1}, sort={"completed_at": 1}
    )
    first = database.collection(CAMPAIGN_CRYSTALS).find_one({}, sort={"_id": 1})
    output = (oldest or {}).get("output") or {}
    if (oldest is None or not str(output.get("@version", "0.1.")).startswith("0.1.")) and (
        first is None or "registered_with" in first
    ):
        return None
    return EarlierUuids(database.jobs, CampaignRegister(database))


class EarlierUuids:
    """What a store knows by the uuids of version 0.1.

    Parameters
    ----------
    store
        A connected job store.
    registry
        Knows which bulk steps were handed to a launcher and may be under way.
    """

    def __init__(self, store: JobStore, registry: CampaignRegister | None = None) -> None:
        self._store = store
        self._registry = registry
        self._found: set[str] = set()
        self._identifiers: dict[Any, str] = {}

    @classmethod
    def of_slabs(
        cls,
        store: JobStore,
        bulk_uuid: str,
        bulk: Structure,
        surfaces: Iterable[SurfaceDescription],
    ) -> EarlierUuids:
        """Return what the store knows of the steps that follow the bulk steps.

        Parameters
        ----------
        store
            A connected job store.
        bulk_uuid
            Of the crystal's bulk step.
        bulk
            Structure that it returned.
        surfaces
            Cut from this structure.
        """
        known = cls(store)
        known._found.add(bulk_uuid)
        crystal = symmetrize(bulk)
        known._identifiers = {
            (s.name, s.n_atoms): earlier_surface_identifier(crystal, s.name, s.n_atoms)
            for s in surfaces
        }
        return known

    def find(self, job: Job, inputs: tuple[Any, ...]) -> str | None:
        """Return the earlier uuid of a step if the store has it, else None.

        Parameters
        ----------
        job
            The step.
        inputs
            As today's uuid is derived from them (:func:`~.identity.identify`).
        """
        parents = {uuid for item in inputs for uuid in _uuids(item)}
        if parents and not parents & self._found:
            return None  # only a step that takes the outputs of earlier steps can be one
        old_inputs = [self._identifiers.get(i, i) if isinstance(i, tuple) else i for i in inputs]
        path = f"{_module(job.function)}.{job.function.__qualname__}"
        uuid = earlier_uuid(path, job.maker, *old_inputs)
        if not finished_uuids(self._store, [uuid]) and not self._is_submitted(uuid):
            return None
        self._found.add(uuid)
        return uuid

    def crystal_keys(
        self, method: tuple[Any, ...], crystals: Iterable[PlannedCrystal]
    ) -> dict[str, str]:
        """Return the earlier keys of crystals in the register, by their keys in the plan.

        Parameters
        ----------
        method
            What the key of a method is derived from.
        crystals
            Of a plan.
        """
        if self._registry is None:
            return {}
        signature = earlier_uuid(*method)
        keys = {c.key: earlier_uuid("crystal", signature, c.structure) for c in crystals}
        registered = self._registry.known_crystals(keys.values())
        return {crystal: key for crystal, key in keys.items() if key in registered}

    def _is_submitted(self, uuid: str) -> bool:
        return self._registry is not None and self._registry.has_bulk(uuid)


def earlier_uuid(*content: Any) -> str:
    """Return the uuid that version 0.1 gave to some content."""
    plain = _canonical(jsanitize(content, strict=True, enum_values=True, recursive_msonable=True))
    text = json.dumps([1, plain], sort_keys=True, separators=(",", ":"))
    return str(uuid5(_NAMESPACE, text))


def _uuids(item: Any) -> list[str]:
    """Return the uuids of the steps that an input names."""
    if isinstance(item, dict):
        return [uuid for uuid in item.values() if isinstance(uuid, str)]
    return [item] if isinstance(item, str) else []


def _module(function: Callable[..., Any]) -> str:
    return _MODULES.get(function.__qualname__.partition(".")[0], function.__module__)


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        kind = value.get("@class")
        if kind in _MODULES:
            value = value | {"@module": _MODULES[kind]}
        return {k: _canonical(v) for k, v in value.items() if k not in _COSMETIC}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, float):
        return round(value, 7) + 0.0
    return value
