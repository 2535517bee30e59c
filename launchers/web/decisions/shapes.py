"""The page of a crystal's equilibrium shape, with what is missing from it, and its faces in oxygen gas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from surfalign.crystals.library import find_entry
from surfalign.crystals.sources import library_crystal, make_crystal
from surfalign.errors import DocumentNotFoundError, ShapeError
from surfalign.launchers.figures.phases import phases_figure
from surfalign.launchers.figures.shapes import COLOURS, shape_figure
from surfalign.launchers.web.access import Reader, Store
from surfalign.launchers.web.answers import unless_known
from surfalign.launchers.web.decisions.choices import Flagged, Mixed, WhereText, answered
from surfalign.launchers.web.pages import pictures
from surfalign.launchers.web.pages.rendering import render
from surfalign.physics.lattice.orientations import (
    MillerIndex,
    canonical_miller_index,
    format_miller_index,
)
from surfalign.settings import load_settings
from surfalign.stores.documents import ResultState
from surfalign.stores.query import results
from surfalign.stores.shapes.oxygen_phases import OxygenPhases, oxygen_phases
from surfalign.stores.shapes.selection import Selection, select
from surfalign.stores.shapes.shape import ROOM_TEMPERATURE, CrystalShape, crystal_shape

if TYPE_CHECKING:
    from surfalign.crystals.crystal import Crystal
    from surfalign.stores.database import Database
    from surfalign.stores.query.language import Filter

#: Largest Miller index of the orientations that are looked for: their number grows with its cube.
LARGEST_INDEX = 2


@dataclass(frozen=True)
class Choice:
    """Which results a shape is made of."""

    query: str = ""
    flagged: bool = False
    mixed: bool = False
    max_index: int = 1
    temperature: float = ROOM_TEMPERATURE


def choice(
    query: WhereText = "",
    flagged: Flagged = False,
    mixed: Mixed = False,
    max_index: Annotated[int, Query(ge=1, le=LARGEST_INDEX)] = 1,
    temperature: Annotated[
        float, Query(ge=0, le=10_000, description="Of the weights of terminations, K")
    ] = ROOM_TEMPERATURE,
) -> Choice:
    """Return what the address of a request asks for."""
    return Choice(query, flagged, mixed, max_index, temperature)


Chosen = Annotated[Choice, Depends(choice)]
#: Miller indices as the page writes them.
Index = Annotated[str, Query(pattern=r"^-?\d{1,2}(,-?\d{1,2}){2}$", max_length=11)]


@dataclass(frozen=True)
class CrystalRow:
    """A crystal with stored results.

    Attributes
    ----------
    name
        By which its shape is asked for: of the library, or the identifier of one of its results.
    formula, space_group, source
        Which crystal.
    passed, flagged
        How many results with a surface energy.
    """

    name: str
    formula: str
    space_group: str
    source: str
    passed: int
    flagged: int


def routes(store: Store) -> APIRouter:
    """Return the list of crystals, the page of a shape, and its pictures."""
    router = APIRouter()

    @router.get("/shapes")
    def crystals(request: Request) -> Response:
        """List the crystals whose surfaces are stored."""
        with store.reading(request) as reader:
            rows = reader.derived("crystals with surface energies", crystal_rows)
        return render(request, "shapes.html", rows=rows)

    @router.get("/shapes/{name}")
    def page(request: Request, name: str, chosen: Chosen) -> Response:
        """Show the equilibrium shape of a crystal."""

        def answer() -> dict[str, Any]:
            with store.reading(request) as reader:
                found = selection(reader, name, chosen)
            return shown(found, chosen)

        return answered(
            request,
            "shape.html",
            answer,
            name=name,
            chosen=chosen,
            largest_index=LARGEST_INDEX,
            index_text=format_miller_index,
        )

    @router.get("/shapes/{name}/shape.svg")
    def picture(request: Request, name: str, chosen: Chosen) -> Response:
        """Draw the equilibrium shape of a crystal."""
        with store.reading(request) as reader:
            found = selection(reader, name, chosen)
        made = shape_of(found, chosen)
        drawn = pictures.drawn(lambda: shape_figure(made))
        return pictures.confined(unless_known(request, drawn, pictures.SVG))

    @router.get("/shapes/{name}/oxygen.svg")
    def phases(request: Request, name: str, hkl: Index, chosen: Chosen) -> Response:
        """Draw the terminations of one orientation against the chemical potential of oxygen."""
        with store.reading(request) as reader:
            found = selection(reader, name, chosen)
        made = {_joined(one.miller_index): one for one in phases_of(found)}.get(hkl)
        if made is None:
            raise DocumentNotFoundError(
                f"no result of the orientation {hkl} has more or less oxygen than the crystal",
                "an orientation of the page",
                "compute reduced and oxidised slabs: surfalign run ... --oxygen",
            )
        drawn = pictures.drawn(lambda: phases_figure(made))
        return pictures.confined(unless_known(request, drawn, pictures.SVG))

    return router


def crystal_rows(summaries: Iterable[Mapping[str, Any]]) -> list[CrystalRow]:
    """Return the crystals of results with a surface energy, in the order of their formulas."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for one in summaries:
        if one.get("surface_energy") is not None and one.get("bulk_cell"):
            key = (one["formula"], one.get("space_group_symbol") or "", one.get("source") or "")
            groups.setdefault(key, []).append(one)
    rows = []
    for (formula, space_group, source), found in sorted(groups.items()):
        entry = source.removeprefix("library:") if source.startswith("library:") else ""
        known = find_entry(entry) if entry else None
        states = [one["state"] for one in found]
        rows.append(
            CrystalRow(
                name=known.name if known else min(one["identifier"] for one in found),
                formula=formula,
                space_group=space_group,
                source=source,
                passed=states.count(ResultState.PASSED.value),
                flagged=states.count(ResultState.FLAGGED.value),
            )
        )
    return rows


def selection(reader: Reader, name: str, chosen: Choice) -> Selection:
    """Return the results of a crystal that a request may see; they are noted as served.

    Parameters
    ----------
    reader
        Of the request.
    name
        Of the library, or the identifier of a result. Never a path or an address.
    chosen
        Which results count.

    Raises
    ------
    SurfalignError
        No crystal or no result; or several methods. As :func:`~surfalign.stores.shapes.selection.select`.
    """
    found = reader.made(selected, name, chosen, queries=[chosen.query])
    reader.note(document.identifier for document in found.documents)
    return found


def selected(database: Database, name: str, chosen: Choice, *, within: Filter) -> Selection:
    """Return the results of a crystal that may be seen; see :func:`selection`."""
    crystal = _crystal(database, name, within)
    return select(
        database, crystal, chosen.query, flagged=chosen.flagged, mixed=chosen.mixed, within=within
    )


def _crystal(database: Database, name: str, within: Filter) -> Crystal:
    """Return a crystal of the library, or that of a result that may be seen."""
    entry = find_entry(name)
    if entry is not None:
        return library_crystal(entry)
    document = results.get(database, name, within=within)
    if document.bulk_structure is None:
        raise DocumentNotFoundError(
            f"{document.identifier} holds no crystal",
            "a result with its bulk cell",
            "choose another",
        )
    return make_crystal(document.bulk_structure, source=document.source)


def shape_of(found: Selection, chosen: Choice) -> CrystalShape:
    """Return the shape; errors as of :func:`~surfalign.stores.shapes.shape.crystal_shape`."""
    return crystal_shape(found, max_index=chosen.max_index, temperature=chosen.temperature)


def phases_of(found: Selection) -> list[OxygenPhases]:
    """Return the diagram of each orientation of which a slab has more or less oxygen than the crystal."""
    indices = {
        canonical_miller_index(found.crystal, document.miller_index)
        for document in found.documents
        if document.excess_oxygen and document.miller_index
    }
    correction = load_settings().oxygen_correction
    return [oxygen_phases(found, index, correction=correction) for index in sorted(indices)]


def shown(found: Selection, chosen: Choice) -> dict[str, Any]:
    """Return what the page shows: a shape that does not close leaves the faces in oxygen."""
    made, open_shape = None, None
    try:
        made = shape_of(found, chosen)
    except ShapeError as error:
        open_shape = error
    return {
        "found": found,
        "made": made,
        "open_shape": open_shape,
        "missing": [] if made is None else [m for m in made.missing if m.orientation.nonpolar],
        "polar": [] if made is None else [m for m in made.missing if not m.orientation.nonpolar],
        "flagged": [d.surface_name for d in found.documents if d.state is ResultState.FLAGGED],
        "body": None if made is None else body(made),
        "phases": {_joined(one.miller_index): one for one in phases_of(found)},
    }


def body(made: CrystalShape) -> list[dict[str, Any]]:
    """Return the faces for the browser, those of one orientation together, the largest share first.

    Returns
    -------
    list
        For each orientation ``name``, ``colour`` and ``faces``: of each the corners in order, shape
        (n_corners, 3), in units of the largest distance from the centre.
    """
    shares = {i: share for i, share in made.shape.area_fractions.items() if share > 0}
    reach = max(float(np.linalg.norm(face.vertices, axis=1).max()) for face in made.shape.faces)
    return [
        {
            "name": f"{format_miller_index(index)} {100 * shares[index]:.0f} %",
            "label": format_miller_index(index),
            "colour": COLOURS[place % len(COLOURS)],
            "faces": [
                np.round(face.vertices / reach, 4).tolist()
                for face in made.shape.faces
                if face.miller_index == index
            ],
        }
        for place, index in enumerate(sorted(shares, key=lambda index: -shares[index]))
    ]


def _joined(index: MillerIndex) -> str:
    return ",".join(map(str, index))
