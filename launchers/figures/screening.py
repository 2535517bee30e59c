"""Picture of a screening: band edges as bars, with the levels that they are compared with."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from surfalign.launchers.figures.levels import couple_label
from surfalign.launchers.figures.style import CONDUCTION, FAINT, INK, STYLE, VALENCE, save
from surfalign.physics.levels.redox import COUPLES
from surfalign.stores.screening.evaluation import Screening

#: Surfaces in one picture.
SHOWN = 24


def save_screening_figure(screening: Screening, directory: Path) -> Path:
    """Draw the most probable surfaces of a screening and return the file."""
    with mpl.rc_context(STYLE):
        figure = screening_figure(screening)
    return save(figure, directory / f"{screening.question.rule.name}.png", dpi=180)


def screening_figure(screening: Screening, shown: int = SHOWN) -> Figure:
    """Draw the band edges of the most probable surfaces against vacuum.

    Bars are the bands, whiskers the standard deviations of the edges; above each surface stands the probability
    that it meets the rule, and the paler its bars, the smaller it is. Predicted surfaces are marked by a star,
    hatched is what has a remark: a failed check, or a place outside of the model's domain.
    """
    n = min(shown, len(screening.surfaces))
    figure = Figure(figsize=(max(4.8, 2.2 + 0.52 * n), 5.0))
    axes = figure.add_subplot()
    valence, conduction = -screening.levels[:n, 0], -screening.levels[:n, 1]
    compared = list(screening.question.levels.values())
    spread = screening.deviations[:n]
    bottom = min([*(valence - spread[:, 0]), *compared], default=-8.0) - 0.8
    top = max([*(conduction + spread[:, 1]), *compared, 0.0]) + 0.8
    for place in range(n):
        alpha = 0.25 + 0.65 * float(screening.probabilities[place])
        ends = ((valence[place], bottom, VALENCE, 0), (conduction[place], top, CONDUCTION, 1))
        hatch = "///" if screening.surfaces[place].remarks else None
        for edge, end, colour, level in ends:
            low, high = sorted((edge, end))
            axes.bar(
                place,
                high - low,
                0.68,
                low,
                facecolor=colour,
                alpha=alpha,
                lw=0,
                hatch=hatch,
                edgecolor="white",
            )
            axes.plot([place - 0.34, place + 0.34], [edge, edge], color=colour, lw=2)
            axes.errorbar(
                place, edge, spread[place, level], color=INK, lw=0.9, capsize=2.5, capthick=0.9
            )
        axes.text(
            place, top + 0.1, f"{screening.probabilities[place]:.2f}", ha="center", va="bottom", fontsize=8,
            rotation=90 if n > 16 else 0,
        )  # fmt: skip
    _draw_levels(axes, screening, n, top - bottom)
    axes.axhline(0, color=FAINT, lw=0.8)
    axes.set_xticks(range(n), [_label(screening, place) for place in range(n)], rotation=55)
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("right")
        label.set_rotation_mode("anchor")
        label.set_fontsize(8)
    axes.set_xlim(-0.6, n - 0.4)
    axes.set_ylim(bottom, top)
    axes.set_ylabel("energy against the vacuum level (eV)")
    axes.set_title(_title(screening, shown), loc="left", fontsize=11, pad=32 if n > 16 else 20)
    return figure


def _draw_levels(axes: mpl.axes.Axes, screening: Screening, n: int, height: float) -> None:
    """Draw the levels with their names on the right, moved apart where they meet."""
    named = sorted(screening.question.levels.items(), key=lambda item: item[1])
    places: list[float] = []
    for _, level in named:
        least = places[-1] + 0.045 * height if places else -np.inf
        places.append(max(level, least))
    for (name, level), place in zip(named, places, strict=True):
        axes.axhline(level, color=INK, lw=1.0, ls=(0, (5, 3)))
        label = couple_label(name) if name in COUPLES else name
        axes.text(
            n - 0.32,
            place,
            f"{label}  {level:.2f}".replace("-", "\N{MINUS SIGN}"),
            va="center",
            fontsize=8,
            clip_on=False,
        )


def _label(screening: Screening, place: int) -> str:
    surface = screening.surfaces[place]
    match = re.fullmatch(r"([A-Za-z0-9]+)(\([^)]*\))(.*)", surface.name)
    if match:
        name = re.sub(r"(?<=[A-Za-z])(\d+)", r"$_{\1}$", match[1]) + match[2]
        ending = re.search(r"-(\d+|reduced|oxidised)$", match[3])
        name += f"-{ending[1]}" if ending else ""
    else:
        name = surface.name.replace("$", r"\$")
    return name + ("*" if surface.source == "predicted" else "")


def _title(screening: Screening, shown: int) -> str:
    question = screening.question
    parts = [question.rule.title]
    if question.rule.takes_ph:
        parts.append(f"pH {question.terms.ph or 0:g}")
    if question.shift:
        parts.append(f"edges moved by {question.shift:+g} eV for water")
    if any(surface.source == "predicted" for surface in screening.surfaces):
        parts.append("* predicted")
    if any(surface.remarks for surface in screening.surfaces[:shown]):
        parts.append("hatched: with a remark")
    return ", ".join(parts)
