"""A rule with its numbers: the bounds in eV at a pH, with the margin and the partner that were asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from surfalign.errors import QuestionError
from surfalign.physics.levels.distribution import LevelWindow
from surfalign.physics.levels.redox import (
    EDGE_SHIFT_IN_WATER,
    HYDROGEN_ELECTRODE,
    known_ph,
    redox_couple,
)
from surfalign.stores.screening.rules import EDGES, Condition, Rule

NAMES = {
    "conduction_band": "conduction band",
    "valence_band": "valence band",
    "band_gap": "gap",
    "dielectric_constant": "dielectric constant",
}


@dataclass(frozen=True)
class Terms:
    """What may be chosen about a rule; None leaves what the rule says.

    Attributes
    ----------
    ph
        pH of the redox levels; 0 where None.
    margin
        How far the edges shall be beyond the levels, eV.
    gap
        Window of the gap, eV.
    couple
        Redox couple that the rule's word ``couple`` stands for.
    work_function
        Of the partner, eV.
    partner
        One of the rule's partners.
    in_water
        Whether edges are moved as water moves them on average.
    hydrogen_electrode
        Standard hydrogen electrode against vacuum, eV.
    """

    ph: float | None = None
    margin: float | None = None
    gap: tuple[float, float] | None = None
    couple: str | None = None
    work_function: float | None = None
    partner: str | None = None
    in_water: bool = False
    hydrogen_electrode: float = HYDROGEN_ELECTRODE


@dataclass(frozen=True)
class Bounds:
    """One condition in numbers.

    Attributes
    ----------
    quantity
        What is compared; edges in eV against vacuum.
    low, high
        Bounds; infinite where there is none.
    low_name, high_name
        What they are, e.g. ``H+/H2``.
    reason
        Why the use needs it.
    """

    quantity: str
    low: float
    high: float
    low_name: str
    high_name: str
    reason: str

    @property
    def name(self) -> str:
        """The condition in words, e.g. ``conduction band above H+/H2 (-4.03 eV)``."""
        unit = "" if self.quantity == "dielectric_constant" else " eV"
        parts = [
            f"{word} {name} ({bound:.2f}{unit})" if name else f"{word} {bound:.2f}{unit}"
            for word, bound, name in (
                ("above", self.low, self.low_name),
                ("below", self.high, self.high_name),
            )
            if math.isfinite(bound)
        ]
        return f"{NAMES[self.quantity]} {' and '.join(parts)}"

    @property
    def window(self) -> LevelWindow | None:
        """The condition as a window of levels; None where it is none of IP and EA."""
        if self.quantity == "conduction_band":
            return LevelWindow(0.0, 1.0, -self.high, -self.low)
        if self.quantity == "valence_band":
            return LevelWindow(1.0, 0.0, -self.high, -self.low)
        if self.quantity == "band_gap":
            return LevelWindow(1.0, -1.0, self.low, self.high)
        return None


@dataclass(frozen=True)
class Question:
    """What is asked of each surface.

    Attributes
    ----------
    rule
        The rule.
    terms
        What was chosen.
    conditions
        In numbers; all must hold.
    levels
        Name to level, eV against vacuum: what the edges are compared with.
    """

    rule: Rule
    terms: Terms
    conditions: tuple[Bounds, ...]
    levels: dict[str, float] = field(default_factory=dict)

    @property
    def shift(self) -> float:
        """How far the edges are moved up, eV: IP and EA are smaller by it."""
        return EDGE_SHIFT_IN_WATER if self.terms.in_water else 0.0

    def notes(self) -> list[str]:
        """Return what a reader of the answer must know."""
        found = [f"all of: {'; '.join(bounds.name for bounds in self.conditions)}"]
        if self.rule.takes_ph:
            found.append(
                f"pH {self.terms.ph or 0:g}, standard hydrogen electrode at "
                f"{self.terms.hydrogen_electrode:.2f} eV"
            )
        if self.terms.in_water:
            found.append(
                f"edges moved by +{EDGE_SHIFT_IN_WATER:g} eV, the average shift in water at the pH of zero "
                "charge (doi:10.1039/C3CP54589J)"
            )
        if self.rule.alignment_error:
            found.append(
                "contact: vacuum levels do not align at an interface; a mean absolute error of "
                f"{self.rule.alignment_error:g} eV is added to those of the levels"
            )
        return found


def ask(rule: Rule, terms: Terms) -> Question:
    """Put the numbers into a rule.

    Raises
    ------
    QuestionError
        When something was chosen that the rule does not ask for, or is no number that makes sense.
    PhysicsInputError
        When the pH is not one of water, or there is no such redox couple.
    """
    _refuse_what_is_not_asked_for(rule, terms)
    if rule.takes_ph:
        known_ph(terms.ph or 0.0)
    levels: dict[str, float] = {}
    margin = rule.margin if terms.margin is None else terms.margin
    if not 0 <= margin < math.inf:
        raise QuestionError(
            f"a margin of {margin:g} eV", "a finite number, 0 or more", "choose --margin 0.2"
        )
    bounds = [_bounds(condition, rule, terms, margin, levels) for condition in rule.conditions]
    for one in bounds:
        if not one.low < one.high:
            raise QuestionError(
                f"{one.name} holds nothing",
                "a lower bound below the upper one",
                "choose other bounds",
            )
    _refuse_contradictions(bounds)
    return Question(rule, terms, tuple(bounds), levels)


def _refuse_contradictions(bounds: list[Bounds]) -> None:
    """Refuse conditions that no pair of band edges can meet together, e.g. by a margin wider than the gap."""
    low = {q: max((b.low for b in bounds if b.quantity == q), default=-math.inf) for q in NAMES}
    high = {q: min((b.high for b in bounds if b.quantity == q), default=math.inf) for q in NAMES}
    least = max(low["band_gap"], low["conduction_band"] - high["valence_band"])
    most = min(high["band_gap"], high["conduction_band"] - low["valence_band"])
    if least >= most or any(low[quantity] >= high[quantity] for quantity in NAMES):
        raise QuestionError(
            f"no surface can meet all of: {'; '.join(bound.name for bound in bounds)}",
            "conditions that leave some gap",
            "choose a smaller --margin, a wider --gap, or other bounds",
        )


def refuse_what_means_nothing(asked: Mapping[str, tuple[bool, bool]], what: str) -> None:
    """Refuse options that change nothing about a question.

    Parameters
    ----------
    asked
        Option to whether it is given, and whether it is taken.
    what
        The question, for the message.

    Raises
    ------
    QuestionError
        When one is given and not taken.
    """
    useless = [option for option, (given, taken) in asked.items() if given and not taken]
    if useless:
        taken = [option for option, (_, known) in asked.items() if known]
        raise QuestionError(
            f"{', '.join(useless)} means nothing to {what}",
            f"one of {', '.join(taken)}" if taken else "no option",
            "leave it out",
        )


def _refuse_what_is_not_asked_for(rule: Rule, terms: Terms) -> None:
    gaps = any(condition.quantity == "band_gap" for condition in rule.conditions)
    asked = {
        "--ph": (terms.ph is not None, rule.takes_ph),
        "--in-water": (terms.in_water, rule.takes_ph),
        "--margin": (terms.margin is not None, rule.takes_margin),
        "--gap": (terms.gap is not None, gaps),
        "--couple": (terms.couple is not None, "couple" in rule.words),
        "--work-function": (terms.work_function is not None, "work_function" in rule.words),
        "--partner": (terms.partner is not None, bool(rule.partners)),
    }
    refuse_what_means_nothing(asked, f"the rule {rule.name}")


def _bounds(
    condition: Condition, rule: Rule, terms: Terms, margin: float, levels: dict[str, float]
) -> Bounds:
    by = margin if condition.by == "margin" else float(condition.by)
    low, low_name = _number(condition.above, rule, terms)
    high, high_name = _number(condition.below, rule, terms)
    for name, level in ((low_name, low), (high_name, high)):
        if name and level is not None:
            levels[name] = level
    found = Bounds(
        condition.quantity,
        -math.inf if low is None else low + by,
        math.inf if high is None else high - by,
        _with_margin(low_name, by),
        _with_margin(high_name, -by),
        condition.reason,
    )
    if condition.quantity == "band_gap" and terms.gap is not None:
        return replace(found, low=terms.gap[0], high=terms.gap[1])
    return found


def _with_margin(name: str, by: float) -> str:
    return f"{name} {'+' if by > 0 else '-'} {abs(by):g} eV" if name and by else name


def _number(bound: float | str | None, rule: Rule, terms: Terms) -> tuple[float | None, str]:
    """Return a bound in eV, and its name where it has one."""
    if bound is None or not isinstance(bound, str):
        return bound, ""
    if bound == "work_function":
        value = terms.work_function if terms.work_function is not None else rule.work_function
        if value is None or not 0 < value < 20:
            raise _missing(rule, "--work-function", "a number of eV such as 4.3", value)
        return -value, f"work function {value:g} eV"
    if bound.startswith("partner."):
        name = terms.partner or rule.partner
        if name not in rule.partners:
            raise _missing(rule, "--partner", f"one of {', '.join(rule.partners)}", name)
        partner = rule.partners[name]
        edge = bound.removeprefix("partner.")
        level = partner.electron_affinity if edge == EDGES[0] else partner.ionization_potential
        return -level, f"{name} {NAMES[edge]}"
    name = (terms.couple or rule.couple) if bound == "couple" else bound
    if name is None:
        raise _missing(rule, "--couple", "a redox couple such as CO2/CH4", name)
    couple = redox_couple(name)
    if bound == "couple" and couple.name not in rule.choices:
        raise QuestionError(
            f"the couple {couple.name}, which is not of the rule {rule.name} ({rule.title})",
            f"one of {', '.join(rule.choices)}",
            "choose one of them by --couple, or write a rule of your own",
        )
    return couple.level(terms.ph or 0.0, terms.hydrogen_electrode), couple.name


def _missing(rule: Rule, option: str, expected: str, found: object) -> QuestionError:
    return QuestionError(
        f"{option} is {found} for the rule {rule.name}", expected, f"give it: {option}"
    )
