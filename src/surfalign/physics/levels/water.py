"""Redox levels of water against the vacuum level, for photocatalysis diagrams.

    E(H+/H2) = -4.44 eV + 0.059 eV * pH,    E(O2/H2O) = -5.67 eV + 0.059 eV * pH

S. Trasatti, Pure Appl. Chem. 58, 955 (1986), doi:10.1351/pac198658070955 (absolute potential). Band
edges in water lie on average 0.5 eV higher than against vacuum: V. Stevanovic et al., Phys. Chem. Chem.
Phys. 16, 3706 (2014), doi:10.1039/C3CP54589J; the levels here do not contain it.
"""

from __future__ import annotations

from dataclasses import dataclass

HYDROGEN_LEVEL = -4.44
OXYGEN_LEVEL = -5.67
NERNST_SLOPE = 0.059


@dataclass(frozen=True)
class WaterLevels:
    """Levels against vacuum, eV."""

    hydrogen: float
    oxygen: float


def water_levels(ph: float = 0.0) -> WaterLevels:
    """Redox levels of water at a pH, eV against vacuum (negative: below it)."""
    shift = NERNST_SLOPE * ph
    return WaterLevels(HYDROGEN_LEVEL + shift, OXYGEN_LEVEL + shift)
