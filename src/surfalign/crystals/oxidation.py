"""Oxidation states by charge balance, and the rule of closed shells.

The method treats crystals without magnetic moments: every ion must have a closed shell (d0, d10, s2,
p6, f0, f14), or be one that is always low-spin in oxides (Pd2+, Pt4+, Au3+, ...). The states are found
per element from the composition alone, as the least unusual set that balances the charge, among the
few states of each element that pymatgen tabulates; so the cost is bounded whatever the formula.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

#: d6 and d8 ions of the second and third series, and Cu3+, which pair all their electrons in oxides.
LOW_SPIN = frozenset(
    {"Ru2+", "Rh3+", "Ir3+", "Pd4+", "Pt4+", "Pd2+", "Pt2+", "Ag3+", "Au3+", "Cu3+"}
)

#: Weight of states that disproportionate or dimerise (Ga2+, Sb4+, Ag2+); they are not assigned.
_IMPLAUSIBLE = 10.0

#: d and f elements that hold one closed-shell state, whatever the formula seems to ask for.
_RIGID = frozenset({"Sc", "Y", "La", "Lu", "Zr", "Hf", "Th", "Zn", "Cd", "Hg", "Ag", "Au"})

#: Closed-shell states met in oxides that the tabulations leave out.
_EXTRA_STATES = {
    "Cu": (1,),
    "Ag": (1,),
    "Au": (1, -1),
    "Hg": (1, 2),
    "In": (1,),
    "Tl": (1,),
    "Yb": (2,),
    "As": (-3,),
    "Sb": (-3,),
    "Bi": (-3,),
}

States = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Ion:
    """An element in an oxidation state."""

    element: str
    charge: int

    def __str__(self) -> str:
        magnitude = "" if abs(self.charge) == 1 else str(abs(self.charge))
        return f"{self.element}{magnitude}{'-' if self.charge < 0 else '+'}"

    @property
    def shell(self) -> str:
        """The electrons of a d or f shell, e.g. ``d5`` or ``f7``; empty for other elements."""
        block = _block(self.element)
        return f"{block}{_outer_electrons(self)}" if block in ("d", "f") else ""

    @property
    def is_closed_shell(self) -> bool:
        """Whether no shell is partly filled; mercury(I) pairs its electrons in Hg-Hg bonds."""
        closed = {
            "s": {0, 2},  # noble-gas core, hydride
            "p": {0, 2, 8},  # bare core, lone pair, full p shell
            "d": {0, 10, 12},  # d0, d10, d10 s2
            "f": {0, 14},
        }
        return str(self) == "Hg+" or _outer_electrons(self) in closed[_block(self.element)]

    @property
    def is_low_spin(self) -> bool:
        """Whether the open shell carries no moment in oxides."""
        return str(self) in LOW_SPIN

    @property
    def is_magnetic(self) -> bool:
        """Whether an open d or f shell is expected to carry a moment."""
        return bool(self.shell) and not self.is_closed_shell and not self.is_low_spin


@dataclass(frozen=True)
class Assignment:
    """Oxidation states of a composition.

    Parameters
    ----------
    states
        Charges of each element but oxygen; two where its valence is mixed. Empty when none balances.
    magnetic_ions
        Ions with an open d or f shell, for example ``Fe3+``.
    """

    states: States
    magnetic_ions: tuple[Ion, ...] = ()

    @property
    def ions(self) -> tuple[Ion, ...]:
        """All ions but oxygen's."""
        return tuple(Ion(element, q) for element, charges in self.states.items() for q in charges)


def assign_oxidation_states(amounts: dict[str, int], anion_charge: int) -> Assignment:
    """Balance the charge of the ions other than oxygen against oxygen's.

    One state per element is tried first, the least unusual set winning: ``CuO`` is Cu2+, ``CuGaO2``
    is Cu+ and Ga3+. Then one element may have two closed-shell states (Pb3O4, Sb2O4). A composition
    that neither explains names the d and f ions that are left with an odd charge (Ti2O3, Fe3O4).

    Parameters
    ----------
    amounts
        Number of atoms of each element but oxygen.
    anion_charge
        Total charge of the oxygen, negative.
    """
    return _assign(tuple(sorted(amounts.items())), -anion_charge)


@cache
def _assign(amounts: tuple[tuple[str, int], ...], target: int) -> Assignment:
    states = _uniform(amounts, target) or _mixed(amounts, target)
    if not states:
        return Assignment({}, _suspects(amounts, target))
    ions = Assignment(states).ions
    return Assignment(states, tuple(ion for ion in ions if ion.is_magnetic))


def _uniform(amounts: tuple[tuple[str, int], ...], target: int) -> States:
    """Return the least unusual set of one state per element that sums to ``target``."""
    charges = _reachable(amounts, allow_magnetic=True).get(target, ())
    return {element: (q,) for q, (element, _) in zip(charges, amounts, strict=False)}


def _reachable(
    amounts: tuple[tuple[str, int], ...], *, allow_magnetic: bool
) -> dict[int, tuple[int, ...]]:
    """Return the least unusual states of the elements for every total charge that they can have.

    Elements are added one by one, keeping one set for each sum; so the cost grows with the number
    of sums, not with the number of sets.
    """
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for element, amount in amounts:
        extended: dict[int, tuple[float, tuple[int, ...]]] = {}
        for ion in (Ion(element, q) for q in known_states(element)):
            weight = _strangeness(ion)
            if weight >= _IMPLAUSIBLE or (ion.is_magnetic and not allow_magnetic):
                continue
            for total, (strangeness, charges) in best.items():
                candidate = (strangeness + weight, (*charges, ion.charge))
                reached = total + ion.charge * amount
                if reached not in extended or candidate[0] < extended[reached][0]:
                    extended[reached] = candidate
        best = extended
    return {total: charges for total, (_, charges) in best.items()}


@cache
def _strangeness(ion: Ion) -> float:
    """Weigh how unusual a state is, from 0 for the common closed shells upwards."""
    block = _block(ion.element)
    if ion.charge in _common_states(ion.element):
        return 0.25 if ion.is_magnetic else 0.0  # PbMoO4 is Pb2+ Mo6+, not Pb4+ Mo4+
    if ion.is_closed_shell or ion.is_low_spin:
        return 2.0 if block == "p" else 1.0
    if block not in ("d", "f") or ion.element in _RIGID:
        return _IMPLAUSIBLE
    away = min((abs(ion.charge - q) for q in _common_states(ion.element)), default=0)
    return 1.5 + 0.1 * away  # PbVO3 is Pb2+ V4+, not Pb4+ V2+


def _mixed(amounts: tuple[tuple[str, int], ...], target: int) -> States:
    """Return an assignment in which one element has two states without a moment.

    Half of the atoms may be of each kind, so the formula is tried once, doubled and tripled.
    """
    for factor, position in itertools.product((1, 2, 3), range(len(amounts))):
        element, amount = amounts[position][0], amounts[position][1] * factor
        others = tuple((e, n * factor) for e, n in amounts[:position] + amounts[position + 1 :])
        reachable = _reachable(others, allow_magnetic=False)
        for low, high in _pairs(element):
            for number_high in range(1, amount):
                own = low * (amount - number_high) + high * number_high
                if (charges := reachable.get(target * factor - own)) is not None:
                    rest = {e: (q,) for q, (e, _) in zip(charges, others, strict=True)}
                    return {**rest, element: (low, high)}
    return {}


def _pairs(element: str) -> list[tuple[int, int]]:
    """Return the pairs of states that may occur together in one crystal."""
    ions = [Ion(element, q) for q in known_states(element)]
    # A mean of Cu2+ is Cu2+, not Cu+ and Cu3+ (YBa2Cu3O7).
    low_spin = element != "Cu"
    paired = sorted(
        ion.charge for ion in ions if ion.is_closed_shell or (low_spin and ion.is_low_spin)
    )
    return list(itertools.combinations(paired, 2))


def _suspects(amounts: tuple[tuple[str, int], ...], target: int) -> tuple[Ion, ...]:
    """Name the transition and rare-earth ions of a formula that no assignment balances.

    The other elements are given their usual charges, and the d and f elements that can hold several
    states share the rest.
    """
    suspects = {e for e, _ in amounts if _block(e) in ("d", "f") and e not in _RIGID}
    total = sum(n for element, n in amounts if element in suspects)
    rest = target - sum(n * known_states(e)[0] for e, n in amounts if e not in suspects)
    if not total or rest <= 0:
        return ()
    charges = sorted({rest // total, -(-rest // total)})
    ions = [Ion(element, q) for element in sorted(suspects) for q in charges if q > 0]
    return tuple(ion for ion in ions if ion.is_magnetic)


@cache
def _common_states(element: str) -> tuple[int, ...]:
    """Return the states in which most compounds hold the element."""
    from pymatgen.core import Element

    return tuple(Element(element).common_oxidation_states)


@cache
def known_states(element: str) -> tuple[int, ...]:
    """Return all states that are found in crystals, the most usual first."""
    from pymatgen.core import Element

    states = set(Element(element).icsd_oxidation_states) | set(_common_states(element))
    states |= set(_EXTRA_STATES.get(element, ()))
    usual = {q: (_strangeness(Ion(element, q)), q < 0, abs(q)) for q in states - {0}}
    return tuple(sorted(usual, key=lambda q: usual[q]))


@cache
def _block(element: str) -> str:
    from pymatgen.core import Element

    return str(Element(element).block)


def _outer_electrons(ion: Ion) -> int:
    """Count the electrons outside the closed core that belongs to the element's block."""
    from pymatgen.core import Element

    number: int = Element(ion.element).Z
    cores = {
        "s": (0, 2, 10, 18, 36, 54, 86),
        "p": (2, 10, 28, 46, 78),  # noble gas, and the full d and f shells of the row
        "d": (18, 36, 68, 100),
        "f": (54, 86),
    }
    core = max(core for core in cores[_block(ion.element)] if core < number)
    return number - core - ion.charge
