from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from surfalign.errors import ConfigurationError
from surfalign.stores.screening.rules import Rule, known_rules, load_rule, parse_rule

RULE = {
    "name": "mine",
    "title": "My use",
    "description": "What it does.",
    "conditions": [{"quantity": "conduction_band", "above": -3.0, "reason": "so"}],
}


def changed(**fields: object) -> str:
    return yaml.safe_dump(RULE | fields)


def condition(**fields: object) -> str:
    return changed(conditions=[{"quantity": "conduction_band", "reason": "so"} | fields])


def test_the_rules_of_the_package_are_these_and_say_where_they_come_from() -> None:
    rules = known_rules()
    assert sorted(rules) == [
        "co2-reduction", "gate-dielectric", "hydrogen-evolution", "n-contact", "p-contact",
        "photoanode", "transparent-conductor", "water-splitting",
    ]  # fmt: skip
    assert all(rule.sources for rule in rules.values())
    assert all(partner.source for rule in rules.values() for partner in rule.partners.values())


def test_a_rule_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(changed(margin=0.3))
    assert load_rule(str(path)) == Rule.model_validate(RULE | {"margin": 0.3})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (condition(), "a bound is needed"),
        (condition(above="H2/H+"), "no redox couple"),
        (condition(quantity="band_gap", above="H+/H2"), "is a level; give a number"),
        (condition(quantity="work_function", above=1.0), "quantity"),
        (condition(above=1.0, by="edge"), "margin"),
        (changed(conditions=[]), "at least 1"),
        (changed(couple="Fe/Fe"), "couple: 'Fe/Fe' is none of"),
        (changed(couples=["CO2/CO", "Fe/Fe"]), "couples: 'Fe/Fe' is none of"),
        (changed(couple="H+/H2", couples=["CO2/CO"]), "couple: 'H\\+/H2' is none of CO2/CO"),
        (changed() + "margin: 0.1\nmargin: 0.2\n", "gives the key 'margin' twice, in lines"),
        (changed() + "title: Twice\n", "gives the key 'title' twice"),
        (
            "conditions:\n- {quantity: band_gap, above: 1.0, above: 2.0}\n",
            "the key 'above' twice, in line 2",
        ),
        (changed(partner="Si"), "none of the partners"),
        (changed(margin=-0.1), "margin"),
        (changed(name="My Rule"), "name"),
        (changed(code="print()"), "Extra inputs"),
        (changed(work_function=float("nan")), "work_function"),
        ("- a\n- b\n", "is no rule"),
        ("", "is no rule"),
        ("a: [", "no YAML"),
        ("[" * 5000, "nesting depth|nested too deeply"),
    ],
)
def test_a_file_that_is_no_rule_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_rule(text, "mine.yaml")


def test_an_unknown_rule_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="one of co2-reduction"):
        load_rule("water")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_rule(str(tmp_path / "none.yaml"))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_rule(str(tmp_path / "folder.yaml" / "x.yml"))


def test_what_a_rule_asks_for_is_known() -> None:
    rules = known_rules()
    assert rules["water-splitting"].takes_ph
    assert rules["water-splitting"].takes_margin
    assert not rules["n-contact"].takes_ph
