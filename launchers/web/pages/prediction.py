"""The page of predictions: levels of the surfaces of a crystal of the library, or of a pasted or uploaded one."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from starlette.responses import Response

from surfalign.crystals.library import library
from surfalign.errors import InvalidStructureError, SurfalignError
from surfalign.launchers.web.access import viewer_of
from surfalign.launchers.web.answers import status_of, told
from surfalign.launchers.web.pages.rendering import render
from surfalign.launchers.web.prediction_process import LARGEST_TEXT, PredictionProcess, Question

#: Largest Miller index that a page takes: the number of orientations grows with its cube.
LARGEST_INDEX = 2
_Name = Annotated[str, Query(max_length=200)]
_Index = Annotated[int, Query(ge=1, le=LARGEST_INDEX)]


def routes(process: PredictionProcess) -> APIRouter:
    """Return the page of predictions."""
    router = APIRouter()

    @router.get("/predict")
    def by_name(request: Request, crystal: _Name = "", max_index: _Index = 1) -> Response:
        """Show the form, and the predictions for a crystal of the library."""
        question = Question(
            name=crystal, max_index=max_index, own_models=viewer_of(request).sees_all
        )
        return _page(process, request, question)

    @router.post("/predict")
    def by_file(
        request: Request,
        text: Annotated[str, Form()] = "",
        file: Annotated[UploadFile | None, File()] = None,
        max_index: Annotated[int, Form(ge=1, le=LARGEST_INDEX)] = 1,
    ) -> Response:
        """Show the predictions for a crystal that was pasted or uploaded; nothing of it is kept."""
        content = file.file.read(LARGEST_TEXT + 1) if file is not None else b""
        own = viewer_of(request).sees_all
        question = Question(text=text, max_index=max_index, own_models=own)
        try:
            if content:
                question = replace(question, text=as_text(content))
            elif not text.strip():
                raise InvalidStructureError(
                    "neither a text nor a file was sent", "one of them", "paste or choose a crystal"
                )
        except InvalidStructureError as error:
            return _shown(request, question, error=error)
        return _page(process, request, question)

    return router


def as_text(content: bytes) -> str:
    """Return an uploaded file as text.

    Raises
    ------
    InvalidStructureError
        When it is too large or no text.
    """
    if len(content) > LARGEST_TEXT:
        raise InvalidStructureError(
            f"the file has more than {LARGEST_TEXT} bytes", "a structure file", "send a smaller one"
        )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InvalidStructureError(
            "the file is no text", "a CIF, POSCAR or pymatgen JSON file", "unpack it first"
        ) from error


def _page(process: PredictionProcess, request: Request, question: Question) -> Response:
    if not question.name.strip() and not question.text.strip():
        return _shown(request, question)
    try:
        answer = process.ask(question)
    except SurfalignError as error:
        return _shown(request, question, error=error)
    return _shown(request, question, answer=answer)


def _shown(
    request: Request,
    question: Question,
    answer: object = None,
    error: SurfalignError | None = None,
) -> Response:
    return render(
        request,
        "prediction.html",
        200 if error is None else status_of(error),
        problem=None if error is None else told(request, error),
        question=question,
        answer=answer,
        names=sorted(library()),
        largest_index=LARGEST_INDEX,
    )
