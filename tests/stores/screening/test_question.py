from __future__ import annotations

import math

import pytest

from surfalign.errors import ConfigurationError, PhysicsInputError, QuestionError
from surfalign.stores.screening.question import Terms, ask
from surfalign.stores.screening.rules import Rule, load_rule

SLOPE = 0.0591597


def test_the_bounds_are_the_redox_levels_at_the_ph_with_the_margin() -> None:
    asked = ask(load_rule("water-splitting"), Terms(ph=7, margin=0.2))
    conduction, valence, gap = asked.conditions
    assert conduction.low == pytest.approx(-4.44 + 7 * SLOPE + 0.2)
    assert valence.high == pytest.approx(-4.44 - 1.229 + 7 * SLOPE - 0.2)
    assert (gap.low, gap.high) == (1.23, 4.0)
    assert asked.levels == pytest.approx({"H+/H2": -4.44 + 7 * SLOPE, "O2/H2O": -5.669 + 7 * SLOPE})


def test_the_windows_are_those_of_ip_and_ea() -> None:
    conduction, valence, gap = ask(load_rule("water-splitting"), Terms()).conditions
    assert conduction.window is not None
    assert valence.window is not None
    assert gap.window is not None
    assert conduction.window.high == pytest.approx(4.44)  # EA smaller than this
    assert valence.window.low == pytest.approx(5.669)  # IP larger than this
    assert (gap.window.low, gap.window.high) == (1.23, 4.0)


def test_a_gap_window_a_couple_and_a_work_function_can_be_chosen() -> None:
    gap = ask(load_rule("water-splitting"), Terms(gap=(1.5, 3.1))).conditions[2]
    assert (gap.low, gap.high) == (1.5, 3.1)
    assert "CO2/CO" in ask(load_rule("co2-reduction"), Terms(couple="co2/co")).levels
    contact = ask(load_rule("n-contact"), Terms(work_function=5.0)).conditions[0]
    assert contact.high == pytest.approx(-4.7)


def test_the_partner_sets_both_levels_of_a_gate_dielectric() -> None:
    silicon = ask(load_rule("gate-dielectric"), Terms())
    assert silicon.conditions[0].low == pytest.approx(-4.05 + 1.0)
    assert silicon.conditions[1].high == pytest.approx(-5.17 - 1.0)
    nitride = ask(load_rule("gate-dielectric"), Terms(partner="GaN"))
    assert nitride.levels == {"GaN conduction band": -3.3, "GaN valence band": -6.7}


def test_another_hydrogen_electrode_is_used_and_said() -> None:
    asked = ask(load_rule("photoanode"), Terms(hydrogen_electrode=-4.28))
    assert asked.levels["O2/H2O"] == pytest.approx(-4.28 - 1.229)
    assert any("-4.28 eV" in note for note in asked.notes())


def test_the_shift_in_water_is_off_by_default_and_said_when_on() -> None:
    assert ask(load_rule("water-splitting"), Terms()).shift == 0.0
    asked = ask(load_rule("water-splitting"), Terms(in_water=True))
    assert asked.shift == 0.5
    assert any("10.1039/C3CP54589J" in note for note in asked.notes())


@pytest.mark.parametrize(
    ("rule", "terms", "message"),
    [
        ("n-contact", Terms(ph=7), "--ph means nothing to the rule n-contact"),
        ("n-contact", Terms(in_water=True), "--in-water"),
        ("n-contact", Terms(margin=0.1), "--margin"),
        ("n-contact", Terms(gap=(1, 2)), "--gap"),
        ("water-splitting", Terms(couple="CO2/CO"), "--couple"),
        ("water-splitting", Terms(work_function=4.0), "--work-function"),
        ("water-splitting", Terms(partner="Si"), "--partner"),
        ("gate-dielectric", Terms(partner="Ge"), "one of Si, GaN"),
        ("n-contact", Terms(work_function=-1.0), "--work-function is -1"),
        ("water-splitting", Terms(margin=-0.1), "a margin of -0.1"),
        ("water-splitting", Terms(margin=math.nan), "a margin of nan"),
        ("water-splitting", Terms(gap=(3.0, 2.0)), "holds nothing"),
    ],
)
def test_what_a_rule_does_not_ask_for_or_cannot_be_is_refused(
    rule: str, terms: Terms, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ask(load_rule(rule), terms)


def test_a_ph_outside_of_water_and_an_unknown_couple_are_refused() -> None:
    with pytest.raises(PhysicsInputError, match="from 0 to 14"):
        ask(load_rule("water-splitting"), Terms(ph=15))
    with pytest.raises(PhysicsInputError, match="unknown redox couple"):
        ask(load_rule("co2-reduction"), Terms(couple="CO2/C2H4"))


def test_a_rule_takes_the_couples_of_its_use_alone() -> None:
    with pytest.raises(
        QuestionError, match=r"N2/NH3, which is not of the rule co2-reduction.*CO2/CO,"
    ):
        ask(load_rule("co2-reduction"), Terms(couple="n2/nh3"))
    rule = load_rule("co2-reduction")
    assert {c for c in rule.choices if ask(rule, Terms(couple=c))} == set(rule.couples)
    own = rule.model_copy(update={"couples": ()})
    assert "N2/NH3" in ask(own, Terms(couple="N2/NH3")).levels


def test_a_rule_of_ones_own_must_say_what_its_words_mean() -> None:
    condition = {"quantity": "valence_band", "below": "work_function", "reason": "so"}
    rule = Rule.model_validate(
        {"name": "a", "title": "A", "description": "D", "conditions": [condition]}
    )
    with pytest.raises(ConfigurationError, match="--work-function is None"):
        ask(rule, Terms())
