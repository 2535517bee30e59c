"""The page of all surfaces: filter, sort, pages, and export of what is shown."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from surfalign.errors import QuerySyntaxError, SurfalignError
from surfalign.launchers.web.access import (
    EXPORT_TIME_LIMIT,
    Reader,
    Store,
    page_asked,
    viewer_of,
)
from surfalign.launchers.web.answers import HTML, unless_known
from surfalign.launchers.web.pages.rendering import render
from surfalign.launchers.web.prediction_process import Answer, PredictionProcess, Question
from surfalign.stores.query.exports import ExportFormat, export, write_json_file
from surfalign.stores.query.pages import DEFAULT_SORT, Order, Page, ResultList
from surfalign.stores.query.rows import SurfaceRow

#: Surfaces on a page.
SHOWN = 50
#: Columns that a click sorts, with their headings.
COLUMNS = {
    "surface_name": "Surface",
    "ionization_potential": "IP (eV)",
    "electron_affinity": "EA (eV)",
    "band_gap": "Gap (eV)",
    "surface_energy": "Energy (J/m²)",
    "functional": "Method",
    "quality": "Quality",
}
#: Examples beside the box, with what they ask for.
EXAMPLES = {
    "state = passed": "all checks passed",
    "formula = TiO2": "one oxide",
    "electron_affinity < 0 eV": "negative electron affinity",
    "ionization_potential > 6 eV and band_gap < 5 eV": "two conditions",
    "failed_checks = slab_centre_plateau": "one failed check",
    "origin = measured": "measured levels",
}
_MEDIA = {"csv": "text/csv", "json": "application/json"}


@dataclass(frozen=True)
class Choice:
    """What a person asked the list for."""

    query: str
    sort: str
    descending: bool
    cursor: str | None = None
    predicted: bool = False


@dataclass(frozen=True)
class Predicted:
    """What a model says of the surfaces of a page, by their identifiers, or why it says nothing."""

    answer: Answer | None
    problem: SurfalignError | None
    surfaces: Mapping[str, Mapping[str, Any]]


def routes(store: Store, process: PredictionProcess) -> APIRouter:
    """Return the page of all surfaces and its exports.

    Parameters
    ----------
    store
        Where the results are.
    process
        Predicts what a model would say of the slabs on a page, when somebody asks for it.
    """
    router = APIRouter()

    @router.get("/")
    def surfaces(
        request: Request,
        query: Annotated[str, Query()] = "",
        sort: Annotated[str, Query(max_length=200)] = DEFAULT_SORT,
        descending: Annotated[bool, Query()] = False,
        cursor: Annotated[str | None, Query()] = None,
        predicted: Annotated[bool, Query()] = False,
    ) -> Response:
        """Show a page of the surfaces that a query matches, on request with what a model predicts."""
        chosen = Choice(query, sort, descending, cursor, predicted)
        return _list(store, process, request, chosen)

    @router.get("/surfaces.{ending}")
    def exported(
        request: Request,
        ending: Literal["csv", "json"],
        query: Annotated[str, Query()] = "",
        sort: Annotated[str, Query(max_length=200)] = DEFAULT_SORT,
        descending: Annotated[bool, Query()] = False,
    ) -> Response:
        """Write the surfaces that a query matches to a file, all pages."""
        return _export(store, request, Choice(query, sort, descending), ending)

    return router


def _list(store: Store, process: PredictionProcess, request: Request, chosen: Choice) -> Response:
    def written() -> bytes:
        found = reader.listed(chosen.query, Order(chosen.sort, chosen.descending))
        page = reader.rows(found, SHOWN, chosen.cursor)
        said = None
        if chosen.predicted:
            said = _predicted(reader, process, page.results, viewer_of(request).sees_all)
        return bytes(_rendered(request, chosen, found, page, said=said).body)

    try:
        with store.reading(request) as reader:
            # Another model may predict the next time.
            content = (
                written() if chosen.predicted else reader.content(page_asked(request), written)
            )
    except QuerySyntaxError as error:
        return _rendered(request, chosen, ResultList(Order(), [], {}), Page([], None), error)
    return unless_known(request, content, HTML)


def _rendered(
    request: Request,
    chosen: Choice,
    found: ResultList,
    page: Page[SurfaceRow],
    problem: QuerySyntaxError | None = None,
    said: Predicted | None = None,
) -> Response:
    return render(
        request,
        "surfaces.html",
        400 if problem else 200,
        problem=problem,
        chosen=chosen,
        said=said,
        results=page.results,
        next_cursor=page.next_cursor,
        number=len(found.places),
        methods=found.methods,
        columns=COLUMNS,
        examples=EXAMPLES,
        default_sort=DEFAULT_SORT,
    )


def _predicted(
    reader: Reader, process: PredictionProcess, rows: Sequence[SurfaceRow], own_models: bool
) -> Predicted:
    """Return what a model says of the unrelaxed slabs of rows."""
    fields = ("unrelaxed_slab_structure", "slab_structure")
    stored = reader.fields_of([row.identifier for row in rows], fields)
    slabs = {
        identifier: next(filter(None, map(record.get, fields)), None)
        for identifier, record in stored.items()
    }
    named = [(row, slab) for row in rows if (slab := slabs.get(row.identifier)) is not None]
    if not named:
        return Predicted(None, None, {})
    asked = tuple((row.surface_name or row.formula, slab) for row, slab in named)
    try:
        answer = process.ask(Question(name="list", slabs=asked, own_models=own_models))
    except SurfalignError as error:
        return Predicted(None, error, {})
    identifiers = [row.identifier for row, _ in named]
    return Predicted(answer, None, dict(zip(identifiers, answer.surfaces, strict=True)))


def _export(store: Store, request: Request, chosen: Choice, ending: str) -> Response:
    # A whole file first: an answer that breaks off in the middle would look like all there is.
    with tempfile.NamedTemporaryFile(suffix=f".{ending}", delete=False) as file:
        path = Path(file.name)
    try:
        with store.reading(request, EXPORT_TIME_LIMIT) as reader:
            found = reader.find(chosen.query, Order(chosen.sort, chosen.descending))
            if ending == "csv":
                export(found, path, ExportFormat.CSV)
            else:
                write_json_file(found, path, full=False)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return FileResponse(
        path,
        media_type=_MEDIA[ending],
        filename=f"surfaces.{ending}",
        background=BackgroundTask(path.unlink, missing_ok=True),
    )
