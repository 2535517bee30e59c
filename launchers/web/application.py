"""The whole application: pages, the REST interface below them, and what every request passes."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from surfalign.errors import MissingDependencyError, SurfalignError
from surfalign.launchers.web.access import Store
from surfalign.launchers.web.audit import AuditLog
from surfalign.launchers.web.decisions import interface, junctions, screening, shapes
from surfalign.launchers.web.failed_logins import FailedLogins
from surfalign.launchers.web.identity import Entrance, Identification, Sessions
from surfalign.launchers.web.optimade.answers import MOUNTED_AT
from surfalign.launchers.web.optimade.interface import optimade_application
from surfalign.launchers.web.pages import (
    campaigns,
    formula,
    login,
    models,
    prediction,
    registration,
    surface,
    surfaces,
)
from surfalign.launchers.web.pages.rendering import error_page, render
from surfalign.launchers.web.prediction_process import PredictionProcess
from surfalign.launchers.web.rest import PREFIX, rest_application
from surfalign.launchers.web.safety import RequestLimits, SecurityHeaders

if TYPE_CHECKING:
    from surfalign.stores.database import Database

_LOG = logging.getLogger(__name__)


def create_app(
    open_store: Callable[[], Database],
    open_campaign: campaigns.OpenCampaign | None = None,
    process: PredictionProcess | None = None,
    entrance: Entrance | None = None,
) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    open_store
        Connects to the results database; called at the first request, and again after it was away.
    open_campaign
        Opens launcher and database of a campaign; None where no profile was named.
    process
        Predicts; by default one that starts with the first prediction.
    entrance
        How the server is reached; by default from this machine alone, by its owner.
    """
    store = Store(open_store)
    entrance, sessions = entrance or Entrance(), Sessions()
    failed = FailedLogins(entrance.most_failures)
    log = AuditLog(entrance.log) if entrance.log is not None else None
    predicting = process or PredictionProcess()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        predicting.close()
        store.close()
        if log is not None:
            log.close()

    application = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        # The first sees a request first; headers are added to refusals, too.
        middleware=[
            *_proxies(entrance),
            Middleware(SecurityHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(entrance.hosts)),
            Middleware(
                Identification,
                entrance=entrance,
                store=store,
                sessions=sessions,
                failed=failed,
                log=log,
            ),
            Middleware(RequestLimits),
        ],
    )
    for router in (
        surfaces.routes(store, predicting),
        formula.routes(store),
        surface.routes(store, predicting),
        prediction.routes(predicting),
        registration.routes(store),
        screening.routes(store, predicting),
        shapes.routes(store),
        junctions.routes(store),
        models.routes(),
        campaigns.routes(open_campaign),
        *([login.routes(store, sessions, failed)] if entrance.asks else []),
    ):
        application.include_router(router)
    rest = rest_application(store, predicting)
    rest.include_router(interface.routes(store, predicting))
    _add_files(application, rest)
    application.mount(PREFIX, rest)
    application.mount(MOUNTED_AT, optimade_application(store))
    application.add_exception_handler(SurfalignError, _named_error)
    application.add_exception_handler(RequestValidationError, _invalid)
    application.add_exception_handler(HTTPException, _refused)
    application.add_exception_handler(Exception, _unforeseen)
    return application


def _proxies(entrance: Entrance) -> list[Middleware]:
    """Return what reads a proxy's word about who asks; without one, nobody's word counts."""
    if not entrance.proxies:
        return []
    return [Middleware(ProxyHeadersMiddleware, trusted_hosts=list(entrance.proxies))]


def _add_files(application: FastAPI, rest: FastAPI) -> None:
    """Add our styles and scripts, plotly's script out of its package, and the list of the REST interface."""
    folder = Path(__file__).parent / "static"
    application.mount("/static", StaticFiles(directory=folder), name="static")

    @application.get("/plotly.min.js")
    def plotly() -> Response:
        return FileResponse(
            plotly_script(),
            media_type="text/javascript",
            headers={"Cache-Control": "max-age=86400"},
        )

    @application.get("/api")
    def interface(request: Request) -> Response:
        return render(request, "api.html", described=rest.openapi(), prefix=PREFIX)


def plotly_script() -> Path:
    """Return the script in the installed package of plotly.

    Raises
    ------
    MissingDependencyError
        When plotly is not installed.
    """
    # The package itself, which takes seconds to load, is not imported.
    found = importlib.util.find_spec("plotly")
    if found is None or found.origin is None:
        raise MissingDependencyError(
            "plotly is not installed", "the package plotly", "pip install 'surfalign[web]'"
        )
    return Path(found.origin).parent / "package_data" / "plotly.min.js"


def _named_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, SurfalignError)
    return error_page(request, error)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors()[:5]]
    return render(request, "error.html", 422, problem=None, message="; ".join(faults))


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    page = render(request, "error.html", error.status_code, problem=None, message=str(error.detail))
    page.headers.update(error.headers or {})
    return page


def _unforeseen(request: Request, error: Exception) -> Response:
    # What an unforeseen error says may hold anything: it goes to the log of who started the server.
    _LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return PlainTextResponse("This page failed; the log of the server says why.\n", 500)
