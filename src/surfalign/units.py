"""Conversions of units.

Internal units are eV, angstrom and kelvin throughout; surface energies are reported in J/m^2.
"""

from __future__ import annotations

#: Units of the engines (CODATA 2018, doi:10.1063/5.0064853): angstrom, eV.
BOHR, HARTREE = 0.529177210903, 27.211386245988
#: 1 eV/angstrom^2 in J/m^2 (CODATA 2018, exact elementary charge).
EV_PER_SQUARE_ANGSTROM_IN_JOULE_PER_SQUARE_METRE = 16.02176634
#: 1 atomic mass unit/angstrom^3 in g/cm^3 (CODATA 2018).
ATOMIC_MASS_UNIT_PER_CUBIC_ANGSTROM_IN_GRAM_PER_CUBIC_CENTIMETRE = 1.66053906660
