"""What the interface says of itself: versions, entry types with their properties, and links."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from optimade.exceptions import NotFound
from optimade.models import EntryInfoResponse, InfoResponse, LinksResponse
from starlette.responses import Response

from surfalign.launchers.web.optimade.answers import API_VERSION, HOMEPAGE, answer, base_of
from surfalign.launchers.web.optimade.properties import vocabulary_of
from surfalign.launchers.web.optimade.questions import check_hint

_ENTRY_TYPES = {
    "structures": "Slabs as computed, whose levels are our own properties, and the bulk crystals that they were "
    "cut from; which of them an entry is, _surfalign_kind says. A slab is periodic in the first two directions; "
    "its third lattice vector is that of the computed cell, vacuum included.",
    "references": "Publications that the results rest on.",
}
_ENDPOINTS = [*_ENTRY_TYPES, "info", "links"]
_PROVIDERS = "https://providers.optimade.org"


def versions() -> APIRouter:
    """Return the list of versions, which is below no version itself."""
    router = APIRouter()

    @router.get("/versions", include_in_schema=False)
    def listed() -> Response:
        return Response("version\n1\n", headers={"Content-Type": "text/csv; header=present"})

    return router


def routes() -> APIRouter:
    """Return the description of the interface and of entries, and the links."""
    router = APIRouter()

    @router.get("/info", response_model=InfoResponse)
    def info(request: Request) -> Response:
        """Describe the interface."""
        check_hint(request.query_params.get("api_hint", ""))
        attributes = {
            "api_version": API_VERSION,
            "available_api_versions": [{"url": f"{base_of(request)}/v1", "version": API_VERSION}],
            "formats": ["json"],
            "available_endpoints": _ENDPOINTS,
            "entry_types_by_format": {"json": list(_ENTRY_TYPES)},
            "is_index": False,
        }
        return answer(request, {"data": {"type": "info", "id": "/", "attributes": attributes}})

    @router.get("/info/{entry_type}", response_model=EntryInfoResponse)
    def entry_info(request: Request, entry_type: str) -> Response:
        """Describe the properties of a type of entries."""
        if entry_type not in _ENTRY_TYPES:
            raise NotFound(f"there are no {entry_type!r:.60}, but {' and '.join(_ENTRY_TYPES)}")
        check_hint(request.query_params.get("api_hint", ""))
        properties = vocabulary_of(entry_type).properties
        described = {
            "type": "info",
            "id": entry_type,
            "description": _ENTRY_TYPES[entry_type],
            "formats": ["json"],
            "properties": {name: one.definition() for name, one in properties.items()},
            "output_fields_by_format": {"json": list(properties)},
        }
        return answer(request, {"data": described})

    @router.get("/links", response_model=LinksResponse)
    def links(request: Request) -> Response:
        """List this database and the list of all providers."""
        check_hint(request.query_params.get("api_hint", ""))
        own = _link("surfalign", "Oxide surfaces with their levels", base_of(request), "root")
        all_ = _link(
            "optimade", "List of the databases that speak OPTIMADE", _PROVIDERS, "providers"
        )
        data = [own, all_]
        return answer(
            request,
            {"data": data, "links": {"next": None}},
            counts={"data_returned": len(data), "data_available": len(data)},
        )

    return router


def _link(name: str, description: str, address: str, kind: str) -> dict[str, Any]:
    attributes = {
        "name": name,
        "description": description,
        "base_url": address,
        "homepage": HOMEPAGE if kind == "root" else address,
        "link_type": kind,
    }
    return {"id": name, "type": "links", "attributes": attributes}
