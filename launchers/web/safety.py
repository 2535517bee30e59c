"""What every request passes: its host, its size, its time, and the headers of its answer."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Names under which this machine reaches itself; a page elsewhere that points its own name here has another.
LOCAL_HOSTS = ("127.0.0.1", "localhost")
#: Largest body of a request (bytes): an uploaded crystal of 1 MB and what wraps it.
LARGEST_BODY = 1_050_000
#: Longest query string (bytes); the query language takes 10,000 characters, of up to three bytes here.
LONGEST_QUERY_STRING = 32_000
#: How long a body may take to arrive (s).
BODY_TIME_LIMIT = 20.0
#: No code or picture of another host, none written into the page, no frame around it.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class SecurityHeaders:
    """Adds the headers that confine a page; an answer that has one of its own keeps it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (_HEADERS | {"Content-Security-Policy": CONTENT_POLICY}).items():
                    headers.setdefault(name, value)
                # What one person may see, no proxy may keep for others.
                headers.setdefault("Cache-Control", "private, no-cache")
                headers.add_vary_header("Authorization")
                headers.add_vary_header("Cookie")
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


class RequestLimits:
    """Refuses what comes from another site, is too large, or arrives too slowly."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body, which is small, and pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = _refusal(scope)
        body = b""
        if refusal is None:
            try:
                async with asyncio.timeout(BODY_TIME_LIMIT):
                    body, refusal = await _body(receive)
            except TimeoutError:
                refusal = PlainTextResponse("The request arrived too slowly.\n", 408)
        if refusal is not None:
            refusal.headers["Connection"] = "close"
            await refusal(scope, receive, send)
            return
        await self.app(scope, _replayed(body, receive), send)


def _refusal(scope: Scope) -> PlainTextResponse | None:
    """Return the answer to a request that its head refuses already."""
    headers = Headers(scope=scope)
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        return PlainTextResponse("The header Content-Length is no number.\n", 400)
    if len(length) > 12 or int(length) > LARGEST_BODY:
        return _too_large()
    if len(scope["query_string"]) > LONGEST_QUERY_STRING:
        return PlainTextResponse(
            f"The address has more than {LONGEST_QUERY_STRING} characters. To do: shorten the query.\n",
            414,
        )
    if scope["method"] not in ("GET", "HEAD") and not _same_site(headers):
        return PlainTextResponse("Forms of other sites are not taken.\n", 403)
    return None


def _same_site(headers: Headers) -> bool:
    """Tell whether a form was sent by a page of ours, or by a program that is no browser."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc == headers.get("host")
    except ValueError:  # no address at all
        return False


async def _body(receive: Receive) -> tuple[bytes, PlainTextResponse | None]:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"", PlainTextResponse("The request was broken off.\n", 400)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST_BODY:
            return b"", _too_large()
        if not message.get("more_body", False):
            return b"".join(parts), None


def _too_large() -> PlainTextResponse:
    return PlainTextResponse(
        f"The request has more than {LARGEST_BODY} bytes. To do: send a smaller file.\n", 413
    )


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return the body once, then what the connection says."""
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
