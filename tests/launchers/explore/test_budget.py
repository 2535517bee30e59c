"""What a loop has spent, and what it may still spend."""

from __future__ import annotations

import pytest

from surfalign.launchers.explore.budget import with_failures
from surfalign.launchers.explore.loop_state import ChosenSurface


def chosen(key: str, estimate: float) -> ChosenSurface:
    return ChosenSurface(key=key, name=key, formula="MgO", estimated_cpu_time=estimate)


def test_a_failure_counts_as_estimated_in_the_measure_of_what_succeeded() -> None:
    surfaces = [chosen("a", 10.0), chosen("b", 30.0), chosen("c", 20.0)]
    # Those that succeeded took three times what was estimated.
    assert with_failures(120.0, surfaces, {"a", "b"}) == pytest.approx(120.0 + 60.0)
    assert with_failures(120.0, surfaces, {"a", "b", "c"}) == 120.0


def test_where_nothing_succeeded_failures_count_as_the_planner_estimates() -> None:
    surfaces = [chosen("a", 10.0), chosen("b", 30.0)]
    assert with_failures(0.0, surfaces, set()) == 40.0
    assert with_failures(0.0, [], set()) == 0.0
