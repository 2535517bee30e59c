"""Failed results: what a step that failed leaves in the store for every surface that needed it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from monty.json import jsanitize

from surfalign.batches import batches
from surfalign.launchers.cluster.launcher import Cause, JobRecord, JobState, Launcher
from surfalign.stores.campaign_register import CampaignRegister, Method
from surfalign.stores.database import Database
from surfalign.stores.documents import (
    ErrorRecord,
    ResultState,
    SurfaceIdentity,
    SurfaceLevelsDocument,
)

#: Marks failed results that follow from the state of a launcher: they go when the failure goes.
REPORTED_BY = "launcher"


def crystal_identifier(formula: str, surfaces_uuid: str) -> str:
    """Identifier of the failed result of a crystal that did not come as far as its surfaces."""
    return f"{formula}-{surfaces_uuid[:8]}"


def failed_results(
    metadata: Mapping[str, Any],
    surfaces_uuids: Collection[str],
    method: Method,
    error: ErrorRecord,
) -> Iterator[SurfaceLevelsDocument]:
    """Yield one failed result for each surface that needed a step; one a flow for a bulk step.

    Parameters
    ----------
    metadata
        Of the job that failed.
    surfaces_uuids
        Uuids of the jobs that cut the crystal's slabs, one a flow.
    method
        How the surfaces are computed.
    error
        Why the step failed.
    """
    formula = metadata["formula"]
    of_crystal = [crystal_identifier(formula, uuid) for uuid in surfaces_uuids]
    for identifier in metadata.get("result_identifiers", of_crystal):
        yield SurfaceLevelsDocument(
            identifier=identifier,
            state=ResultState.FAILED,
            surface_name=metadata.get("surface_name", formula),
            surface_identifier=metadata.get("surface_identifier", ""),
            **{name: metadata[name] for name in SurfaceIdentity.model_fields if name in metadata},
            functional=method.functional,
            quality=method.quality,
            relaxed=method.relax_slabs,
            engine=method.engine,
            error=error,
        )


def store_failures(
    documents: Iterable[SurfaceLevelsDocument], database: Database, **marks: Any
) -> int:
    """Store failed results, except where a result with numbers is stored; return how many.

    Parameters
    ----------
    documents
        Failed results; few, as they are held in memory.
    database
        Where results are stored.
    marks
        Further fields to store with each.
    """
    failed = {document.identifier: document for document in documents}
    stored = database.surface_levels.query(
        {"identifier": {"$in": list(failed)}},
        properties={"_id": 0, "identifier": 1, "state": 1, "error": 1},
    )
    for document in stored:
        new = failed[document["identifier"]].error
        old = document.get("error")
        with_numbers = document["state"] != ResultState.FAILED.value
        if with_numbers or (new is not None and old == new.model_dump()):
            del failed[document["identifier"]]
    records = [
        jsanitize(document, strict=True, enum_values=True, allow_bson=True) | marks
        for document in failed.values()
    ]
    if records:
        database.surface_levels.update(records)
    return len(records)


def report_failures(launcher: Launcher, database: Database, batch_size: int = 200) -> int:
    """Bring the failed results up to date with the failed jobs of a launcher.

    A failure that was repaired, or is being tried again, leaves no failed result behind.

    Parameters
    ----------
    launcher
        Whose jobs to look at.
    database
        Where results and the register are.
    batch_size
        Failed jobs looked at in one go.

    Returns
    -------
    int
        How many failed results were written.
    """
    written = 0
    current: set[str] = set()
    failed = launcher.jobs(states=[JobState.FAILED, JobState.CANCELLED])
    for batch in batches(failed, batch_size):
        written += _report(batch, database, current)
    database.surface_levels.remove_docs(
        {
            "state": ResultState.FAILED.value,
            "reported_by": REPORTED_BY,
            "identifier": {"$nin": sorted(current)},
        }
    )
    return written


def _report(records: list[JobRecord], database: Database, current: set[str]) -> int:
    """Write the failed results of some jobs; add their identifiers to ``current``."""
    registry = CampaignRegister(database)
    crystals = registry.flows_of([record.metadata.get("crystal", "") for record in records])
    documents: list[SurfaceLevelsDocument] = []
    for record in records:
        known = crystals.get(record.metadata.get("crystal", ""))
        if known is None:  # a flow that was not submitted through the register
            continue
        method, flows = known
        cause = Cause.CANCELLED.value if record.state is JobState.CANCELLED else record.cause
        error = ErrorRecord(
            error=cause or Cause.ERROR.value, message=record.message, step=record.step
        )
        documents += failed_results(record.metadata, flows, method, error)
    current.update(document.identifier for document in documents)
    return store_failures(documents, database, reported_by=REPORTED_BY)
