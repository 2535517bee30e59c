"""A named check of a computed number against a tolerance: what makes it a result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One check: the measured value, the tolerance it is held to, and the verdict.

    Parameters
    ----------
    name
        Stable snake_case name; failed checks are stored and queried by it.
    value
        What was measured, in ``unit``.
    tolerance
        Largest magnitude of ``value`` that passes, in ``unit``.
    unit
        Unit of ``value`` and ``tolerance``.
    passed
        Whether the check passed.
    reason
        One sentence that says what was compared with what.
    """

    name: str
    value: float
    tolerance: float
    unit: str
    passed: bool
    reason: str


def within(name: str, value: float, tolerance: float, unit: str, reason: str) -> Check:
    """Check that ``abs(value) <= tolerance``; NaN never passes."""
    return Check(name, float(value), tolerance, unit, bool(abs(value) <= tolerance), reason)
