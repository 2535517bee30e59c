"""Templates, and how numbers, states and checks are written on pages."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from surfalign.errors import SurfalignError
from surfalign.launchers.web.access import viewer_of
from surfalign.launchers.web.answers import status_of, told
from surfalign.stores.query.rows import SurfaceRow, row_of
from surfalign.version import __version__

#: Sign and word of a state: never by colour alone.
_MARKS = {
    "passed": ("✓", "passed"),
    "flagged": ("!", "flagged"),
    "failed": ("✗", "failed"),
    "registered": ("○", "registered"),
}


def fixed(value: float | None, digits: int = 2) -> str:
    """Return a number with so many decimals, or a dash."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def short(value: float | None) -> str:
    """Return a number with three significant digits, or a dash."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.3g}"


def mark(state: str) -> dict[str, str]:
    """Return sign, word and style of the state of a result or of a check."""
    sign, word = _MARKS[state]
    return {"sign": sign, "word": word, "style": state}


def checks_of(row: SurfaceRow) -> dict[str, str]:
    """Return what the list says of the checks: the mark, how many passed, and which did not."""
    if row.technique is not None:
        said = f"{row.origin}: {row.technique}"
    else:
        said = row.failure or f"{row.checks_passed}/{row.checks}"
    names = ", ".join(name.replace("_", " ") for name in row.failed_checks)
    return mark(row.state.value) | {"said": said, "names": names}


def with_parameters(request: Request, **changes: Any) -> str:
    """Return the address of this page with other parameters; an empty one is left out."""
    parameters = dict(request.query_params) | changes
    said = {name: value for name, value in parameters.items() if value not in (None, "", False)}
    return f"{request.url.path}?{urlencode(said)}" if said else request.url.path


def _environment() -> Environment:
    folder = Path(__file__).parents[1] / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"fixed": fixed, "short": short, "mark": mark}
    environment.globals |= {"version": __version__, "checks_of": checks_of, "row_of": row_of}
    return environment


_TEMPLATES = _environment()


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page.

    Parameters
    ----------
    request
        The request that it answers.
    template
        File name of the template.
    status
        HTTP status.
    **values
        What the template shows.
    """

    def address(**changes: Any) -> str:
        return with_parameters(request, **changes)

    common = {
        "problem": None,
        "address": address,
        "path": request.url.path,
        "viewer": viewer_of(request),
    }
    values = common | values
    return HTMLResponse(_TEMPLATES.get_template(template).render(**values), status)


def error_page(request: Request, error: SurfalignError) -> HTMLResponse:
    """Return the page of an error: what was found, what was expected, and what to do."""
    return render(request, "error.html", status_of(error), problem=told(request, error))
