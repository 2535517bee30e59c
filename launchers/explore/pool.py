"""The pool of a loop: planned surfaces with their slabs, what equals what, and how results are found."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from jobflow import Flow
from pymatgen.core import Element, Structure

from surfalign.crystals.crystal import Crystal
from surfalign.errors import EmptyPoolError, SurfaceError, UnknownElementError
from surfalign.files import write_whole
from surfalign.hashing import hash_of
from surfalign.launchers.campaign.submission import engine_of
from surfalign.launchers.explore.configuration import ExploreConfiguration
from surfalign.ml.data.equal_slabs import find_equal_slabs
from surfalign.ml.data.from_crystal import crystal_surfaces
from surfalign.ml.data.records import Label, SurfaceRecord, surface_record
from surfalign.stores.campaign_register import Method
from surfalign.stores.database import Database
from surfalign.workflows.earlier_uuids import EarlierUuids, earlier_uuids
from surfalign.workflows.identity import content_uuid
from surfalign.workflows.planning.cost import crystal_cpu_time, planned_cpu_time
from surfalign.workflows.planning.plan_file import crystal_flow, read_plan
from surfalign.workflows.planning.run import make_plan
from surfalign.workflows.planning.survey import (
    PlannedCrystal,
    PlannedSurface,
    PlanSettings,
    write_plan,
)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class PooledSurface:
    """A candidate.

    Attributes
    ----------
    key
        Unique: crystal, method and surface; the same wherever the loop runs.
    crystal, surface
        As planned.
    bulk, edges
        Uuids of the jobs of its crystal's bulk, which its other jobs name, and of its band edges, which
        its result names.
    group
        Equivalent surfaces have the same.
    record
        The unrelaxed slab, for the learner.
    slab_cpu_time
        CPU seconds of its own steps, by estimate.
    bulk_cpu_time
        CPU seconds of the bulk steps that the surfaces of its crystal share, by estimate.
    """

    key: str
    crystal: PlannedCrystal
    surface: PlannedSurface
    bulk: str
    edges: str
    group: int
    record: SurfaceRecord
    slab_cpu_time: float
    bulk_cpu_time: float

    @property
    def bulk_structure(self) -> Structure:
        """Primitive cell of the crystal."""
        return Structure.from_dict(self.crystal.structure)


@dataclass(frozen=True)
class SurfacePool:
    """All candidates of a loop.

    Attributes
    ----------
    surfaces
        In the order of their keys.
    digest
        Of plan and method.
    left_out
        Names of planned surfaces that could not be cut.
    """

    surfaces: tuple[PooledSurface, ...]
    digest: str
    left_out: tuple[str, ...] = ()

    @cached_property
    def by_key(self) -> dict[str, PooledSurface]:
        """The candidates by key."""
        return {surface.key: surface for surface in self.surfaces}

    def estimated_cpu_time(self, keys: Iterable[str]) -> float:
        """Estimate the CPU seconds of some surfaces; the bulk steps of each crystal count once."""
        members = [self.by_key[key] for key in keys]
        bulks = {member.edges: member.bulk_cpu_time for member in members}
        return sum(member.slab_cpu_time for member in members) + sum(bulks.values())

    def write_plan(self, path: Path, keys: Iterable[str]) -> None:
        """Write the plan of some of the surfaces, as submission takes it."""
        members = [self.by_key[key] for key in keys]
        crystals = {member.crystal.key: member.crystal for member in members}
        write_plan(path, [member.surface for member in members], crystals, PlanSettings())


def open_pool(
    configuration: ExploreConfiguration,
    folder: Path,
    database: Database,
    on_progress: Progress = lambda line: None,
) -> SurfacePool:
    """Return the pool; crystals are planned and slabs cut once, and kept in a folder.

    Parameters
    ----------
    configuration
        Names the source and the method.
    folder
        Of the loop; what is there can be deleted, and is then made again.
    database
        May know steps by earlier uuids.
    on_progress
        Hears what takes long.

    Raises
    ------
    EmptyPoolError
        When there is no surface.
    UnknownElementError
        When a crystal of the plan holds what is no element.
    ConfigurationError
        When the plan cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plan = configuration.pool.plan or _planned(configuration, folder, on_progress)
    planned = list(read_plan(plan))
    for crystal, _ in planned:
        _check_elements(crystal)
    digest = _digest(planned, configuration.method)
    kept = folder / "pool.jsonl.gz"
    earlier = earlier_uuids(database)
    title = _title(planned, digest, configuration.method, earlier)
    rows = _read(kept, title)
    if rows is None:
        on_progress(f"cutting the slabs of {sum(len(members) for _, members in planned)} surfaces")
        rows = _cut(planned, configuration.method, earlier)
        lines = [json.dumps(title), *map(json.dumps, rows), ""]
        write_whole(kept, gzip.compress("\n".join(lines).encode(), mtime=0))
    return _pool(planned, rows, digest)


def _planned(configuration: ExploreConfiguration, folder: Path, on_progress: Progress) -> Path:
    """Plan the crystals, once for each way in which they are asked for."""
    source = configuration.pool
    engine = engine_of(configuration.method)
    settings = PlanSettings(
        max_index=source.max_index,
        max_atoms=source.max_atoms,
        limit=source.limit,
        slab_thickness=engine.slab_thickness,
        vacuum_thickness=engine.vacuum_thickness,
    )
    asked = hash_of({"crystals": list(source.crystals), "settings": asdict(settings)})
    plan = folder / f"plan-{asked[:12]}.jsonl"
    if not plan.is_file():
        on_progress("planning the pool")
        made = make_plan(source.crystals, plan, settings)
        if not made.surfaces:
            plan.unlink()
            reasons = ", ".join(f"{len(names)} {why}" for why, names in made.refused.items())
            raise EmptyPoolError(
                f"the crystals of the pool have no surface that may be computed ({reasons})",
                "at least one nonpolar surface",
                "look at surfalign plan with the same crystals, or raise max_index or max_atoms",
            )
    return plan


def _check_elements(crystal: PlannedCrystal) -> None:
    try:
        for site in crystal.structure["sites"]:
            for species in site["species"]:
                Element(species["element"])
    except (LookupError, TypeError, ValueError) as error:
        raise UnknownElementError(
            f"the crystal {crystal.formula} ({crystal.source}) of the pool holds what is no "
            f"element: {error}",
            "chemical elements",
            "leave it out of the plan, or make the plan anew",
        ) from error


def _digest(planned: Sequence[tuple[PlannedCrystal, list[PlannedSurface]]], method: Method) -> str:
    surfaces = sorted(
        [content_uuid(crystal.structure), surface.name]
        for crystal, members in planned
        for surface in members
    )
    return hash_of({"surfaces": surfaces, "method": method.model_dump(mode="json")})


def _title(
    planned: Sequence[tuple[PlannedCrystal, list[PlannedSurface]]],
    digest: str,
    method: Method,
    earlier: EarlierUuids | None,
) -> dict[str, Any]:
    """Return what slabs that were cut before must have been cut for.

    Beside plan and method these are the keys by which the plan calls its crystals, and how the engine of this
    version computes and what it estimates: the uuid of one crystal's band edges and the CPU time of its bulk say
    whether those that were kept still hold.
    """
    crystals = hash_of({"crystals": [crystal.key for crystal, _ in planned]})
    edges = _flow(*planned[0], method, earlier).jobs[-2].uuid
    cpu_time = round(_bulk_cpu_time(planned[0][0], method), 3)
    return {"digest": digest, "crystals": crystals, "edges": edges, "bulk_cpu_time": cpu_time}


def _flow(
    crystal: PlannedCrystal,
    members: Sequence[PlannedSurface],
    method: Method,
    earlier: EarlierUuids | None,
) -> Flow:
    """Return the flow of a crystal; its second last job computes the band edges."""
    names = [(surface.name, surface.miller_index) for surface in members]
    structure = Structure.from_dict(crystal.structure)
    return crystal_flow(structure, crystal.source, names, engine_of(method), earlier=earlier)


def _cut(
    planned: Sequence[tuple[PlannedCrystal, list[PlannedSurface]]],
    method: Method,
    earlier: EarlierUuids | None,
) -> list[dict[str, Any]]:
    """Cut the slabs of all crystals; return a row for each surface that was found."""
    rows = []
    for crystal, members in planned:
        flow = _flow(crystal, members, method, earlier)
        edges = flow.jobs[-2].uuid
        bulk_cpu_time = _bulk_cpu_time(crystal, method)
        slabs = _slabs(crystal, Structure.from_dict(crystal.structure), members)
        rows += [
            {
                "key": content_uuid("explored", edges, surface.name, method.relax_slabs),
                "crystal": crystal.key,
                "name": surface.name,
                "bulk": flow.jobs[0].uuid,
                "edges": edges,
                "slab": slabs[surface.name].as_dict(),
                "slab_cpu_time": _slab_cpu_time(surface, method),
                "bulk_cpu_time": bulk_cpu_time,
            }
            for surface in members
            if surface.name in slabs
        ]
    return rows


def _bulk_cpu_time(crystal: PlannedCrystal, method: Method) -> float:
    structure = Structure.from_dict(crystal.structure)
    return crystal_cpu_time(structure, method.quality, method.functional)


def _slab_cpu_time(surface: PlannedSurface, method: Method) -> float:
    vacuum = engine_of(method).vacuum_thickness
    return planned_cpu_time(surface, vacuum, method.quality, relaxed=method.relax_slabs)


def _slabs(
    crystal: PlannedCrystal, structure: Structure, members: Sequence[PlannedSurface]
) -> dict[str, Structure]:
    """Cut the slabs of the orientations of a crystal, by surface name."""
    whole = Crystal(
        structure=structure,
        formula=crystal.formula,
        name=crystal.formula,
        source=crystal.source,
        space_group_symbol="",
        space_group_number=crystal.space_group_number,
    )
    found: dict[str, Structure] = {}
    for index in sorted({surface.miller_index for surface in members}):
        try:
            found |= {r.name: r.structure for r in crystal_surfaces(whole, [index])}
        except SurfaceError:
            continue
    return found


def _read(path: Path, title: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Read the slabs that were cut before; None where there are none of this pool."""
    try:
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        if json.loads(lines[0]) != title:
            return None
        return [json.loads(line) for line in lines[1:]]
    except (OSError, EOFError, ValueError, IndexError, zlib.error):
        return None


def _pool(
    planned: Sequence[tuple[PlannedCrystal, list[PlannedSurface]]],
    rows: Sequence[dict[str, Any]],
    digest: str,
) -> SurfacePool:
    crystals = {crystal.key: crystal for crystal, _ in planned}
    surfaces = {(s.crystal, s.name): s for _, members in planned for s in members}
    found: dict[str, PooledSurface] = {}
    for row in rows:
        crystal = crystals[row["crystal"]]
        surface = surfaces[row["crystal"], row["name"]]
        record = surface_record(
            row["key"],
            Structure.from_dict(row["slab"]),
            crystal.source,
            miller_index=surface.miller_index,
            space_group_number=crystal.space_group_number,
        )
        # The same crystal may stand in a plan twice: its surfaces are one calculation.
        found[row["key"]] = PooledSurface(
            row["key"], crystal, surface, row["bulk"], row["edges"], 0, record,
            row["slab_cpu_time"], row["bulk_cpu_time"],
        )  # fmt: skip
    if not found:
        raise EmptyPoolError(
            f"none of the {len(surfaces)} surfaces of the plan can be cut",
            "at least one surface",
            "make the plan anew with this version",
        )
    ordered = [found[key] for key in sorted(found)]
    groups = _groups([surface.record for surface in ordered])
    cut = {(row["crystal"], row["name"]) for row in rows}
    return SurfacePool(
        tuple(replace(surface, group=groups[surface.key]) for surface in ordered),
        digest,
        tuple(sorted(name for crystal, name in surfaces if (crystal, name) not in cut)),
    )


def _groups(records: Sequence[SurfaceRecord]) -> dict[str, int]:
    """Return the number of each record's group; equal slabs share one."""
    # Only slabs with a label are compared, so each gets the same one.
    label = Label(name="member of the pool", value=0.0, unit="1", fidelity="pool")
    groups = {record.name: number for number, record in enumerate(records)}
    for equal in find_equal_slabs([replace(record, labels=(label,)) for record in records]):
        groups |= dict.fromkeys(equal.names, groups[equal.names[0]])
    return groups
