"""The choice of a round: what is known of the pool, what the model says, which surfaces are next."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from surfalign.launchers.explore.budget import (
    batch_size,
    cost_factor,
    cpu_time_left,
    spent_cpu_time,
)
from surfalign.launchers.explore.configuration import ExploreConfiguration
from surfalign.launchers.explore.loop_state import ChosenSurface, Round
from surfalign.launchers.explore.outcomes import LEVELS, levels_of
from surfalign.launchers.explore.pool import PooledSurface, SurfacePool
from surfalign.ml.acquisition.choice import Acquisition, choose, missing_levels
from surfalign.ml.acquisition.from_ensemble import ModelView
from surfalign.ml.acquisition.pool import Pool, Purse
from surfalign.ml.acquisition.vectors import scaled, structural_vectors
from surfalign.stores.documents import SurfaceLevelsDocument


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes
    ----------
    surfaces
        The most wanted first.
    acquisition
        What chose.
    remark
        Why another one than was asked for.
    n_open
        Surfaces that could have been chosen.
    """

    surfaces: list[ChosenSurface]
    acquisition: Acquisition
    remark: str
    n_open: int


@dataclass(frozen=True)
class Known:
    """What is known when a choice is made.

    Attributes
    ----------
    results
        Of the surfaces of the pool that the store knows, by key.
    computed
        Uuids of the band edges that the store knows: surfaces of these crystals cost no bulk.
    rounds
        Those that are done: what they chose is never chosen again, whatever came of it.
    """

    results: Mapping[str, SurfaceLevelsDocument]
    computed: Collection[str]
    rounds: Sequence[Round]


def count_open(
    configuration: ExploreConfiguration, pool: SurfacePool, known: Known
) -> tuple[int, int]:
    """Return how many surfaces could be chosen, and how many of them fit into the budget."""
    table = _table(pool, known)
    free = table.free()
    purse = Purse(table, cpu_time_left(configuration, known.rounds))
    return len(free), int(purse.fits(free).sum())


def choose_batch(
    configuration: ExploreConfiguration,
    pool: SurfacePool,
    known: Known,
    view: ModelView | None,
    seed: int,
) -> Choice:
    """Choose the surfaces of a round.

    Parameters
    ----------
    configuration
        Acquisition, rule, budget.
    pool
        All candidates.
    known
        What became of them so far.
    view
        What the model says of the pool; None without a model.
    seed
        Of everything random.
    """
    if view is None:
        vectors = scaled(structural_vectors([surface.record for surface in pool.surfaces]))
        table = replace(_table(pool, known), vectors=vectors)
    else:
        table = replace(_table(pool, known), vectors=view.vectors, distributions=view.distributions)
    acquisition, remark = _possible(configuration, table, has_model=view is not None)
    indices = choose(
        table,
        acquisition,
        batch_size(configuration, known.rounds),
        budget=cpu_time_left(configuration, known.rounds),
        rule=configuration.rule,
        seed=seed,
    )
    purse = Purse(table)
    surfaces = [_expected(pool.surfaces[i], i, view, purse.pay(i)) for i in indices]
    return Choice(surfaces, acquisition, remark, len(table.free()))


def _table(pool: SurfacePool, known: Known) -> Pool:
    """Return the candidates with their costs and labels, without vectors."""
    before = {surface.key for done in known.rounds for surface in done.chosen}
    taken = before | set(known.results)
    factor = cost_factor(spent_cpu_time(known.rounds), pool.estimated_cpu_time(before))
    measured = {key: levels_of(result) for key, result in known.results.items()}
    surfaces = pool.surfaces
    bulk = [0.0 if s.edges in known.computed else s.bulk_cpu_time for s in surfaces]
    return Pool(
        keys=[s.key for s in surfaces],
        vectors=np.zeros((len(surfaces), 1)),
        costs=factor * np.array([s.slab_cpu_time for s in surfaces]),
        groups=np.array([s.group for s in surfaces]),
        taken=np.array([s.key in taken for s in surfaces]),
        labels={
            name: np.array([measured.get(s.key, {}).get(name, np.nan) for s in surfaces])
            for name in LEVELS
        },
        crystals=np.unique([s.edges for s in surfaces], return_inverse=True)[1],
        shared_costs=factor * np.array(bulk),
    )


def _possible(
    configuration: ExploreConfiguration, table: Pool, *, has_model: bool
) -> tuple[Acquisition, str]:
    """Return the acquisition that can choose now, and why it is another one.

    A model that this loop does not train will not get intervals later: choosing by it is an error.
    """
    asked, first = configuration.acquisition, configuration.first
    screens = asked is Acquisition.SCREENING and missing_levels(table, configuration.rule)
    unknown = asked.needs_model and (not table.distributions or screens)
    if unknown and configuration.model.train:
        why = "the model has no intervals yet" if has_model else "there is no model yet"
        return first, f"{first.value} in the place of {asked.value}: {why}"
    if asked is Acquisition.THOMPSON and configuration.rule is not None:
        windows = configuration.rule.windows
        known = np.isfinite([table.labels[name] for name in windows]).all(axis=0).sum()
        if known < configuration.model.least_labels:
            return first, f"{first.value} in the place of {asked.value}: {known} labels in the pool"
    return asked, ""


def _expected(
    surface: PooledSurface, index: int, view: ModelView | None, cpu_time: float
) -> ChosenSurface:
    """Return a chosen surface with what it is to cost and what the model expects of it."""
    estimate = None if view is None else view.estimates[index]
    values = estimate.values if estimate else {}
    known = () if view is None or estimate is None else view.distributions
    return ChosenSurface(
        key=surface.key,
        name=surface.surface.name,
        formula=surface.surface.formula,
        source=surface.surface.source,
        estimated_cpu_time=cpu_time,
        predicted={name: values[name] for name in LEVELS if name in values},
        interval_90={name: estimate.interval_90[name] for name in known} if estimate else {},
        in_domain=estimate.in_domain if estimate else None,
    )
