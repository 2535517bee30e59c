"""The table of measured levels that comes with surfalign."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from surfalign.crystals.library import Reference
from surfalign.errors import ConfigurationError
from surfalign.files import load_yaml
from surfalign.physics.lattice.orientations import format_miller_index

FILE_NAME = "measured_levels.yaml"


class Grade(StrEnum):
    """What a measurement is worth."""

    CLEAN = "A"  # prepared and measured in vacuum
    UNKNOWN = "B"  # treatment unknown, or in air
    CONTAMINATED = "C"


class Face(StrEnum):
    """What a surface was when it was measured: how much oxygen it held, or that air had touched it."""

    STOICHIOMETRIC = "stoichiometric"
    OXIDISED = "oxidised"
    REDUCED = "reduced"
    EXPOSED = "exposed"


class MeasuredLevels(BaseModel):
    """Levels of one kind of surface as one source gives them; eV."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    formula: str
    phase: str
    space_group: int | None = Field(default=None, ge=1, le=230)
    orientations: tuple[tuple[int, int, int], ...] = ()
    face: Face = Face.STOICHIOMETRIC
    ip: float | None = None
    ip_error: float | None = Field(default=None, ge=0)
    ea: float | None = None
    ea_error: float | None = Field(default=None, ge=0)
    method: str
    grade: Grade
    reference: str
    note: str = ""
    #: Of registered levels; empty where ``reference`` is a key of the table's sources.
    source_text: str = ""

    @property
    def source(self) -> str:
        """The source with its DOI."""
        return self.source_text or str(references()[self.reference])

    @property
    def label(self) -> str:
        """What was measured, e.g. ``TiO2 rutile (001) (110)``."""
        planes = " ".join(format_miller_index(index) for index in self.orientations)
        face = "" if self.face is Face.STOICHIOMETRIC else self.face.value
        return " ".join(part for part in (self.formula, self.phase, planes, face) if part)


@cache
def measured_levels() -> tuple[MeasuredLevels, ...]:
    """Return all measurements of the table."""
    return read_table((files(__package__) / FILE_NAME).read_text(encoding="utf-8"))[0]


@cache
def references() -> dict[str, Reference]:
    """Return the sources of the table by key."""
    return read_table((files(__package__) / FILE_NAME).read_text(encoding="utf-8"))[1]


def read_table(text: str) -> tuple[tuple[MeasuredLevels, ...], dict[str, Reference]]:
    """Read a table in the form of ``measured_levels.yaml``.

    Raises
    ------
    ConfigurationError
        When a row does not fit, has no level, or names a reference that is not there.
    """
    raw: dict[str, Any] = load_yaml(text, FILE_NAME)
    sources = {key: Reference(**value) for key, value in raw["references"].items()}
    rows = []
    for number, row in enumerate(raw["levels"], start=1):
        try:
            entry = MeasuredLevels(**row)
        except ValidationError as error:
            raise _unfit(number, row, str(error)) from error
        if entry.ip is None and entry.ea is None:
            raise _unfit(number, row, "neither ip nor ea")
        if entry.reference not in sources:
            raise _unfit(number, row, f"no reference {entry.reference!r}")
        rows.append(entry)
    return tuple(rows), sources


def _unfit(number: int, row: Any, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"row {number} of the measured levels ({row}) does not fit: {reason}",
        "the fields that the head of measured_levels.yaml describes",
        "correct the row",
    )
