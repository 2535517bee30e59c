"""What a loop may still spend, and whether too much fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from surfalign.launchers.explore.configuration import ExploreConfiguration
from surfalign.launchers.explore.loop_state import Round


def spent_surfaces(rounds: Sequence[Round]) -> int:
    """Return how many surfaces were chosen in some rounds."""
    return sum(len(done.chosen) for done in rounds)


def spent_cpu_time(rounds: Sequence[Round]) -> float:
    """Return the CPU time of a loop after some rounds, s."""
    return rounds[-1].spent_cpu_time if rounds else 0.0


def reason_to_end(
    configuration: ExploreConfiguration, rounds: Sequence[Round], now: datetime
) -> str:
    """Return why no further round may begin; empty where one may."""
    budget = configuration.budget
    surfaces, hours = spent_surfaces(rounds), spent_cpu_time(rounds) / 3600.0
    if budget.surfaces is not None and surfaces >= budget.surfaces:
        return f"the budget of {budget.surfaces} surfaces is spent"
    if budget.cpu_hours is not None and hours >= budget.cpu_hours:
        return f"the budget of {budget.cpu_hours:g} CPU hours is spent ({hours:.2f} h)"
    if budget.until is not None and now >= budget.until:
        return f"the end, {budget.until:%Y-%m-%d %H:%M} UTC, has come"
    return ""


def batch_size(configuration: ExploreConfiguration, rounds: Sequence[Round]) -> int:
    """Return how many surfaces the next batch may have."""
    if configuration.budget.surfaces is None:
        return configuration.batch
    return min(configuration.batch, configuration.budget.surfaces - spent_surfaces(rounds))


def cpu_time_left(configuration: ExploreConfiguration, rounds: Sequence[Round]) -> float:
    """Return the CPU time that the next batch may take by estimate, s; infinite without a limit."""
    if configuration.budget.cpu_hours is None:
        return float("inf")
    return configuration.budget.cpu_hours * 3600.0 - spent_cpu_time(rounds)


def with_failures(measured: float, done: float, chosen: float) -> float:
    """Return the CPU time of a loop, s, failures included.

    What a failure has cost nobody knows. It counts as estimated, and by how much the estimate was wrong for those
    that succeeded. The bulk of a crystal counts for its failures only where it has no result.

    Parameters
    ----------
    measured
        CPU time of the surfaces that have a result, s.
    done
        The same by estimate, s.
    chosen
        CPU time of all surfaces that were chosen, by estimate, s.
    """
    lost = chosen - done
    return measured + (lost * measured / done if done > 0 and measured > 0 else lost)


def cost_factor(measured: float, estimated: float) -> float:
    """Return measured over estimated CPU time of a loop so far; 1 before anything was measured.

    The estimate is of one engine on one machine; the factor carries it over to those of the loop. It is made anew
    of all that was chosen: what earlier versions estimated, and wrote down, was another quantity.
    """
    if not (estimated > 0 and measured > 0):
        return 1.0
    return float(np.clip(measured / estimated, 1e-6, 1e6))


def reason_to_pause(
    configuration: ExploreConfiguration, rounds: Sequence[Round], forgiven: int
) -> str:
    """Return why the loop pauses: too much has failed since a person last resumed it.

    Parameters
    ----------
    configuration
        Holds the limit.
    rounds
        Those that are done.
    forgiven
        Rounds up to this number do not count.
    """
    limit = configuration.failures
    counted = [outcome for r in rounds if r.number > forgiven for outcome in r.outcomes]
    failed = [outcome.failure for outcome in counted if outcome.state == "failed"]
    if len(counted) < limit.least or len(failed) <= limit.share * len(counted):
        return ""
    causes = Counter(failure.cause for failure in failed if failure is not None)
    [(cause, number)] = causes.most_common(1)
    example = next(f for f in failed if f is not None and f.cause == cause)
    return (
        f"{len(failed)} of {len(counted)} surfaces failed, more than the limit of {limit.share:.0%}; "
        f"{number} by '{cause}', e.g. in the step '{example.step}': {example.message}"
    )
