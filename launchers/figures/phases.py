"""Pictures of the terminations of a face in oxygen gas."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from surfalign.launchers.figures.shapes import COLOURS
from surfalign.launchers.figures.style import FAINT, INK, STYLE, save
from surfalign.physics.phases.chemical_potential import oxygen_chemical_potential
from surfalign.stores.documents import ResultState
from surfalign.stores.shapes.oxygen_phases import OxygenPhases

#: Pressures whose temperature scales are drawn (bar), with what one calls them.
PRESSURES = ((1e-13, r"10$^{-13}$ bar"), (1e-6, r"10$^{-6}$ bar"), (0.21, "air"))
_TEMPERATURES = (300, 500, 700, 900, 1200, 1500, 2000)


def save_phases(made: OxygenPhases, directory: Path) -> Path:
    """Draw surface energy and IP against the chemical potential into a folder; return the file."""
    index = "".join(map(str, made.miller_index))
    with mpl.rc_context(STYLE):
        name = f"{made.selection.crystal.formula}-{index}-oxygen.png"
        return save(phases_figure(made), directory / name, dpi=180)


def phases_figure(made: OxygenPhases) -> Figure:
    """Draw the surface energies, the IP of the stable surface below, and scales of temperature."""
    figure = Figure(figsize=(6.8, 6.6))
    energies, levels, scales = figure.subplots(
        3, 1, sharex=True, gridspec_kw={"height_ratios": (3, 1.7, 0.9), "hspace": 0.08}
    )
    low, high = made.ranges[0].low, made.ranges[-1].high
    _draw_energies(energies, made, low, high)
    _draw_levels(levels, made)
    for found in made.ranges[1:]:
        for axes in (energies, levels):
            axes.axvline(found.low, color=FAINT, lw=0.8, ls=(0, (3, 3)), zorder=0)
    _draw_scales(scales, low, high)
    levels.tick_params(labelbottom=False)
    scales.set_xlabel(r"chemical potential of oxygen against ½ O$_2$ (eV)")
    energies.set_xlim(low, high)
    formula = re.sub(r"(\d+)", r"$_{\1}$", made.selection.crystal.formula)
    face = "".join(rf"$\overline{{{-i}}}$" if i < 0 else str(i) for i in made.miller_index)
    methods = made.selection.methods
    method = methods[0] if len(methods) == 1 else f"{len(methods)} methods, mixed"
    energies.set_title(f"{formula} ({face}) in oxygen gas, {method}", loc="left", fontsize=11)
    return figure


def _draw_energies(axes: Axes, made: OxygenPhases, low: float, high: float) -> None:
    ends = np.array([low, high])
    stable = {found.number for found in made.ranges}
    for number, (document, line) in enumerate(zip(made.documents, made.lines, strict=True)):
        label = document.surface_name.partition(")-")[2] or document.surface_name
        label += " (a check failed)" if document.state is ResultState.FLAGGED else ""
        axes.plot(
            ends,
            [line.at(end) for end in ends],
            color=COLOURS[number % len(COLOURS)],
            lw=2.0 if number in stable else 1.2,
            ls="-" if number in stable else (0, (5, 2)),
            label=label,
        )
    edges = [found.low for found in made.ranges] + [high]
    lowest = [min(line.at(edge) for line in made.lines) for edge in edges]
    top = max(line.at(0.5 * (low + high)) for line in made.lines)
    bottom, top = min(0.0, *lowest) - 0.1, max(top, max(lowest) * 1.2) + 0.2
    axes.set_ylim(bottom, top + 0.12 * (top - bottom))  # the legend stands above the lines
    if min(lowest) < 0:
        axes.axhspan(axes.get_ylim()[0], 0, color=FAINT, alpha=0.25, lw=0)
        axes.text(high, axes.get_ylim()[0], "the crystal is not stable ", ha="right", va="bottom",
                  fontsize=8)  # fmt: skip
    axes.set_ylabel("surface energy (J/m²)")
    axes.legend(
        fontsize=8.5,
        loc="upper right",
        ncols=1,
        framealpha=0.85,
        edgecolor="white",
    )


def _draw_levels(axes: Axes, made: OxygenPhases) -> None:
    shown = []
    for found in made.ranges:
        potential = made.documents[found.number].ionization_potential
        if potential is not None:
            colour = COLOURS[found.number % len(COLOURS)]
            axes.plot([found.low, found.high], [potential] * 2, color=colour, lw=3)
            axes.text(0.5 * (found.low + found.high), potential, f"{potential:.2f}", ha="center",
                      va="bottom", fontsize=9)  # fmt: skip
            shown.append(potential)
    if shown:
        axes.set_ylim(min(shown) - 0.4, max(shown) + 0.6)
    axes.set_ylabel("IP of the\nstable one (eV)")


def _draw_scales(axes: Axes, low: float, high: float) -> None:
    """Draw a line for each pressure, with the temperatures (K) along it."""
    for row, (pressure, name) in enumerate(PRESSURES):
        height = len(PRESSURES) - row
        places = [(t, oxygen_chemical_potential(t, pressure)) for t in _TEMPERATURES]
        shown = [(t, place) for t, place in places if low < place < high]
        if not shown:
            continue
        axes.plot([low, high], [height, height], color=FAINT, lw=0.8)
        for temperature, place in shown:
            axes.plot([place, place], [height - 0.12, height + 0.12], color=INK, lw=0.8)
            axes.text(place, height + 0.16, str(temperature), ha="center", va="bottom", fontsize=7)
        axes.text(high, height, f"  K, {name}", ha="left", va="center", fontsize=7.5)
    axes.set_ylim(0.5, len(PRESSURES) + 0.9)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
