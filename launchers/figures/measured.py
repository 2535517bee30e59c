"""Computed levels against measured ones, as in Fig. 2 of J. Am. Chem. Soc. 146, 9697 (2024)."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from surfalign.launchers.figures.levels import surface_label
from surfalign.launchers.figures.style import FAINT, STYLE, VALENCE, name_point, save
from surfalign.stores.documents import ResultState
from surfalign.stores.measured.comparison import LEVELS, Comparison, ComparisonReport
from surfalign.stores.measured.measured_levels import Face

_NAMES = {"ionization_potential": "ionization potential", "electron_affinity": "electron affinity"}
#: Free space around the points, eV.
_MARGIN = 0.6
#: Names of points that are nearer to each other would meet, eV.
_NEAR = 0.25


def save_parity(report: ComparisonReport, path: Path) -> Path:
    """Draw a panel for each level that was compared; return the path.

    Parameters
    ----------
    report
        With at least one comparison of a level.
    path
        Where.
    """
    levels = [level for level in LEVELS if report.summary(level)]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.9 * len(levels), 4.9), layout="constrained")
        panels = figure.subplots(1, len(levels), squeeze=False)
        for axes, level in zip(panels[0], levels, strict=True):
            _panel(axes, report, level)
        return save(figure, path, dpi=180)


def _panel(axes: Axes, report: ComparisonReport, level: str) -> None:
    field, error = LEVELS[level]
    compared = [c for c in report.compared if c.difference(level) is not None]
    values = [v for c in compared for v in (getattr(c.measured, field), getattr(c.result, level))]
    ends = (min(values) - _MARGIN, max(values) + _MARGIN)
    axes.plot(ends, ends, color=FAINT, lw=1, zorder=0)
    drawn: list[tuple[float, float]] = []
    for comparison in compared:
        flagged = comparison.result.state is ResultState.FLAGGED
        x, y = getattr(comparison.measured, field), getattr(comparison.result, level)
        axes.errorbar(
            x, y, xerr=getattr(comparison.measured, error), yerr=comparison.result.convergence_error,
            fmt="o", ms=6, mfc="white" if flagged else VALENCE, mec=VALENCE, ecolor=VALENCE,
            elinewidth=1, capsize=2,
        )  # fmt: skip
        near = any(abs(x - i) + abs(y - j) < _NEAR for i, j in drawn)
        drawn.append((x, y))
        # Names of points that meet stand on two sides.
        name_point(axes, (x, y), _name(comparison), above=(y >= x) != near)
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_aspect("equal")
    axes.set_xlabel(f"measured {_NAMES[level]} (eV)")
    axes.set_ylabel(f"computed {_NAMES[level]} (eV)")
    summary = report.summary(level)
    if summary is not None:
        axes.set_title(
            f"{summary.number} surfaces, MAE {summary.mean_absolute_error:.2f} eV, "
            f"bias {summary.bias:+.2f} eV",
            loc="left", fontsize=10,
        )  # fmt: skip
    if any(c.result.state is ResultState.FLAGGED for c in compared):
        axes.text(0.98, 0.02, "hollow: a check failed", transform=axes.transAxes, ha="right",
                  va="bottom", fontsize=8)  # fmt: skip


def _name(comparison: Comparison) -> str:
    """Return which surface, and how much oxygen it held where that is not what the crystal has."""
    face = comparison.measured.face
    return surface_label(comparison.result) + (
        "" if face is Face.STOICHIOMETRIC else f", {face.value}"
    )
