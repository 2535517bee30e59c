"""Unit labels used across documents, and the few conversions that the physics needs.

Internal units are eV, angstrom and kelvin throughout; surface energies are reported in J/m^2.
"""

from __future__ import annotations

ELECTRONVOLT = "eV"
ANGSTROM = "angstrom"
SQUARE_ANGSTROM = "angstrom^2"
CUBIC_ANGSTROM = "angstrom^3"
EV_PER_ANGSTROM = "eV/angstrom"
JOULE_PER_SQUARE_METRE = "J/m^2"
SECOND = "s"
GIGABYTE = "GB"
GIGAPASCAL = "GPa"
DEGREE = "degree"
DIMENSIONLESS = "1"

#: 1 eV/angstrom^2 in J/m^2 (CODATA 2018, exact elementary charge).
EV_PER_SQUARE_ANGSTROM_IN_JOULE_PER_SQUARE_METRE = 16.02176634
