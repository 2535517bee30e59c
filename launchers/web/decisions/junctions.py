"""The page of junctions: the bands of two surfaces on one vacuum level, and the best partners of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from surfalign.errors import DocumentNotFoundError
from surfalign.launchers.figures.junctions import PARTNERS, band_edges_figure, best_partners
from surfalign.launchers.web.access import Reader, Store
from surfalign.launchers.web.answers import unless_known
from surfalign.launchers.web.decisions.choices import Flagged, Mixed, Text, WhereText, answered
from surfalign.launchers.web.pages import pictures
from surfalign.physics.contacts.anderson import RULE_ERROR, JunctionType
from surfalign.stores.contacts.junction_records import junction_record, partner_records
from surfalign.stores.contacts.refusals import check_methods, require_partners
from surfalign.stores.contacts.surfaces import (
    ContactSurfaces,
    find_surface,
    no_surfaces,
    stored_surfaces,
)

if TYPE_CHECKING:
    from surfalign.stores.database import Database
    from surfalign.stores.query.language import Filter

#: Partners of a page.
SHOWN = 40
TYPES = {
    "I": "straddling: electrons and holes gather on one side",
    "II": "staggered: electrons and holes part",
    "III": "broken gap: electrons pass from valence to conduction band",
}


@dataclass(frozen=True)
class Choice:
    """Which surfaces are joined; without a second one, the best partners of the first are looked for."""

    first: str = ""
    second: str = ""
    type: str = "II"
    query: str = ""
    flagged: bool = False
    mixed: bool = False


def choice(
    first: Text = "",
    second: Text = "",
    type: Annotated[Literal["I", "II", "III"], Query(description="Of the partners")] = "II",
    query: WhereText = "",
    flagged: Flagged = False,
    mixed: Mixed = False,
) -> Choice:
    """Return what the address of a request asks for."""
    return Choice(first.strip(), second.strip(), type, query, flagged, mixed)


Chosen = Annotated[Choice, Depends(choice)]


@dataclass(frozen=True)
class Joined:
    """Junctions with what a picture of them needs.

    Attributes
    ----------
    records
        The junctions, the most probably of the wanted type first; energies in eV.
    number
        How many there are, those that are not kept included.
    drawn
        The first surface, and the first of its partners.
    methods
        Of the levels.
    """

    records: list[dict[str, Any]]
    number: int
    drawn: ContactSurfaces
    methods: list[str]


def routes(store: Store) -> APIRouter:
    """Return the page of junctions and its picture."""
    router = APIRouter()

    @router.get("/junctions")
    def page(request: Request, chosen: Chosen) -> Response:
        """Show the junction of two surfaces, or the best partners of one."""

        def answer() -> dict[str, Any]:
            with store.reading(request) as reader:
                return {"made": junctions(reader, chosen)}

        return answered(
            request,
            "junctions.html",
            answer if chosen.first or chosen.second else dict,
            chosen=chosen,
            types=TYPES,
            rule_error=RULE_ERROR,
            drawn=PARTNERS,
        )

    @router.get("/junctions/band-edges.svg")
    def picture(request: Request, chosen: Chosen) -> Response:
        """Draw the band edges of a surface and its partners."""
        with store.reading(request) as reader:
            made = junctions(reader, chosen)
        records = made.records[: len(made.drawn) - 1]
        drawn = pictures.drawn(lambda: band_edges_figure(made.drawn, records))
        return pictures.confined(unless_known(request, drawn, pictures.SVG))

    return router


def junctions(reader: Reader, chosen: Choice, most: int = SHOWN) -> Joined:
    """Return the junctions that are asked for, of surfaces that a request may see; they are noted as served.

    Raises
    ------
    SurfalignError
        No such surface, one that cannot be used, one with itself, or levels of several methods.
    """
    made = reader.made(joined, chosen, most, queries=[chosen.query])
    reader.note(made.drawn.surfaces[0].identifier for _ in made.records[:1])
    reader.note(record["second"]["identifier"] for record in made.records)
    return made


def joined(database: Database, chosen: Choice, most: int, *, within: Filter) -> Joined:
    """Return the junctions of surfaces that may be seen; see :func:`junctions`."""

    def side(text: str) -> ContactSurfaces:
        if not text:
            raise DocumentNotFoundError(
                "one side of the junction is empty", "a surface", "name the first surface, at least"
            )
        return find_surface(database, text, no_surfaces(), flagged=chosen.flagged, within=within)

    own = side(chosen.first)
    if chosen.second:
        other = side(chosen.second)
        records = [junction_record(own, other, RULE_ERROR)]
        listed = own.joined(other)
        check_methods(listed, mixed=chosen.mixed)
    else:
        listed = own.joined(
            stored_surfaces(database, chosen.query, flagged=chosen.flagged, within=within)
        )
        check_methods(listed, mixed=chosen.mixed)
        require_partners(listed)
        wanted = JunctionType(list(TYPES).index(chosen.type) + 1)
        records = partner_records(listed, 0, RULE_ERROR, wanted, most)
    drawn, _ = best_partners(listed, records)
    return Joined(records, len(listed) - 1, drawn, listed.methods)
