"""Tables of junctions and of measured levels for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from surfalign.stores.documents import ResultState
from surfalign.stores.measured.comparison import LEVELS, Comparison, ComparisonReport
from surfalign.stores.measured.measured_levels import Grade, MeasuredLevels

TYPES = ("I", "II", "III")


def junction_table(records: Iterable[dict[str, Any]], caption: str) -> Table:
    """Return a table with one row a junction.

    Parameters
    ----------
    records
        As :mod:`surfalign.stores.contacts.junction_records` makes them; several of one kind.
    caption
        What stands below: methods, the rule's error.
    """
    rows = list(records)
    schemes = any("scheme" in record for record in rows)
    table = Table(caption=escape(caption))
    upper, lower = ("Upper", "Lower") if schemes else ("First", "Second")
    table.add_column(upper, no_wrap=True)
    table.add_column(lower, no_wrap=True)
    for name in (
        "Valence\noffset (eV)",
        "Conduction\noffset (eV)",
        "Type",
        *(f"p({t})" for t in TYPES),
    ):
        table.add_column(name, justify="right", no_wrap=True)
    if schemes:
        table.add_column("p(scheme)", justify="right")
    for record in rows:
        chances = [f"{record['probabilities'][t]:.2f}" for t in TYPES]
        cells = [*map(_side, (record["first"], record["second"])), _offset(record, "valence"),
                 _offset(record, "conduction"), record["type"], *chances]  # fmt: skip
        table.add_row(*cells, *([f"{record['probability']:.2f}"] if schemes else []))
    return table


def _side(surface: dict[str, Any]) -> str:
    remarks = ", ".join(surface["remarks"])
    return escape(surface["name"]) + (f"\n[yellow]{escape(remarks)}[/]" if remarks else "")


def _offset(record: dict[str, Any], edge: str) -> str:
    return f"{record[f'{edge}_offset']:+.2f} ± {record[f'{edge}_offset_error']:.2f}"


def comparison_table(report: ComparisonReport) -> Table:
    """Return the measured and the computed levels, with their differences."""
    table = Table(title="Measured and computed levels", caption=", ".join(report.methods) or None)
    for name in ("Surface", "Measured on"):
        table.add_column(name, overflow="fold")
    levels = [level for level in LEVELS if report.summary(level)]
    for level in levels:
        short = LEVELS[level][0].upper()
        for name in (f"{short}\nmeas. (eV)", f"{short}\ncomp. (eV)", "diff.\n(eV)"):
            table.add_column(name, justify="right", no_wrap=True)
    for name in ("Grade", "Method"):
        table.add_column(name)
    table.add_column("Source", overflow="fold")
    for comparison in report.compared:
        cells = [_surface(comparison), escape(comparison.measured.label)]
        for level in levels:
            cells.extend(_level(comparison, level))
        measured = comparison.measured
        table.add_row(*cells, measured.grade, measured.method, escape(measured.source))
    return table


def partnerless_table(pairs: Sequence[tuple[MeasuredLevels, str]]) -> Table:
    """Return the measurements that no stored surface was compared with, and why."""
    table = Table(title="Measured, without a partner")
    for name in ("Measured on", "IP, EA (eV)", "Why"):
        table.add_column(name, overflow="fold")
    for measured, reason in pairs:
        levels = ", ".join("–" if x is None else f"{x:.2f}" for x in (measured.ip, measured.ea))
        table.add_row(escape(measured.label), levels, escape(reason))
    return table


def summary_sentence(report: ComparisonReport, level: str) -> str:
    """Return number, mean absolute error and bias of a level in one sentence; empty without any."""
    summary, clean = report.summary(level), report.summary(level, [Grade.CLEAN])
    if summary is None:
        return ""
    of_clean = ""
    if clean is not None and clean.number < summary.number:
        of_clean = f"; {clean.mean_absolute_error:.2f} eV for {clean.number} of grade A"
    return (
        f"{LEVELS[level][0].upper()}: {summary.number} compared, mean absolute error "
        f"{summary.mean_absolute_error:.2f} eV, bias {summary.bias:+.2f} eV, "
        f"largest {summary.largest:.2f} eV{of_clean}."
    )


def _surface(comparison: Comparison) -> str:
    name = escape(comparison.result.surface_name or comparison.result.formula)
    return name + (" [yellow]flagged[/]" if comparison.result.state is ResultState.FLAGGED else "")


def _level(comparison: Comparison, level: str) -> list[str]:
    field, error = LEVELS[level]
    value, own = getattr(comparison.measured, field), getattr(comparison.measured, error)
    computed, difference = getattr(comparison.result, level), comparison.difference(level)
    measured = "–" if value is None else f"{value:.2f}" + ("" if own is None else f" ± {own:.2f}")
    return [
        measured,
        "–" if computed is None else f"{computed:.2f}",
        "–" if difference is None else f"{difference:+.2f}",
    ]
