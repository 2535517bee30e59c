"""Tables of models and of their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from surfalign.ml.assessment.metrics import error_rows, with_bounds
from surfalign.ml.models.listed_versions import ListedVersion
from surfalign.ml.models.model_registry import ModelCard
from surfalign.ml.properties.property import LEVELS


def metrics_table(card: ModelCard) -> Table:
    """Return the errors of a version on formulas that the predicting member has not seen."""
    table = Table(
        title=f"{card.name} {card.version} ({card.kind}), out of fold by formula",
        caption="; ".join(
            [f"predicts {card.fidelity}", "95 %: bootstrap over formulas"]
            + [f"intervals of {name}: {note}" for name, note in card.notes.items()]
        ),
    )
    for name in ("Property", "Of"):
        table.add_column(name, no_wrap=True)
    for name in (
        "Number", "MAE (95 %)", "RMSE", "MAE inside", "MAE outside\nof the domain", "Unit",
    ):  # fmt: skip
        table.add_column(name, justify="right")
    for name, kind, m in error_rows(card.metrics):
        numbers = (m["rmse"], m["mae_in_domain"], m["mae_out_of_domain"])
        unit = card.metrics[name]["unit"]
        table.add_row(name, kind, str(m["n"]), with_bounds(m, "mae"), *map(number, numbers), unit)
    return table


def number(value: float | None) -> str:
    """Return a number with three digits, or a dash."""
    return "–" if value is None else f"{value:.3f}"


def versions_table(listed: Sequence[ListedVersion]) -> Table:
    """Return the versions that can be read; the champion is marked."""
    table = Table(
        caption="* predicts; MAE in eV of surfaces with a gap, else of medians, out of fold by formula; of other "
        "properties in their unit"
    )
    for name in ("Model", "Version", "", "Kind", "Made"):
        table.add_column(name, no_wrap=True)
    for name in ("Structures", "IP MAE", "EA MAE", "Other MAE"):
        table.add_column(name, justify="right")
    for one in listed:
        if (card := one.card) is None:
            continue
        errors = [_shown_error(card.metrics.get(level, {})) for level in LEVELS]
        others = [] if card.of_levels else list(card.metrics)
        table.add_row(
            one.name,
            one.version,
            "*" if one.champion else "",
            card.kind,
            card.created_at[:19].replace("T", " "),
            str(card.dataset.get("labelled_surfaces", "–")),
            *map(number, errors),
            "\n".join(_other_error(name, card.metrics[name]) for name in others),
        )
    return table


def _other_error(name: str, errors: Mapping[str, Any]) -> str:
    """Return the error of a property that is no level, with its name and unit."""
    unit = errors["unit"].removeprefix("1")
    return f"{name.replace('_', ' ')} {number(_shown_error(errors))} {unit}".rstrip()


def _shown_error(errors: Mapping[str, Any]) -> float | None:
    """Return the error of surfaces with a gap; of medians where no surface has a label."""
    own: float | None = errors.get("mae")
    return own if own is not None else (errors.get("sets") or {}).get("mae")
