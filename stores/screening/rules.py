"""Rules of a screening: what levels a use needs, as small records without code.

A rule is a YAML file; those of surfalign are in ``stores/screening/rules``, and any other is named by its
path. docs/how-to/screen.md shows one.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictFloat, ValidationError, model_validator

from surfalign.errors import ConfigurationError, QuestionError
from surfalign.files import load_yaml
from surfalign.physics.contacts.anderson import LARGEST_RULE_ERROR
from surfalign.physics.levels.redox import COUPLES

Quantity = Literal["conduction_band", "valence_band", "band_gap", "dielectric_constant"]
#: Bounds that are words, beside the names of redox couples.
WORDS = ("couple", "work_function", "partner.conduction_band", "partner.valence_band")
EDGES = ("conduction_band", "valence_band")


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Condition(_Record):
    """One condition: a quantity above a bound, below a bound, or between the two."""

    quantity: Quantity = Field(description="What is compared")
    above: StrictFloat | str | None = Field(
        default=None,
        description="Lower bound: a number (eV; edges against vacuum, hence negative), a redox couple, "
        f"or one of {', '.join(WORDS)}",
    )
    below: StrictFloat | str | None = Field(default=None, description="Upper bound, likewise")
    by: StrictFloat | Literal["margin"] = Field(
        default=0.0,
        description="How far beyond the bounds (eV), or the margin of the rule; negative allows so much",
    )
    reason: str = Field(description="Why the use needs it")

    @model_validator(mode="after")
    def _has_bounds(self) -> Self:
        given = [bound for bound in (self.above, self.below) if bound is not None]
        if not given:
            raise ValueError(f"{self.quantity}: a bound is needed, 'above' or 'below'")
        for bound in given:
            if isinstance(bound, str) and bound not in (*WORDS, *COUPLES):
                raise ValueError(
                    f"{self.quantity}: {bound!r} is no number, no redox couple ({', '.join(COUPLES)}) and "
                    f"none of {', '.join(WORDS)}"
                )
            if isinstance(bound, str) and self.quantity not in EDGES:
                raise ValueError(f"{self.quantity}: {bound!r} is a level; give a number")
        return self


class Partner(_Record):
    """The material on the other side of a contact."""

    ionization_potential: float = Field(description="IP (eV)", json_schema_extra={"unit": "eV"})
    electron_affinity: float = Field(description="EA (eV)", json_schema_extra={"unit": "eV"})
    source: str = Field(description="Where the levels come from")


class Rule(_Record):
    """What a use needs."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="By which it is asked for")
    title: str = Field(description="The use, in some words")
    description: str = Field(description="What a surface that meets the rule can do")
    conditions: Annotated[tuple[Condition, ...], Field(min_length=1)] = Field(
        description="All of them must hold"
    )
    margin: float = Field(
        default=0.0, ge=0.0, description="Margin of the conditions that ask for it (eV)"
    )
    couple: str | None = Field(default=None, description="Redox couple that 'couple' stands for")
    couples: tuple[str, ...] = Field(
        default=(), description="Couples that --couple may choose; all where none is named"
    )
    work_function: float | None = Field(
        default=None, gt=0.0, description="Work function that 'work_function' stands for (eV)"
    )
    partner: str | None = Field(default=None, description="Which of the partners is meant")
    partners: dict[str, Partner] = Field(default_factory=dict, description="Partners by name")
    alignment_error: float = Field(
        default=0.0,
        ge=0.0,
        le=LARGEST_RULE_ERROR,
        description="Mean absolute error of aligning by vacuum levels at a contact (eV); IP and EA move alike",
    )
    sources: tuple[str, ...] = Field(default=(), description="Where the bounds come from")

    @model_validator(mode="after")
    def _words_mean_something(self) -> Self:
        for word, couple in (
            ("couple", self.couple),
            *(("couples", name) for name in self.couples),
        ):
            if couple is not None and couple not in COUPLES:
                raise ValueError(f"{word}: {couple!r} is none of {', '.join(COUPLES)}")
        if self.couple is not None and self.couple not in self.choices:
            raise ValueError(f"couple: {self.couple!r} is none of {', '.join(self.choices)}")
        if self.partner is not None and self.partner not in self.partners:
            raise ValueError(f"partner: {self.partner!r} is none of the partners")
        return self

    @property
    def words(self) -> frozenset[str]:
        """Bounds that are words."""
        bounds = [b for c in self.conditions for b in (c.above, c.below)]
        return frozenset(bound for bound in bounds if isinstance(bound, str))

    @property
    def choices(self) -> tuple[str, ...]:
        """Redox couples that ``couple`` may stand for."""
        return self.couples or tuple(COUPLES)

    @property
    def takes_ph(self) -> bool:
        """Whether redox levels are among its bounds."""
        return bool(self.words & {"couple", *COUPLES})

    @property
    def takes_margin(self) -> bool:
        """Whether a condition asks for the margin."""
        return any(condition.by == "margin" for condition in self.conditions)


def known_rules() -> dict[str, Rule]:
    """Return the rules of surfalign by name."""
    return dict(_own_rules())


@cache
def _own_rules() -> dict[str, Rule]:
    folder = files("surfalign.stores.screening") / "rules"
    texts = {f.name: f.read_text(encoding="utf-8") for f in folder.iterdir() if _is_yaml(f.name)}
    rules = [parse_rule(text, name) for name, text in sorted(texts.items())]
    return {rule.name: rule for rule in rules}


def known_rule(name: str) -> Rule:
    """Return a rule of surfalign; no file is read but its own.

    Raises
    ------
    QuestionError
        When there is no such rule.
    """
    rules = known_rules()
    if name in rules:
        return rules[name]
    raise QuestionError(
        f"there is no rule {name!r}",
        f"one of {', '.join(rules)}, or for the command the path of a .yaml file",
        "list them: surfalign screen --list",
    )


def load_rule(name: str) -> Rule:
    """Return a rule of surfalign by its name, or the one in a YAML file.

    Raises
    ------
    ConfigurationError
        When there is no such rule or file, or the file is no rule.
    """
    if not _is_yaml(name):
        return known_rule(name)
    try:
        text = Path(name).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the rule {name} cannot be read: {error}", "a YAML file", "check the path"
        ) from error
    return parse_rule(text, name)


def parse_rule(text: str, where: str) -> Rule:
    """Return the rule that a YAML text holds.

    Parameters
    ----------
    text
        The text.
    where
        Its name, for messages.

    Raises
    ------
    ConfigurationError
        When it is no YAML, or does not follow the schema.
    """
    try:
        return Rule.model_validate(load_yaml(text, where))
    except yaml.YAMLError as error:
        found = f"{where} is no YAML: {error}"
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors()
        ]
        found = f"{where} is no rule: {'; '.join(problems)}"
    raise ConfigurationError(
        found, "the keys of docs/reference/screening-rules.md", "copy one of surfalign's rules"
    )


def _is_yaml(name: str) -> bool:
    return Path(name).suffix in (".yaml", ".yml")
