"""One round, step by step: each step returns the round as it is after it, and can be repeated.

The loop writes the round whole before the next step begins. A process that is killed inside of a step
therefore repeats that step: results are built again, the same data give the same model, the same seed
the same choice, and calculations have identities of their own, so that none is started twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from surfalign.launchers.explore.budget import spent_cpu_time, with_failures
from surfalign.launchers.explore.choosing import Known, choose_batch, count_open
from surfalign.launchers.explore.computation import Computation
from surfalign.launchers.explore.configuration import ExploreConfiguration
from surfalign.launchers.explore.learning import learn, look
from surfalign.launchers.explore.loop_state import Accuracy, Round, Step
from surfalign.launchers.explore.outcomes import (
    LEVELS,
    computed_edges,
    cpu_time_of,
    outcomes_of,
    results_of,
)
from surfalign.launchers.explore.pool import PooledSurface, SurfacePool
from surfalign.launchers.explore.report import write_report
from surfalign.settings import Settings
from surfalign.stores.database import Database


class NotYet(Exception):  # noqa: N818 - no error: the batch is not computed, and nobody shall wait
    """The batch is still being computed."""


@dataclass
class RoundSteps:
    """The steps of a round, with all that they need.

    Attributes
    ----------
    configuration, pool, database, settings, computation
        Of the loop.
    folder
        Where plans and reports are written.
    rounds
        Those that are done.
    wait
        Whether to wait for what is computed elsewhere.
    on_event
        Called with a line at every event, and between two looks at a queue; what it raises ends the step.
    now
        Tells the time, UTC.
    """

    configuration: ExploreConfiguration
    pool: SurfacePool
    database: Database
    settings: Settings
    computation: Computation
    folder: Path
    rounds: Sequence[Round]
    wait: bool
    on_event: Callable[[str], None]
    now: Callable[[], datetime]

    def take(self, current: Round) -> Round:
        """Take the next step of a round; return the round after it.

        Raises
        ------
        NotYet
            When the batch is still being computed and nobody shall wait.
        """
        steps = {
            Step.BUILD: (self._build, Step.LEARN),
            Step.LEARN: (self._learn, Step.CHOOSE),
            Step.CHOOSE: (self._choose, Step.SUBMIT),
            Step.SUBMIT: (self._submit, Step.WAIT),
            Step.WAIT: (self._wait, Step.COMPARE),
            Step.COMPARE: (self._compare, Step.REPORT),
            Step.REPORT: (self._report, Step.DONE),
        }
        function, following = steps[current.step]
        self.on_event(f"round {current.number}: {current.step.value}")
        after = function(current)
        if current.step is Step.BUILD:
            n_open, n_affordable = count_open(self.configuration, self.pool, self._known())
            after = after.model_copy(update={"n_open": n_open})
            if not n_affordable:
                following = Step.SUBMIT  # of nothing: no model is trained for a choice that is none
        return after.model_copy(update={"step": following})

    def _build(self, current: Round) -> Round:
        self.computation.build()
        return current

    def _learn(self, current: Round) -> Round:
        learned = learn(self.configuration, self.database, self.settings, self.on_event)
        return current.model_copy(
            update={
                "n_labels": learned.n_labels,
                "dataset": learned.dataset,
                "model": learned.model,
                "verdict": learned.verdict,
            }
        )

    def _choose(self, current: Round) -> Round:
        configuration = self.configuration
        records = [surface.record for surface in self.pool.surfaces]
        view = look(configuration, current.model, records, self.settings) if current.model else None
        choice = choose_batch(
            configuration,
            self.pool,
            self._known(),
            view,
            seed=configuration.seed + current.number,
        )
        return current.model_copy(
            update={
                "asked": configuration.acquisition.value,
                "acquisition": choice.acquisition.value,
                "remark": choice.remark,
                "n_open": choice.n_open,
                "chosen": choice.surfaces,
            }
        )

    def _submit(self, current: Round) -> Round:
        if current.chosen:
            plan = self.folder / f"round-{current.number:03d}.jsonl"
            self.pool.write_plan(plan, [surface.key for surface in current.chosen])
            campaign = f"{self.configuration.name}-{current.number:03d}"
            self.computation.submit(plan, campaign)
        return current

    def _wait(self, current: Round) -> Round:
        members = self._members(current)
        while True:
            progress = self.computation.advance(members)
            if not progress.pending:
                return current.model_copy(update={"failures": progress.failures})
            if not self.wait:
                raise NotYet
            until = time.monotonic() + self.configuration.poll_interval
            while (left := until - time.monotonic()) > 0:
                self.on_event("")  # somebody may have asked for the end
                time.sleep(min(left, 2.0))

    def _compare(self, current: Round) -> Round:
        self.computation.build()
        method, members = self.configuration.method, self._members(current)
        earlier = [self.pool.by_key[s.key] for done in self.rounds for s in done.chosen]
        results = results_of([*earlier, *members], method, self.database)
        outcomes = outcomes_of(members, results, current.failures)
        spent = with_failures(
            cpu_time_of(results.values()),
            self.pool.estimated_cpu_time(results),
            self.pool.estimated_cpu_time(member.key for member in [*earlier, *members]),
        )
        return current.model_copy(
            update={
                "outcomes": outcomes,
                "accuracy": accuracy_of(current.model_copy(update={"outcomes": outcomes})),
                "spent_cpu_time": max(spent, spent_cpu_time(self.rounds)),
            }
        )

    def _report(self, current: Round) -> Round:
        ended = current.model_copy(update={"ended_at": self.now()})
        write_report(ended, self.configuration, self.folder)
        return ended

    def _known(self) -> Known:
        surfaces = self.pool.surfaces
        results = results_of(surfaces, self.configuration.method, self.database)
        return Known(results, computed_edges(surfaces, results, self.database), self.rounds)

    def _members(self, current: Round) -> list[PooledSurface]:
        return [self.pool.by_key[surface.key] for surface in current.chosen]


def accuracy_of(done: Round) -> dict[str, Accuracy]:
    """Return how the predictions of a round compare with what came out, by level."""
    chosen = {surface.key: surface for surface in done.chosen}
    found = {}
    for name in LEVELS:
        pairs = [
            (chosen[outcome.key], outcome.measured[name])
            for outcome in done.outcomes
            if name in outcome.measured and name in chosen[outcome.key].predicted
        ]
        if not pairs:
            continue
        errors = np.array([surface.predicted[name] - value for surface, value in pairs])
        bounds = [(s.interval_90[name], value) for s, value in pairs if name in s.interval_90]
        found[name] = Accuracy(
            n=len(pairs),
            mean_absolute_error=float(np.abs(errors).mean()),
            mean_error=float(errors.mean()),
            with_interval=len(bounds),
            inside_90=sum(low <= value <= high for (low, high), value in bounds),
        )
    return found
