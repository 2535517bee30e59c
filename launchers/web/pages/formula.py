"""The pages of one formula: band edges of all its surfaces, against vacuum and against the hydrogen electrode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from surfalign.errors import DocumentNotFoundError
from surfalign.launchers.web.access import Reader, Store, page_asked
from surfalign.launchers.web.answers import HTML, unless_known
from surfalign.launchers.web.pages import pictures
from surfalign.launchers.web.pages.rendering import render
from surfalign.physics.levels.redox import redox_levels
from surfalign.settings import load_settings
from surfalign.stores.query.pages import Order
from surfalign.stores.query.rows import SurfaceRow

#: Surfaces of one picture and table, those with the least surface energy first.
SHOWN = 40
_PH = Annotated[float, Query(ge=-2, le=16, allow_inf_nan=False)]
_QUERY = Annotated[str, Query()]


@dataclass(frozen=True)
class BandEdges:
    """Band edges of one surface, in eV against vacuum and in V against the standard hydrogen electrode."""

    surface: SurfaceRow
    valence: float
    conduction: float
    valence_potential: float
    conduction_potential: float


def routes(store: Store) -> APIRouter:
    """Return the list of formulas, the page of one, and its picture."""
    router = APIRouter()

    @router.get("/formulas")
    def formulas(request: Request) -> Response:
        """List the formulas."""
        with store.reading(request) as reader:
            found = reader.formulas()
        return render(request, "formulas.html", formulas=found)

    @router.get("/formulas/{formula}")
    def formula_page(request: Request, formula: str, ph: _PH = 0.0, query: _QUERY = "") -> Response:
        """Show the band edges of the surfaces of a formula at a pH."""
        electrode = load_settings().hydrogen_electrode
        with store.reading(request) as reader:
            content = reader.content(
                (page_asked(request), electrode),
                lambda: _page(reader, request, formula, ph, query, electrode),
            )
        return unless_known(request, content, HTML)

    @router.get("/formulas/{formula}/band-edges.svg")
    def picture(request: Request, formula: str, ph: _PH = 0.0, query: _QUERY = "") -> Response:
        """Draw the band edges of the surfaces of a formula."""

        def drawn() -> bytes:
            found = _surfaces(reader, formula, query)
            return pictures.band_edges([row for row in found if _has_edges(row)], ph)

        electrode = load_settings().hydrogen_electrode
        with store.reading(request) as reader:
            content = reader.content((page_asked(request), electrode), drawn)
        return pictures.confined(unless_known(request, content, pictures.SVG))

    return router


def _page(
    reader: Reader, request: Request, formula: str, ph: float, query: str, electrode: float
) -> bytes:
    found = _surfaces(reader, formula, query)
    listed = reader.listed(_query(formula, query), Order("surface_energy"))
    hydrogen, oxygen = redox_levels(("H+/H2", "O2/H2O"), ph, electrode).values()
    page = render(
        request,
        "formula.html",
        formula=formula,
        ph=ph,
        query=query,
        rows=[_edges(row, electrode) for row in found if _has_edges(row)],
        without=[row for row in found if not _has_edges(row)],
        number=len(listed.places),
        methods=listed.methods,
        electrode=electrode,
        water={
            "H⁺/H₂": (hydrogen, electrode - hydrogen),
            "O₂/H₂O": (oxygen, electrode - oxygen),
        },
    )
    return bytes(page.body)


def _query(formula: str, query: str) -> str:
    quoted = formula.replace("\\", "\\\\").replace('"', '\\"')
    return f'formula = "{quoted}"' + (f" and ({query})" if query.strip() else "")


def _surfaces(reader: Reader, formula: str, query: str) -> list[SurfaceRow]:
    """Return the surfaces to show.

    Raises
    ------
    DocumentNotFoundError
        When there is none.
    """
    asked = reader.listed(_query(formula, query), Order("surface_energy"))
    if not asked.places:
        raise DocumentNotFoundError(
            f"no result has the formula {formula!r}" + (" and meets the query" if query else ""),
            "the formula of a stored result",
            "look at the list of formulas",
        )
    return reader.rows(asked, SHOWN).results


def _has_edges(row: SurfaceRow) -> bool:
    return row.ionization_potential is not None and row.electron_affinity is not None


def _edges(row: SurfaceRow, electrode: float) -> BandEdges:
    ip, ea = row.ionization_potential or 0.0, row.electron_affinity or 0.0
    # A potential counts downwards from the electrode's level: V = (level of the electrode - level) / e.
    return BandEdges(row, -ip, -ea, electrode + ip, electrode + ea)
