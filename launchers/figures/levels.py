"""Pictures of results: the potential of a slab with its levels, and band edges against vacuum."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from surfalign.launchers.figures.style import (
    CATION,
    CONDUCTION,
    FAINT,
    INK,
    MACROSCOPIC,
    PLANAR,
    STYLE,
    VALENCE,
    save,
)
from surfalign.physics.levels.potential import slab_regions
from surfalign.physics.levels.redox import HYDROGEN_ELECTRODE, redox_levels
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.query.rows import SurfaceRow


def save_figures(documents: Sequence[SurfaceLevelsDocument], directory: Path) -> list[Path]:
    """Draw every result that has numbers, and one diagram of all; return the files written.

    Parameters
    ----------
    documents
        Results; failed ones are left out.
    directory
        Made where it does not exist.
    """
    drawn = [document for document in documents if document.ionization_potential is not None]
    paths = []
    with mpl.rc_context(STYLE):
        for document in drawn:
            if document.potential is not None:
                path = directory / f"{document.identifier}-potential.png"
                paths.append(save(potential_figure(document), path, dpi=180))
        if drawn:
            paths.append(save(band_edge_diagram(drawn), directory / "band-edges.png", dpi=180))
    return paths


def surface_label(document: SurfaceLevelsDocument | SurfaceRow) -> str:
    """Formula and Miller index as they are written, e.g. TiO$_2$ (110)."""
    index = "".join(
        rf"$\overline{{{-i}}}$" if i < 0 else str(i) for i in document.miller_index or ()
    )
    formula = re.sub(r"(\d+)", r"$_{\1}$", document.formula)
    return f"{formula} ({index})" if index else formula


def couple_label(name: str) -> str:
    """Redox couple as it is written, e.g. H$^{+}$/H$_{2}$."""
    charged = re.sub(r"([+-])(?=/|$)", r"$^{\1}$", name)
    return re.sub(r"(?<=[A-Za-z])(\d+)", r"$_{\1}$", charged)


def potential_figure(document: SurfaceLevelsDocument) -> Figure:
    """Draw the potential along the normal and the band edges of the slab's inside.

    Energies are in eV against the vacuum level; the slab is shown from below its lower face to above
    its upper face, whatever its place in the cell.
    """
    profile, slab = document.potential, document.slab_structure
    if profile is None or slab is None or document.ionization_potential is None:
        raise ValueError("a result without a potential cannot be drawn; recompute it with --force")
    period = profile.positions[1] * len(profile.positions)
    atom_heights = slab.frac_coords[:, 2] * period
    regions = slab_regions(atom_heights, period)
    start = regions.bottom - regions.vacuum_thickness / 2
    order = np.argsort(np.mod(np.array(profile.positions) - start, period))
    heights = np.mod(np.array(profile.positions) - start, period)[order]
    bottom, top = regions.bottom - start, regions.top - start

    figure = Figure(figsize=(7.2, 4.4))
    axes = figure.add_subplot()
    for values, colour, width, name in (
        (profile.planar_average, PLANAR, 1.2, "planar average"),
        (profile.macroscopic_average, MACROSCOPIC, 2.0, "macroscopic average"),
    ):
        axes.plot(heights, np.array(values)[order], color=colour, lw=width, label=name)
    axes.legend(loc="lower right", bbox_to_anchor=(1.01, 1.0), ncols=2, frameon=False, fontsize=8)
    axes.axhline(0, color=INK, lw=0.8, ls=(0, (4, 3)))
    low = float(np.min(profile.planar_average))
    axes.set_ylim(low - 0.16 * abs(low), max(2.0, 0.14 * abs(low)))
    axes.set_xlim(0, period)
    _draw_levels(axes, document, bottom, top)
    _draw_atoms(axes, slab, np.mod(atom_heights - start, period))
    axes.text(period, 0.2, "vacuum level", ha="right", va="bottom", fontsize=9)
    axes.set_xlabel("height along the surface normal (Å)")
    axes.set_ylabel("energy against the vacuum level (eV)")
    axes.set_title(
        f"{surface_label(document)}, {_method(document)}", loc="left", fontsize=11, pad=20
    )
    return figure


def _draw_levels(axes: Axes, document: SurfaceLevelsDocument, bottom: float, top: float) -> None:
    ip, ea = document.ionization_potential, document.electron_affinity
    if ip is None or ea is None:
        return
    floor = axes.get_ylim()[0]
    ceiling = max(-ea, 0.0) + 1.2
    axes.set_ylim(floor, max(axes.get_ylim()[1], ceiling))
    axes.fill_between([bottom, top], floor, -ip, color=VALENCE, alpha=0.10, lw=0)
    axes.fill_between([bottom, top], -ea, axes.get_ylim()[1], color=CONDUCTION, alpha=0.10, lw=0)
    width = top - bottom
    for level, colour, name, place in (
        (-ip, VALENCE, f"IP = {ip:.2f} eV", bottom + 0.30 * width),
        (-ea, CONDUCTION, f"EA = {ea:.2f} eV", bottom + 0.70 * width),
    ):
        axes.plot([bottom, top], [level, level], color=colour, lw=2, solid_capstyle="butt")
        axes.annotate(
            "",
            (place, level),
            (place, 0),
            arrowprops={
                "arrowstyle": "<->",
                "color": colour,
                "lw": 1.2,
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )
        inside = level < 0 and abs(level) > 1.5
        axes.text(
            place + 0.25,
            level / 2 if inside else level + (0.25 if level >= 0 else -0.3),
            name,
            color=colour,
            va="center" if inside else ("bottom" if level >= 0 else "top"),
            fontweight="bold",
            bbox={"facecolor": "white", "alpha": 0.9, "lw": 0, "pad": 1.5},
        )


def _draw_atoms(axes: Axes, slab: Any, heights: np.ndarray) -> None:
    """Mark the atomic planes along the lower edge: cations in one row, oxygen in another."""
    floor, ceiling = axes.get_ylim()
    oxygen = np.array([site.specie.symbol == "O" for site in slab])
    for row, chosen, colour in ((0.075, ~oxygen, CATION), (0.035, oxygen, VALENCE)):
        level = floor + row * (ceiling - floor)
        places = heights[chosen]
        axes.scatter(places, np.full(places.size, level), s=26, color=colour, zorder=3, lw=0)
        name = " ".join(sorted({slab[i].specie.symbol for i in np.flatnonzero(chosen)}))
        right = float(heights.max()) + 0.35
        axes.text(right, level, name, color=colour, fontsize=8, va="center")


def _method(document: SurfaceLevelsDocument) -> str:
    fraction = document.exchange_fraction
    functional = document.functional.upper()
    if document.functional.startswith("ddh") and fraction is not None:
        functional += f" (α = {fraction:.2g})"
    return f"{functional}, {document.quality}" + ("" if document.relaxed else ", unrelaxed")


def band_edge_diagram(
    documents: Sequence[SurfaceLevelsDocument | SurfaceRow],
    ph: float = 0.0,
    hydrogen_electrode: float = HYDROGEN_ELECTRODE,
) -> Figure:
    """Draw VBM and CBM of all results against vacuum, with the redox levels of water.

    Parameters
    ----------
    documents
        Results with numbers; flagged ones are drawn hatched.
    ph
        pH of the water levels.
    hydrogen_electrode
        Standard hydrogen electrode against vacuum, eV.
    """
    figure = Figure(figsize=(max(4.2, 1.6 + 0.95 * len(documents)), 4.6))
    axes = figure.add_subplot()
    ips = [float(d.ionization_potential or 0) for d in documents]
    eas = [float(d.electron_affinity or 0) for d in documents]
    bottom = -max(ips) - 1.5
    top = max(0.0, -min(eas)) + 1.5
    for place, (document, ip, ea) in enumerate(zip(documents, ips, eas, strict=True)):
        hatch = "///" if document.failed_checks else None
        axes.bar(place, -ip - bottom, 0.62, bottom, color=VALENCE, alpha=0.85, hatch=hatch)
        axes.bar(place, top + ea, 0.62, -ea, color=CONDUCTION, alpha=0.75, hatch=hatch)
        for level, colour, away, side in (
            (-ip, VALENCE, -0.2, "top"),
            (-ea, CONDUCTION, 0.2, "bottom"),
        ):
            axes.text(
                place, level + away, f"{level:.2f}", ha="center", va=side, color="white", fontsize=9,
                bbox={"facecolor": colour, "lw": 0, "pad": 1.5},
            )  # fmt: skip
        axes.text(
            place,
            (-ip - ea) / 2,
            f"gap {ip - ea:.2f}",
            ha="center",
            va="center",
            fontsize=8,
            color=FAINT,
        )
    right = len(documents) - 0.42
    for name, level in redox_levels(("H+/H2", "O2/H2O"), ph, hydrogen_electrode).items():
        axes.axhline(level, color=INK, lw=0.9, ls=(0, (5, 3)))
        axes.text(right + 0.06, level, couple_label(name), va="center", fontsize=9, clip_on=False)
    axes.axhline(0, color=FAINT, lw=0.8)
    axes.text(right + 0.06, 0, "vacuum", va="center", fontsize=9, color=FAINT, clip_on=False)
    several = len({d.functional for d in documents}) > 1
    names = [surface_label(d) + (f"\n{d.functional}" if several else "") for d in documents]
    axes.set_xticks(range(len(documents)), names)
    if len(documents) > 4:
        axes.tick_params(axis="x", rotation=35)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
    axes.set_xlim(-0.6, right)
    axes.set_ylim(bottom, top)
    axes.set_ylabel("energy against the vacuum level (eV)")
    axes.set_title(f"Band edges; water at pH {ph:g}", loc="left", fontsize=11)
    if any(d.failed_checks for d in documents):
        note: dict[str, Any] = {
            "transform": axes.transAxes,
            "ha": "right",
            "va": "bottom",
            "fontsize": 8,
        }
        axes.text(1.0, 1.01, "hatched: a check failed", **note)
    return figure
