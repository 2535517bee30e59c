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


class Quality(StrEnum):
    """Named sets of numerical settings; their errors are in docs/explanation/gpaw-engine.md."""

    QUICK = "quick"
    STANDARD = "standard"
    CONVERGED = "converged"


def quantity(unit: str, description: str, **arguments: Any) -> Any:
    """Declare a field that holds a physical quantity in ``unit`` ("1" where dimensionless)."""
    return Field(
        description=f"{description} ({unit})", json_schema_extra={"unit": unit}, **arguments
    )
