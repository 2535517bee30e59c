"""Comparisons of OPTIMADE's filter language: which types compare, and what is true of an entry.

A comparison with a value that is unknown is neither true nor false, and so is its negation.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from optimade.exceptions import BadRequest, NotImplementedResponse

#: Truth of a comparison; None where a value is unknown.
Truth = bool | None
#: Values of an entry by the names of properties.
Values = Callable[[str], Any]
Test = Callable[[Values], Truth]
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge,
}  # fmt: skip
TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "CONTAINS": operator.contains, "STARTS": str.startswith, "ENDS": str.endswith,
}  # fmt: skip
_NUMBERS = ("integer", "float")


@dataclass(frozen=True)
class Operand:
    """A side of a comparison: a constant, or a property whose value differs from entry to entry."""

    type: str
    value: Any = None
    property: str | None = None

    def of(self, values: Values) -> Any:
        """Return the value for an entry; None where it is unknown."""
        return self.value if self.property is None else values(self.property)


def fits(item: tuple[Any, ...], row: list[tuple[str, Any]]) -> bool:
    """Tell whether the values at one position of lists fulfil a row of comparisons."""
    return all(
        part is not None and OPERATORS[sign](part, value)
        for part, (sign, value) in zip(item, row, strict=True)
    )


def compared(subject: Operand, sign: str, value: Operand) -> Test:
    """Return the test of a comparison of numbers, texts, times or truths.

    Raises
    ------
    OptimadeHTTPException
        When both sides do not compare.
    """
    if subject.property is None and value.property is None and subject.type == "string":
        raise NotImplementedResponse("two texts are compared; one side must be a property")
    if value.type == "timestamp" and subject.type == "string":
        subject = _as_time(subject)
    if subject.type == "timestamp" and value.type == "string" and value.property is None:
        value = _as_time(value)
    check_sign(subject, sign, value)
    return both(subject, value, OPERATORS[sign])


def _as_time(value: Operand) -> Operand:
    try:
        time = datetime.fromisoformat(str(value.value))
    except ValueError as error:
        raise BadRequest(f"{value.value!r:.60} is no time like 2026-01-31T12:00:00Z") from error
    if time.tzinfo is None:
        raise BadRequest(f"{value.value!r:.60} has no time zone; write Z behind it for UTC")
    return Operand("timestamp", time)


def check_sign(subject: Operand, sign: str, value: Operand) -> None:
    """Refuse an operator that has no meaning for the types of both sides."""
    allowed = ("string", "boolean", "timestamp", *_NUMBERS)
    agree(subject, value, allowed, sign)
    if "boolean" in (subject.type, value.type) and sign not in ("=", "!="):
        raise BadRequest(f"{sign} has no meaning for TRUE and FALSE")


def agree(subject: Operand, value: Operand, allowed: tuple[str, ...], sign: str) -> None:
    """Refuse to compare values of different types; whole numbers and others are of one."""
    types = {subject.type, value.type} - {"unknown"}
    families = {"float" if type_ in _NUMBERS else type_ for type_ in types}
    if len(families) > 1 or not types <= set(allowed):
        raise NotImplementedResponse(
            f"{sign} does not compare {subject.property or 'a value'} ({subject.type}) with "
            f"{value.property or repr(value.value)[:60]} ({value.type}); numbers are written without quotes and "
            "without a unit: /info/structures says which unit a property has"
        )


def both(first: Operand, second: Operand, compare: Callable[[Any, Any], bool]) -> Test:
    """Return the test of two values, which is None where one of them is unknown."""

    def test(values: Values) -> Truth:
        one, other = first.of(values), second.of(values)
        return None if one is None or other is None else compare(one, other)

    return test


def negated(test: Test) -> Test:
    """Return the opposite of a test; of what is neither true nor false there is none."""

    def negation(values: Values) -> Truth:
        truth = test(values)
        return None if truth is None else not truth

    return negation


def _joined(tests: list[Test], decisive: bool) -> Test:
    if len(tests) == 1:
        return tests[0]

    def junction(values: Values) -> Truth:
        found: Truth = not decisive
        for test in tests:
            truth = test(values)
            if truth is decisive:
                return decisive
            if truth is None:
                found = None
        return found

    return junction


def any_of(tests: list[Test]) -> Test:
    """Return whether one test is true."""
    return _joined(tests, decisive=True)


def all_of(tests: list[Test]) -> Test:
    """Return whether all tests are true."""
    return _joined(tests, decisive=False)
