"""Properties of the free elements that set the scale of ionization potentials and affinities.

They initialise the species embedding and describe the centre atom, so that an element met in few
slabs, or in none, resembles its neighbours in the periodic table from the start.
"""

from __future__ import annotations

import warnings
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element

MAX_ATOMIC_NUMBER = 96
"""The last element with a row: beyond curium the tables have gaps in every column."""

PROPERTIES = (
    "Pauling electronegativity",
    "first ionization energy",
    "electron affinity",
    "atomic radius",
    "Mendeleev number",
    "period",
    "valence s electrons",
    "valence p electrons",
    "valence d electrons",
    "valence f electrons",
    "mean ionic radius",
    "highest common oxidation state",
    "lowest common oxidation state",
)

Array = NDArray[np.float64]


def _valence_electrons(element: Element) -> list[float]:
    """Return the s, p, d and f electrons outside the noble-gas core."""
    counts = dict.fromkeys("spdf", 0.0)
    structure = element.full_electronic_structure
    highest = max(n for n, _, _ in structure)
    for n, orbital, electrons in structure:
        depth = highest - n
        if depth == 0 or (orbital, depth) in {("d", 1), ("f", 2)}:
            counts[orbital] += electrons
    # A full shell below p electrons (d) or below d electrons (f) belongs to the core.
    if counts["p"]:
        counts["d"] = 0.0
    if counts["f"] == 14.0:
        counts["f"] = 0.0
    return [counts[orbital] for orbital in "spdf"]


def _properties_of(atomic_number: int) -> list[float]:
    element = Element.from_Z(atomic_number)
    states = element.common_oxidation_states or (0,)
    return [
        float(element.X),
        float(element.ionization_energy or np.nan),
        float(element.electron_affinity or 0.0),
        float(element.atomic_radius or np.nan),
        float(element.mendeleev_no or np.nan),
        float(element.row),
        *_valence_electrons(element),
        float(element.average_ionic_radius or np.nan),
        float(max(states)),
        float(min(states)),
    ]


@lru_cache(maxsize=1)
def element_properties() -> Array:
    """Return the standardised properties, shape (MAX_ATOMIC_NUMBER + 1, n_properties).

    Each column has mean 0 and standard deviation 1 over the elements; a missing value takes that of
    the neighbouring elements in the periodic table. Row 0 is zero and serves as padding.
    """
    with warnings.catch_warnings():
        # pymatgen warns about noble gases without electronegativity, and the like.
        warnings.simplefilter("ignore")
        raw = np.array([_properties_of(z) for z in range(1, MAX_ATOMIC_NUMBER + 1)])
    order = np.arange(len(raw))
    for column in raw.T:
        known = np.isfinite(column)
        column[~known] = np.interp(order[~known], order[known], column[known])
    standard = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    return np.vstack([np.zeros(standard.shape[1]), standard])


@cache
def atomic_radius(symbol: str) -> float:
    """Return a covalent-like radius (A); 1.5 where none is tabulated."""
    element = Element(symbol)
    return float(element.atomic_radius or element.atomic_radius_calculated or 1.5)


def property_embedding(n_channels: int) -> Array:
    """Return an embedding of the elements from their properties.

    The first channel is 1 for every element, so that the total density is always seen; the others are
    the leading principal components of the properties, with unit variance.

    Parameters
    ----------
    n_channels
        Number of pseudo-species.

    Returns
    -------
    Array
        Shape (MAX_ATOMIC_NUMBER + 1, n_channels); row 0 is zero.
    """
    standard = element_properties()[1:]
    left, _, _ = np.linalg.svd(standard, full_matrices=False)
    components = left[:, : n_channels - 1] * np.sqrt(len(left))
    missing = max(0, n_channels - 1 - components.shape[1])
    extra = np.random.default_rng(0).normal(size=(len(left), missing))
    embedding = np.hstack([np.ones((len(left), 1)), components, extra])
    return np.vstack([np.zeros(n_channels), embedding])
