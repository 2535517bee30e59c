"""Oxidation states by charge balance, and the rule of closed shells.

The method treats crystals without magnetic moments: every ion must have a closed shell (d0, d10, s2,
p6, f0, f14), or be one that is always low-spin in such crystals (Pd2+, Pt4+, Au3+, ...). The states are
found per element from the composition alone, as the least unusual set that balances the charge, among
the few states of each element that pymatgen tabulates; so the cost is bounded whatever the formula.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from surfalign.crystals.chemistry.anions import ANION_CHARGES, main_anion
from surfalign.crystals.chemistry.ions import (
    IMPLAUSIBLE,
    OXIDE_RULES,
    RIGID,
    Ion,
    IonRules,
    atomic_number,
    block_of,
    electronegativity,
    known_states,
    strangeness,
)

#: Weight of a cation that attracts electrons more than an anion of the same crystal: decides between
#: sets that are equally usual otherwise. SbSI is Sb3+ S2-, not Sb3- S4+.
_AGAINST_ELECTRONEGATIVITY = 0.05
#: Sets whose weights differ by less are equally usual.
_SAME_WEIGHT = 1e-6

States = dict[str, tuple[int, ...]]
Amounts = tuple[tuple[str, int], ...]
#: Sum of atomic number times charge, which is least where the heavy elements have the low states, as
#: lone pairs want it (Tl+ Sb5+, not Tl3+ Sb3+); and the charges in the order of the elements.
_Set = tuple[int, tuple[int, ...]]
_Key = TypeVar("_Key")


@dataclass(frozen=True)
class Assignment:
    """Oxidation states of a composition.

    Parameters
    ----------
    states
        Charges of each element but the anion; two where its valence is mixed. Empty when none balances.
    magnetic_ions
        Ions with an open d or f shell, for example ``Fe3+``.
    alternatives
        Sets of states that are as usual.
    """

    states: States
    magnetic_ions: tuple[Ion, ...] = ()
    alternatives: tuple[States, ...] = ()

    @property
    def ions(self) -> tuple[Ion, ...]:
        """All ions but the anion's."""
        return ions_of(self.states)


def ions_of(states: States) -> tuple[Ion, ...]:
    """Return the ions of a set of states."""
    return tuple(Ion(element, q) for element, charges in states.items() for q in charges)


def assign_oxidation_states(
    amounts: dict[str, int], anion_charge: int, rules: IonRules = OXIDE_RULES
) -> Assignment:
    """Balance the charge of the other ions against the anion's.

    One state per element is tried first, the least unusual set winning: ``CuO`` is Cu2+, ``CuGaO2``
    is Cu+ and Ga3+. Then one element may have two closed-shell states (Pb3O4, Sb2O4). A composition
    that neither explains names the d and f ions that are left with an odd charge (Ti2O3, Fe3O4).

    Parameters
    ----------
    amounts
        Number of atoms of each element but the anion.
    anion_charge
        Total charge of the anion, negative.
    rules
        What is known of ions beside this anion.
    """
    ordered = sorted(amounts.items(), key=lambda item: (electronegativity(item[0]), item[0]))
    return _assign(tuple(ordered), -anion_charge, rules)


def anion_elements(amounts: dict[str, int]) -> tuple[str, ...]:
    """Return the elements of a composition that are anions: the main one first, then further ones.

    Raises
    ------
    InvalidStructureError
        There is none, or none with rules (see :func:`~surfalign.crystals.chemistry.anions.main_anion`).
    """
    main = main_anion(amounts, "".join(f"{element}{n}" for element, n in amounts.items()))
    others = {element: n for element, n in amounts.items() if element != main}
    charge = ANION_CHARGES[main] * amounts[main]
    found = assign_oxidation_states(others, charge, IonRules.beside(main))
    return (main, *(ion.element for ion in found.ions if ion.charge < 0))


@cache
def _assign(amounts: Amounts, target: int, rules: IonRules) -> Assignment:
    sets = _uniform(amounts, target, rules)
    mixed = {} if sets else _mixed(amounts, target, rules)
    if not (sets or mixed):
        return Assignment({}, _suspects(amounts, target, rules))
    states, *alternatives = sets or [mixed]
    magnetic = tuple(ion for ion in ions_of(states) if rules.is_magnetic(ion))
    return Assignment(states, magnetic, tuple(alternatives))


def _uniform(amounts: Amounts, target: int, rules: IonRules) -> list[States]:
    """Return the least unusual sets of one state per element that sum to ``target``."""
    sets = _reachable(amounts, rules, allow_magnetic=True).get(target, [])
    return [
        {element: (q,) for q, (element, _) in zip(charges, amounts, strict=True)}
        for _, charges in sets
    ]


def _reachable(amounts: Amounts, rules: IonRules, *, allow_magnetic: bool) -> dict[int, list[_Set]]:
    """Return the least unusual states of the elements for every total charge that they can have.

    Elements are added one by one, the least electronegative first, keeping the best sets for each sum
    without and with an anion; so the cost grows with the number of sums, not with the number of sets.
    """
    best: dict[tuple[int, bool], tuple[float, list[_Set]]] = {(0, False): (0.0, [(0, ())])}
    for element, amount in amounts:
        extended: dict[tuple[int, bool], tuple[float, list[_Set]]] = {}
        for ion in (Ion(element, q) for q in known_states(element)):
            own, heavy = strangeness(ion, rules), ion.charge * amount * atomic_number(element)
            if own >= IMPLAUSIBLE or (rules.is_magnetic(ion) and not allow_magnetic):
                continue
            for (total, has_anion), (weight, sets) in best.items():
                against = _AGAINST_ELECTRONEGATIVITY if has_anion and ion.charge > 0 else 0.0
                reached = (total + ion.charge * amount, has_anion or ion.charge < 0)
                _keep(
                    extended,
                    reached,
                    weight + own + against,
                    [(order + heavy, (*charges, ion.charge)) for order, charges in sets],
                )
        best = extended
    overall: dict[int, tuple[float, list[_Set]]] = {}
    for (total, _), (weight, sets) in best.items():
        _keep(overall, total, weight, sets)
    return {total: sets for total, (_, sets) in overall.items()}


def _keep(
    found: dict[_Key, tuple[float, list[_Set]]], key: _Key, weight: float, sets: list[_Set]
) -> None:
    """Keep the sets of least weight; equal ones side by side, two at most."""
    known = found.get(key)
    if known is None or weight < known[0] - _SAME_WEIGHT:
        found[key] = (weight, sets)
    elif weight <= known[0] + _SAME_WEIGHT:
        found[key] = (known[0], sorted(known[1] + sets)[:2])


def _mixed(amounts: Amounts, target: int, rules: IonRules) -> States:
    """Return an assignment in which one element has two states without a moment.

    Half of the atoms may be of each kind, so the formula is tried once, doubled and tripled.
    """
    for factor, position in itertools.product((1, 2, 3), range(len(amounts))):
        element, amount = amounts[position][0], amounts[position][1] * factor
        others = tuple((e, n * factor) for e, n in amounts[:position] + amounts[position + 1 :])
        reachable = _reachable(others, rules, allow_magnetic=False)
        for low, high in _pairs(element, rules):
            for number_high in range(1, amount):
                own = low * (amount - number_high) + high * number_high
                if sets := reachable.get(target * factor - own):
                    rest = {e: (q,) for q, (e, _) in zip(sets[0][1], others, strict=True)}
                    return {**rest, element: (low, high)}
    return {}


def _pairs(element: str, rules: IonRules) -> list[tuple[int, int]]:
    """Return the pairs of states that may occur together in one crystal."""
    ions = [Ion(element, q) for q in known_states(element)]
    # A mean of Cu2+ is Cu2+, not Cu+ and Cu3+ (YBa2Cu3O7).
    low_spin = frozenset() if element == "Cu" else rules.low_spin
    paired = sorted(ion.charge for ion in ions if ion.is_closed_shell or str(ion) in low_spin)
    return list(itertools.combinations(paired, 2))


def _suspects(amounts: Amounts, target: int, rules: IonRules) -> tuple[Ion, ...]:
    """Name the transition and rare-earth ions of a formula that no assignment balances.

    The other elements are given their usual charges, and the d and f elements that can hold several
    states share the rest.
    """
    suspects = {e for e, _ in amounts if block_of(e) in ("d", "f") and e not in RIGID}
    total = sum(n for element, n in amounts if element in suspects)
    rest = target - sum(n * known_states(e)[0] for e, n in amounts if e not in suspects)
    if not total or rest <= 0:
        return ()
    charges = sorted({rest // total, -(-rest // total)})
    ions = [Ion(element, q) for element in sorted(suspects) for q in charges if q > 0]
    return tuple(ion for ion in ions if rules.is_magnetic(ion))
