"""The form to log in with an access token, and the way out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from surfalign.errors import AccessError
from surfalign.launchers.web.access import Store
from surfalign.launchers.web.failed_logins import FailedLogins
from surfalign.launchers.web.identity import COOKIE, Sessions, refusal
from surfalign.launchers.web.pages.rendering import render
from surfalign.stores.sharing.access_tokens import AccessRegister

#: Longest token and address that the form takes.
_LONGEST = 2000


def routes(store: Store, sessions: Sessions, failed: FailedLogins) -> APIRouter:
    """Return the form and what it does."""
    router = APIRouter()

    @router.get("/login")
    def form(request: Request, next: Annotated[str, Query(max_length=_LONGEST)] = "/") -> Response:
        """Show the form."""
        return render(request, "login.html", next=own_address(next))

    @router.post("/login")
    def login(
        request: Request,
        token: Annotated[str, Form(max_length=_LONGEST)],
        next: Annotated[str, Form(max_length=_LONGEST)] = "/",
    ) -> Response:
        """Begin a session with a token."""
        try:
            with failed.counted(request, token.strip()), store.opened() as database:
                found = AccessRegister(database).verified(token.strip())
        except AccessError as error:
            return refusal(request, error)
        response = RedirectResponse(own_address(next), 303)
        sessions.begin(response, found, secure=request.url.scheme == "https")
        return response

    @router.post("/logout")
    def logout() -> Response:
        """End the session of this browser."""
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return response

    return router


def own_address(address: str) -> str:
    """Return an address of this server; any other becomes the first page."""
    is_ours = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if is_ours and address.isprintable() and "\\" not in address else "/"
