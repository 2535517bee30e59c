"""Pictures of a learner's errors: predictions against labels, and errors by anion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from surfalign.launchers.figures.style import BLUE, FAINT, INK, VALENCE, save, shown_unit
from surfalign.ml.assessment.metrics import summarise, with_bounds

if TYPE_CHECKING:
    from surfalign.ml.assessment.held_out import HeldOut
    from surfalign.ml.assessment.score import Score

#: Side of a panel, inch.
PANEL = 4.4


def save_parity(found: Sequence[HeldOut], path: Path) -> Path:
    """Draw predictions against labels, one panel for each property; return the path."""
    figure, panels = _panels(found, 1)
    for axes, (name, own) in zip(panels[0], _by_property(found).items(), strict=True):
        _parity(axes, name, own)
    return save(figure, path)


def save_score(result: Score, path: Path) -> Path:
    """Draw predictions against labels, and below them the errors by anion; return the path."""
    figure, panels = _panels(result.found, 2)
    by_anion = result.by_anion()
    for column, (name, own) in enumerate(_by_property(result.found).items()):
        _parity(panels[0][column], name, own)
        _bars(panels[1][column], name, own[0].unit, by_anion.get(name, {}))
    return save(figure, path)


def _panels(found: Sequence[HeldOut], n_rows: int) -> tuple[Figure, Any]:
    n = max(len(_by_property(found)), 1)
    figure = Figure(figsize=(PANEL * n, (PANEL + 0.4) * n_rows), layout="constrained")
    return figure, figure.subplots(n_rows, n, squeeze=False)


def _by_property(found: Sequence[HeldOut]) -> dict[str, list[HeldOut]]:
    return {name: [held for held in found if held.name == name] for name in summarise(found)}


def _quantity(name: str, unit: str) -> str:
    """Return a property as an axis names it, with its unit."""
    title = name.replace("_", " ")
    return f"{title} ({shown_unit(unit)})" if unit != "1" else title


def _parity(axes: Axes, name: str, own: Sequence[HeldOut]) -> None:
    """Draw one property: outside of the domain hollow, near-metals as crosses, sets as diamonds."""
    kinds: dict[str, tuple[list[HeldOut], dict[str, Any]]] = {
        "near-metal": ([h for h in own if h.near_metal],
                       {"marker": "x", "color": FAINT, "linewidths": 0.8}),
        "set of surfaces": ([h for h in own if h.of_set],
                            {"marker": "D", "color": VALENCE, "linewidths": 0}),
        "inside of the domain": ([h for h in own if _plain(h) and h.in_domain],
                                 {"color": BLUE, "linewidths": 0}),
        "outside of the domain": ([h for h in own if _plain(h) and not h.in_domain],
                                  {"facecolors": "none", "edgecolors": INK, "linewidths": 0.8}),
    }  # fmt: skip
    ends = [min(min(h.label, h.value) for h in own), max(max(h.label, h.value) for h in own)]
    axes.plot(ends, ends, color=FAINT, linewidth=1, zorder=0)
    for title, (members, style) in kinds.items():
        if members:
            labels, values = ([getattr(h, side) for h in members] for side in ("label", "value"))
            axes.scatter(labels, values, s=14, label=f"{title} ({len(members)})", **style)
    quantity = _quantity(name, own[0].unit)
    axes.set_xlabel(f"label: {quantity}", color=INK, fontsize=9)
    axes.set_ylabel(f"prediction: {quantity}", color=INK, fontsize=9)
    axes.set_aspect("equal", adjustable="datalim")
    errors = summarise(own)[name]
    unit = shown_unit(own[0].unit).removeprefix("1")
    mae = f"MAE {with_bounds(errors, 'mae')} {unit}" if errors["n"] else "no surface with a gap"
    axes.set_title(mae, fontsize=9)
    axes.legend(frameon=False, fontsize=7)


def _plain(held: HeldOut) -> bool:
    return not held.near_metal and not held.of_set


def _bars(axes: Axes, name: str, unit: str, groups: Mapping[str, Mapping[str, Any]]) -> None:
    """Draw the mean absolute error of each anion with its 95 % interval, the largest group first."""
    names = sorted(
        (g for g in groups if groups[g]["mae"] is not None), key=lambda g: (-groups[g]["n"], g)
    )
    errors = np.array([groups[group]["mae"] for group in names])
    axes.bar(range(len(names)), errors, color=BLUE, alpha=0.8, width=0.7)
    for place, group in enumerate(names):
        bounds = groups[group]["mae_interval"]
        if bounds is not None:  # one formula alone has none
            axes.plot([place, place], bounds, color=INK, linewidth=1.0, marker="_", markersize=6)
    labels = [f"{group}\n{groups[group]['n']}" for group in names]
    axes.set_xticks(range(len(names)), labels, fontsize=7)
    axes.set_xlabel("anion, and number of surfaces with a gap", color=INK, fontsize=9)
    axes.set_ylabel(f"MAE of {_quantity(name, unit)}", color=INK, fontsize=9)
    axes.set_title("bars: 95 %, bootstrap over formulas", fontsize=9)
