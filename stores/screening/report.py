"""A screening as plain values: for scripts, and to be kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from surfalign.errors import DocumentNotFoundError
from surfalign.stores.screening.candidates import Candidates, methods
from surfalign.stores.screening.evaluation import FormulaRow, Screening, by_formula
from surfalign.stores.screening.rules import Condition, Rule


def as_json(
    screening: Screening, area_fractions: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Return everything about a screening as plain JSON values; energies in eV, unknown numbers are null."""
    question = screening.question
    return {
        "rule": question.rule.model_dump(mode="json"),
        "terms": asdict(question.terms),
        "levels": question.levels,
        "edge_shift": question.shift,
        "notes": question.notes(),
        "methods": methods(screening.surfaces),
        "surfaces": [_surface(screening, row) for row in range(len(screening.surfaces))],
        "formulas": [formula_record(row) for row in by_formula(screening, area_fractions)],
        "left_out": [{"name": name, "reason": reason} for name, reason in screening.left_out],
    }


def formula_record(row: FormulaRow) -> dict[str, Any]:
    """Return one formula as plain JSON values."""
    record = asdict(row)
    for end in ("best", "worst"):
        probability, surface = record.pop(end)
        record |= {f"{end}_probability": probability, f"{end}_surface": surface}
    return record


def counted_reasons(left_out: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the reasons for which surfaces were left out and how many each has, most first."""
    counts: dict[str, int] = {}
    for _, reason in left_out:
        kind = reason.partition(":")[0]
        counts[kind] = counts.get(kind, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def require_surfaces(found: Candidates, where: str | None) -> None:
    """Refuse to rank nothing, and say why there is nothing.

    Raises
    ------
    DocumentNotFoundError
        When there is no surface with levels.
    """
    if found.surfaces:
        return
    reasons = counted_reasons(found.left_out)
    why = "; ".join(f"{number} {reason}" for reason, number in reasons.items())
    raise DocumentNotFoundError(
        f"no surface to screen{f' matches {where!r}' if where else ''}"
        + (f": {why}" if why else ""),
        "at least one surface with IP and EA",
        "widen --where, use flagged results by --flagged, or predictions by --from predicted",
    )


def rule_words(rule: Rule) -> str:
    """Return the conditions of a rule in words."""
    return "; ".join(_words(condition) for condition in rule.conditions)


def _words(condition: Condition) -> str:
    by = "" if condition.by in (0, 0.0) else f" by {condition.by}"
    bounds = [
        f"{word} {value}{by}"
        for word, value in (("above", condition.above), ("below", condition.below))
        if value is not None
    ]
    return f"{condition.quantity.replace('_', ' ')} {' and '.join(bounds)}"


def _surface(screening: Screening, row: int) -> dict[str, Any]:
    surface = screening.surfaces[row]
    ip, ea = (float(level) for level in screening.levels[row])
    return {
        **asdict(surface),
        "remarks": list(surface.remarks),
        "probability": float(screening.probabilities[row]),
        "ionization_potential": ip,
        "electron_affinity": ea,
        "band_gap": ip - ea,
        "ionization_potential_error": float(screening.deviations[row, 0]),
        "electron_affinity_error": float(screening.deviations[row, 1]),
        "conditions": [
            {"name": bounds.name, "probability": _number(p), "excess": _number(e)}
            for bounds, p, e in zip(
                screening.question.conditions,
                screening.single[row],
                screening.excess[row],
                strict=True,
            )
        ],
        "reason": screening.reason(row),
        "unknown": screening.unknown(row),
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
