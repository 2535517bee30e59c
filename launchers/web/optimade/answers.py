"""Answers as the specification wants them: what goes with every one, and errors."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from optimade.exceptions import OptimadeHTTPException
from starlette.requests import Request
from starlette.responses import Response

from surfalign.errors import SurfalignError
from surfalign.launchers.web.answers import status_of, told
from surfalign.version import __version__

#: Version of the specification.
API_VERSION = "1.2.0"
#: Where the interface is mounted.
MOUNTED_AT = "/optimade"
MEDIA_TYPE = "application/vnd.api+json"
HOMEPAGE = "https://surfalign.readthedocs.io"
_PROVIDER = {
    "name": "surfalign",
    "description": "Ionization potentials and electron affinities of oxide surfaces, on the machine of their "
    "owner",
    "prefix": "surfalign",
    "homepage": HOMEPAGE,
}


def base_of(request: Request) -> str:
    """Return the address of the interface, without a version."""
    return str(request.base_url).rstrip("/") + MOUNTED_AT


def answer(
    request: Request,
    content: dict[str, Any],
    status: int = 200,
    *,
    is_last: bool = True,
    counts: dict[str, int] | None = None,
    warnings: Iterable[str] = (),
) -> Response:
    """Return an answer with its metadata.

    Parameters
    ----------
    request
        The request.
    content
        Members besides ``meta``: data or errors, links, included.
    status
        HTTP status.
    is_last
        Whether no page follows.
    counts
        data_returned and data_available, of lists.
    warnings
        What the asker should know.
    """
    path = request.url.path.removeprefix(request.scope.get("root_path", "")) or "/"
    query = f"?{request.url.query}" if request.url.query else ""
    meta: dict[str, Any] = {
        "query": {"representation": f"{path}{query}"},
        "api_version": API_VERSION,
        "schema": f"{base_of(request)}/openapi.json",
        "time_stamp": time_text(datetime.now(UTC)),
        "more_data_available": not is_last,
        "provider": _PROVIDER,
        "implementation": {"name": "surfalign", "version": __version__, "homepage": HOMEPAGE},
        **(counts or {}),
    }
    if said := [{"type": "warning", "detail": warning} for warning in warnings]:
        meta["warnings"] = said
    body = json.dumps(plain({"meta": meta} | content), allow_nan=False, separators=(",", ":"))
    return Response(body, status, media_type=MEDIA_TYPE)


def refusal(request: Request, status: int, title: str, detail: str) -> Response:
    """Return the answer to a request that cannot be met."""
    return answer(
        request, {"errors": [{"status": str(status), "title": title, "detail": detail}]}, status
    )


def refused(request: Request, error: Exception) -> Response:
    """Return the answer to an error of the specification, or of ours."""
    if isinstance(error, OptimadeHTTPException):
        return refusal(request, error.status_code, error.title, str(error))
    assert isinstance(error, SurfalignError)
    said = told(request, error)
    return refusal(request, status_of(error), type(said).__name__, str(said))


def time_text(time: datetime) -> str:
    """Return a time as RFC 3339 writes it, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def plain(value: Any) -> Any:
    """Return a value as JSON holds it; a number that is not finite is null."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
