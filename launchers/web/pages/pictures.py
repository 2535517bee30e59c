"""Pictures of pages as SVG, and the atoms of slabs for the view in three dimensions."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from ase.data import covalent_radii
from ase.data.colors import jmol_colors
from starlette.responses import Response

from surfalign.errors import DocumentNotFoundError
from surfalign.launchers.figures.levels import band_edge_diagram, potential_figure
from surfalign.launchers.figures.style import STYLE
from surfalign.settings import load_settings
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.query.rows import SurfaceRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pymatgen.core import Structure

SVG = "image/svg+xml"
#: Most atoms that are shown; a browser turns more of them slowly.
MOST_ATOMS = 2000
#: Matplotlib's settings belong to the whole process.
_DRAWING = threading.Lock()


def band_edges(rows: Sequence[SurfaceRow], ph: float) -> bytes:
    """Draw band edges against vacuum with the levels of water at a pH.

    Raises
    ------
    DocumentNotFoundError
        When no result has band edges.
    """
    if not rows:
        raise DocumentNotFoundError(
            "no surface has band edges", "a result with numbers", "choose another query"
        )
    return drawn(lambda: band_edge_diagram(rows, ph, load_settings().hydrogen_electrode))


def potential(document: SurfaceLevelsDocument) -> bytes:
    """Draw the planar and the macroscopic average of a slab's potential, with its levels.

    Raises
    ------
    DocumentNotFoundError
        When the result holds no potential.
    """
    if not has_potential(document):
        raise DocumentNotFoundError(
            f"{document.identifier} holds no potential", "a result with numbers", "choose another"
        )
    return drawn(lambda: potential_figure(document))


def has_potential(document: SurfaceLevelsDocument) -> bool:
    """Tell whether the potential of a result can be drawn."""
    return None not in (
        document.potential, document.slab_structure, document.ionization_potential
    )  # fmt: skip


def confined(response: Response) -> Response:
    """Give a picture its own policy: it brings its styles, and nothing else."""
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    )
    return response


def drawn(draw: Callable[[], Figure]) -> bytes:
    """Return a figure as SVG; it is drawn in the style of all figures, one at a time."""
    file = io.BytesIO()
    # Without date and random names the same picture has the same bytes, and so the same ETag.
    with _DRAWING, mpl.rc_context(STYLE | {"svg.hashsalt": "surfalign"}):
        draw().savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
    return file.getvalue()


def atoms(structure: Structure | None) -> dict[str, Any] | None:
    """Return the atoms of two by two cells of a slab, by element, for the browser.

    Returns
    -------
    dict or None
        ``elements``: for each its symbol, colour, radius (angstrom) and the coordinates x, y, z (angstrom);
        ``cell``: the corners of the in-plane cell below the slab. None where there is no slab.
    """
    if structure is None:
        return None
    cell = np.asarray(structure.lattice.matrix)
    repeats = (
        [(i, j) for i in (0, 1) for j in (0, 1)] if len(structure) * 4 <= MOST_ATOMS else [(0, 0)]
    )
    shifts = np.array(repeats) @ cell[:2]
    elements: dict[str, dict[str, Any]] = {}
    for site in structure[:MOST_ATOMS]:
        number = site.specie.Z
        symbol = site.specie.symbol
        entry = elements.setdefault(
            symbol,
            {
                "symbol": symbol,
                "colour": mpl.colors.to_hex(jmol_colors[number]),
                "radius": round(float(covalent_radii[number]), 2),
                "places": [],
            },
        )
        entry["places"] += np.round(site.coords + shifts, 3).tolist()
    low = float(structure.cart_coords[:, 2].min())
    a, b = cell[0], cell[1]
    corners = np.array([0 * a, a, a + b, b, 0 * a])
    corners[:, 2] = low
    return {"elements": list(elements.values()), "cell": np.round(corners, 3).tolist()}
