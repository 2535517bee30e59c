"""Whether the ions of a crystal have closed shells: the states that balance, or those that a file states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from surfalign.crystals.chemistry.anions import Anions, find_anions
from surfalign.crystals.chemistry.ions import Ion, IonRules
from surfalign.crystals.chemistry.oxidation import (
    Assignment,
    States,
    assign_oxidation_states,
    ions_of,
)
from surfalign.errors import MagneticIonError, OxidationStateError

if TYPE_CHECKING:
    from pymatgen.core import Structure

#: How a user gives oxidation states.
HOW_TO_STATE = (
    "state the oxidation state of every atom in the structure file: type symbols such as Fe2+ in a CIF, "
    "or species in pymatgen JSON (Structure.add_oxidation_state_by_element)"
)


def oxidation_states(structure: Structure) -> Assignment:
    """Assign oxidation states by charge balance, bonds between anions considered."""
    return _assign(structure, find_anions(structure))


def stated_states(structure: Structure) -> States:
    """Return the oxidation states that a structure states of its atoms; empty unless it does of all."""
    found: dict[str, set[int]] = {}
    if not structure.is_ordered:
        return {}
    for site in structure:
        charge = getattr(site.specie, "oxi_state", None)
        if charge is None or charge != round(charge):
            return {}
        found.setdefault(site.specie.symbol, set()).add(round(charge))
    return {element: tuple(sorted(charges)) for element, charges in found.items()}


def check_closed_shells(structure: Structure, anions: Anions, stated: States) -> tuple[str, ...]:
    """Check that all ions have closed shells; return what is unusual about them.

    Raises
    ------
    OxidationStateError
        It depends on oxidation states that the composition leaves open, and none are stated; or the stated
        ones do not sum to zero. Oxides whose states do not balance pass with a warning.
    MagneticIonError
        An ion has an open d or f shell, or the crystal is a superoxide.
    """
    formula = structure.composition.reduced_formula
    _refuse_superoxide(formula, anions)
    found, rules = _assign(structure, anions), _rules(anions)
    ions, magnetic = found.ions, found.magnetic_ions
    warnings = [*_anion_bonds(formula, anions)]
    if stated and _is_open(found, rules):
        _check_neutral(structure, formula)
        ions = ions_of(stated)
        magnetic = tuple(ion for ion in ions if rules.is_magnetic(ion))
        warnings.append(f"the oxidation states are those stated: {_text(ions)}")
    elif found.alternatives:
        warnings.append(_ambiguity(formula, found, rules))
    if magnetic:
        raise MagneticIonError(
            f"{formula} holds ions with open shells: "
            f"{', '.join(f'{ion} ({ion.shell})' for ion in magnetic)}",
            "closed shells (d0, d10, lone pairs, f0, f14)",
            "surfalign treats nonmagnetic crystals only",
        )
    if calm := [f"{ion} ({ion.shell})" for ion in ions if rules.has_no_moment(ion)]:
        warnings.append(f"{', '.join(calm)} is taken as low-spin, without a moment")
    if not ions:
        warnings.append(_no_balance(formula, anions))
    return tuple(warnings)


def _assign(structure: Structure, anions: Anions) -> Assignment:
    amounts: dict[str, int] = {}
    for site in structure:
        symbol = site.specie.symbol
        if symbol != anions.element:
            amounts[symbol] = amounts.get(symbol, 0) + 1
    divisor = int(np.gcd.reduce([*amounts.values(), abs(anions.charge)]))
    reduced = {element: n // divisor for element, n in amounts.items()}
    return assign_oxidation_states(reduced, anions.charge // divisor, _rules(anions))


def _rules(anions: Anions) -> IonRules:
    return IonRules.beside(anions.element, paired=anions.n_bonds > 0)


def _is_open(found: Assignment, rules: IonRules) -> bool:
    """Tell whether the composition leaves open if an ion carries a moment."""
    others = (any(rules.is_magnetic(ion) for ion in ions_of(s)) for s in found.alternatives)
    return not found.states or any(magnetic != bool(found.magnetic_ions) for magnetic in others)


def _refuse_superoxide(formula: str, anions: Anions) -> None:
    if anions.n_superoxides:
        raise MagneticIonError(
            f"{formula} holds superoxide ions O2-, which carry a magnetic moment",
            "closed-shell ions",
            "surfalign treats nonmagnetic crystals only",
        )


def _anion_bonds(formula: str, anions: Anions) -> tuple[str, ...]:
    if not anions.n_bonds:
        return ()
    bonds = f"{anions.n_bonds} {anions.element}-{anions.element} bonds in its cell"
    if anions.element == "O":
        return (f"{formula} is a peroxide: {bonds}",)
    return (f"{formula} is a {anions.name} with {bonds}",)


def _ambiguity(formula: str, found: Assignment, rules: IonRules) -> str:
    """Return a note on states that are as usual as those taken.

    Raises
    ------
    OxidationStateError
        Where it depends on them whether the crystal is magnetic.
    """
    sets = [found.states, *found.alternatives]
    text = f"the oxidation states of {formula} are ambiguous: " + ", or ".join(
        _text(ions_of(states)) for states in sets
    )
    if _is_open(found, rules):
        raise OxidationStateError(
            f"{text}; one of them is magnetic", "states that the composition decides", HOW_TO_STATE
        )
    return f"{text}; either way its shells are closed, and nothing else depends on it"


def _no_balance(formula: str, anions: Anions) -> str:
    """Return a note on an oxide whose charges do not balance; refuse others, which are often metals."""
    text = f"the oxidation states of {formula} do not balance; it may be a metal"
    if anions.element == "O":
        return text
    raise OxidationStateError(
        f"{text} (charge of all {anions.element}, bonds between them considered: {anions.charge:+d})",
        "known states of all elements that sum to zero, as in an insulator",
        f"if it is an insulator, {HOW_TO_STATE}",
    )


def _check_neutral(structure: Structure, formula: str) -> None:
    total = sum(getattr(site.specie, "oxi_state", None) or 0 for site in structure)
    if abs(total) > 1e-6:
        raise OxidationStateError(
            f"the oxidation states stated for {formula} sum to {total:+g}",
            "states that sum to zero",
            "correct them in the structure file",
        )


def _text(ions: tuple[Ion, ...]) -> str:
    return " ".join(map(str, ions))
