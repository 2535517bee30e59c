"""The pages of models: one's own and the one that comes with surfalign, each with its card."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from surfalign.errors import ModelNotFoundError
from surfalign.launchers.web.access import viewer_of
from surfalign.launchers.web.pages.rendering import render
from surfalign.ml.assessment.metrics import error_rows, with_bounds
from surfalign.ml.models.listed_versions import listed_versions
from surfalign.ml.models.model_registry import ModelCard, ModelRegistry
from surfalign.ml.models.shipped_model import shipped_registry


def routes() -> APIRouter:
    """Return the list of models and the page of one card."""
    router = APIRouter()

    @router.get("/models")
    def models(request: Request) -> Response:
        """List the models with their errors."""
        rows = list(model_rows(own=viewer_of(request).sees_all))
        return render(request, "models.html", rows=rows)

    @router.get("/models/{name}/{version}")
    def card(request: Request, name: str, version: str) -> Response:
        """Show the card of a version."""
        found = model_card(name, version, own=viewer_of(request).sees_all)
        errors = [
            (prop, kind, m, with_bounds(m, "mae"), found.metrics[prop]["unit"])
            for prop, kind, m in error_rows(found.metrics)
        ]
        return render(request, "model.html", card=found, errors=errors)

    return router


def _registries(own: bool) -> list[tuple[str, ModelRegistry]]:
    """Return where models are; one's own know all results, so they are for who sees all."""
    shipped = ("comes with surfalign", shipped_registry())
    return [("own", ModelRegistry()), shipped] if own else [shipped]


def model_rows(own: bool) -> Iterator[dict[str, Any]]:
    """Yield every version of every model, those that predict marked; ``own``: one's own ones, too."""
    for origin, registry in _registries(own):
        for listed in listed_versions(registry):
            problem = None if listed.problem is None else str(listed.problem)
            yield vars(listed) | {"origin": origin, "problem": problem}


def model_card(name: str, version: str, own: bool) -> ModelCard:
    """Return the card of a version; ``own``: of one's own models first.

    Raises
    ------
    ModelNotFoundError
        When there is none.
    """
    for _, registry in _registries(own):
        # Only what is listed: a name from an address never becomes a path.
        if name in registry.names() and version in registry.versions(name):
            return registry.card(name, version)
    raise ModelNotFoundError(
        f"there is no version {version!r} of a model {name!r}",
        "a model that is listed",
        "look at the list of models",
    )
