"""What can be learned: a property has a name, a unit, a level and a scale on which it is learned.

The properties of surfaces that every part of surfalign knows stand in :data:`KNOWN`; IP and EA, with gap and
surface energy beside them, are what is learned by default. A user declares any other property; see
:mod:`.declarations`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import InvalidLabelError

Array = NDArray[np.float64]

IONIZATION_POTENTIAL, ELECTRON_AFFINITY = "ionization_potential", "electron_affinity"
BAND_GAP = "band_gap"
#: The levels of a surface, which are decided by, in this order.
LEVELS = (IONIZATION_POTENTIAL, ELECTRON_AFFINITY)
#: How they are called for short.
SHORT = {IONIZATION_POTENTIAL: "IP", ELECTRON_AFFINITY: "EA"}


class Level(StrEnum):
    """What a property belongs to, and what structures it is learned from."""

    SLAB = "slab"  # a surface: structures are slabs with a vacuum
    CRYSTAL = "crystal"  # the material itself: structures are bulk crystals
    ATOM = "atom"  # one of its atoms: structures are crystals or slabs that begin with it


class Transformation(StrEnum):
    """The scale on which a property is learned; predictions and intervals are brought back."""

    NONE = "none"
    LOG = "log"  # for positive numbers over several orders of magnitude
    LOG1P = "log1p"  # log(1 + value): as log, and zero is allowed
    SQRT = "sqrt"  # for numbers that are not negative


#: Each scale: there, back, and where its numbers begin.
_SCALES: dict[Transformation, tuple[Callable[[Array], Array], Callable[[Array], Array], float]] = {
    Transformation.NONE: (np.positive, np.positive, -math.inf),
    Transformation.LOG: (np.log, np.exp, 0.0),
    Transformation.LOG1P: (np.log1p, np.expm1, 0.0),
    Transformation.SQRT: (np.sqrt, np.square, 0.0),
}


@dataclass(frozen=True, kw_only=True)
class Property:
    """One number that a structure has.

    Attributes
    ----------
    name
        Of its labels, e.g. ``dielectric_constant``.
    unit
        Unit of labels and predictions; ``1`` where it has none.
    level
        What it belongs to.
    transformation
        The scale on which it is learned.
    minimum, maximum
        Bounds of what is possible, in the unit: labels beyond are refused, and predictions end there.
    not_above
        Name of a property that it cannot exceed; of surfaces, the EA never exceeds the IP.
    """

    name: str
    unit: str
    level: Level = Level.SLAB
    transformation: Transformation = Transformation.NONE
    minimum: float | None = None
    maximum: float | None = None
    not_above: str | None = None

    @property
    def title(self) -> str:
        """Name in plain words, e.g. ``dielectric constant``."""
        return self.name.replace("_", " ")

    @property
    def quantity(self) -> str:
        """Name with unit as tables and axes show it, e.g. ``surface energy (J/m^2)``."""
        return f"{self.title} ({self.unit})" if self.unit != "1" else self.title

    @property
    def is_transformed(self) -> bool:
        """Whether it is learned on another scale than its own."""
        return self.transformation is not Transformation.NONE

    def check(self, value: float, what: str) -> None:
        """Refuse a label that cannot be.

        Parameters
        ----------
        value
            In the unit.
        what
            Whose label it is, for the message.

        Raises
        ------
        InvalidLabelError
            When the value is beyond the bounds, or has no place on the scale.
        """
        lowest = _SCALES[self.transformation][2]
        low = max(lowest, -math.inf if self.minimum is None else self.minimum)
        high = math.inf if self.maximum is None else self.maximum
        excluded = self.transformation is Transformation.LOG and value <= 0.0
        if excluded or not low <= value <= high:
            scale = f" on the scale {self.transformation.value}" if value <= lowest else ""
            raise InvalidLabelError(
                f"{self.name} of {what} is {value:g} {self.unit}",
                f"a number {'above' if excluded else 'from'} {low:g} to {high:g}{scale}",
                "correct or leave out the label, or declare other bounds or another transformation",
            )

    def learned(self, values: Array) -> Array:
        """Return values on the scale on which they are learned; shape as given."""
        return np.asarray(_SCALES[self.transformation][0](values))

    def told(self, learned: Array) -> Array:
        """Return learned values in the unit, within the bounds; shape as given."""
        forward, back, lowest = _SCALES[self.transformation]
        if self.transformation in (Transformation.SQRT, Transformation.LOG1P):
            # Below the end of the scale the way back would turn round, or leave the allowed numbers.
            learned = np.maximum(learned, forward(np.array(lowest)))
        with np.errstate(over="ignore"):  # an infinite bound of an interval stays infinite
            values = back(learned)
        if self.minimum is not None or self.maximum is not None:
            values = np.clip(values, self.minimum, self.maximum)
        return np.asarray(values)

    def as_dict(self) -> dict[str, Any]:
        """Return what is not by default as plain JSON."""
        plain = {k: v for k, v in asdict(self).items() if v is not None}
        return plain | {"level": self.level.value, "transformation": self.transformation.value}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`as_dict` gave."""
        return cls(
            **dict(plain)
            | {
                "level": Level(plain["level"]),
                "transformation": Transformation(plain["transformation"]),
            }
        )


#: Properties of surfaces that every part of surfalign knows.
KNOWN: dict[str, Property] = {
    one.name: one
    for one in (
        Property(name=IONIZATION_POTENTIAL, unit="eV"),
        Property(name=ELECTRON_AFFINITY, unit="eV", not_above=IONIZATION_POTENTIAL),
        Property(name=BAND_GAP, unit="eV"),
        Property(name="work_function", unit="eV"),
        Property(name="surface_energy", unit="J/m^2"),
    )
}
