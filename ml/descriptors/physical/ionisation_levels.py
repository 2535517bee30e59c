"""Energies to take an electron from a free ion, or to give it one.

Ionisation energies of atoms and cations are those of the NIST Atomic Spectra Database, affinities of
neutral atoms those that pymatgen tabulates with them. An anion of several charges is not bound as a free
ion; its energies continue those of the neutral atom linearly in the charge, as an energy quadratic in
the charge demands (Iczkowski and Margrave, J. Am. Chem. Soc. 83, 3547 (1961), doi 10.1021/ja01478a001).
An ion in a crystal lies higher or lower by the potential at its site: the sum of the two is its level in
the ionic model (de Boer and Verwey, Proc. Phys. Soc. 49, 59 (1937), doi 10.1088/0959-5309/49/4S/307).
"""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
from pymatgen.core import Element


def removal_energy(symbol: str, charge: float) -> float:
    """Return the energy to take an electron from a free ion (eV); NaN where no table holds it.

    Parameters
    ----------
    symbol
        Element.
    charge
        Charge of the ion (e); between two whole charges the energies are interpolated.
    """
    low = int(np.floor(charge))
    share = charge - low
    energy = _step(symbol, low)
    # Not multiplied by zero: what is not tabulated would make it NaN.
    return energy if share < 1e-9 else (1.0 - share) * energy + share * _step(symbol, low + 1)


def addition_energy(symbol: str, charge: float) -> float:
    """Return the energy gained when a free ion takes an electron (eV); NaN where no table holds it."""
    return removal_energy(symbol, charge - 1.0)


@cache
def _step(symbol: str, charge: int) -> float:
    """Return the energy to go from a whole charge to the next (eV)."""
    with warnings.catch_warnings():
        # pymatgen warns of what its tables lack.
        warnings.simplefilter("ignore")
        energies = Element(symbol).ionization_energies
        affinity = Element(symbol).electron_affinity
    # What is not tabulated is None; an atom that binds no electron has the affinity zero.
    first = energies[0] if energies and energies[0] is not None else np.nan
    if charge < 0:
        neutral = 0.0 if affinity is None else float(affinity)
        return neutral + (charge + 1) * (first - neutral)
    known = charge < len(energies) and energies[charge] is not None
    return float(energies[charge]) if known else np.nan
