"""Tables of errors on held-out surfaces: each number with its interval from a bootstrap over formulas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from surfalign.ml.assessment.metrics import error_rows, with_bounds

COLUMNS = {
    "MAE": "mae",
    "RMSE": "rmse",
    "Bias": "bias",
    "R2": "r2",
    "90 % intervals\ncover": "coverage",
    "Width": "mean_width",
    "MAE inside": "mae_in_domain",
    "MAE outside\nof the domain": "mae_out_of_domain",
}
#: Groups that are shown of a table by element: those with the most surfaces.
SHOWN = 12


def errors_table(summary: Mapping[str, Any], what: str) -> Table:
    """Return the errors of each property, of surfaces with a gap apart from near-metals and sets."""
    table = Table(caption=f"{what}; weighted like the labels; 95 %: bootstrap over formulas")
    for name in ("Property", "Of"):
        table.add_column(name, no_wrap=True)
    for name in ("Number", "Formulas", *COLUMNS, "Outside", "Unit"):
        table.add_column(name, justify="right")
    for name, kind, m in error_rows(summary):
        table.add_row(
            name,
            kind,
            str(m["n"]),
            str(m["n_formulas"]),
            *(shown(m, key) for key in COLUMNS.values()),
            str(m["n_out_of_domain"]),
            summary[name]["unit"],
        )
    return table


def groups_table(groups: Mapping[str, Mapping[str, Any]], title: str) -> Table:
    """Return errors by element or anion: the groups with the most surfaces, by name."""
    table = Table(title=title)
    table.add_column("Property", no_wrap=True)
    for name in ("Group", "Number", "Formulas", "MAE", "Bias", "90 % intervals\ncover"):
        table.add_column(name, justify="right")
    for name, of_group in groups.items():
        largest = sorted(of_group, key=lambda group: -of_group[group]["n"])[:SHOWN]
        for group in sorted(largest):
            m = of_group[group]
            cells = (shown(m, key) for key in ("mae", "bias", "coverage"))
            table.add_row(name, group, str(m["n"]), str(m["n_formulas"]), *cells)
    return table


def shown(errors: Mapping[str, Any], key: str) -> str:
    """Return a number with its interval; shares in percent."""
    if key != "coverage" or errors.get(key) is None:
        return with_bounds(errors, key)
    bounds = errors.get("coverage_interval")
    percent = {
        "coverage": 100.0 * errors["coverage"],
        "coverage_interval": [100.0 * bound for bound in bounds] if bounds else None,
    }
    return with_bounds(percent, "coverage", 0) + " %"
