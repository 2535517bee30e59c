"""The REST interface, version 1: the same questions as on pages and the command line, answered in JSON."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, create_model
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from surfalign.errors import SurfalignError
from surfalign.launchers.web.access import Store, page_asked, viewer_of
from surfalign.launchers.web.answers import JSON, as_record, status_of, unless_known
from surfalign.launchers.web.pages.models import model_rows
from surfalign.launchers.web.pages.prediction import LARGEST_INDEX
from surfalign.launchers.web.prediction_process import LARGEST_TEXT, PredictionProcess, Question
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.query.fields import Kind, describe, large_fields
from surfalign.stores.query.pages import DEFAULT_SORT, LARGEST_PAGE, Order
from surfalign.stores.query.results import json_record
from surfalign.version import __version__

PREFIX = "/api/v1"


def _lean_model(name: str, meaning: str, structures: bool) -> type[BaseModel]:
    """Return the schema of a result as JSON holds it: structures are pymatgen's dictionaries."""
    fields: dict[str, Any] = {}
    large = set(large_fields(SurfaceLevelsDocument))
    kinds = describe(SurfaceLevelsDocument)
    for field, info in SurfaceLevelsDocument.model_fields.items():
        if field in large and not structures:
            continue
        is_structure = kinds[field].kind is Kind.STRUCTURE
        annotation = dict[str, Any] | None if is_structure else info.annotation
        fields[field] = (annotation, info)
    model: type[BaseModel] = create_model(name, __doc__=meaning, **fields)
    return model


SurfaceLevels = _lean_model("SurfaceLevels", "A result without structures and curves.", False)
WholeSurfaceLevels = _lean_model("WholeSurfaceLevels", "A result, whole.", True)


class Problem(BaseModel):
    """Why a request was not answered."""

    error: str = Field(description="Name of the error's class")
    found: str = Field(description="What was found")
    expected: str = Field(description="What was expected")
    remedy: str = Field(description="What to do")


class SurfaceList(BaseModel):
    """A page of results."""

    results: list[SurfaceLevels] = Field(description="The results")  # type: ignore[valid-type]
    next_cursor: str | None = Field(description="For the next page; null where this is the last")
    number: int = Field(description="Results that the query matches, on all pages")
    methods: dict[str, int] = Field(
        description="Methods of those with numbers; levels of different methods do not compare"
    )


class FieldRecord(BaseModel):
    """A field that the query language knows."""

    path: str = Field(description="Name, dotted below the top level")
    kind: str = Field(description="What it holds")
    unit: str | None = Field(description="Unit of a number")
    description: str = Field(description="Meaning")
    choices: list[str] = Field(description="Allowed values of a choice")


class ModelRecord(BaseModel):
    """A version of a model."""

    name: str
    version: str
    origin: str = Field(description="own, or comes with surfalign")
    champion: bool = Field(description="Whether this version of the model predicts")
    card: dict[str, Any] | None = Field(description="What it is; null where it cannot be read")
    problem: str | None = Field(description="Why the card cannot be read")


class PredictionRequest(BaseModel):
    """What is to be predicted: a crystal of the library, or the text of a structure file."""

    model_config = ConfigDict(extra="forbid")

    crystal: str = Field(default="", max_length=200, description="Name in the library, e.g. MgO")
    text: str = Field(
        default="", max_length=LARGEST_TEXT, description="A CIF, POSCAR or pymatgen JSON file"
    )
    max_index: int = Field(default=1, ge=1, le=LARGEST_INDEX, description="Largest Miller index")


class PredictionAnswer(BaseModel):
    """Predicted levels of the surfaces of a crystal."""

    crystal: str
    notes: list[str] = Field(description="What was unusual about the crystal")
    model: str
    fidelity: str = Field(description="What the model predicts")
    surfaces: list[dict[str, Any]] = Field(
        description="For each: name, levels and interval_90 (eV), in_domain, unknown_elements, attention"
    )


def rest_application(store: Store, process: PredictionProcess) -> FastAPI:
    """Return the REST interface, to be mounted at :data:`PREFIX`."""
    application = FastAPI(
        title="surfalign",
        version=__version__,
        description="Ionization potentials and electron affinities of surfaces; energies in eV. "
        "A number that is not finite is null.",
        docs_url=None,  # they load scripts from another host
        redoc_url=None,
        root_path_in_servers=False,
        servers=[{"url": PREFIX}],
        responses={status: {"model": Problem} for status in (400, 401, 404, 422, 503)},
    )
    application.add_exception_handler(SurfalignError, _problem)
    application.add_exception_handler(RequestValidationError, _invalid)
    application.add_exception_handler(HTTPException, _refused)
    application.include_router(_surfaces(store))
    application.include_router(_knowledge(store))
    application.include_router(_prediction(process))
    return application


def _surfaces(store: Store) -> APIRouter:
    router = APIRouter()

    @router.get("/surfaces", response_model=SurfaceList)
    def surfaces(
        request: Request,
        query: Annotated[str, Query(description="Text of the query language")] = "",
        sort: Annotated[str, Query(max_length=200, description="Field")] = DEFAULT_SORT,
        descending: Annotated[bool, Query(description="Largest first")] = False,
        limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 100,
        cursor: Annotated[str | None, Query(description="next_cursor of the page before")] = None,
    ) -> Response:
        """List the results that a query matches, a page at a time."""

        def written() -> bytes:
            found = reader.listed(query, Order(sort, descending))
            page = reader.page(found, limit, cursor)
            return _written(
                {
                    "results": [json_record(document, full=False) for document in page.results],
                    "next_cursor": page.next_cursor,
                    "number": len(found.places),
                    "methods": found.methods,
                }
            )

        with store.reading(request) as reader:
            content = reader.content(page_asked(request), written)
        return unless_known(request, content, JSON)

    @router.get("/surfaces/{identifier}", response_model=WholeSurfaceLevels)
    def surface(request: Request, identifier: str) -> Response:
        """Return one result with everything that is stored."""
        with store.reading(request) as reader:
            document = reader.get(identifier)
        return _json(request, json_record(document))

    return router


def _knowledge(store: Store) -> APIRouter:
    router = APIRouter()

    @router.get("/formulas", response_model=dict[str, int])
    def formulas(request: Request, query: Annotated[str, Query()] = "") -> Response:
        """List the formulas of the results that a query matches, with their numbers."""
        with store.reading(request) as reader:
            found = reader.formulas(query)
        return _json(request, found)

    @router.get("/fields", response_model=list[FieldRecord])
    def fields(request: Request) -> Response:
        """List the fields that the query language knows, with their units."""
        found = [
            FieldRecord(
                path=path,
                kind=field.kind.value,
                unit=field.unit,
                description=field.description,
                choices=list(field.choices),
            ).model_dump()
            for path, field in describe(SurfaceLevelsDocument).items()
            if field.kind not in (Kind.STRUCTURE, Kind.RECORD)
        ]
        return _json(request, found)

    @router.get("/models", response_model=list[ModelRecord])
    def models(request: Request) -> Response:
        """List the models with their cards."""
        found = [
            row | {"card": None if row["card"] is None else vars(row["card"])}
            for row in model_rows(own=viewer_of(request).sees_all)
        ]
        return _json(request, found)

    return router


def _prediction(process: PredictionProcess) -> APIRouter:
    router = APIRouter()

    @router.post("/predict", response_model=PredictionAnswer)
    def predict(request: Request, question: PredictionRequest) -> Response:
        """Predict the levels of the surfaces of a crystal; nothing that is sent is kept."""
        answer = process.ask(
            Question(
                name=question.crystal,
                text=question.text,
                max_index=question.max_index,
                own_models=viewer_of(request).sees_all,
            )
        )
        return JSONResponse(vars(answer))

    return router


def _json(request: Request, content: Any) -> Response:
    return unless_known(request, _written(content), JSON)


def _written(content: Any) -> bytes:
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, SurfalignError)
    return JSONResponse(as_record(request, error), status_of(error))


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = "; ".join(
        f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in error.errors()[:5]
    )
    remedy = f"{PREFIX}/openapi.json describes every parameter"
    return JSONResponse(_record("InvalidRequest", found, "valid parameters", remedy), 422)


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    remedy = f"{PREFIX}/openapi.json lists the addresses"
    return JSONResponse(
        _record("HTTPError", str(error.detail), "a known address and method", remedy),
        error.status_code,
        headers=error.headers,
    )


def _record(error: str, found: str, expected: str, remedy: str) -> dict[str, str]:
    return {"error": error, "found": found, "expected": expected, "remedy": remedy}
