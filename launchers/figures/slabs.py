"""Pictures of slabs: seen along both in-plane vectors and from above, atoms as discs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from surfalign.launchers.figures.style import (
    FAINT,
    INK,
    draw_discs,
    file_stem,
    repeated,
    save,
    side_axes,
)
from surfalign.physics.slabs.enumeration import SurfaceSlab

#: Discs are drawn at this fraction of the covalent radius, so that bonds' directions show.
_SIZE = 0.75


def save_side_views(surfaces: list[SurfaceSlab], directory: Path) -> list[Path]:
    """Draw each slab into one file of the directory; return the paths.

    Parameters
    ----------
    surfaces
        Slabs.
    directory
        Made where it does not exist.
    """
    return [
        save(
            side_view_figure(surface),
            directory / f"{file_stem(surface.name)}-{surface.identifier[:8]}.png",
        )
        for surface in surfaces
    ]


def side_view_figure(surface: SurfaceSlab) -> Figure:
    """Return a matplotlib figure: views along a and b, and of the upper face."""
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    axes = figure.subplots(1, 3)
    a, b = surface.in_plane
    _side_view(axes[0], surface, along=a, across=b, label="seen along a")
    _side_view(axes[1], surface, along=b, across=a, label="seen along b")
    _top_view(axes[2], surface)
    figure.suptitle(
        f"{surface.name}   {surface.n_atoms} atoms, {surface.slab_thickness:.1f} Å, "
        f"{surface.area:.1f} Å²",
        color=INK,
        fontsize=12,
    )
    _legend(figure, surface)
    return figure


def _side_view(
    axes: Axes,
    surface: SurfaceSlab,
    along: NDArray[np.float64],
    across: NDArray[np.float64],
    label: str,
) -> None:
    """Draw the slab seen along one in-plane vector, with bulk planes faint in the middle."""
    direction = along / np.linalg.norm(along)
    sideways = np.array([-direction[1], direction[0]])
    period = abs(float(across @ sideways))
    horizontal = surface.positions[:, :2] @ sideways
    depth = surface.positions[:, :2] @ direction
    x, atoms = repeated(horizontal, period)
    order = np.argsort(depth[atoms], kind="stable")
    atoms = atoms[order]
    _discs(axes, x[order], surface.positions[atoms, 2], surface.numbers[atoms])
    half = 0.5 * surface.slab_thickness
    for face in (-half, half):
        axes.axhline(face, color=FAINT, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
    axes.plot([0, period], [-half - 2.2] * 2, color=INK, linewidth=1.4, solid_capstyle="butt")
    axes.text(0.5 * period, -half - 2.6, f"{period:.2f} Å", ha="center", va="top", fontsize=7)
    side_axes(axes, -half - 4.2, half + 2.5)
    axes.set_ylabel("height (Å)", color=INK)
    axes.set_title(label, fontsize=9, color=INK)


def _top_view(axes: Axes, surface: SurfaceSlab) -> None:
    """Draw the outermost 4 angstrom of the upper face, and the in-plane cell."""
    a, b = surface.in_plane
    near = surface.positions[:, 2] > 0.5 * surface.slab_thickness - 4.0
    positions, numbers = surface.positions[near], surface.numbers[near]
    order = np.argsort(positions[:, 2], kind="stable")
    positions, numbers = positions[order], numbers[order]
    steps = np.array([[i, j] for i in range(-1, 3) for j in range(-1, 3)]) @ surface.in_plane
    x = (positions[:, None, 0] + steps[None, :, 0]).ravel()
    y = (positions[:, None, 1] + steps[None, :, 1]).ravel()
    top = 0.5 * surface.slab_thickness
    fade = np.clip((top - positions[:, 2]) / 4.0, 0.0, 0.75)
    _discs(axes, x, y, np.repeat(numbers, len(steps)), np.repeat(fade, len(steps)))
    corners = np.array([[0, 0], a, a + b, b, [0, 0]])
    axes.plot(*corners.T, color=INK, linewidth=1.2, zorder=10)
    low, high = corners.min(axis=0) - 1.5, corners.max(axis=0) + 1.5
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title("upper face", fontsize=9, color=INK)


def _discs(
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    numbers: NDArray[np.int64],
    fade: NDArray[np.float64] | None = None,
) -> None:
    """Draw atoms in the given order; ``fade`` mixes their colours with white."""
    colours = np.array(jmol_colors[numbers])
    if fade is not None:
        colours = colours + (1.0 - colours) * fade[:, None]
    draw_discs(axes, x, y, _SIZE * covalent_radii[numbers], colours)


def _legend(figure: Figure, surface: SurfaceSlab) -> None:
    handles = [
        Line2D(
            [], [], marker="o", linestyle="", markersize=8, markeredgecolor=INK,
            markeredgewidth=0.4, markerfacecolor=jmol_colors[z], label=chemical_symbols[z],
        )
        for z in surface.crystal.elements
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower right", ncols=len(handles), frameon=False)
