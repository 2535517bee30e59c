"""Words that all records share: functionals, presets, and fields with a unit.

Apart from the records, which load pymatgen: what only counts records does not need it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field


class Functional(StrEnum):
    """Exchange-correlation functional of the bulk band edges."""

    DDH = "ddh"
    HSE06 = "hse06"
    PBE0 = "pbe0"
    PBESOL = "pbesol"


class Origin(StrEnum):
    """Where levels come from."""

    COMPUTED = "computed"  # by surfalign, or imported by it
    MEASURED = "measured"
    FOREIGN = "foreign"  # computed by others


class Quality(StrEnum):
    """Named sets of numerical settings, each with what it promises of an IP."""

    QUICK = "quick"
    STANDARD = "standard"
    CONVERGED = "converged"

    @property
    def promised_error(self) -> float:
        """Largest error of convergence of an IP, eV; a result that states more is flagged."""
        return {"quick": 0.1, "standard": 0.05, "converged": 0.02}[self.value]


def quantity(unit: str, description: str, **arguments: Any) -> Any:
    """Declare a field that holds a physical quantity in ``unit`` ("1" where dimensionless)."""
    return Field(
        description=f"{description} ({unit})", json_schema_extra={"unit": unit}, **arguments
    )
