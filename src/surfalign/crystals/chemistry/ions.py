"""Ions: their shells, which of them carry no moment, and which oxidation states elements have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

#: d6 and d8 ions of the second and third series, and Cu3+, which pair all their electrons in crystals.
LOW_SPIN = frozenset(
    {"Ru2+", "Rh3+", "Ir3+", "Pd4+", "Pt4+", "Pd2+", "Pt2+", "Ag3+", "Au3+", "Cu3+"}
)
#: In sulfides, selenides and tellurides: d2 in a trigonal prism, as in MoS2, and d3 in the clusters of ReS2.
LOW_SPIN_IN_CHALCOGENIDES = frozenset({"Mo4+", "W4+", "Re4+"})
#: Between pairs of these anions: the d6 ions of pyrite and marcasite.
LOW_SPIN_BETWEEN_PAIRS = frozenset({"Fe2+", "Os2+"})
#: Copper in sulfides, nitrides and their like is Cu+, whatever the formula: Cu2SnS3 is Cu+ Sn4+.
USUAL_BESIDE_SOFT_ANIONS = frozenset({"Cu+"})
SOFT_ANIONS = frozenset({"N", "P", "As", "S", "Se", "Te", "I"})

#: Weight of states that disproportionate or dimerise (Ga2+, Sb4+, Ag2+); they are not assigned.
IMPLAUSIBLE = 10.0

#: d and f elements that hold one closed-shell state, whatever the formula seems to ask for.
RIGID = frozenset({"Sc", "Y", "La", "Lu", "Zr", "Hf", "Th", "Zn", "Cd", "Hg", "Ag", "Au"})

#: Closed-shell states met in crystals that the tabulations leave out.
_EXTRA_STATES = {
    "Cu": (1,),
    "Ag": (1,),
    "Au": (1, -1),
    "Hg": (1, 2),
    "Ga": (1,),
    "In": (1,),
    "Tl": (1,),
    "Yb": (2,),
    "As": (-3,),
    "Sb": (-3,),
    "Bi": (-3,),
}


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
        block = block_of(self.element)
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
        return str(self) == "Hg+" or _outer_electrons(self) in closed[block_of(self.element)]


@dataclass(frozen=True)
class IonRules:
    """What is known of the ions beside an anion.

    Parameters
    ----------
    low_spin
        Ions with an open shell that carry no moment, e.g. ``Pt4+``.
    usual
        Ions that are common there, although not elsewhere.
    """

    low_spin: frozenset[str] = LOW_SPIN
    usual: frozenset[str] = frozenset()

    @classmethod
    def beside(cls, anion: str, *, paired: bool = False) -> IonRules:
        """Return the rules of an anion; ``paired`` says that its atoms are bonded in pairs."""
        low_spin, usual = LOW_SPIN, USUAL_BESIDE_SOFT_ANIONS
        if anion in ("S", "Se", "Te"):
            low_spin |= LOW_SPIN_IN_CHALCOGENIDES
            low_spin |= LOW_SPIN_BETWEEN_PAIRS if paired else frozenset()
        return cls(low_spin, usual if anion in SOFT_ANIONS else frozenset())

    def has_no_moment(self, ion: Ion) -> bool:
        """Tell whether an ion pairs the electrons of an open shell."""
        return bool(ion.shell) and not ion.is_closed_shell and str(ion) in self.low_spin

    def is_magnetic(self, ion: Ion) -> bool:
        """Tell whether an open d or f shell is expected to carry a moment."""
        return bool(ion.shell) and not ion.is_closed_shell and str(ion) not in self.low_spin


#: Rules beside oxygen.
OXIDE_RULES = IonRules()


@cache
def strangeness(ion: Ion, rules: IonRules = OXIDE_RULES) -> float:
    """Weigh how unusual a state is, from 0 for the common closed shells upwards."""
    if str(ion) in rules.usual:
        return 0.0
    if ion.charge in _common_states(ion.element):
        # PbMoO4 is Pb2+ Mo6+, not Pb4+ Mo4+.
        return 0.25 if rules.is_magnetic(ion) else 0.0
    block = block_of(ion.element)
    if ion.is_closed_shell:
        return 2.0 if block == "p" else 1.0
    if str(ion) in rules.low_spin:
        return 1.05  # Li2CuAsO4 is Cu+ As5+, not Cu3+ As3+
    if block not in ("d", "f") or ion.element in RIGID:
        return IMPLAUSIBLE
    away = min((abs(ion.charge - q) for q in _common_states(ion.element)), default=0)
    return 1.5 + 0.1 * away  # PbVO3 is Pb2+ V4+, not Pb4+ V2+


@cache
def electronegativity(element: str) -> float:
    """Return Pauling's electronegativity; 0 for noble gases."""
    from pymatgen.core import Element

    return float(Element(element).data.get("X") or 0.0)


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
    usual = {q: (strangeness(Ion(element, q)), q < 0, abs(q)) for q in states - {0}}
    return tuple(sorted(usual, key=lambda q: usual[q]))


@cache
def atomic_number(element: str) -> int:
    """Return the atomic number of a symbol."""
    from pymatgen.core import Element

    return int(Element(element).Z)


@cache
def block_of(element: str) -> str:
    """Return the block of the periodic table: s, p, d or f."""
    from pymatgen.core import Element

    return str(Element(element).block)


def _outer_electrons(ion: Ion) -> int:
    """Count the electrons outside the closed core that belongs to the element's block."""
    number = atomic_number(ion.element)
    cores = {
        "s": (0, 2, 10, 18, 36, 54, 86),
        "p": (2, 10, 28, 46, 78),  # noble gas, and the full d and f shells of the row
        "d": (18, 36, 68, 100),
        "f": (54, 86),
    }
    core = max(core for core in cores[block_of(ion.element)] if core < number)
    return number - core - ion.charge
