"""How errors and unchanged contents are answered, on pages and by the REST interface alike."""

from __future__ import annotations

import hashlib
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from surfalign.errors import (
    AccessError,
    ConfigurationError,
    DatabaseError,
    DatabaseUnreachableError,
    DocumentNotFoundError,
    ManyFailedLoginsError,
    MissingDependencyError,
    ModelNotFoundError,
    QuerySyntaxError,
    QuestionError,
    RoleError,
    SurfalignError,
    TimeLimitError,
)
from surfalign.launchers.web.access import viewer_of

#: Status of an error, the first that fits; the others come from what was sent.
_STATUSES: tuple[tuple[type[SurfalignError], int], ...] = (
    (RoleError, 403),
    (ManyFailedLoginsError, 429),
    (AccessError, 401),
    (DocumentNotFoundError, 404),
    (ModelNotFoundError, 404),
    (QuerySyntaxError, 400),
    (DatabaseUnreachableError, 503),
    (TimeLimitError, 422),
    (DatabaseError, 500),
    (QuestionError, 422),
    (ConfigurationError, 500),
    (MissingDependencyError, 500),
)


def status_of(error: SurfalignError) -> int:
    """Return the HTTP status that says what an error means."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 422)


def told(request: Request, error: SurfalignError) -> SurfalignError:
    """Return what is told of an error: addresses and paths of this machine are for its owner alone."""
    if status_of(error) < 500 or viewer_of(request).sees_all:
        return error
    what = "the results are away" if status_of(error) == 503 else "this cannot be answered here"
    return type(error)(what, "", "try again later, or tell who runs this server")


def as_record(request: Request, error: SurfalignError) -> dict[str, Any]:
    """Return an error as plain JSON values, as far as it is told."""
    error = told(request, error)
    return {
        "error": type(error).__name__,
        "found": error.found,
        "expected": error.expected,
        "remedy": error.remedy,
    }


#: Types of pages and of what programs are told.
HTML, JSON = "text/html; charset=utf-8", "application/json"


def unless_known(request: Request, content: bytes, media_type: str) -> Response:
    """Return contents with their ETag, or 304 to a client that has them already.

    Parameters
    ----------
    request
        May name an ETag in If-None-Match.
    content
        The body.
    media_type
        Its type.
    """
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    known = {part.strip().removeprefix("W/") for part in _named(request).split(",")}
    if known & {tag, "*"}:
        return Response(status_code=304, headers={"ETag": tag})
    return Response(content, media_type=media_type, headers={"ETag": tag})


def _named(request: Request) -> str:
    return request.headers.get("if-none-match", "")
