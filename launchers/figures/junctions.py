"""Pictures of junctions: the band edges of surfaces on one vacuum level, and the types of all pairs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from surfalign.launchers.figures.style import BLUE, CONDUCTION, FAINT, INK, STYLE, VALENCE, save
from surfalign.physics.contacts.anderson import Junctions
from surfalign.stores.contacts.surfaces import ContactSurfaces, names_of

#: Colours of no junction and of the types I, II and III.
TYPE_COLOURS = ("#ffffff", BLUE, CONDUCTION, VALENCE)
TYPE_NAMES = ("", "I, straddling", "II, staggered", "III, broken gap")
#: Partners in one picture of band edges.
PARTNERS = 8
#: Surfaces whose names still fit beside a matrix.
_NAMED = 60


def best_partners(
    surfaces: ContactSurfaces, records: Sequence[dict[str, Any]], most: int = PARTNERS
) -> tuple[ContactSurfaces, list[dict[str, Any]]]:
    """Return the first surface of the best junction and its partners, as many as fit a picture."""
    drawn = list(records[:most])
    first = drawn[0]["first"]["identifier"]
    return surfaces.named([first, *(row["second"]["identifier"] for row in drawn)]), drawn


def save_band_edges(
    surfaces: ContactSurfaces, records: Sequence[dict[str, Any]], path: Path
) -> Path:
    """Draw the edges of a surface and of its partners, with the offsets and the type of each junction.

    Parameters
    ----------
    surfaces
        The first surface, then its partners.
    records
        The junction of each partner with the first surface, in the same order.
    path
        Where.
    """
    with mpl.rc_context(STYLE):
        return save(band_edges_figure(surfaces, records), path, dpi=180)


def band_edges_figure(surfaces: ContactSurfaces, records: Sequence[dict[str, Any]]) -> Figure:
    """Return the picture of :func:`save_band_edges`."""
    n = len(surfaces)
    figure = Figure(figsize=(max(4.6, 1.6 + 1.25 * n), 4.8), layout="constrained")
    axes = figure.add_subplot()
    means = surfaces.levels.means
    errors = np.sqrt(surfaces.levels.covariances[:, (0, 1), (0, 1)])
    bottom, top = -means[:, 0].max() - 1.6, max(-means[:, 1].min(), 0.0) + 1.6
    for place, ((ip, ea), (of_ip, of_ea)) in enumerate(zip(means, errors, strict=True)):
        _bars(axes, place, -ip, -ea, (of_ip, of_ea), (bottom, top))
    axes.axhline(0, color=INK, lw=0.8, ls=(0, (4, 3)))
    axes.text(n - 0.47, 0, "vacuum", va="center", fontsize=8, color=INK, clip_on=False)
    below = ["", *map(_junction_text, records)]
    axes.set_xticks(range(n), [
        _label(s.name, bool(s.remarks), "\n") + text
        for s, text in zip(surfaces.surfaces, below, strict=True)
    ], fontsize=8)  # fmt: skip
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.5, n - 0.5)
    axes.set_ylim(bottom, top)
    axes.set_xlabel("surface; offsets against the first one, by Anderson's rule")
    axes.set_ylabel("energy against the vacuum level (eV)")
    axes.set_title(
        f"Junctions with {_label(surfaces.surfaces[0].name, False)}",
        loc="left", fontsize=11,
    )  # fmt: skip
    return figure


def _bars(
    axes: Axes, place: int, valence: float, conduction: float,
    errors: tuple[float, float], ends: tuple[float, float],
) -> None:  # fmt: skip
    """Draw both bands of one surface, with the errors of their edges."""
    bottom, top = ends
    axes.bar(place, valence - bottom, 0.84, bottom, color=VALENCE, alpha=0.85)
    axes.bar(place, top - conduction, 0.84, conduction, color=CONDUCTION, alpha=0.85)
    axes.errorbar([place - 0.3, place + 0.3], [valence, conduction], errors,
                  fmt="none", ecolor=INK, elinewidth=0.9, capsize=2.5)  # fmt: skip
    for level, side, away in ((valence, "top", -0.1), (conduction, "bottom", 0.1)):
        axes.text(place, level + away, f"{level:.2f}", ha="center", va=side, color="white",
                  fontsize=9, fontweight="bold")  # fmt: skip
    axes.text(place, (valence + conduction) / 2, f"gap {conduction - valence:.2f}", ha="center",
              va="center", fontsize=8, color=FAINT)  # fmt: skip


def _junction_text(record: dict[str, Any]) -> str:
    chance = record["probabilities"][record["type"]]
    return (
        f"\ntype {record['type']} (p = {chance:.2f})\n"
        f"ΔVBM {record['valence_offset']:+.2f} eV\nΔCBM {record['conduction_offset']:+.2f} eV"
    )


def _label(name: str, marked: bool, between: str = "") -> str:
    """Return a surface's name as it is written; the termination after ``between``, else in one line."""
    plane, bracket, termination = name.replace("$", r"\$").partition(")")
    text = re.sub(r"(?<=[A-Za-z])(\d+)", r"$_{\1}$", f"{plane}{bracket}{between}{termination}")
    return f"{text}\n(flagged)" if marked else text


def save_matrix(surfaces: ContactSurfaces, made: Junctions, path: Path) -> Path:
    """Draw the type of all pairs of a set, paler where it is less certain; sorted by IP."""
    order = np.argsort(surfaces.levels.means[:, 0], kind="stable")
    types = made.types[np.ix_(order, order)]
    chances = np.nan_to_num(made.probabilities[np.ix_(order, order)]).max(axis=-1)
    named = len(surfaces) <= _NAMED
    side = 2.6 + (0.24 * len(surfaces) if named else 5.5)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(side + 0.8, side), layout="constrained")
        axes = figure.add_subplot()
        colours = ListedColormap(list(TYPE_COLOURS))(types / 3.0)
        colours[..., 3] = np.where(types > 0, np.clip(chances, 0.15, 1.0), 0.0)
        axes.imshow((colours * 255).astype(np.uint8), interpolation="nearest")
        if named:
            names = names_of(surfaces.surfaces)
            labels = [_label(names[k], False) for k in order]
            axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=7)
            axes.set_yticks(range(len(labels)), labels, fontsize=7)
        axes.set_xlabel("second surface, by increasing IP")
        axes.set_ylabel("first surface, by increasing IP")
        axes.set_title("Types of junctions; paler: less probable", loc="left", fontsize=11)
        patches = [Patch(color=TYPE_COLOURS[k], label=TYPE_NAMES[k]) for k in (1, 2, 3)]
        figure.legend(
            handles=patches, loc="outside lower center", ncols=3, fontsize=8, frameon=False
        )
        return save(figure, path, dpi=180)
