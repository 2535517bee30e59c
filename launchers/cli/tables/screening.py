"""Tables of a screening."""

from __future__ import annotations

from collections.abc import Mapping

from rich.markup import escape
from rich.table import Table

from surfalign.stores.screening.candidates import methods
from surfalign.stores.screening.evaluation import Screening, by_formula
from surfalign.stores.screening.report import counted_reasons, rule_words
from surfalign.stores.screening.rules import Rule

#: Probability from which a surface is likely to meet a rule, and from which it is not unlikely.
LIKELY, POSSIBLE = 0.5, 0.1


def rules_table(rules: Mapping[str, Rule]) -> Table:
    """Return the rules with what they ask for."""
    table = Table()
    for name in ("Rule", "Use", "Conditions"):
        table.add_column(name, overflow="fold", no_wrap=name == "Rule")
    for rule in rules.values():
        table.add_row(rule.name, escape(rule.title), escape(rule_words(rule)))
    return table


def surface_table(
    screening: Screening, area_fractions: Mapping[str, float], limit: int | None = None
) -> Table:
    """Return the surfaces, the most probable first.

    Parameters
    ----------
    screening
        The answer.
    area_fractions
        Surface identifier to its share of the equilibrium shape; with none, there is no such column.
    limit
        Rows; None for all.
    """
    several = len({surface.source for surface in screening.surfaces}) > 1
    table = Table(title=escape(screening.question.rule.title))
    table.add_column("Surface", no_wrap=True)
    if several:
        table.add_column("Levels", no_wrap=True)
    for name in (
        "Prob.",
        "IP\n(eV)",
        "EA\n(eV)",
        "Gap\n(eV)",
        *(["Area"] if area_fractions else []),
    ):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Misses the rule", overflow="fold")
    table.add_column("Remarks", overflow="fold")
    for row, surface in enumerate(screening.surfaces[:limit]):
        ip, ea = screening.levels[row]
        errors = screening.deviations[row]
        unknown = [f"{name} unknown" for name in screening.unknown(row)]
        cells = [escape(surface.name), *([surface.source] if several else [])]
        cells += [_probability(screening.probabilities[row])]
        cells += [f"{ip:.2f} ± {errors[0]:.2f}", f"{ea:.2f} ± {errors[1]:.2f}", f"{ip - ea:.2f}"]
        if area_fractions:
            share = area_fractions.get(surface.surface_identifier)
            cells.append("" if share is None else f"{100 * share:.0f} %")
        table.add_row(
            *cells, escape(screening.reason(row)), escape(", ".join((*surface.remarks, *unknown)))
        )
    return table


def formula_table(
    screening: Screening, area_fractions: Mapping[str, float], limit: int | None = None
) -> Table:
    """Return the formulas, the one with the most probable surface first; parameters as above."""
    table = Table(title=escape(screening.question.rule.title))
    for name in ("Formula", "Levels"):
        table.add_column(name, no_wrap=True)
    for name in ("Surfaces", "Best", "Worst", *(["Area-weighted"] if area_fractions else [])):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Best surface", no_wrap=True)
    for row in by_formula(screening, area_fractions)[:limit]:
        cells = [row.formula, row.source, str(row.n_surfaces)]
        cells += [_probability(row.best[0]), _probability(row.worst[0])]
        if area_fractions:
            known = f" of {100 * row.area_known:.0f} %" if row.area_known < 0.995 else ""
            cells.append("" if row.area_weighted is None else f"{row.area_weighted:.2f}{known}")
        table.add_row(*cells, escape(row.best[1]))
    return table


def remarks(screening: Screening) -> list[str]:
    """Return what was left out and why, and whether levels of several methods stand side by side."""
    found = []
    if screening.left_out:
        counts = counted_reasons(screening.left_out)
        words = ", ".join(f"{number} {reason}" for reason, number in counts.items())
        found.append(f"Left out: {words}. --json names them.")
    used = methods(screening.surfaces)
    if len(used) > 1:
        words = ", ".join(f"{number} of {name}" for name, number in used.items())
        found.append(f"Levels of {len(used)} methods, which do not compare exactly: {words}.")
    return found


def _probability(value: float) -> str:
    colour = "green" if value >= LIKELY else "yellow" if value >= POSSIBLE else "dim"
    return f"[{colour}]{value:.2f}[/]"
