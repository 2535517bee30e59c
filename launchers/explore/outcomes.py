"""What the store knows of the surfaces of a pool, and what they have cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from surfalign.launchers.explore.loop_state import Failure, Outcome
from surfalign.launchers.explore.pool import PooledSurface
from surfalign.stores.campaign_register import Method
from surfalign.stores.database import Database
from surfalign.stores.documents import ResultState, SurfaceLevelsDocument
from surfalign.stores.jobstore import finished_uuids
from surfalign.stores.query.fields import large_fields

LEVELS = ("ionization_potential", "electron_affinity")
#: Surfaces that are asked for at a time.
BATCH_SIZE = 500


def results_of(
    surfaces: Sequence[PooledSurface], method: Method, database: Database
) -> dict[str, SurfaceLevelsDocument]:
    """Return the results with numbers of some surfaces by this method, by key; without curves.

    Parameters
    ----------
    surfaces
        Of the pool.
    method
        How they are computed; of another one the band edges have other uuids.
    database
        Connected.
    """
    keys = {(surface.edges, surface.surface.name): surface.key for surface in surfaces}
    edges = sorted({surface.edges for surface in surfaces})
    left_out = dict.fromkeys(large_fields(SurfaceLevelsDocument), 0) | {"_id": 0, "built_from": 0}
    found: dict[str, SurfaceLevelsDocument] = {}
    for start in range(0, len(edges), BATCH_SIZE):
        condition = {
            "provenance.band_edges": {"$in": edges[start : start + BATCH_SIZE]},
            "state": {"$ne": ResultState.FAILED.value},
            "relaxed": method.relax_slabs,
        }
        # One surface may have several results, of another preset's slabs: the oldest is as good.
        for record in database.surface_levels.query(
            condition, properties=left_out, sort={"identifier": 1}
        ):
            key = keys.get((record["provenance"]["band_edges"], record["surface_name"]))
            if key is not None and key not in found:
                found[key] = SurfaceLevelsDocument.model_validate(record)
    return found


def computed_edges(
    surfaces: Sequence[PooledSurface],
    results: Mapping[str, SurfaceLevelsDocument],
    database: Database,
) -> set[str]:
    """Return the uuids of the band edges that need not be computed any more.

    Parameters
    ----------
    surfaces
        Of the pool.
    results
        Of some of them, by key.
    database
        Connected.
    """
    known = {surface.edges for surface in surfaces if surface.key in results}
    return known | finished_uuids(database.jobs, sorted({surface.edges for surface in surfaces}))


def outcomes_of(
    surfaces: Iterable[PooledSurface],
    results: dict[str, SurfaceLevelsDocument],
    failures: dict[str, Failure],
) -> list[Outcome]:
    """Return what came out of each surface of a batch."""
    found = []
    for surface in surfaces:
        result = results.get(surface.key)
        if result is None:
            unknown = Failure(cause="lost", message="neither a result nor a failure was found")
            failure = failures.get(surface.key, unknown)
            found.append(
                Outcome(key=surface.key, name=surface.surface.name, state="failed", failure=failure)
            )
            continue
        found.append(
            Outcome(
                key=surface.key,
                name=surface.surface.name,
                state=result.state.value,
                identifier=result.identifier,
                measured=levels_of(result),
            )
        )
    return found


def levels_of(result: SurfaceLevelsDocument) -> dict[str, float]:
    """Return IP and EA, eV, where they are known."""
    values = {name: getattr(result, name) for name in LEVELS}
    return {name: value for name, value in values.items() if value is not None}


def cpu_time_of(results: Iterable[SurfaceLevelsDocument]) -> float:
    """Return the CPU time of all steps behind some results, s; a step that several share counts once."""
    times: dict[str, float] = {}
    for result in results:
        for timing in result.timings:
            uuid = result.provenance.get(timing.step, f"{result.identifier} {timing.step}")
            times[uuid] = timing.cpu_time
    return sum(times.values())
