"""Composition features: statistics of element properties over the atoms of a formula.

In the manner of Ward et al., npj Comput. Mater. 2, 16028 (2016), doi 10.1038/npjcompumats.2016.28:
fraction-weighted mean, mean absolute deviation, minimum, maximum and range of each property, norms of the
fractions, and the same of the cations and anions. They know nothing of the surface.
"""

from __future__ import annotations

import math
import warnings
from functools import cache

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Element

from surfalign.errors import UnknownElementError

#: Element properties in the order of :func:`element_vector`.
PROPERTIES = (
    "atomic_number",
    "row",
    "group",
    "mendeleev_number",
    "electronegativity",
    "atomic_radius",
    "atomic_mass",
    "ionization_energy",
    "electron_affinity",
    "melting_point",
    "common_oxidation_state",
    "s_valence",
    "p_valence",
    "d_valence",
    "f_valence",
)
STATISTICS = ("mean", "deviation", "minimum", "maximum", "range")


@cache
def element_vector(symbol: str) -> NDArray[np.float64]:
    """Return the properties of an element, shape (n_properties,); what is not known is zero.

    Raises
    ------
    UnknownElementError
        When the symbol is no element.
    """
    if not Element.is_valid_symbol(symbol):
        raise UnknownElementError(f"{symbol!r} is no element", "a chemical symbol")
    element = Element(symbol)
    with warnings.catch_warnings():
        # pymatgen warns of every property that it does not know.
        warnings.simplefilter("ignore")
        shells = dict.fromkeys("spdf", 0.0)
        for _, shell, electrons in _valence(element):
            shells[shell] += electrons
        states = element.common_oxidation_states or element.oxidation_states or (0,)
        values = (
            element.Z,
            element.row,
            element.group,
            element.mendeleev_no,
            element.X,
            element.atomic_radius,
            element.atomic_mass,
            element.ionization_energy,
            element.electron_affinity,
            element.melting_point,
            max(states, key=abs),
            *shells.values(),
        )
    return np.array([_finite(value) for value in values])


def composition_features(composition: Composition) -> NDArray[np.float64]:
    """Return the features of a composition, shape (n_features,); see :func:`feature_names`."""
    fractions = composition.element_composition.fractional_composition
    symbols = [element.symbol for element in fractions]
    weights = np.array([float(fractions[element]) for element in fractions])
    table = np.array([element_vector(symbol) for symbol in symbols])
    mean = weights @ table
    deviation = weights @ np.abs(table - mean)
    low, high = table.min(axis=0), table.max(axis=0)
    norms = [float(np.sum(weights**p) ** (1 / p)) for p in (2, 3)]
    electronegativity = table[:, PROPERTIES.index("electronegativity")]
    anion = int(np.argmax(electronegativity))
    rest = np.delete(np.arange(len(symbols)), anion)
    cations = weights[rest] @ table[rest] / weights[rest].sum() if len(rest) else mean
    return np.concatenate(
        [mean, deviation, low, high, high - low, cations, table[anion], norms, [len(symbols)]]
    )


def feature_names() -> list[str]:
    """Return the names of the features, in order."""
    kinds = (*STATISTICS, "cation mean", "anion")
    names = [f"{kind} of {name}" for kind in kinds for name in PROPERTIES]
    return [*names, "2-norm of fractions", "3-norm of fractions", "number of elements"]


def _valence(element: Element) -> list[tuple[int, str, float]]:
    """Return the shells of the electrons outside the noble-gas core."""
    core = next((z for z in (86, 54, 36, 18, 10, 2, 0) if z < element.Z), 0)
    left, shells = element.Z - core, []
    for n, shell, electrons in reversed(element.full_electronic_structure):
        if left <= 0:
            break
        shells.append((n, shell, float(electrons)))
        left -= electrons
    return shells


def _finite(value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]  # pymatgen gives None, texts and quantities
    except (TypeError, ValueError):
        return 0.0
    return number if math.isfinite(number) else 0.0
