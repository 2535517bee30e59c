"""Which surface is stable at which chemical potential of oxygen.

The surface energy of a slab with N more oxygen atoms than its crystal falls in a straight line,

    gamma(mu) = gamma(0) - N mu / (2 A),

so that the stable surfaces are the lower envelope of lines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from surfalign.errors import PhysicsInputError
from surfalign.units import EV_PER_SQUARE_ANGSTROM_IN_JOULE_PER_SQUARE_METRE


@dataclass(frozen=True)
class EnergyLine:
    """Surface energy of one slab against the chemical potential of oxygen.

    Attributes
    ----------
    at_zero
        Surface energy at zero chemical potential, J/m^2.
    slope
        Its change with the potential, J/m^2 per eV.
    """

    at_zero: float
    slope: float

    def at(self, potential: float) -> float:
        """Return the surface energy (J/m^2) at a chemical potential (eV)."""
        return self.at_zero + self.slope * potential


@dataclass(frozen=True)
class StableRange:
    """Where one slab is the most stable: ``low`` to ``high`` (eV), and its number among the lines."""

    low: float
    high: float
    number: int


def energy_line(at_zero: float, excess_oxygen: int, area: float, shift: float = 0.0) -> EnergyLine:
    """Return the line of a slab.

    Parameters
    ----------
    at_zero
        Surface energy at zero chemical potential, J/m^2.
    excess_oxygen
        Oxygen atoms beyond the stoichiometric amount, both faces together.
    area
        Of one face, angstrom^2.
    shift
        By how much the energy of the oxygen atom behind ``at_zero`` is raised, eV.
    """
    slope = -excess_oxygen / (2 * area) * EV_PER_SQUARE_ANGSTROM_IN_JOULE_PER_SQUARE_METRE
    return EnergyLine(at_zero + slope * shift, slope)


def stable_ranges(lines: Sequence[EnergyLine], low: float, high: float) -> list[StableRange]:
    """Return the ranges between two potentials (eV), from the lowest up.

    Raises
    ------
    PhysicsInputError
        There is no line, or the range is empty or endless.
    """
    if not lines or not -math.inf < low < high < math.inf:
        raise PhysicsInputError(
            f"{len(lines)} surfaces between {low:g} and {high:g} eV",
            "at least one, and a range from a lower to a higher potential, both finite",
            "choose another range",
        )
    found: list[StableRange] = []
    start = low
    while start < high:
        # Just above the start, of equal lines the one that falls fastest wins.
        number = min(
            range(len(lines)), key=lambda i: (round(lines[i].at(start), 9), lines[i].slope)
        )
        line, end = lines[number], high
        for other in lines:
            if other.slope < line.slope - 1e-12:
                crossing = (other.at_zero - line.at_zero) / (line.slope - other.slope)
                end = min(end, crossing) if crossing > start + 1e-9 else end
        found.append(StableRange(start, end, number))
        start = end
    return found
