"""What a loop remembers: where it stands, and one record for each round."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from surfalign.stores.vocabulary import quantity


class Step(StrEnum):
    """What a round does next."""

    BUILD = "build"  # bring the results up to date
    LEARN = "learn"  # freeze the data, retrain
    CHOOSE = "choose"  # score the pool and choose
    SUBMIT = "submit"
    WAIT = "wait"  # until the batch is computed
    COMPARE = "compare"  # what was predicted with what came out
    REPORT = "report"
    DONE = "done"


class Condition(StrEnum):
    """How a loop is."""

    RUNNING = "running"
    STOPPED = "stopped"  # by a person
    PAUSED = "paused"  # by itself: too much failed
    FINISHED = "finished"  # the budget is spent, or the pool is empty


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ChosenSurface(_Record):
    """A surface of a batch, with what was expected of it before it was computed."""

    key: str
    name: str
    formula: str
    source: str = ""
    estimated_cpu_time: float = quantity(
        "s", "CPU time by estimate, for the first of a crystal with that of its bulk"
    )
    predicted: dict[str, float] = quantity("eV", "Levels predicted", default_factory=dict)
    interval_90: dict[str, tuple[float, float]] = quantity(
        "eV", "Bounds that hold nine of ten", default_factory=dict
    )
    in_domain: bool | None = Field(default=None, description="Whether the model knows its like")


class Failure(_Record):
    """Why a surface has no result."""

    cause: str
    step: str = ""
    message: str = ""


class Outcome(_Record):
    """What came out of a surface of a batch."""

    key: str
    name: str
    state: str = Field(description="passed, flagged or failed")
    identifier: str = Field(default="", description="Of the result")
    measured: dict[str, float] = quantity("eV", "Levels computed", default_factory=dict)
    failure: Failure | None = None


class Accuracy(_Record):
    """Predictions made before against calculations made after, for one level."""

    n: int
    mean_absolute_error: float = quantity("eV", "Mean absolute error")
    mean_error: float = quantity("eV", "Mean of prediction - calculation")
    with_interval: int = Field(description="How many predictions had a 90 % interval")
    inside_90: int = Field(description="How many calculations were inside of it")


class Round(_Record):
    """One round; the fields fill up step by step."""

    number: int
    step: Step = Step.BUILD
    started_at: datetime
    ended_at: datetime | None = None
    n_labels: int = 0
    dataset: str = Field(default="", description="Digest of the training data")
    model: str = Field(default="", description="Version that predicted; empty without a model")
    verdict: str = Field(default="", description="What became of the newly trained version")
    asked: str = Field(default="", description="Acquisition that is configured")
    acquisition: str = Field(default="", description="Acquisition that chose")
    remark: str = Field(default="", description="Why another one chose than was asked for")
    n_open: int = Field(default=0, description="Surfaces of the pool that could be chosen")
    chosen: list[ChosenSurface] = Field(default_factory=list)
    failures: dict[str, Failure] = Field(default_factory=dict)
    outcomes: list[Outcome] = Field(default_factory=list)
    accuracy: dict[str, Accuracy] = Field(default_factory=dict, description="By level")
    spent_cpu_time: float = quantity("s", "CPU time of the loop up to here", default=0.0)

    @property
    def n_failed(self) -> int:
        """How many surfaces failed."""
        return sum(outcome.state == "failed" for outcome in self.outcomes)


class LoopState(_Record):
    """Where a loop stands; what rounds did is in their records."""

    name: str
    pool: str = Field(description="Digest of pool and method: another pool is another loop")
    condition: Condition = Condition.RUNNING
    reason: str = Field(default="", description="Why it stopped, paused or finished")
    created_at: datetime
    updated_at: datetime
    forgiven: int = Field(default=0, description="Failures up to this round do not count any more")
    current: Round | None = Field(default=None, description="The round under way")
