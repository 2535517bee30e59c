"""Who asks: found once for every request, before anything is answered.

On the loopback address alone everybody is the owner of the store, as on the command line. Elsewhere a request brings
a token, or the cookie of a session that began with one; without either it sees what is public, where that is
shown at all, or nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from surfalign.errors import AccessError, ManyFailedLoginsError, SurfalignError
from surfalign.launchers.web.access import SIGN_OF_LIFE, Store
from surfalign.launchers.web.answers import as_record, status_of
from surfalign.launchers.web.audit import AuditLog, without_tokens
from surfalign.launchers.web.failed_logins import MOST_FAILURES, FailedLogins
from surfalign.launchers.web.pages.rendering import error_page, render
from surfalign.launchers.web.safety import LOCAL_HOSTS
from surfalign.stores.sharing.access_tokens import AccessRegister, AccessToken, refused
from surfalign.stores.sharing.visibility import ANYONE, OWNER, Viewer

#: Cookie of a session, and how long one lasts (s).
COOKIE, SESSION = "surfalign_session", 12 * 3600
#: What is shown to everybody: the form to log in, and its looks.
LOGIN, _LOOKS = "/login", "/static/"
#: Where programs ask, which get JSON.
_PROGRAMS = ("/api/", "/optimade")
#: What a proxy adds. Where none is foreseen, a request that has one comes from who knows where.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
#: Longest header with a token or a cookie that is read.
_LONGEST = 4096


@dataclass(frozen=True)
class Entrance:
    """How a server is reached, and by whom.

    Parameters
    ----------
    asks
        Whether requests must show who asks; without it all are the owner's, on the loopback address alone.
    public
        Whether who shows nothing sees what is public.
    hosts
        Names under which the server is reached.
    proxies
        Addresses of reverse proxies whose word counts about who asks.
    log
        File in which what was served is noted; None notes nothing.
    most_failures
        Failed logins in a minute from one address, or with one token, after which none is looked at.
    """

    asks: bool = False
    public: bool = False
    hosts: tuple[str, ...] = LOCAL_HOSTS
    proxies: tuple[str, ...] = ()
    log: Path | None = None
    most_failures: int = MOST_FAILURES


class Sessions:
    """Cookies of those who logged in, signed so that nobody else can make one.

    The key lives as long as the server: a restart ends all sessions. A cookie names a token, which is looked up at
    each request, so that a revoked token ends its sessions.
    """

    def __init__(self) -> None:
        self._signer = URLSafeTimedSerializer(
            secrets.token_bytes(32), salt="session", signer_kwargs={"digest_method": hashlib.sha256}
        )

    def begin(self, response: Response, token: AccessToken, secure: bool) -> None:
        """Give the cookie to who brought a token; ``secure`` where the request came by HTTPS."""
        response.set_cookie(
            COOKIE, str(self._signer.dumps(token.id)), max_age=SESSION, path="/",
            secure=secure, httponly=True, samesite="strict",
        )  # fmt: skip

    def token_id(self, cookie: str) -> str:
        """Return which token a cookie names.

        Raises
        ------
        AccessError
            When it is forged, of another run of the server, or too old.
        """
        try:
            return str(self._signer.loads(cookie, max_age=SESSION))
        except BadSignature as error:
            raise AccessError(
                "the session is over", "a login of today", "log in again with the access token"
            ) from error


class Identification:
    """Finds who asks, and refuses who must say so and does not.

    Parameters
    ----------
    app
        What answers.
    entrance
        How the server is reached.
    store
        Holds the tokens.
    sessions
        Of those who logged in.
    failed
        Counts logins that failed.
    log
        Notes what was served.
    """

    def __init__(
        self,
        app: ASGIApp,
        entrance: Entrance,
        store: Store,
        sessions: Sessions,
        failed: FailedLogins,
        log: AuditLog | None,
    ) -> None:
        self.app = app
        self._log = log
        self._entrance = entrance
        self._store = store
        self._sessions = sessions
        self._failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its viewer, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        request.state.viewer = ANYONE
        if self._log is not None:
            send = self._log.noting(request, send)
        answer = await self._identify(request)
        await (answer or self.app)(scope, receive, send)

    async def _identify(self, request: Request) -> Response | None:
        """Set who asks; return the answer where the request goes no further."""
        if not self._entrance.asks:
            request.state.viewer = OWNER
            return _forwarded(request)
        try:
            shown = credentials(request.headers)
            if shown is not None:
                request.state.viewer = await run_in_threadpool(self._known, request, *shown)
                return None
            path = request.url.path
            if self._entrance.public or path == LOGIN or path.startswith(_LOOKS):
                return None
            raise AccessError(
                "who asks is not known",
                "an access token, as Authorization: Bearer TOKEN, or a login",
                "ask who runs this server for a token",
            )
        except SurfalignError as error:
            return refusal(request, error)

    def _known(self, request: Request, kind: str, text: str) -> Viewer:
        with self._failed.counted(request, text), self._store.opened(SIGN_OF_LIFE) as database:
            register = AccessRegister(database)
            if kind == "token":
                return register.verified(text).viewer
            return register.by_id(self._sessions.token_id(text)).viewer


def credentials(headers: Headers) -> tuple[str, str] | None:
    """Return the kind, "token" or "session", and the text that a request shows; None where it shows nothing.

    Raises
    ------
    AccessError
        When what it shows cannot be read.
    """
    said = headers.getlist("authorization")
    if said:
        scheme, _, token = said[0].partition(" ")
        if len(said) > 1 or scheme.lower() != "bearer" or len(said[0]) > _LONGEST:
            raise refused("cannot be read: Authorization: Bearer TOKEN")
        return "token", token.strip()
    text = "; ".join(headers.getlist("cookie"))
    if f"{COOKIE}=" not in text:
        return None
    try:
        found = SimpleCookie(text[:_LONGEST]).get(COOKIE)
    except CookieError:
        found = None
    return "session", found.value if found is not None else ""


def refusal(request: Request, error: SurfalignError) -> Response:
    """Return the answer to who is not let in: JSON for programs, the form to log in for people."""
    status = status_of(error)
    if request.url.path.startswith(_PROGRAMS):
        response: Response = JSONResponse(as_record(request, error), status)
    elif status == 401:
        response = render(request, "login.html", status, problem=error, next=_here(request))
    else:
        response = error_page(request, error)
    if isinstance(error, ManyFailedLoginsError):
        response.headers["Retry-After"] = str(error.wait)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="surfalign"'
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


def _here(request: Request) -> str:
    """Return where to go after the login."""
    is_page = request.method == "GET" and request.url.path not in (LOGIN, "/logout")
    query = f"?{request.url.query}" if request.url.query else ""
    return without_tokens(f"{request.url.path}{query}") if is_page else "/"


def _forwarded(request: Request) -> Response | None:
    """Refuse what came through a proxy to a server that takes everybody for its owner."""
    if not any(name in request.headers for name in _FORWARDED):
        return None
    return PlainTextResponse(
        "This request came through a proxy, and this server takes every request for its owner's. To do: name "
        "the proxy as web_proxies in the settings.\n",
        403,
    )
