"""What a loop has spent, and what it may still spend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from surfalign.launchers.explore.budget import cost_factor, with_failures
from surfalign.launchers.explore.configuration import ExploreConfiguration
from surfalign.launchers.explore.pool import SurfacePool, open_pool
from surfalign.stores.database import Database


def test_a_failure_counts_as_estimated_in_the_measure_of_what_succeeded() -> None:
    # Those that succeeded took three times what was estimated: 120 s for 10 and 30 s.
    assert with_failures(120.0, 10.0 + 30.0, 10.0 + 30.0 + 20.0) == pytest.approx(120.0 + 60.0)
    assert with_failures(120.0, 60.0, 60.0) == 120.0


def test_where_nothing_succeeded_failures_count_as_estimated() -> None:
    assert with_failures(0.0, 0.0, 10.0 + 30.0) == 40.0
    assert with_failures(0.0, 0.0, 0.0) == 0.0


def test_the_factor_is_measured_over_estimated_time_and_one_before_anything_was_measured() -> None:
    assert cost_factor(60.0, 20.0) == pytest.approx(3.0)
    assert cost_factor(0.0, 20.0) == cost_factor(60.0, 0.0) == 1.0


@pytest.fixture
def pool(
    configure: Callable[..., ExploreConfiguration], database: Database, tmp_path: Path
) -> SurfacePool:
    return open_pool(configure(), tmp_path / "loop", database)


def test_the_bulk_of_a_crystal_counts_once_whichever_of_its_surfaces_failed(
    pool: SurfacePool,
) -> None:
    first, second = [s for s in pool.surfaces if s.surface.formula == "MgO"]
    [other, _] = [s for s in pool.surfaces if s.surface.formula == "SrO"]
    assert first.bulk_cpu_time == second.bulk_cpu_time > 0
    pair = first.slab_cpu_time + second.slab_cpu_time + first.bulk_cpu_time
    assert pool.estimated_cpu_time([first.key, second.key]) == pytest.approx(pair)
    whole = pair + other.slab_cpu_time + other.bulk_cpu_time
    chosen = [first.key, second.key, other.key]
    assert pool.estimated_cpu_time(chosen) == pytest.approx(whole)
    # The second has a result, and what it took is as estimated: the bulk of MgO is in it, that of SrO is lost.
    done = pool.estimated_cpu_time([second.key])
    assert with_failures(done, done, whole) == pytest.approx(whole)
