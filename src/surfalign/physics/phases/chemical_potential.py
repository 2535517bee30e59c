"""Chemical potential of oxygen in O2 gas, from standard tables.

    mu_O(T, p) = 1/2 [H(T) - H(0 K) - T S(T)] + 1/2 k T ln(p / p0),    p0 = 1 bar

against half an O2 molecule at rest, without its zero-point energy, as in K. Reuter, M. Scheffler,
Phys. Rev. B 65, 035406 (2001), doi:10.1103/PhysRevB.65.035406. Enthalpy and entropy are those of the
NIST-JANAF tables (M. W. Chase, J. Phys. Chem. Ref. Data Monogr. 9 (1998)) in the form of Shomate's equation
that the NIST Chemistry WebBook, doi:10.18434/T4D303, gives for them.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq

from surfalign.errors import PhysicsInputError

#: eV/K (CODATA 2018), J/mol in one eV.
BOLTZMANN, JOULE_PER_MOLE = 8.617333262e-5, 96485.33212
#: Temperatures that the tables cover, K.
COLDEST, HOTTEST = 100.0, 6000.0
#: H(298.15 K) - H(0 K) of O2, J/mol.
_ENTHALPY_AT_ROOM_TEMPERATURE = 8683.0
#: Upper temperature (K) and coefficients A to H, O2 gas; with t = T / 1000 K, in J/(mol K) and kJ/mol.
_SHOMATE = (
    (700.0, (31.32234, -20.23531, 57.86644, -36.50624, -0.007374, -8.903471, 246.7945, 0.0)),
    (2000.0, (30.03235, 8.772972, -3.988133, 0.788313, -0.741599, -11.32468, 236.1663, 0.0)),
    (HOTTEST, (20.91111, 10.72071, -2.020498, 0.146449, 9.245722, 5.337651, 237.6185, 0.0)),
)


def oxygen_chemical_potential(temperature: float, pressure: float = 1.0) -> float:
    """Return the chemical potential of oxygen against half an O2 molecule, eV.

    Parameters
    ----------
    temperature
        K, 100 to 6000.
    pressure
        Of O2, bar.

    Raises
    ------
    PhysicsInputError
        The tables do not reach the temperature, or the pressure is not positive.
    """
    if not COLDEST <= temperature <= HOTTEST or not pressure > 0:
        raise PhysicsInputError(
            f"oxygen at {temperature:g} K and {pressure:g} bar",
            f"a temperature of {COLDEST:g} to {HOTTEST:g} K and a positive pressure",
            "choose others",
        )
    a, b, c, d, e, f, g, h = next(row for limit, row in _SHOMATE if temperature <= limit)
    t = temperature / 1000
    enthalpy = 1000 * (a * t + b * t**2 / 2 + c * t**3 / 3 + d * t**4 / 4 - e / t + f - h)
    entropy = a * math.log(t) + b * t + c * t**2 / 2 + d * t**3 / 3 - e / (2 * t**2) + g
    standard = enthalpy + _ENTHALPY_AT_ROOM_TEMPERATURE - temperature * entropy
    return 0.5 * (standard / JOULE_PER_MOLE + BOLTZMANN * temperature * math.log(pressure))


def temperature_of(chemical_potential: float, pressure: float) -> float | None:
    """Return the temperature (K) at which O2 of a pressure (bar) has a chemical potential (eV).

    None where the tables do not reach it.
    """
    ends = [oxygen_chemical_potential(t, pressure) for t in (COLDEST, HOTTEST)]
    if not ends[1] <= chemical_potential <= ends[0]:
        return None
    return float(
        brentq(
            lambda t: oxygen_chemical_potential(t, pressure) - chemical_potential, COLDEST, HOTTEST
        )
    )
