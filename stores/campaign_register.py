"""The register of campaigns: every surface that was ever submitted, once per method.

Two collections. ``campaign_crystals`` holds what is needed to build the flow of a crystal, and a lock;
``campaign_surfaces`` one document for each surface and method, under a unique key. A surface is first
registered (``new``), then its flow is handed to a launcher by whoever holds the lock of its crystal
(``submitting``), and then it is ``submitted``. Whatever kills a submitter, and however many there are,
each surface is registered once, and a later pass takes up those that were left behind.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection as Keys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pymongo import UpdateMany
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from surfalign.processes import is_same_process, owner
from surfalign.stores.connection.failures import DUPLICATE_KEY
from surfalign.stores.database import CAMPAIGN_CRYSTALS, CAMPAIGN_SURFACES, Database
from surfalign.stores.vocabulary import Functional, Quality
from surfalign.version import __version__

#: A lock that nobody renewed for this long belongs to a dead submitter of another machine.
LEASE = timedelta(minutes=15)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _pairs(options: Any) -> Any:
    """Sort options that come as a dictionary: their order means nothing."""
    return tuple(sorted(options.items())) if isinstance(options, dict) else options


class Method(_Model):
    """How the surfaces of a campaign are computed."""

    engine: str = Field(default="gpaw", description="DFT engine")
    quality: Quality = Field(default=Quality.STANDARD, description="Preset")
    functional: Functional = Field(default=Functional.DDH, description="Functional of the edges")
    fit_volume: bool = Field(default=False, description="Whether the bulk's volume is fitted")
    relax_slabs: bool = Field(default=True, description="Whether the ions of slabs are relaxed")
    options: Annotated[tuple[tuple[str, bool | str], ...], BeforeValidator(_pairs)] = Field(
        default=(), description="What the engine alone is told: names and values, sorted"
    )


class CrystalEntry(_Model):
    """A crystal and a method: what its flow is built from."""

    key: str = Field(description="Unique: crystal + method + settings")
    formula: str
    source: str
    structure: dict[str, Any] = Field(description="pymatgen's dictionary of the primitive cell")
    method: Method
    notes: list[str] = Field(default_factory=list, description="What is unusual about it")


class SurfaceState(StrEnum):
    """How far the submission of a surface has come."""

    NEW = "new"  # registered; its flow is not in a launcher
    SUBMITTING = "submitting"  # somebody is handing its flow to a launcher
    SUBMITTED = "submitted"


class SurfaceEntry(_Model):
    """A surface of a crystal."""

    key: str = Field(description="Unique: surface + method + settings")
    crystal: str = Field(description="Key of its crystal")
    formula: str
    name: str = Field(description="Surface name, e.g. 'MgO(100)-A'")
    miller_index: tuple[int, int, int]
    termination: str = ""
    n_atoms: int = Field(default=0, description="Atoms of the slab as planned")
    identifier: str = Field(default="", description="Identifier in the plan")


class LockedCrystal(BaseModel):
    """A crystal whose lock we hold, with those of its surfaces that are not submitted."""

    entry: CrystalEntry
    has_flow: bool = Field(description="Whether a launcher has a flow of it, for other surfaces")
    new: list[SurfaceEntry]
    #: Left behind by a submitter that died: uuid of the flow's surfaces job to its surfaces.
    doubtful: dict[str, list[SurfaceEntry]]


class CampaignRegister:
    """The register of one database.

    Parameters
    ----------
    database
        A connected database.
    """

    def __init__(self, database: Database) -> None:
        self.crystals = database.collection(CAMPAIGN_CRYSTALS)
        self.surfaces = database.collection(CAMPAIGN_SURFACES)
        self._owner = {"token": secrets.token_hex(8), **owner()}
        self._locked_at = datetime.min.replace(tzinfo=UTC)

    # --- registering -------------------------------------------------------------------------

    def register(
        self, crystals: Sequence[CrystalEntry], surfaces: Sequence[SurfaceEntry], campaign: str
    ) -> int:
        """Add what is not there yet; return how many surfaces were new.

        Parameters
        ----------
        crystals, surfaces
            A batch; each surface's crystal is in it.
        campaign
            Label of the campaign; a surface may belong to several.
        """
        keys = [surface.key for surface in surfaces]
        projection = {"_id": 0, "key": 1, "campaigns": 1}
        known = {
            document["key"]: document.get("campaigns", [])
            for document in self.surfaces.find({"key": {"$in": keys}}, projection)
        }
        missing = [surface for surface in surfaces if surface.key not in known]
        if missing:
            wanted = {surface.crystal for surface in missing}
            mark = {"registered_with": __version__}
            _insert(self.crystals, [_record(c) | mark for c in crystals if c.key in wanted])
        now = datetime.now(UTC)
        documents = [
            {
                **_record(surface),
                "campaigns": [campaign],
                "state": SurfaceState.NEW.value,
                "registered_at": now,
            }
            for surface in missing
        ]
        n_new = _insert(self.surfaces, documents)
        unlabelled = [key for key in keys if campaign not in known.get(key, [campaign])]
        if unlabelled:
            self.surfaces.update_many(
                {"key": {"$in": unlabelled}}, {"$addToSet": {"campaigns": campaign}}
            )
        return n_new

    def known(self, keys: Iterable[str]) -> set[str]:
        """Return those of some surfaces' keys that are registered."""
        found = self.surfaces.find({"key": {"$in": list(keys)}}, {"_id": 0, "key": 1})
        return {document["key"] for document in found}

    def known_crystals(self, keys: Iterable[str]) -> set[str]:
        """Return those of some crystals' keys that are registered."""
        found = self.crystals.find({"key": {"$in": list(keys)}}, {"_id": 0, "key": 1})
        return {document["key"] for document in found}

    def has_bulk(self, uuid: str) -> bool:
        """Ask whether a flow with this bulk step was handed to a launcher."""
        return self.surfaces.find_one({"bulk": uuid}, {"_id": 1}) is not None

    def counts(self) -> tuple[int, int]:
        """Count the registered surfaces, all and those that are submitted."""
        found = self.surfaces.aggregate([{"$group": {"_id": "$state", "number": {"$sum": 1}}}])
        numbers = {row["_id"]: int(row["number"]) for row in found}
        return sum(numbers.values()), numbers.get(SurfaceState.SUBMITTED.value, 0)

    def count_waiting(self, campaign: str) -> int:
        """Count the surfaces of a campaign that no launcher has yet."""
        waiting = [SurfaceState.NEW.value, SurfaceState.SUBMITTING.value]
        query = {"state": {"$in": waiting}, "campaigns": campaign}
        return int(self.surfaces.count_documents(query))

    def names_of(self, bulk_uuids: Iterable[str]) -> dict[str, list[str]]:
        """Return the names of the surfaces of submitted crystals, by the uuid of their bulk job."""
        names: dict[str, list[str]] = {}
        for surface in self.surfaces.find(
            {"bulk": {"$in": sorted(set(bulk_uuids))}}, {"_id": 0, "bulk": 1, "name": 1}
        ):
            names.setdefault(surface["bulk"], []).append(surface["name"])
        return names

    def listed(self, campaign: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the registered surfaces, all or those of a campaign, in the order of registration."""
        query = {"campaigns": campaign} if campaign else {}
        projection = {"_id": 0, "formula": 1, "name": 1, "bulk": 1, "state": 1}
        yield from self.surfaces.find(query, projection, batch_size=500)

    def flows_of(self, bulk_uuids: Iterable[str]) -> dict[str, tuple[Method, list[str]]]:
        """Return method and flows of submitted crystals, by the uuid of their bulk job.

        A flow is named by the uuid of its job that cuts the slabs.
        """
        flows: dict[str, tuple[str, set[str]]] = {}
        for surface in self.surfaces.find(
            {"bulk": {"$in": sorted(set(bulk_uuids))}},
            {"_id": 0, "bulk": 1, "flow": 1, "crystal": 1},
        ):
            if "flow" in surface:
                flows.setdefault(surface["bulk"], (surface["crystal"], set()))[1].add(
                    surface["flow"]
                )
        keys = [crystal for crystal, _ in flows.values()]
        methods = {
            document["key"]: Method(**document["method"])
            for document in self.crystals.find(
                {"key": {"$in": keys}}, {"_id": 0, "key": 1, "method": 1}
            )
        }
        return {bulk: (methods[key], sorted(names)) for bulk, (key, names) in flows.items()}

    # --- submitting --------------------------------------------------------------------------

    def unsubmitted(self) -> Iterator[str]:
        """Yield the keys of the crystals that have surfaces to submit."""
        last = ""
        for state in (SurfaceState.NEW, SurfaceState.SUBMITTING):
            for document in self.surfaces.find(
                {"state": state.value}, {"_id": 0, "crystal": 1}, sort={"crystal": 1}
            ):
                if document["crystal"] != last:
                    last = document["crystal"]
                    yield last

    def lock(self, keys: Keys[str]) -> list[LockedCrystal]:
        """Lock crystals for this submitter; return those that were free, or left by a dead one.

        Parameters
        ----------
        keys
            Of crystals; few, as their structures are held in memory.
        """
        seen = self.crystals.find({"key": {"$in": list(keys)}}, {"_id": 0, "key": 1, "lock": 1})
        locks = {document["key"]: document.get("lock") for document in seen}
        left = {key: lock["token"] for key, lock in locks.items() if lock and self._is_left(lock)}
        free = [key for key, lock in locks.items() if not lock] + list(left)
        # Somebody may have been quicker: the lock must still be as we saw it.
        tokens = [None, *set(left.values())]
        self._locked_at = datetime.now(UTC)
        self.crystals.update_many(
            {"key": {"$in": free}, "lock.token": {"$in": tokens}},
            {"$set": {"lock": {**self._owner, "at": datetime.now(UTC)}}},
        )
        mine = {"key": {"$in": free}, "lock.token": self._owner["token"]}
        held = list(self.crystals.find(mine, {"_id": 0}))
        surfaces = self._surfaces_of([document["key"] for document in held])
        return [_locked(document, surfaces.get(document["key"], [])) for document in held]

    def begin(self, flows: dict[str, tuple[str, str, list[str]]]) -> set[str]:
        """Note which flows are about to be handed to a launcher; return those we may hand over.

        Parameters
        ----------
        flows
            Key of a locked crystal to the uuid of its bulk job, the uuid of the flow's surfaces job
            and the keys of its surfaces.
        """
        if not flows:
            return set()
        self.surfaces.bulk_write(
            [
                UpdateMany(
                    {"key": {"$in": surfaces}},
                    {"$set": {"state": SurfaceState.SUBMITTING.value, "flow": flow, "bulk": bulk}},
                )
                for bulk, flow, surfaces in flows.values()
            ],
            ordered=False,
        )
        mine = {"key": {"$in": list(flows)}, "lock.token": self._owner["token"]}
        # However long the building took: which locks are still ours, and long enough to hand over?
        if datetime.now(UTC) - self._locked_at > LEASE / 2:
            self.crystals.update_many(mine, {"$set": {"lock.at": datetime.now(UTC)}})
        return {d["key"] for d in self.crystals.find(mine, {"_id": 0, "key": 1})}

    def finish(self, flows: dict[str, str]) -> None:
        """Note that the flows of locked crystals are in a launcher.

        Parameters
        ----------
        flows
            Key of the crystal to the uuid of the flow's surfaces job.
        """
        if not flows:
            return
        self.surfaces.update_many(
            {"flow": {"$in": list(flows.values())}, "crystal": {"$in": list(flows)}},
            {"$set": {"state": SurfaceState.SUBMITTED.value, "submitted_at": datetime.now(UTC)}},
        )

    def put_back(self, surfaces: Iterable[SurfaceEntry]) -> None:
        """Make surfaces new again whose flow never reached a launcher."""
        self.surfaces.update_many(
            {"key": {"$in": [surface.key for surface in surfaces]}},
            {"$set": {"state": SurfaceState.NEW.value}, "$unset": {"flow": ""}},
        )

    def unlock(self, keys: Keys[str]) -> None:
        """Give back the locks of this submitter."""
        self.crystals.update_many(
            {"key": {"$in": list(keys)}, "lock.token": self._owner["token"]},
            {"$unset": {"lock": ""}},
        )

    def _is_left(self, lock: dict[str, Any]) -> bool:
        """Ask whether the holder of a lock is dead, or ourselves."""
        if lock["token"] == self._owner["token"]:
            return True
        if lock.get("hostname") == self._owner["hostname"] and not is_same_process(
            lock["pid"], lock["created"]
        ):
            return True
        return bool(datetime.now(UTC) - _utc(lock["at"]) > LEASE)

    def _surfaces_of(self, crystals: list[str]) -> dict[str, list[dict[str, Any]]]:
        """Return the registered surfaces of crystals."""
        found: dict[str, list[dict[str, Any]]] = {}
        for document in self.surfaces.find({"crystal": {"$in": crystals}}, {"_id": 0}):
            found.setdefault(document["crystal"], []).append(document)
        return found


def _locked(document: dict[str, Any], surfaces: list[dict[str, Any]]) -> LockedCrystal:
    """Sort the surfaces of a locked crystal by how far their submission came."""
    new: list[SurfaceEntry] = []
    doubtful: dict[str, list[SurfaceEntry]] = {}
    for surface in surfaces:
        entry = SurfaceEntry(**{name: surface[name] for name in SurfaceEntry.model_fields})
        if surface["state"] == SurfaceState.NEW.value:
            new.append(entry)
        elif surface["state"] == SurfaceState.SUBMITTING.value:
            doubtful.setdefault(surface["flow"], []).append(entry)
    return LockedCrystal(
        entry=CrystalEntry(
            **{name: document[name] for name in CrystalEntry.model_fields if name in document}
        ),
        has_flow=any(surface["state"] == SurfaceState.SUBMITTED.value for surface in surfaces),
        new=sorted(new, key=lambda entry: entry.name),
        doubtful=doubtful,
    )


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _record(entry: BaseModel) -> dict[str, Any]:
    return entry.model_dump(mode="json")


def _insert(collection: Collection[dict[str, Any]], documents: list[dict[str, Any]]) -> int:
    """Insert documents whose unique key is not there yet; return how many that were."""
    if not documents:
        return 0
    try:
        return len(collection.insert_many(documents, ordered=False).inserted_ids)
    except BulkWriteError as error:
        # Somebody registered the same at the same time.
        if any(e["code"] != DUPLICATE_KEY for e in error.details["writeErrors"]):
            raise
        return int(error.details["nInserted"])
