"""Properties that a user declares in a YAML file.

::

    properties:
      dielectric_constant:
        unit: "1"
        level: crystal            # or slab, or atom
        transformation: log       # none, log, log1p or sqrt
        minimum: 1
        column: eps               # its name in the table; by default that of the property
        given_in: "1"             # unit of the table's numbers, where the table states none
    source: {functional: pbesol, method: dfpt}

Everything but unit and level may be left out.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from surfalign.errors import (
    ConfigurationError,
    InvalidLabelError,
    MissingUnitError,
    MixedLevelsError,
    MixedUnitsError,
)
from surfalign.files import load_yaml, require_file
from surfalign.ml.data.records import Fidelity, Label
from surfalign.ml.properties.property import KNOWN, LEVELS, Level, Property, Transformation
from surfalign.ml.properties.units import factor

#: Known properties that a crystal has as well; the others belong to its surfaces.
_OF_BOTH = {"band_gap"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class _Source(BaseModel):
    model_config = ConfigDict(extra="forbid")

    functional: str = "unstated"
    method: str = "unstated"
    origin: str = "table"


class _Fields(BaseModel):
    """What may be said of one property."""

    model_config = ConfigDict(extra="forbid")

    unit: str | int | None = None
    level: Level | None = None
    transformation: Transformation = Transformation.NONE
    minimum: float | None = None
    maximum: float | None = None
    column: str | None = None
    given_in: str | int | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    properties: dict[str, _Fields] = Field(min_length=1)
    source: _Source = _Source()


@dataclass(frozen=True)
class Declared:
    """A property, and where a table keeps it.

    Attributes
    ----------
    property
        What it is.
    column
        Its name in the table.
    given_in
        Unit of the table's numbers where the table states none.
    """

    property: Property
    column: str
    given_in: str

    def label(self, value: float, unit: str | None, fidelity: Fidelity, place: str) -> Label:
        """Return a number of a table as a label, in the unit of the property.

        Parameters
        ----------
        value
            As the table gives it.
        unit
            That the table states; None where it states none.
        fidelity
            How it came about.
        place
            Where it stands, for messages.

        Raises
        ------
        MixedUnitsError
            When the unit measures something else.
        InvalidLabelError
            When the number is not finite, or beyond the bounds.
        """
        one = self.property
        value *= factor(unit or self.given_in, one.unit, f"{one.name} of {place}")
        if not math.isfinite(value):
            raise InvalidLabelError(
                f"{one.name} of {place} is {value}", "a finite number", "leave the cell empty"
            )
        one.check(value, place)
        return Label(name=one.name, value=value, unit=one.unit, fidelity=fidelity.key)


@dataclass(frozen=True)
class Declarations:
    """What a file declares.

    Attributes
    ----------
    properties
        All of one level.
    fidelity
        How the labels came about.
    """

    properties: tuple[Declared, ...]
    fidelity: Fidelity

    @property
    def level(self) -> Level:
        """Level of the properties, which all have the same."""
        return self.properties[0].property.level


def read_declarations(path: Path) -> Declarations:
    """Read a file of properties.

    Raises
    ------
    MissingFileError
        When there is no such file.
    ConfigurationError
        When it is no YAML, or a key is unknown or has a wrong value.
    MissingUnitError
        When a property has no unit.
    MixedUnitsError
        When a known property is declared in another unit than its own, or its numbers are of another kind.
    MixedLevelsError
        When the properties are of several levels, or a property of surfaces is declared for crystals.
    """
    require_file(path)
    try:
        plain = load_yaml(path.read_text(encoding="utf-8"), str(path))
        content = _File.model_validate(plain)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error}", "a YAML file", "correct it"
        ) from error
    except ValidationError as error:
        raise _mistake(path, error) from error
    found = tuple(_declared(name, fields) for name, fields in content.properties.items())
    levels = Counter(one.property.level.value for one in found)
    if len(levels) > 1:
        stated = ", ".join(f"{one.property.name}: {one.property.level}" for one in found)
        raise MixedLevelsError(
            f"{path} mixes levels: {stated}",
            "properties of one level",
            "write a file for each level, and train a model on each",
        )
    return Declarations(found, Fidelity(**content.source.model_dump()))


def _mistake(path: Path, error: ValidationError) -> ConfigurationError:
    first = error.errors(include_input=False)[0]
    where = ".".join(map(str, first["loc"])) or "the whole file"
    expected = "a mapping 'properties' from names to their unit, level, ..."
    if len(first["loc"]) > 2:
        expected = f"keys among {', '.join(_Fields.model_fields)}"
    if first["loc"][-1:] == ("level",):
        expected = f"one of {', '.join(Level)}"
    elif first["loc"][-1:] == ("transformation",):
        expected = f"one of {', '.join(Transformation)}"
    return ConfigurationError(
        f"{path} has a mistake at {where}: {first['msg']}",
        expected,
        "correct the file of properties",
    )


def _declared(name: str, fields: _Fields) -> Declared:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is no name for a property",
            "letters, digits and underscores, e.g. dielectric_constant",
            "rename it; column: says how the table calls it",
        )
    known = KNOWN.get(name)
    unit = _unit(name, fields, known)
    if known is not None:
        _check_known(known, fields, unit)
    elif fields.level is None:
        raise MixedLevelsError(
            f"{name} has no level",
            f"one of {', '.join(Level)}",
            "write level: slab for a number of a surface, crystal for one of the material, atom for one of each atom",
        )
    low, high = fields.minimum, fields.maximum
    if low is not None and high is not None and low >= high:
        raise ConfigurationError(
            f"{name} has the bounds {low:g} and {high:g}",
            "a minimum below the maximum",
            "correct them",
        )
    given_in = unit if fields.given_in is None else str(fields.given_in)
    factor(
        given_in, unit, name
    )  # refuses a unit of another kind now rather than at the first label
    return Declared(
        Property(
            name=name,
            unit=unit,
            level=fields.level or Level.SLAB,
            transformation=fields.transformation,
            minimum=low,
            maximum=high,
            not_above=known.not_above if known else None,
        ),
        fields.column or name,
        given_in,
    )


def _unit(name: str, fields: _Fields, known: Property | None) -> str:
    unit = str(fields.unit if fields.unit is not None else "").strip()
    if not unit:
        own = f"{known.unit}, the unit of {name}" if known else "the unit of its numbers"
        raise MissingUnitError(
            f"{name} has no unit",
            f"{own}; '1' where it has none",
            "write unit: ... in the file of properties",
        )
    return unit


def _check_known(known: Property, fields: _Fields, unit: str) -> None:
    """Refuse what would make a property that surfalign knows another one."""
    if unit != known.unit:
        raise MixedUnitsError(
            f"{known.name} is declared in {unit!r}",
            f"{known.unit}, the unit in which surfalign keeps it",
            f"write unit: {known.unit}, and given_in: {unit} for the numbers of the table",
        )
    level = fields.level or Level.SLAB
    owners = (Level.SLAB, Level.CRYSTAL) if known.name in _OF_BOTH else (Level.SLAB,)
    if level not in owners:
        raise MixedLevelsError(
            f"{known.name} is declared for {'an' if level is Level.ATOM else 'a'} {level}",
            f"level: {' or '.join(owners)}, for it belongs to a surface{' or a material' if owners[1:] else ''}",
            "correct the level, or give the property another name",
        )
    if known.name in LEVELS and fields.transformation is not Transformation.NONE:
        raise ConfigurationError(
            f"{known.name} is declared with the transformation {fields.transformation}",
            "none: IP and EA are learned as they are, for they are compared with each other",
            "leave the transformation out",
        )
