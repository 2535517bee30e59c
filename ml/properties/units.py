"""Units of properties: what they measure, and the factor from one to another.

A unit is a product of the names below with whole powers, such as ``eV``, ``J/m^2``, ``meV/angstrom^2`` or
``kJ/mol``; all that follows a slash divides. A unit that is not made of them is kept as it is and converted to no other. Amounts (``atom``,
``formula``, ``mol``) are dimensions of their own: an energy is no energy of an atom.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from scipy import constants

from surfalign.errors import MixedUnitsError
from surfalign.units import BOHR, HARTREE

#: Powers of metre, kilogram, second, ampere, kelvin, atom, formula unit and mole.
Dimension = tuple[int, ...]

_LENGTH = (1, 0, 0, 0, 0, 0, 0, 0)
_ENERGY = (2, 1, -2, 0, 0, 0, 0, 0)
_PRESSURE = (-1, 1, -2, 0, 0, 0, 0, 0)
_CHARGE = (0, 0, 1, 1, 0, 0, 0, 0)
_POTENTIAL = (2, 1, -3, -1, 0, 0, 0, 0)
_NONE = (0,) * 8
_EV, _ANGSTROM = constants.electron_volt, constants.angstrom

#: Name to dimension and factor to SI (CODATA values of scipy).
_UNITS: dict[str, tuple[Dimension, float]] = {
    "1": (_NONE, 1.0), "%": (_NONE, 0.01), "mol": ((0, 0, 0, 0, 0, 0, 0, 1), 1.0),
    "deg": (_NONE, constants.degree), "rad": (_NONE, 1.0),
    "eV": (_ENERGY, _EV), "meV": (_ENERGY, 1e-3 * _EV), "keV": (_ENERGY, 1e3 * _EV),
    "Ha": (_ENERGY, HARTREE * _EV), "hartree": (_ENERGY, HARTREE * _EV),
    "Ry": (_ENERGY, 0.5 * HARTREE * _EV),
    "J": (_ENERGY, 1.0), "mJ": (_ENERGY, 1e-3), "kJ": (_ENERGY, 1e3), "erg": (_ENERGY, 1e-7),
    "cal": (_ENERGY, constants.calorie), "kcal": (_ENERGY, 1e3 * constants.calorie),
    "angstrom": (_LENGTH, _ANGSTROM), "A": (_LENGTH, _ANGSTROM), "Å": (_LENGTH, _ANGSTROM),
    "bohr": (_LENGTH, BOHR * _ANGSTROM), "pm": (_LENGTH, 1e-12), "nm": (_LENGTH, 1e-9),
    "um": (_LENGTH, 1e-6), "mm": (_LENGTH, 1e-3), "cm": (_LENGTH, 1e-2), "m": (_LENGTH, 1.0),
    "Pa": (_PRESSURE, 1.0), "kPa": (_PRESSURE, 1e3), "MPa": (_PRESSURE, 1e6),
    "GPa": (_PRESSURE, 1e9), "bar": (_PRESSURE, 1e5), "kbar": (_PRESSURE, 1e8),
    "N": ((1, 1, -2, 0, 0, 0, 0, 0), 1.0), "W": ((2, 1, -3, 0, 0, 0, 0, 0), 1.0),
    "mW": ((2, 1, -3, 0, 0, 0, 0, 0), 1e-3),
    "e": (_CHARGE, constants.elementary_charge), "C": (_CHARGE, 1.0), "uC": (_CHARGE, 1e-6),
    "V": (_POTENTIAL, 1.0), "mV": (_POTENTIAL, 1e-3), "ampere": ((0, 0, 0, 1, 0, 0, 0, 0), 1.0),
    "mA": ((0, 0, 0, 1, 0, 0, 0, 0), 1e-3), "S": ((-2, -1, 3, 2, 0, 0, 0, 0), 1.0),
    "ohm": ((2, 1, -3, -2, 0, 0, 0, 0), 1.0), "K": ((0, 0, 0, 0, 1, 0, 0, 0), 1.0),
    "s": ((0, 0, 1, 0, 0, 0, 0, 0), 1.0), "ms": ((0, 0, 1, 0, 0, 0, 0, 0), 1e-3),
    "fs": ((0, 0, 1, 0, 0, 0, 0, 0), 1e-15), "ps": ((0, 0, 1, 0, 0, 0, 0, 0), 1e-12),
    "h": ((0, 0, 1, 0, 0, 0, 0, 0), constants.hour),
    "Hz": ((0, 0, -1, 0, 0, 0, 0, 0), 1.0), "THz": ((0, 0, -1, 0, 0, 0, 0, 0), 1e12),
    "kg": ((0, 1, 0, 0, 0, 0, 0, 0), 1.0), "g": ((0, 1, 0, 0, 0, 0, 0, 0), 1e-3),
    "u": ((0, 1, 0, 0, 0, 0, 0, 0), constants.atomic_mass),
    "muB": ((2, 0, 0, 1, 0, 0, 0, 0), constants.physical_constants["Bohr magneton"][0]),
    "T": ((0, 1, -2, -1, 0, 0, 0, 0), 1.0),
    "atom": ((0, 0, 0, 0, 0, 1, 0, 0), 1.0), "formula": ((0, 0, 0, 0, 0, 0, 1, 0), 1.0),
}  # fmt: skip
_FACTOR = re.compile(r"([^\d\s*/^.-][^\s*/^]*?|1|%)(?:\^?(-?\d+))?")


def factor(given: str, wanted: str, what: str) -> float:
    """Return what a number in one unit is multiplied by to be in another.

    Parameters
    ----------
    given, wanted
        Units.
    what
        Which property, for the message.

    Raises
    ------
    MixedUnitsError
        When they do not measure the same, or one is unknown.
    """
    given, wanted = given.strip(), wanted.strip()
    if given == wanted:
        return 1.0
    own, other = _parsed(given), _parsed(wanted)
    if own is None or other is None or own[0] != other[0]:
        unknown = [unit for unit, found in ((given, own), (wanted, other)) if found is None]
        reason = f" (no known unit: {', '.join(unknown)})" if unknown else ""
        convertible = [unit for unit in units_like(wanted) if unit != wanted]
        raise MixedUnitsError(
            f"{what} is given in {given!r}{reason}",
            f"{wanted}, or one of {', '.join(convertible)}" if convertible else wanted,
            "state the unit that the numbers have, or convert them",
        )
    return own[1] / other[1]


def units_like(unit: str) -> list[str]:
    """Return the single units that measure the same as a unit."""
    found = _parsed(unit)
    return [] if found is None else [n for n, (d, _) in _UNITS.items() if d == found[0]]


@cache
def _parsed(unit: str) -> tuple[Dimension, float] | None:
    """Return dimension and factor to SI of a unit; None where it is not made of known ones."""
    dimension, size = np.zeros(8, dtype=int), 1.0
    normal = unit.replace("²", "^2").replace("³", "^3").replace("**", "^").replace("µ", "u")
    for place, part in enumerate(normal.split("/")):
        for word in re.split(r"[\s*·]+", part.strip().strip("()")):
            match = _FACTOR.fullmatch(word)
            if match is None or match[1] not in _UNITS:
                return None
            power = int(match[2] or 1) * (-1 if place else 1)
            own, own_size = _UNITS[match[1]]
            dimension += power * np.array(own)
            size *= own_size**power
    return tuple(int(power) for power in dimension), size
