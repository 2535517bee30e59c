"""The page that registers levels which were measured, or computed by others: a form out of each template."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from surfalign.errors import ConfigurationError, RegistrationError, SurfalignError
from surfalign.launchers.web.access import Store, require, viewer_of
from surfalign.launchers.web.answers import status_of
from surfalign.launchers.web.pages.rendering import render
from surfalign.physics.lattice.orientations import parse_miller_index
from surfalign.stores.measured.registration import as_document, register
from surfalign.stores.measured.templates import Template, find_template, templates
from surfalign.stores.sharing.register import SharingRegister
from surfalign.stores.sharing.visibility import Role

#: Fields and characters of a form; no template has so many.
MOST_FIELDS, LONGEST_FIELD = 200, 5000


def routes(store: Store) -> APIRouter:
    """Return the page of the form and what it sends."""
    router = APIRouter()

    @router.get("/register")
    def form(request: Request, template: str = "ups") -> Response:
        """Show the form of a template."""
        require(request, Role.CONTRIBUTOR)
        try:
            return _form(request, find_template(template), {})
        except ConfigurationError as error:
            return _form(request, next(iter(templates().values())), {}, error, 404)

    @router.post("/register")
    async def send(request: Request) -> Response:
        """Check an entry and store it, or explain what is wrong with it."""
        require(request, Role.CONTRIBUTOR)
        async with request.form(max_files=0, max_fields=MOST_FIELDS) as sent:
            return await run_in_threadpool(_registered, store, request, sent)

    return router


def _registered(store: Store, request: Request, sent: FormData) -> Response:
    given = {name: str(value)[:LONGEST_FIELD].strip() for name, value in sent.items()}
    try:
        template = find_template(given.pop("template", None))
    except ConfigurationError as error:
        return _form(request, next(iter(templates().values())), {}, error, 422)
    try:
        document = as_document(
            {"template": template.name}
            | {
                name: _value(text, template.fields.get(name, {}))
                for name, text in given.items()
                if text
            }
        )
    except SurfalignError as error:
        return _form(request, template, given, error, status_of(error))
    with store.opened() as database:
        new = register(database, [document])
        if owner := viewer_of(request).name:
            SharingRegister(database).change(new, {"owner": owner})
    return RedirectResponse(f"/surfaces/{document.identifier}", 303)


def _value(text: str, field: dict[str, Any]) -> Any:
    """Return what a field of the form means; what it cannot mean stays a text, which the schema refuses.

    Raises
    ------
    RegistrationError
        When an orientation cannot be read.
    """
    if "unit" in field:
        return text if text.endswith(str(field["unit"])) else f"{text} {field['unit']}"
    if field.get("type") == "array":
        try:
            return list(parse_miller_index(text))
        except SurfalignError as error:
            raise RegistrationError(error.found, error.expected, error.remedy) from error
    if field.get("type") == "boolean":
        return {"yes": True, "no": False}.get(text, text)
    if field.get("type") in ("integer", "number"):
        try:
            return int(text) if field["type"] == "integer" else float(text)
        except ValueError:
            return text
    return text


def _form(
    request: Request,
    template: Template,
    given: dict[str, str],
    problem: SurfalignError | None = None,
    status: int = 200,
) -> Response:
    return render(
        request,
        "register.html",
        status,
        chosen=template,
        templates=templates().values(),
        given=given,
        problem=problem,
        sample=_sample,
    )


def _sample(field: dict[str, Any]) -> str:
    """Return an example of what may stand in a field of the form."""
    value = field.get("examples", [""])[0]
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value).removesuffix(f" {field['unit']}") if "unit" in field else str(value)
