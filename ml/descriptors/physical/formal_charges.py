"""Formal charges of the ions of a slab, from its composition alone.

They are the oxidation states that balance the charge: those of :mod:`surfalign.crystals.chemistry.oxidation` where
oxygen is the anion, else the most usual set of pymatgen (``Composition.oxi_state_guesses``, ranked by the
states that the ICSD holds), else those that balance the lowest state of the most electronegative element. An elemental solid has the charge 0, which is no guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Element, Structure

from surfalign.crystals.chemistry.oxidation import assign_oxidation_states

Array = NDArray[np.float64]

#: Oxidation number of oxygen in oxides.
_OXIDE = -2


def formal_charges(structure: Structure) -> Array | None:
    """Return the formal charge of each site (e), shape (n_sites,), summing to zero.

    Returns
    -------
    array or None
        None where no set of known oxidation states balances (most intermetallic compounds): the
        electrostatics of formal charges then says nothing, and no number stands in for it.
    """
    composition = structure.composition.element_composition.reduced_composition
    states = _states(composition.formula)
    if states is None:
        return None
    known = dict(states)
    return np.array([known[_symbol(site)] for site in structure])


@dataclass(frozen=True)
class Ions:
    """Which atoms of a slab are anions and which are cations.

    The anions are the ions of negative charge, or, where no ion has one, the atoms of the most electronegative
    element; where there is one element only, all atoms are on both sides.

    Attributes
    ----------
    symbols
        Element of each site, shape (n_sites,).
    electronegativity
        After Pauling, shape (n_sites,).
    anions, cations
        Whether a site belongs to that side, shape (n_sites,).
    """

    symbols: NDArray[np.str_]
    electronegativity: Array
    anions: NDArray[np.bool_]
    cations: NDArray[np.bool_]

    @classmethod
    def of(cls, structure: Structure, charges: Array | None) -> Ions:
        """Tell the sides by the formal charges, or without them."""
        symbols = np.array([_symbol(site) for site in structure])
        values = np.array([_electronegativity(symbol) for symbol in symbols])
        anions = values >= values.max() - 1e-9
        cations = ~anions if not anions.all() else anions
        if charges is not None and (charges < 0).any():
            anions, cations = charges < 0, charges > 0
        return cls(symbols, values, anions, cations)


@cache
def _electronegativity(symbol: str) -> float:
    value = float(Element(symbol).X)
    # Helium, neon and argon have none; they bind their electrons more tightly than fluorine.
    return value if np.isfinite(value) else 4.0


def _symbol(site: object) -> str:
    return str(site.species.element_composition.elements[0].symbol)  # type: ignore[attr-defined]


@cache
def _states(formula: str) -> tuple[tuple[str, float], ...] | None:
    """Return the charge of each element of a formula; cached, because slabs of a formula are many."""
    amounts = {str(k): round(v) for k, v in Composition(formula).get_el_amt_dict().items()}
    if len(amounts) == 1:
        return ((next(iter(amounts)), 0.0),)
    found = _oxide(amounts) or _most_usual(formula) or _with_lowest_anion(amounts)
    return None if found is None else tuple(found.items())


def _oxide(amounts: dict[str, int]) -> dict[str, float] | None:
    if "O" not in amounts or "F" in amounts:
        return None
    return _balanced(amounts, "O", _OXIDE)


def _most_usual(formula: str) -> dict[str, float] | None:
    guesses = Composition(formula).oxi_state_guesses()
    return {symbol: float(q) for symbol, q in guesses[0].items()} if guesses else None


def _with_lowest_anion(amounts: dict[str, int]) -> dict[str, float] | None:
    """Give the most electronegative element its lowest state (Ge4-, Sb3-), and balance the others."""
    anion = max(amounts, key=lambda symbol: Element(symbol).X)
    lowest = min(Element(anion).common_oxidation_states, default=0)
    return _balanced(amounts, anion, lowest) if lowest < 0 else None


def _balanced(amounts: dict[str, int], anion: str, charge: int) -> dict[str, float] | None:
    """Balance an anion's charge; an element of mixed valence gets the mean of its states."""
    others = {symbol: n for symbol, n in amounts.items() if symbol != anion}
    assignment = assign_oxidation_states(others, charge * amounts[anion])
    if not assignment.states:
        return None
    found = {anion: float(charge)}
    left = -charge * amounts[anion]
    for symbol, states in assignment.states.items():
        if len(states) == 1:
            found[symbol] = float(states[0])
            left -= states[0] * others[symbol]
    mixed = [symbol for symbol, states in assignment.states.items() if len(states) > 1]
    return found | {symbol: left / others[symbol] for symbol in mixed}
