"""One local session: crystals in, stored results out, whatever fails on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from monty.json import jsanitize

from surfalign.launchers.local import StepFailure, run_flow

if TYPE_CHECKING:
    from surfalign.crystals.crystal import Crystal
    from surfalign.stores.database import Database
    from surfalign.stores.documents import SurfaceLevelsDocument
    from surfalign.workflows.flows import BandAlignmentMaker


@dataclass(frozen=True)
class CrystalOutcome:
    """What a run of one crystal gave.

    Parameters
    ----------
    documents
        Results, failed ones included, in the order of the surfaces.
    reused
        Identifiers of the results that an earlier run had computed.
    """

    documents: list[SurfaceLevelsDocument]
    reused: frozenset[str]


def run_crystal(
    maker: BandAlignmentMaker,
    crystal: Crystal,
    database: Database,
    directory: Path,
    on_event: Callable[[str], None] = lambda line: None,
) -> CrystalOutcome:
    """Run the flow of one crystal, build its results into the store and read them back.

    A step that fails leaves a stored result in state ``failed`` for every surface that needed it, with
    the name and message of the error; the other surfaces are not affected.

    Parameters
    ----------
    maker
        The flow's maker.
    crystal
        The crystal.
    database
        Where outputs and results are stored.
    directory
        Where the jobs' folders are made.
    on_event
        Called with a line at every event.

    Raises
    ------
    DatabaseUnreachableError
        When the database is lost on the way.
    """
    from surfalign.stores.builders import SurfaceLevelsBuilder
    from surfalign.stores.documents import SurfaceLevelsDocument

    started = datetime.now(UTC)
    flow = maker.make(crystal.structure, crystal.source)
    surfaces_uuid = flow.jobs[-1].uuid
    failures = run_flow(flow, database.jobs, directory, reuse=maker.reuse, on_event=on_event)
    with database.errors_named():
        # maggma's builders carry no types
        SurfaceLevelsBuilder(database.jobs, database.surface_levels).run()
        failed = _failed_results(maker, crystal, surfaces_uuid, failures)
        _store_failures(failed, crystal_identifier(crystal.formula, surfaces_uuid), database)
        wanted = _result_identifiers(surfaces_uuid, database)
        stored = {
            document["identifier"]: SurfaceLevelsDocument.model_validate(document)
            for document in database.surface_levels.query({"identifier": {"$in": wanted}})
        }
    # What failed in this run is shown as failed, also where an older result is kept.
    shown = stored | {document.identifier: document for document in failed}
    documents = [shown.pop(identifier) for identifier in wanted if identifier in shown]
    documents += shown.values()
    reused = {d.identifier for d in documents if d.error is None and d.created_at < started}
    return CrystalOutcome(documents, frozenset(reused))


def _result_identifiers(surfaces_uuid: str, database: Database) -> list[str]:
    """Identifiers that the job of the surfaces announced; none when it did not run."""
    document = database.jobs.query_one(
        {"uuid": surfaces_uuid}, properties={"output.result_identifiers": 1}
    )
    return list(document["output"]["result_identifiers"]) if document else []


def _failed_results(
    maker: BandAlignmentMaker, crystal: Crystal, surfaces_uuid: str, failures: list[StepFailure]
) -> list[SurfaceLevelsDocument]:
    """One failed result for each surface whose step raised; one for the crystal if a bulk step did."""
    from surfalign.stores.documents import ErrorRecord, ResultState, SurfaceLevelsDocument

    documents = {}
    for failure in failures:
        metadata = failure.metadata
        for identifier in metadata.get(
            "result_identifiers", [crystal_identifier(crystal.formula, surfaces_uuid)]
        ):
            documents[identifier] = SurfaceLevelsDocument(
                identifier=identifier,
                state=ResultState.FAILED,
                formula=crystal.formula,
                source=crystal.source,
                surface_name=metadata.get("surface_name", crystal.formula),
                surface_identifier=metadata.get("surface_identifier", ""),
                miller_index=metadata.get("miller_index"),
                termination=metadata.get("termination", ""),
                functional=maker.engine.functional,
                quality=maker.engine.quality,
                relaxed=maker.relax_slabs,
                engine=maker.engine.name,
                error=ErrorRecord(
                    error=type(failure.error).__name__,
                    message=str(failure.error),
                    step=metadata.get("step", failure.name),
                ),
            )
    return list(documents.values())


def crystal_identifier(formula: str, surfaces_uuid: str) -> str:
    """Identifier of the failed result of a crystal that did not come as far as its surfaces."""
    return f"{formula}-{surfaces_uuid[:8]}"


def _store_failures(
    failed: list[SurfaceLevelsDocument], crystal_failure: str, database: Database
) -> None:
    """Store failed results; an earlier result with numbers stays, an outdated failure goes."""
    from surfalign.stores.documents import ResultState

    store = database.surface_levels
    store.remove_docs({"identifier": crystal_failure})
    identifiers = [document.identifier for document in failed]
    with_numbers = {
        document["identifier"]
        for document in store.query(
            {"identifier": {"$in": identifiers}, "state": {"$ne": ResultState.FAILED.value}},
            properties={"identifier": 1},
        )
    }
    new = [document for document in failed if document.identifier not in with_numbers]
    if new:
        store.update(
            [
                jsanitize(document, strict=True, enum_values=True, allow_bson=True)
                for document in new
            ]
        )
