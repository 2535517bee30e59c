"""A batch in the queues of a profile: submitted once, waited for, and its failures told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from memory_launcher import MemoryLauncher

from surfalign.launchers.cluster.launcher import JobState
from surfalign.launchers.explore.computation import ClusterComputation
from surfalign.launchers.explore.configuration import ExploreConfiguration
from surfalign.launchers.explore.pool import SurfacePool, open_pool
from surfalign.launchers.local.run_flow import run_flow
from surfalign.stores.database import Database


@pytest.fixture
def pool(
    configure: Callable[..., ExploreConfiguration], database: Database, tmp_path: Path
) -> SurfacePool:
    return open_pool(configure(), tmp_path / "loop", database)


def test_a_batch_is_submitted_once_and_its_results_are_found(
    configure: Callable[..., ExploreConfiguration],
    pool: SurfacePool,
    database: Database,
    tmp_path: Path,
) -> None:
    launcher = MemoryLauncher()
    computation = ClusterComputation(configure().method, database, launcher, reruns=3)
    batch = pool.surfaces[:2]
    keys = {surface.key for surface in batch}
    plan = tmp_path / "batch.jsonl"
    pool.write_plan(plan, keys)
    for _ in range(2):
        computation.submit(plan, "toy-001")
    named = [name for flow in launcher.flows for name in flow.jobs[-1].maker.surface_names]
    assert sorted(named) == sorted(surface.surface.name for surface in batch)
    assert computation.advance(batch).pending == keys

    for flow in launcher.flows:
        assert run_flow(flow, database.jobs, tmp_path / "work") == []
    launcher.put(JobState.DONE)
    progress = computation.advance(batch)
    assert (progress.pending, progress.failures) == (frozenset(), {})


@pytest.mark.parametrize(
    ("state", "cause", "told"),
    [
        (JobState.FAILED, "convergence", "convergence"),
        (JobState.CANCELLED, "", "cancelled"),
        (JobState.FAILED, "node", None),  # the worker starts it again
    ],
)
def test_a_failure_is_told_unless_the_worker_tries_again(
    configure: Callable[..., ExploreConfiguration],
    pool: SurfacePool,
    database: Database,
    tmp_path: Path,
    state: JobState,
    cause: str,
    told: str | None,
) -> None:
    launcher = MemoryLauncher()
    computation = ClusterComputation(configure().method, database, launcher, reruns=3)
    batch = pool.surfaces[:1]
    pool.write_plan(tmp_path / "batch.jsonl", [batch[0].key])
    computation.submit(tmp_path / "batch.jsonl", "toy-001")
    launcher.put(state, [launcher.records[0].uuid], cause=cause, message="why", tries=1)

    progress = computation.advance(batch)
    assert [f.cause for f in progress.failures.values()] == ([told] if told else [])
    assert bool(progress.pending) is (told is None)
