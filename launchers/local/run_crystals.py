"""One local session: crystals in, stored results out, whatever fails on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from surfalign.crystals.crystal import Crystal
from surfalign.launchers.campaign.failed_results import (
    crystal_identifier,
    failed_results,
    store_failures,
)
from surfalign.launchers.local.run_flow import StepFailure, run_flows
from surfalign.launchers.local.shares import Share
from surfalign.stores.campaign_register import Method
from surfalign.stores.database import Database
from surfalign.stores.documents import ErrorRecord, SurfaceLevelsDocument
from surfalign.stores.shapes.builder import build_results
from surfalign.workflows.earlier_uuids import earlier_uuids
from surfalign.workflows.engines.vasp.stored_method import with_todays_name
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


def run_crystals(
    makers: Sequence[BandAlignmentMaker],
    crystals: Sequence[Crystal],
    database: Database,
    directory: Path,
    *,
    machine: Share | None = None,
    on_event: Callable[[str], None] = lambda line: None,
    on_outcome: Callable[[CrystalOutcome], None] = lambda outcome: None,
) -> list[CrystalOutcome]:
    """Run the flows of crystals, build their results into the store and read them back.

    A step that fails leaves a stored result in state ``failed`` for every surface that needed it, with
    the name and message of the error; the other surfaces are not affected.

    Parameters
    ----------
    makers, crystals
        The crystals, and the maker of the flow of each.
    database
        Where outputs and results are stored.
    directory
        Where the jobs' folders are made.
    machine
        Cores and memory to divide among independent steps; None runs one step after the other.
    on_event
        Called with a line at every event.
    on_outcome
        Called with what a crystal gave as soon as it is known.

    Returns
    -------
    list of CrystalOutcome
        In the order of the crystals.

    Raises
    ------
    DatabaseUnreachableError
        When the database is lost on the way.
    """
    started = datetime.now(UTC)
    earlier = earlier_uuids(database)
    flows = [
        maker.make(crystal.structure, crystal.source, earlier, crystal.notes)
        for maker, crystal in zip(makers, crystals, strict=True)
    ]
    uuids = [flow.jobs[-1].uuid for flow in flows]
    outcomes: dict[int, CrystalOutcome] = {}

    def end(number: int, failures: list[StepFailure]) -> None:
        outcomes[number] = _outcome(
            makers[number], crystals[number], uuids[number], failures, database, started
        )
        on_outcome(outcomes[number])

    run_flows(
        flows,
        database.jobs,
        directory,
        reuse=[maker.reuse for maker in makers],
        machine=machine,
        on_event=on_event,
        on_end=end,
    )
    return [outcomes[number] for number in range(len(flows))]


def _outcome(
    maker: BandAlignmentMaker,
    crystal: Crystal,
    surfaces_uuid: str,
    failures: list[StepFailure],
    database: Database,
    started: datetime,
) -> CrystalOutcome:
    """Build the results of a crystal whose flow has ended."""
    with database.errors_named():
        build_results(database, with_todays_name)
        failed = _failed_results(maker, crystal, surfaces_uuid, failures)
        # An outdated failure of the whole crystal goes.
        crystal_failure = crystal_identifier(crystal.formula, surfaces_uuid)
        database.surface_levels.remove_docs({"identifier": crystal_failure})
        store_failures(failed, database)
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
    method = Method(
        engine=maker.engine.name,
        quality=maker.engine.quality,
        functional=maker.engine.functional,
        relax_slabs=maker.relax_slabs,
    )
    documents = {}
    for failure in failures:
        error = ErrorRecord(
            error=type(failure.error).__name__,
            message=str(failure.error),
            step=failure.metadata.get("step", failure.name),
        )
        metadata = failure.metadata | {
            "formula": crystal.formula,
            "source": crystal.source,
            "crystal_notes": list(crystal.notes),
        }
        for document in failed_results(metadata, [surfaces_uuid], method, error):
            documents[document.identifier] = document
    return list(documents.values())
