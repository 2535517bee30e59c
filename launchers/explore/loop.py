"""The loop: rounds until the budget is spent, under a lock, whatever kills it."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from surfalign.errors import (
    ClockError,
    ConfigurationError,
    DatabaseUnreachableError,
    ExplorationError,
)
from surfalign.launchers.cluster.launcher import open_launcher
from surfalign.launchers.cluster.profiles import load_profile
from surfalign.launchers.database.server import open_database
from surfalign.launchers.explore.budget import reason_to_end, reason_to_pause
from surfalign.launchers.explore.computation import (
    ClusterComputation,
    Computation,
    LocalComputation,
)
from surfalign.launchers.explore.configuration import ExploreConfiguration
from surfalign.launchers.explore.loop_state import Condition, LoopState, Round, Step
from surfalign.launchers.explore.pool import SurfacePool, open_pool
from surfalign.launchers.explore.round import NotYet, RoundSteps
from surfalign.launchers.explore.state_store import LoopStore
from surfalign.settings import Settings, load_settings
from surfalign.stores.database import Database

#: Clocks of two machines may differ by this much.
CLOCK_TOLERANCE = timedelta(minutes=5)

logger = logging.getLogger(__name__)


class _Stopped(Exception):  # noqa: N818 - no error: a person asked for it
    """Somebody asked for the end."""


@dataclass(frozen=True)
class LoopOptions:
    """How one call runs the loop.

    Attributes
    ----------
    rounds
        End after so many rounds; None: as many as the budget allows.
    wait
        Whether to wait for what queues compute; else the call ends there, and the next one goes on.
    resume
        Go on after a pause: failures up to now do not count any more.
    """

    rounds: int | None = None
    wait: bool = True
    resume: bool = False


def run_loop(
    configuration: ExploreConfiguration,
    options: LoopOptions | None = None,
    *,
    on_event: Callable[[str], None] = lambda line: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> LoopState:
    """Run rounds until there is a reason to end; return the state.

    Parameters
    ----------
    configuration
        Of the loop.
    options
        Of this call.
    on_event
        Called with a line at every event.
    now
        Tells the time, UTC.

    Raises
    ------
    ConfigurationError
        When the profile has gone, or the loop of this name has another pool.
    EmptyPoolError, UnknownElementError, UncalibratedModelError, ClockError, LoopLockedError
        As their names say; the state is as it was.
    DatabaseUnreachableError
        When the database stays away for longer than the configuration has patience.
    """
    options = options or LoopOptions()
    settings = loop_settings(configuration)
    token = secrets.token_hex(8)
    deadline: float | None = None
    while True:
        try:
            with open_database(settings) as database, database.errors_named():
                deadline = None
                run = _Run(configuration, options, settings, database, token, on_event, now)
                return run.rounds()
        except DatabaseUnreachableError as error:
            deadline = deadline or time.monotonic() + configuration.patience
            if time.monotonic() >= deadline:
                raise
            logger.warning("waiting for the database: %s", error)
            time.sleep(min(configuration.poll_interval, configuration.patience))


def loop_settings(configuration: ExploreConfiguration) -> Settings:
    """Return the settings in force, with the database of the loop's profile.

    Raises
    ------
    ConfigurationError
        When there is no such profile.
    """
    if configuration.is_here:
        return load_settings()
    return load_profile(configuration.profile).settings()


def loop_folder(configuration: ExploreConfiguration, settings: Settings) -> Path:
    """Return where a loop keeps its pool, plans and reports; they can be made again."""
    return settings.data_directory.expanduser() / "explore" / configuration.name


@dataclass
class _Run:
    """One connection's worth of a loop."""

    configuration: ExploreConfiguration
    options: LoopOptions
    settings: Settings
    database: Database
    token: str
    tell: Callable[[str], None]
    now: Callable[[], datetime]

    def rounds(self) -> LoopState:
        folder = loop_folder(self.configuration, self.settings)
        with (
            LoopStore(self.database, self.configuration.name, self.token) as store,
            self._computation(store) as computation,
        ):
            self._check_clock(store)
            pool = open_pool(self.configuration, folder, self.database, self.tell)
            state = self._begin(store, pool)
            done = 0
            while state.condition is Condition.RUNNING:
                if state.current is None and done == self.options.rounds:
                    return state
                rounds = [r for r in store.rounds() if r.step is Step.DONE]
                if state.current is None and not self._open_round(state, rounds, store):
                    return state
                steps = RoundSteps(
                    self.configuration, pool, self.database, self.settings, computation, folder,
                    rounds, self.options.wait, self._listener(store), self.now,
                )  # fmt: skip
                try:
                    self._finish_round(state, steps, store)
                except NotYet:
                    return state
                except _Stopped:
                    self._end(state, Condition.STOPPED, "a person stopped it", store)
                done += 1
            return state

    def _begin(self, store: LoopStore, pool: SurfacePool) -> LoopState:
        """Return the state to go on from."""
        state = store.state()
        if state is None:
            time = self.now()
            state = LoopState(
                name=self.configuration.name, pool=pool.digest, created_at=time, updated_at=time
            )
        elif state.pool != pool.digest:
            raise ConfigurationError(
                f"the loop '{state.name}' of this database has another pool or method",
                "the pool and the method that it began with",
                "give the new loop another name",
            )
        _check_chosen(store, pool)
        if state.condition is Condition.PAUSED and not self.options.resume:
            raise ExplorationError(
                f"the loop '{state.name}' has paused: {state.reason}",
                "a loop whose calculations succeed",
                "repair what is wrong, then: surfalign explore start CONFIG --resume",
            )
        if state.condition is Condition.PAUSED:
            last = max((r.number for r in store.rounds()), default=0)
            state.forgiven = last
        state.condition, state.reason = Condition.RUNNING, ""
        self._write(state, store)
        return state

    def _open_round(self, state: LoopState, rounds: list[Round], store: LoopStore) -> bool:
        """Begin the next round, unless there is a reason to end; return whether it began."""
        if reason := reason_to_pause(self.configuration, rounds, state.forgiven):
            return self._end(state, Condition.PAUSED, reason, store)
        if reason := reason_to_end(self.configuration, rounds, self.now()):
            return self._end(state, Condition.FINISHED, reason, store)
        number = rounds[-1].number + 1 if rounds else 1
        state.current = Round(number=number, started_at=self.now())
        self._write(state, store)
        return True

    def _finish_round(self, state: LoopState, steps: RoundSteps, store: LoopStore) -> None:
        """Take the steps of the round under way to its end, writing the state before each."""
        while state.current is not None:
            following = steps.take(state.current)
            if following.step is Step.SUBMIT and not following.chosen:
                # A round without surfaces never was.
                state.current = None
                left = following.n_open
                reason = "no surface of the pool is left"
                if left:
                    reason = f"none of the {left} surfaces that are left fits into the budget"
                self._end(state, Condition.FINISHED, reason, store)
                return
            state.current = following
            self._write(state, store)

    def _end(self, state: LoopState, condition: Condition, reason: str, store: LoopStore) -> bool:
        state.condition, state.reason = condition, reason
        self._write(state, store)
        self.tell(f"{condition.value}: {reason}")
        return False

    def _write(self, state: LoopState, store: LoopStore) -> None:
        state.updated_at = max(self.now(), state.updated_at)
        store.write(state)

    def _check_clock(self, store: LoopStore) -> None:
        state = store.state()
        if state is not None and self.now() < state.updated_at - CLOCK_TOLERANCE:
            raise ClockError(
                f"it is {self.now():%Y-%m-%d %H:%M:%S} UTC by the clock of this machine, and the last "
                f"step of the loop was at {state.updated_at:%Y-%m-%d %H:%M:%S}",
                "a clock that goes forward: the end of the budget is told by it",
                "set the clock (timedatectl), then start again",
            )

    def _listener(self, store: LoopStore) -> Callable[[str], None]:
        """Return what steps tell their events to; it ends the loop when somebody asked for it."""

        def on_event(line: str) -> None:
            if line:
                self.tell(line)
            if store.is_to_stop():
                raise _Stopped

        return on_event

    @contextmanager
    def _computation(self, store: LoopStore) -> Iterator[Computation]:
        configuration = self.configuration
        if configuration.is_here:
            yield LocalComputation(
                configuration.method, self.database, self.settings, self._listener(store)
            )
            return
        profile = load_profile(configuration.profile)
        with open_launcher(profile) as launcher:
            yield ClusterComputation(configuration.method, self.database, launcher, profile.reruns)


def _check_chosen(store: LoopStore, pool: SurfacePool) -> None:
    """Refuse to go on where what was chosen before would be computed in another way now."""
    gone = [s.name for r in store.rounds() for s in r.chosen if s.key not in pool.by_key]
    if gone:
        raise ConfigurationError(
            f"{gone[0]}, which the loop '{store.name}' chose, would be another calculation now ({len(gone)} "
            "surfaces)",
            "the version of surfalign and the settings of the engine that the loop began with",
            "go on with that version, or give the new loop another name",
        )
