"""What all figures share: colours, atoms as discs, side views of slabs, and how a file is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray

from surfalign.files import make_folder, whole_file

INK = "#1b2430"
FAINT = "#9aa5b1"
BLUE = "#1f6fb4"
PLANAR = "#8fb4d9"
MACROSCOPIC = "#1f4e8c"
VALENCE = "#c8553d"
CONDUCTION = "#2a8f6d"
CATION = "#6c757d"
#: For ``matplotlib.rc_context``.
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "mathtext.default": "regular",
}
#: Width of the drawn part of a side view, angstrom.
SIDE_WIDTH = 14.0


def save(figure: Figure, path: Path, dpi: int = 130) -> Path:
    """Write a figure in one step, make its folder where it is missing, and return the path.

    Raises
    ------
    UnwritableFileError
        When the folder or the file cannot be written.
    """
    make_folder(path.parent)
    with whole_file(path, binary=True) as file:
        figure.savefig(
            file, format=path.suffix[1:], dpi=dpi, bbox_inches="tight", facecolor="white"
        )
    return path


def file_stem(name: str) -> str:
    """Return a surface's name without the characters that file systems and shells dislike."""
    return name.replace("/", "_").replace("(", "-").replace(")", "").replace(",", "_")


def shown_unit(unit: str) -> str:
    """Return a unit as an axis shows it, e.g. ``J/m²``."""
    return unit.replace("^2", "²").replace("^3", "³").replace("angstrom", "Å")


def name_point(axes: Axes, point: tuple[float, float], name: str, *, above: bool) -> None:
    """Write a name beside a point, away from the diagonal of a parity plot.

    Parameters
    ----------
    axes
        Where.
    point
        Its two values, in the units of the axes.
    name
        What it is.
    above
        To the upper left; otherwise to the lower right.
    """
    side: dict[str, Any] = (
        {"xytext": (-7, 4), "ha": "right", "va": "bottom"}
        if above
        else {"xytext": (7, -4), "ha": "left", "va": "top"}
    )
    axes.annotate(name, point, textcoords="offset points", fontsize=8, color=INK, **side)


def draw_discs(
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    radii: NDArray[np.float64],
    colours: NDArray[np.float64],
) -> None:
    """Draw atoms in the given order.

    Parameters
    ----------
    axes
        Where.
    x, y, radii
        Centres and radii, angstrom, (n_discs,).
    colours
        Red, green, blue (and alpha) of each, (n_discs, 3 or 4).
    """
    discs = [Circle((float(a), float(b)), float(r)) for a, b, r in zip(x, y, radii, strict=True)]
    axes.add_collection(
        PatchCollection(discs, facecolors=colours, edgecolors=INK, linewidths=0.4, zorder=2)
    )


def repeated(
    x: NDArray[np.float64], period: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Repeat atoms sideways over the width of a side view.

    Parameters
    ----------
    x
        Sideways positions, angstrom, (n_atoms,).
    period
        Of the slab in this direction, angstrom.

    Returns
    -------
    positions, atoms
        Of the discs: where (angstrom) and of which atom, (n_discs,).
    """
    copies = np.arange(-1, int(np.ceil(SIDE_WIDTH / period)) + 2) * period
    positions = (x[:, None] + copies[None, :]).ravel()
    shown = (positions > -0.5) & (positions < SIDE_WIDTH + 0.5)
    return positions[shown], np.repeat(np.arange(len(x)), len(copies))[shown]


def side_axes(axes: Axes, low: float, high: float) -> None:
    """Prepare axes for a side view between two heights (angstrom): equal scales, no ticks sideways."""
    axes.set_xlim(-1.2, SIDE_WIDTH + 1.2)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    axes.set_xticks([])
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
