"""What a choice counts: the bulk of a crystal for the first of its surfaces, unless the store has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from surfalign.launchers.explore.choosing import Known, choose_batch, count_open
from surfalign.launchers.explore.configuration import ExploreConfiguration
from surfalign.launchers.explore.loop import LoopOptions, run_loop
from surfalign.launchers.explore.outcomes import computed_edges, results_of
from surfalign.launchers.explore.pool import SurfacePool, open_pool
from surfalign.launchers.explore.state_store import ROUNDS, LoopRecords
from surfalign.stores.database import Database

Configure = Callable[..., ExploreConfiguration]


@pytest.fixture
def pool(configure: Configure, database: Database, tmp_path: Path) -> SurfacePool:
    return open_pool(configure(), tmp_path / "loop", database)


def test_the_first_surface_of_a_crystal_pays_for_the_bulk(
    configure: Configure, pool: SurfacePool
) -> None:
    configuration = configure(batch=6, budget={"surfaces": 6})
    choice = choose_batch(configuration, pool, Known({}, set(), []), None, seed=1)
    paid: set[str] = set()
    for chosen in choice.surfaces:
        surface = pool.by_key[chosen.key]
        bulk = 0.0 if surface.edges in paid else surface.bulk_cpu_time
        assert chosen.estimated_cpu_time == pytest.approx(surface.slab_cpu_time + bulk)
        paid.add(surface.edges)
    assert len(choice.surfaces) == 6
    whole = pool.estimated_cpu_time(chosen.key for chosen in choice.surfaces)
    assert sum(chosen.estimated_cpu_time for chosen in choice.surfaces) == pytest.approx(whole)


def test_a_crystal_whose_band_edges_are_in_the_store_costs_no_bulk(
    configure: Configure, pool: SurfacePool, database: Database
) -> None:
    configuration = configure(batch=1)
    run_loop(configuration, LoopOptions(rounds=1))
    results = results_of(pool.surfaces, configuration.method, database)
    computed = computed_edges(pool.surfaces, results, database)
    assert computed == {pool.by_key[key].edges for key in results}
    assert computed_edges(pool.surfaces, {}, database) == computed, "known by their jobs alone"
    [sibling] = [s for s in pool.surfaces if s.edges in computed and s.key not in results]

    free = choose_batch(configure(batch=6), pool, Known(results, computed, []), None, seed=1)
    price = {chosen.key: chosen.estimated_cpu_time for chosen in free.surfaces}
    assert price[sibling.key] == pytest.approx(sibling.slab_cpu_time)


def test_what_fits_into_the_budget_is_counted_with_the_bulk(
    configure: Configure, pool: SurfacePool
) -> None:
    dearest = max(s.slab_cpu_time + s.bulk_cpu_time for s in pool.surfaces)
    cheapest = min(s.slab_cpu_time + s.bulk_cpu_time for s in pool.surfaces)
    for seconds, n_affordable in ((1.001 * dearest, 6), (0.999 * cheapest, 0)):
        configuration = configure(budget={"cpu_hours": seconds / 3600})
        assert count_open(configuration, pool, Known({}, set(), [])) == (6, n_affordable)


def test_a_loop_of_an_earlier_version_goes_on_with_estimates_of_one_kind(
    configure: Configure, database: Database, pool: SurfacePool
) -> None:
    configuration = configure()
    run_loop(configuration, LoopOptions(rounds=1))
    # An earlier version wrote down one ground state of the slab, a small part of what is estimated now.
    done = database.collection(ROUNDS).find_one({})
    assert done is not None
    for chosen in done["round"]["chosen"]:
        chosen["estimated_cpu_time"] = 1e-6
    database.collection(ROUNDS).replace_one({"_id": done["_id"]}, done)
    run_loop(configuration)
    first, second = LoopRecords(database, "toy").rounds()
    factor = first.spent_cpu_time / pool.estimated_cpu_time(s.key for s in first.chosen)
    [surface, *_] = second.chosen
    member = pool.by_key[surface.key]
    prices = [member.slab_cpu_time, member.slab_cpu_time + member.bulk_cpu_time]
    assert any(surface.estimated_cpu_time == pytest.approx(factor * price) for price in prices)
