"""The page of one surface: potential, slab, prediction, checks, method, cost, provenance, files, citation."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from surfalign.errors import DocumentNotFoundError, SurfalignError
from surfalign.launchers.web.access import Store, viewer_of
from surfalign.launchers.web.answers import unless_known
from surfalign.launchers.web.pages import pictures
from surfalign.launchers.web.pages.rendering import render
from surfalign.launchers.web.prediction_process import Answer, PredictionProcess, Question
from surfalign.stores.query.results import json_record

if TYPE_CHECKING:
    from surfalign.stores.documents import SurfaceLevelsDocument

#: Structures of a result by the names of their files, with what a page calls them.
STRUCTURES = {
    "slab": ("slab_structure", "slab as computed"),
    "unrelaxed-slab": ("unrelaxed_slab_structure", "slab before relaxation"),
    "bulk": ("bulk_structure", "bulk cell"),
}
#: Formats of a structure: pymatgen's name and the ending of the file.
FORMATS = {"poscar": "vasp", "cif": "cif"}


def routes(store: Store, process: PredictionProcess) -> APIRouter:
    """Return the page of a surface, its pictures and its files.

    Parameters
    ----------
    store
        Where the results are.
    process
        Predicts what a model would say of a slab, when somebody asks for it.
    """
    router = APIRouter()

    @router.get("/surfaces/{identifier}")
    def surface(request: Request, identifier: str, predicted: bool = False) -> Response:
        """Show everything about a result; beside it what the model predicts, where that is asked for."""
        with store.reading(request) as reader:
            document = reader.get(identifier)
        own = viewer_of(request).sees_all
        answer, problem = _prediction(document, process, own) if predicted else (None, None)
        return render(
            request,
            "surface.html",
            document=document,
            answer=answer,
            problem=problem,
            has_potential=pictures.has_potential(document),
            slabs=_slabs(document),
            structures={
                name: label
                for name, (field, label) in STRUCTURES.items()
                if getattr(document, field) is not None
            },
            settings=json.dumps(document.settings, indent=1, default=str),
        )

    @router.get("/surfaces/{identifier}/potential.svg")
    def potential(request: Request, identifier: str) -> Response:
        """Draw the potential of a slab."""
        with store.reading(request) as reader:
            document = reader.get(identifier)
        drawn = pictures.potential(document)
        return pictures.confined(unless_known(request, drawn, pictures.SVG))

    @router.get("/surfaces/{identifier}/result.json")
    def result(request: Request, identifier: str) -> Response:
        """Return everything that is stored of a result."""
        with store.reading(request) as reader:
            document = reader.get(identifier)
        content = json.dumps(json_record(document), allow_nan=False, ensure_ascii=False)
        return _file(
            unless_known(request, content.encode(), "application/json"), document, "result", "json"
        )

    @router.get("/surfaces/{identifier}/{name}.{format}")
    def structure(
        request: Request,
        identifier: str,
        name: Literal["slab", "unrelaxed-slab", "bulk"],
        format: Literal["poscar", "cif"],
    ) -> Response:
        """Return a structure of a result as a file."""
        with store.reading(request) as reader:
            document = reader.get(identifier)
        found = getattr(document, STRUCTURES[name][0])
        if found is None:
            raise DocumentNotFoundError(
                f"{document.identifier} holds no {STRUCTURES[name][1]}",
                "a result that holds one",
                "choose another structure",
            )
        content = found.to(fmt=format).encode()
        return _file(unless_known(request, content, "text/plain"), document, name, FORMATS[format])

    return router


def _prediction(
    document: SurfaceLevelsDocument, process: PredictionProcess, own_models: bool
) -> tuple[Answer | None, SurfalignError | None]:
    """Return what the model says of the unrelaxed slab, or why it says nothing."""
    slab = document.unrelaxed_slab_structure or document.slab_structure
    try:
        if slab is None:
            raise DocumentNotFoundError(
                f"{document.identifier} holds no slab", "a result with its slab", "choose another"
            )
        name = document.surface_name or document.formula
        question = Question(name=name, slabs=((name, slab.as_dict()),), own_models=own_models)
        return process.ask(question), None
    except SurfalignError as error:
        return None, error


def _slabs(document: SurfaceLevelsDocument) -> dict[str, object]:
    """Return the slabs that the browser turns."""
    return {
        "after": pictures.atoms(document.slab_structure),
        "before": pictures.atoms(document.unrelaxed_slab_structure),
    }


def _file(response: Response, document: SurfaceLevelsDocument, name: str, ending: str) -> Response:
    """Let the browser keep an answer as a file."""
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", document.identifier)
    response.headers["Content-Disposition"] = f'attachment; filename="{stem}-{name}.{ending}"'
    return response
