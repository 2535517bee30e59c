"""What the learner learns from: unrelaxed slabs, or crystals, with labels of known unit and origin.

A :class:`SurfaceRecord` is one structure with the labels that belong to it. A :class:`SetLabel` belongs to
several slabs at once: to one of them that the source does not tell (ambiguous terminations), or to the
median over all of them (values tabulated per formula).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pymatgen.core import Composition, Structure

from surfalign.errors import InvalidLabelError, MixedUnitsError
from surfalign.ml.data.packed_structures import PackedStructure
from surfalign.ml.properties.property import KNOWN, Level
from surfalign.ml.properties.units import factor

#: Units of the properties that every part of surfalign knows. Others take the unit they come with.
LABEL_UNITS = {name: known.unit for name, known in KNOWN.items()}


class Statistic(StrEnum):
    """How the label of a set belongs to the slabs of the set."""

    ONE_OF = "one_of"  # to one of them; the source does not tell which
    MEDIAN = "median"  # it is the median over them


@dataclass(frozen=True)
class Fidelity:
    """How a label came about: labels of different fidelity are never pooled silently.

    Attributes
    ----------
    functional
        Functional of the levels, e.g. ``ddh``, ``optb88vdw``.
    method
        Engine and geometry, e.g. ``gpaw, relaxed``.
    origin
        Where it comes from, e.g. ``store``, ``jarvis``, ``jacs-si``.
    """

    functional: str
    method: str
    origin: str

    @property
    def key(self) -> str:
        """Name of the fidelity in labels: origin/functional/method."""
        return f"{self.origin}/{self.functional}/{self.method}"


@dataclass(frozen=True, kw_only=True)
class Label:
    """One number that belongs to one slab.

    Attributes
    ----------
    name
        Property, e.g. ``ionization_potential``.
    value
        Its value, in ``unit``.
    unit
        Unit of the value: that of ``LABEL_UNITS`` where the property is listed there.
    fidelity
        Key of the fidelity in the data set.
    weight
        Weight in the loss, dimensionless.

    Raises
    ------
    InvalidLabelError
        When the value or the weight is not finite, or the weight negative.
    MixedUnitsError
        When a known property comes in another unit than its own.
    """

    name: str
    value: float
    unit: str
    fidelity: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        what = f"the label {self.name} of fidelity {self.fidelity!r}"
        if not (math.isfinite(self.value) and math.isfinite(self.weight) and self.weight >= 0):
            raise InvalidLabelError(
                f"{what} is {self.value} (weight {self.weight})",
                "a finite number, and a weight that is not negative",
                "leave the label out where there is no number",
            )
        if LABEL_UNITS.get(self.name, self.unit) != self.unit:
            raise MixedUnitsError(
                f"{what} is given in {self.unit!r}",
                LABEL_UNITS[self.name],
                "convert it first: surfalign.ml.data.records.convert",
            )


@dataclass(frozen=True, kw_only=True)
class SetLabel(Label):
    """One number that belongs to a set of slabs.

    Attributes
    ----------
    members
        Names of the slabs.
    statistic
        How the number belongs to the slabs.
    formula
        Reduced formula.
    source
        Where the number comes from, e.g. ``jacs-si:17``.
    """

    members: tuple[str, ...]
    statistic: Statistic
    formula: str
    source: str


@dataclass(frozen=True, kw_only=True)
class SurfaceRecord:
    """One structure with its labels: an unrelaxed slab, or a crystal.

    Attributes
    ----------
    name
        Unique in the data set.
    formula
        Reduced formula.
    chemical_system
        Elements in alphabetic order, e.g. ``Mg-O``.
    structure
        Unrelaxed slab, whose cell repeats across the vacuum, or crystal. Kept as arrays, and made anew at each
        access.
    source
        Where the slab comes from, e.g. ``store:7f3a``, ``jarvis:JVASP-66053``.
    labels
        Labels of this slab.
    miller_index
        Orientation in the conventional cell.
    space_group_number
        Space group of the bulk.
    level
        Whether it is a slab or a crystal.
    """

    name: str
    formula: str
    chemical_system: str
    structure: PackedStructure = PackedStructure()  # noqa: RUF009  # a descriptor, no default
    source: str
    labels: tuple[Label, ...] = ()
    miller_index: tuple[int, int, int] | None = None
    space_group_number: int | None = None
    level: Level = Level.SLAB

    def label(self, name: str) -> Label | None:
        """Return the first label of a property, or None."""
        return next((label for label in self.labels if label.name == name), None)

    def value(self, name: str) -> float:
        """Return the value of the first label of a property; NaN where there is none."""
        label = self.label(name)
        return math.nan if label is None else label.value


def surface_record(
    name: str,
    structure: Structure,
    source: str,
    *,
    labels: Sequence[Label] = (),
    miller_index: tuple[int, int, int] | None = None,
    space_group_number: int | None = None,
    level: Level = Level.SLAB,
) -> SurfaceRecord:
    """Make a record; formula and chemical system are those of the structure."""
    composition = structure.composition.element_composition
    return SurfaceRecord(
        name=name,
        formula=composition.reduced_formula,
        chemical_system=chemical_system(composition),
        structure=structure,
        source=source,
        labels=tuple(labels),
        miller_index=miller_index,
        space_group_number=space_group_number,
        level=level,
    )


def chemical_system(composition: Composition) -> str:
    """Return the elements in alphabetic order, e.g. ``Mg-O``."""
    return str(composition.element_composition.chemical_system)


def convert(value: float, unit: str, name: str) -> float:
    """Convert a value of a property to the property's own unit.

    Raises
    ------
    MixedUnitsError
        When the unit is not known, or not one of this property.
    """
    return value * factor(unit, LABEL_UNITS.get(name, unit), name)


def check_units(labels: Iterable[Label | SetLabel]) -> dict[str, str]:
    """Return the unit of each property.

    Raises
    ------
    MixedUnitsError
        When one property comes in two units.
    """
    units: dict[str, str] = {}
    for label in labels:
        found = units.setdefault(label.name, label.unit)
        if found != label.unit:
            raise MixedUnitsError(
                f"{label.name} comes in {found!r} and in {label.unit!r}",
                "one unit for each property",
                "convert one of the sources",
            )
    return units
