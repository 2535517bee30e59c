"""Imported results into the store: each once, whole or not at all."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from monty.json import jsanitize

from surfalign.stores.database import Database
from surfalign.stores.documents import Document
from surfalign.stores.jobstore import finished_uuids
from surfalign.stores.shapes.builder import build_results
from surfalign.workflows.engines.vasp.imports.results import ImportedResult
from surfalign.workflows.engines.vasp.stored_method import with_todays_name


def new_results(results: list[ImportedResult], database: Database) -> list[ImportedResult]:
    """Return those results that the store does not hold.

    A result is known by the contents of the files it comes from: moving or compressing them makes no new
    one.
    """
    with database.errors_named():
        known = finished_uuids(database.jobs, [result.uuid for result in results])
    unique = {result.uuid: result for result in results if result.uuid not in known}
    return list(unique.values())


def store_results(results: list[ImportedResult], database: Database) -> int:
    """Store the results that are new, with the documents of their steps; return how many.

    The steps go first and the results last, so an import that is interrupted leaves no result without
    its steps, and the next one completes it.

    Parameters
    ----------
    results
        From :func:`~.importing.read_folders`.
    database
        A connected database.
    """
    new = new_results(results, database)
    with database.errors_named():
        steps = {uuid: record for result in new for uuid, record in _steps(result)}
        known = finished_uuids(database.jobs, steps)
        _insert([record for uuid, record in steps.items() if uuid not in known], database)
        _insert([_result(result) for result in new], database)
        # A pass also completes an import that was interrupted before it.
        build_results(database, with_todays_name)
    return len(new)


def _steps(result: ImportedResult) -> list[tuple[str, dict[str, Any]]]:
    calculations = result.pair.calculations
    records = []
    for step, (uuid, document) in result.steps.items():
        if step == "oriented_bulk":  # the bulk again
            continue
        name = step.replace("_", " ")
        metadata = {
            "formula": result.levels.formula,
            "step": name,
            "source": f"vasp:{calculations[step].directory}",
        }
        title = f"{result.levels.formula} imported {name}"
        records.append((uuid, _record(uuid, title, document, metadata)))
    return records


def _result(result: ImportedResult) -> dict[str, Any]:
    levels = result.levels
    metadata = {
        "formula": levels.formula,
        "step": "alignment",
        "source": levels.source,
        "surface_name": levels.surface_name,
        "surface_identifier": levels.surface_identifier,
        "result_identifiers": [levels.identifier],
    }
    return _record(result.uuid, f"{levels.surface_name} imported alignment", levels, metadata)


def _record(uuid: str, name: str, document: Document, metadata: dict[str, Any]) -> dict[str, Any]:
    """What jobflow stores of a finished job."""
    return {
        "uuid": uuid,
        "index": 1,
        "output": jsanitize(document, strict=True, enum_values=True, allow_bson=True),
        "completed_at": datetime.now().isoformat(),
        "metadata": metadata | {"imported": True},
        "hosts": [],
        "name": name,
    }


def _insert(records: list[dict[str, Any]], database: Database) -> None:
    if records:
        database.jobs.update(records, key=["uuid", "index"])
