"""Values of the query language, and what they mean for a field of a given kind and unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from surfalign.errors import QuerySyntaxError, SurfaceError
from surfalign.physics.lattice.orientations import parse_miller_index
from surfalign.stores.query.fields import FieldDescription, Kind

#: Other spellings of units, as regular expressions.
_SPELLINGS = {r"Å|\bang\b": "angstrom", r"\*\*": "^", "²": "^2", "³": "^3"}

_KEYWORDS: dict[str, Any] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True)
class Literal:
    """A value as it was written.

    Parameters
    ----------
    text
        Its text, for messages.
    value
        A number, a text, a truth value, a list of numbers, or None.
    unit
        Unit behind a number.
    """

    text: str
    value: float | int | str | bool | list[int] | None
    unit: str | None = None

    @classmethod
    def number(cls, text: str, unit: str | None = None) -> Self:
        """Read a number and its unit."""
        value = int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
        return cls(text if unit is None else f"{text} {unit}", value, unit)

    @classmethod
    def quoted(cls, text: str) -> Self:
        """Take a text in quotes."""
        return cls(f'"{text}"', text)

    @classmethod
    def word(cls, text: str) -> Self:
        """Take true, false, null, or a text that needs no quotes."""
        return cls(text, _KEYWORDS.get(text.lower(), text))

    @classmethod
    def vector(cls, numbers: list[str]) -> Self:
        """Take numbers in parentheses or brackets."""
        text = f"({', '.join(numbers)})"
        try:
            return cls(text, [int(number) for number in numbers])
        except ValueError as error:
            raise QuerySyntaxError(
                f"{text} holds other numbers than integers", "Miller indices", "e.g. (1, -1, 0)"
            ) from error


def mongo_value(field: FieldDescription, path: str, literal: Literal) -> Any:
    """Return what the database compares the field with.

    Parameters
    ----------
    field
        The field, or the mapping that ``path`` points into.
    path
        Dotted path as it was written.
    literal
        The value.

    Raises
    ------
    QuerySyntaxError
        When the value or its unit does not fit the field.
    """
    if literal.value is None:
        return None
    _check_unit(field, path, literal)
    value = literal.value
    match field.kind:
        case Kind.NUMBER if _is_number(value):
            return float(value)  # type: ignore[arg-type]  # _is_number has looked
        case Kind.INTEGER if isinstance(value, int) and not isinstance(value, bool):
            # The database's largest integer; nothing that we count comes near.
            return max(-(2**63), min(value, 2**63 - 1))
        case Kind.BOOLEAN if isinstance(value, bool):
            return value
        case Kind.CHOICE if value in field.choices:
            return value
        case Kind.TIME if isinstance(value, str):
            return _time(path, value)
        case Kind.VECTOR:
            return _miller_index(path, literal)
        case Kind.TEXT if isinstance(value, str):
            return _reduced_formula(value) if path == "formula" else value
        case Kind.MAPPING:
            return value
    raise QuerySyntaxError(
        f"{literal.text} is no value of {path}", _expected(field), "correct the value"
    )


def _check_unit(field: FieldDescription, path: str, literal: Literal) -> None:
    if literal.unit is None or field.kind is Kind.MAPPING:
        return
    if field.unit is None or _spelled(literal.unit) != _spelled(field.unit):
        unit = "no unit" if field.unit in (None, "1") else f"the unit {field.unit}, or none"
        raise QuerySyntaxError(
            f"{literal.text} has the unit {literal.unit}, but {path} has "
            + ("none" if field.unit in (None, "1") else field.unit),
            f"a number with {unit}",
            "convert the number",
        )


def _spelled(unit: str) -> str:
    for spelling, standard in _SPELLINGS.items():
        unit = re.sub(spelling, standard, unit)
    return unit


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _expected(field: FieldDescription) -> str:
    if field.kind is Kind.NUMBER:
        return f"a number in {field.unit}" if field.unit not in (None, "1") else "a number"
    return {
        Kind.INTEGER: "an integer",
        Kind.BOOLEAN: "true or false",
        Kind.CHOICE: f"one of {', '.join(field.choices)}",
        Kind.TIME: 'a time such as "2026-11-20" or "2026-11-20T12:30Z"',
        Kind.TEXT: 'a text, such as MgO or "MgO"',
    }[field.kind]


def _time(path: str, text: str) -> datetime:
    """Read an ISO 8601 time; without a zone it is UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise QuerySyntaxError(
            f"{text!r} is no time for {path}", 'ISO 8601, such as "2026-11-20"', "correct the time"
        ) from error
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _miller_index(path: str, literal: Literal) -> list[int]:
    """Read (1, -1, 0), "1 -1 0", "1-10" or 110."""
    try:
        return list(parse_miller_index(literal.text.strip('"')))
    except SurfaceError as error:
        raise QuerySyntaxError(
            f"{literal.text} is no value of {path}", error.expected, error.remedy
        ) from error


def _reduced_formula(text: str) -> str:
    """Return the formula as results carry it, whatever its order or multiple."""
    from pymatgen.core import Composition, Element

    try:
        composition = Composition(text)
    except ValueError:
        composition = Composition()
    if not composition or not all(isinstance(e, Element) for e in composition):
        raise QuerySyntaxError(
            f"{text!r} is no chemical formula", "a formula such as MgO or TiO2", "correct it"
        )
    return str(composition.reduced_formula)
