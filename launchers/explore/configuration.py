"""What a loop is told: pool, machine, method, budget, and by what it chooses."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from surfalign.errors import ConfigurationError
from surfalign.files import load_yaml
from surfalign.ml.acquisition.choice import Acquisition
from surfalign.ml.acquisition.rule import Rule
from surfalign.ml.learners.kinds import configuration_of
from surfalign.ml.models.model_registry import NAMES, is_model_name
from surfalign.stores.campaign_register import Method

#: The profile that means this machine, without a workflow manager.
THIS_MACHINE = "local"
#: The last for which the end of each of its days has a date.
LAST_YEAR = 9998


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _file_name(name: str) -> str:
    """Refuse what cannot name the loop's model and its folder."""
    if not is_model_name(name):
        raise ValueError(NAMES)
    return name


class PoolSource(_Model):
    """Where the candidates come from: a plan, or crystals that are planned first."""

    plan: Path | None = Field(default=None, description="Plan of surfalign plan")
    crystals: tuple[str, ...] = Field(
        default=(), description="Crystals as surfalign plan takes them, in place of a plan"
    )
    max_index: int = Field(default=1, ge=1, le=3, description="Largest Miller index of crystals")
    max_atoms: int = Field(default=120, ge=1, description="Largest slab of crystals, atoms")
    limit: int = Field(default=3000, ge=1, description="Most surfaces planned of crystals")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.plan is None) == (not self.crystals):
            raise ValueError("a plan or crystals are needed, one of the two")
        return self


class Budget(_Model):
    """When the loop ends; each limit is passed by one batch at most."""

    surfaces: int | None = Field(default=None, description="Surfaces in all")
    cpu_hours: float | None = Field(
        default=None, allow_inf_nan=False, description="CPU time in all (h)"
    )
    until: datetime | None = Field(default=None, description="Date, or time in UTC")

    @model_validator(mode="before")
    @classmethod
    def _days_are_times(cls, given: Any) -> Any:
        """A day counts to its end; a time without a zone is UTC."""
        if not isinstance(given, dict):
            return given
        until = given.get("until")
        if isinstance(until, int | float):
            raise ValueError(
                f"until is the number {until}, and a date such as 2030-01-31 is needed"
            )
        if isinstance(until, str) and len(until) == 10:
            until = date.fromisoformat(until)
        if isinstance(until, date) and not isinstance(until, datetime):
            if until.year > LAST_YEAR:
                raise ValueError(f"until lies behind the year {LAST_YEAR}: leave it out instead")
            until = datetime(until.year, until.month, until.day, tzinfo=UTC) + timedelta(days=1)
        if isinstance(until, datetime) and until.tzinfo is None:
            until = until.replace(tzinfo=UTC)
        return given | {"until": until}

    @model_validator(mode="after")
    def _is_a_budget(self) -> Self:
        limits = (self.surfaces, self.cpu_hours)
        if limits == (None, None) and self.until is None:
            raise ValueError("one of surfaces, cpu_hours, until is needed: a loop must end")
        if any(limit is not None and not limit > 0 for limit in limits):
            raise ValueError("a budget of zero computes nothing: give more, or leave the limit out")
        return self


class LearnerChoice(_Model):
    """The model that is renewed in every round."""

    name: Annotated[str, AfterValidator(lambda name: name and _file_name(name))] = Field(
        default="", description="In the registry; the loop's own name by default"
    )
    kind: str = Field(default="mixed", description="Kind of learner")
    configuration: dict[str, Any] = Field(
        default_factory=dict, description="What differs from the kind's defaults"
    )
    query: str = Field(
        default="", description="Results to learn from; by default those of the method"
    )
    least_labels: int = Field(
        default=20, ge=2, description="Labelled surfaces without which no model is trained"
    )
    flagged: bool = Field(
        default=False, description="Learn from results with a failed check too, at a lower weight"
    )
    train: bool = Field(default=True, description="Whether it is trained; else it must be there")

    @model_validator(mode="after")
    def _can_be_trained(self) -> Self:
        configuration_of(self.kind, self.configuration)
        return self


class FailureLimit(_Model):
    """When the loop pauses because too much fails."""

    share: float = Field(default=0.5, gt=0, le=1, description="Largest share of failed surfaces")
    least: int = Field(
        default=4, ge=1, description="Surfaces that must have ended before it counts"
    )


class ExploreConfiguration(_Model):
    """One loop."""

    name: Annotated[str, AfterValidator(_file_name)] = Field(
        min_length=1, description="Of the loop in its database"
    )
    pool: PoolSource
    profile: str = Field(
        default=THIS_MACHINE, description="Profile whose queues compute; local is this machine"
    )
    method: Method = Field(default_factory=Method, description="How surfaces are computed")
    batch: int = Field(default=8, ge=1, description="Surfaces of a round")
    acquisition: Acquisition = Field(
        default=Acquisition.INFORMATION, description="By what surfaces are chosen"
    )
    first: Acquisition = Field(
        default=Acquisition.RANDOM, description="The same before there is a model"
    )
    rule: Rule | None = Field(default=None, description="Windows of the screening")
    budget: Budget
    model: LearnerChoice = Field(default_factory=LearnerChoice)
    failures: FailureLimit = Field(default_factory=FailureLimit)
    poll_interval: float = Field(
        default=60.0, gt=0, description="Seconds between two looks at a batch in queues"
    )
    patience: float = Field(
        default=3600.0, ge=0, description="Seconds for which a lost database is waited for"
    )
    seed: int = Field(default=0, ge=0, description="Of everything random")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.acquisition.needs_rule and self.rule is None:
            raise ValueError(f"the acquisition {self.acquisition.value} needs a rule")
        if self.first.needs_model or self.first is Acquisition.THOMPSON:
            raise ValueError("first: random or diversity, for there is no model yet")
        return self

    @property
    def model_name(self) -> str:
        """Name of the model in the registry."""
        return self.model.name or self.name

    @property
    def is_here(self) -> bool:
        """Whether this machine computes."""
        return self.profile == THIS_MACHINE


def read_configuration(path: Path) -> ExploreConfiguration:
    """Read the configuration of a loop; paths in it count from its folder.

    Raises
    ------
    ConfigurationError
        When the file cannot be read, or a key or value is wrong; names the first one.
    """
    try:
        plain = load_yaml(path.expanduser().read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error}",
            "a YAML file with the keys of an exploration",
            "see docs/how-to/explore.md for an example",
        ) from error
    if not isinstance(plain, dict):
        raise ConfigurationError(
            f"{path} holds no keys", "name, pool, budget, ...", "see docs/how-to/explore.md"
        )
    folder = path.expanduser().absolute().parent
    try:
        found = ExploreConfiguration.model_validate(plain)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        message = first["msg"].removeprefix("Value error, ")
        if isinstance(first["input"], str | int | float):
            message += f", found {first['input']!r}"
        raise ConfigurationError(
            f"{place} in {path}: {message}",
            f"keys among {', '.join(_keys_at(first['loc']))}",
            "correct the file",
        ) from error
    source = found.pool
    placed = source.model_copy(
        update={
            "plan": folder / source.plan.expanduser() if source.plan is not None else None,
            "crystals": tuple(_placed(target, folder) for target in source.crystals),
        }
    )
    return found.model_copy(update={"pool": placed, "profile": _placed(found.profile, folder)})


def _placed(target: str, folder: Path) -> str:
    """Return a path beside the configuration as an absolute one; other names as they are."""
    beside = folder / Path(target).expanduser()
    return str(beside) if beside.exists() else target


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that are known where a mistake is."""
    model: Any = ExploreConfiguration
    for part in location:
        field = model.model_fields.get(part)
        inner = getattr(field, "annotation", None)
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return list(model.model_fields)
