"""The OPTIMADE interface, version 1.2 of the specification, to be mounted below the pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from optimade.exceptions import OptimadeHTTPException
from optimade.models import (
    ErrorResponse,
    ReferenceResponseMany,
    ReferenceResponseOne,
    StructureResponseMany,
    StructureResponseOne,
)
from pymatgen.core import Structure
from starlette.exceptions import HTTPException
from starlette.responses import Response

from surfalign.errors import SurfalignError
from surfalign.launchers.web.access import Reader, Store
from surfalign.launchers.web.optimade import descriptions
from surfalign.launchers.web.optimade.answers import MOUNTED_AT, answer, refusal, refused
from surfalign.launchers.web.optimade.entries import (
    METHOD,
    Entry,
    Reference,
    entries,
    relationships,
    sites,
)
from surfalign.launchers.web.optimade.properties import (
    OF_CELLS,
    ON_REQUEST,
    Vocabulary,
    vocabulary_of,
)
from surfalign.launchers.web.optimade.questions import Question, asked, check_hint, found

#: Versions under which it answers; without one, too.
VERSIONS = ("v1", "v1.2", "v1.2.0")
#: Whole cells of a result, by the kind of entry.
_CELLS = {"slab": "slab_structure", "bulk": "bulk_structure"}


def optimade_application(store: Store) -> FastAPI:
    """Return the interface, to be mounted at :data:`MOUNTED_AT`."""
    application = FastAPI(
        title="surfalign: OPTIMADE",
        version="1.2.0",
        docs_url=None,  # they load scripts from another host
        redoc_url=None,
        root_path_in_servers=False,
        servers=[{"url": MOUNTED_AT}],
        responses={status: {"model": ErrorResponse} for status in (400, 403, 404, 501, 503, 553)},
    )
    for kind in (OptimadeHTTPException, SurfalignError):
        application.add_exception_handler(kind, refused)
    application.add_exception_handler(HTTPException, _unknown_address)
    application.include_router(descriptions.versions())
    router = APIRouter()
    router.include_router(descriptions.routes())
    router.include_router(_structures(store))
    router.include_router(_references())
    application.include_router(router, prefix="/v1")
    for prefix in ("", *(f"/{version}" for version in VERSIONS[1:])):
        application.include_router(router, prefix=prefix, include_in_schema=False)
    return application


def _structures(store: Store) -> APIRouter:
    router = APIRouter()
    vocabulary = vocabulary_of("structures")

    @router.get("/structures", response_model=StructureResponseMany)
    def structures(request: Request) -> Response:
        """List the slabs and bulk crystals that a filter matches."""
        question = asked(request, vocabulary, of_list=True)
        with store.reading(request) as reader:
            all_entries = reader.derived("structures", entries)
            chosen, warnings = reader.remembered(
                ("entries", question.filter, question.sort),
                lambda: found(all_entries, question, vocabulary),
                lambda answer: 8 * len(answer[0]),
            )
            shown = chosen[question.offset : question.offset + question.limit]
            data = _shown(shown, question, vocabulary, reader)
        return _list(request, question, data, len(chosen), len(all_entries), warnings)

    @router.get("/structures/{id:path}", response_model=StructureResponseOne)
    def structure(request: Request, id: str) -> Response:
        """Return one slab or bulk crystal; null where there is none."""
        question = asked(request, vocabulary, of_list=False)
        with store.reading(request) as reader:
            chosen = [entry for entry in reader.derived("structures", entries) if entry.id == id]
            data = _shown(chosen, question, vocabulary, reader)
        return _one(request, question, data)

    return router


def _references() -> APIRouter:
    router = APIRouter()
    vocabulary = vocabulary_of("references")
    known = [Reference(METHOD)]

    @router.get("/references", response_model=ReferenceResponseMany)
    def references(request: Request) -> Response:
        """List the publications that the results rest on."""
        question = asked(request, vocabulary, of_list=True)
        chosen, warnings = found(known, question, vocabulary)
        shown = chosen[question.offset : question.offset + question.limit]
        data = _shown(shown, question, vocabulary)
        return _list(request, question, data, len(chosen), len(known), warnings)

    @router.get("/references/{id:path}", response_model=ReferenceResponseOne)
    def reference(request: Request, id: str) -> Response:
        """Return one publication; null where there is none."""
        question = asked(request, vocabulary, of_list=False)
        chosen = [entry for entry in known if entry.id == id]
        return _one(request, question, _shown(chosen, question, vocabulary))

    return router


def _list(
    request: Request,
    question: Question,
    data: list[dict[str, Any]],
    number: int,
    available: int,
    warnings: Iterable[str],
) -> Response:
    end = question.offset + question.limit
    following = None
    if end < number:
        address = request.url.include_query_params(page_offset=end, page_limit=question.limit)
        following = str(address.remove_query_params("page_number"))
    return answer(
        request,
        {"data": data, "links": {"next": following}} | _included(data, question),
        is_last=following is None,
        counts={"data_returned": number, "data_available": available},
        warnings=[*question.warnings, *warnings],
    )


def _one(request: Request, question: Question, data: list[dict[str, Any]]) -> Response:
    return answer(
        request,
        {"data": data[0] if data else None} | _included(data, question),
        warnings=question.warnings,
    )


def _included(data: list[dict[str, Any]], question: Question) -> dict[str, Any]:
    """Return the references that entries name."""
    vocabulary = vocabulary_of("references")
    is_named = any("references" in entry.get("relationships", {}) for entry in data)
    if not question.with_references or not is_named:
        return {"included": []}
    return {"included": _shown([Reference(METHOD)], Question(), vocabulary)}


def _shown(
    shown: Sequence[Entry | Reference],
    question: Question,
    vocabulary: Vocabulary,
    reader: Reader | None = None,
) -> list[dict[str, Any]]:
    """Return entries with the properties that were asked for."""
    names = question.fields or tuple(vocabulary.properties.keys() - ON_REQUEST)
    cells: Mapping[str, Mapping[str, Any]] = {}
    if reader is not None and OF_CELLS.intersection(names):
        identifiers = [entry.result["identifier"] for entry in shown if isinstance(entry, Entry)]
        cells = reader.fields_of(identifiers, tuple(_CELLS.values()))
    return [_resource(entry, names, cells) for entry in shown]


def _resource(
    entry: Entry | Reference, names: Iterable[str], cells: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    wanted = sorted(set(names) - {"id", "type"})
    attributes = {name: None if name in OF_CELLS else entry.value(name) for name in wanted}
    if isinstance(entry, Entry) and OF_CELLS.intersection(wanted):
        stored = cells.get(entry.result["identifier"], {}).get(_CELLS[entry.kind])
        if stored is not None:
            known = sites(Structure.from_dict(stored))
            attributes |= {name: value for name, value in known.items() if name in attributes}
    related = {name: {"data": links} for name, links in relationships(entry)}
    found = {"id": entry.id, "type": entry.value("type"), "attributes": attributes}
    return found | ({"relationships": related} if related else {})


def _unknown_address(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path.removeprefix(request.scope.get("root_path", "")).lstrip("/")
    version = path.partition("/")[0]
    try:
        if version not in VERSIONS and version[:1] == "v" and version[1:2].isdigit():
            check_hint(version)
    except OptimadeHTTPException as other_version:
        return refused(request, other_version)
    return refusal(request, error.status_code, "Not Found", str(error.detail))
