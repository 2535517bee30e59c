"""The choice of a round: what is known of the pool, what the model says, which surfaces are next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from surfalign.launchers.explore.budget import batch_size, cost_factor, cpu_time_left
from surfalign.launchers.explore.configuration import ExploreConfiguration
from surfalign.launchers.explore.loop_state import ChosenSurface, Round
from surfalign.launchers.explore.outcomes import LEVELS, levels_of
from surfalign.launchers.explore.pool import PooledSurface, SurfacePool
from surfalign.ml.acquisition.choice import Acquisition, choose, missing_levels
from surfalign.ml.acquisition.from_ensemble import ModelView
from surfalign.ml.acquisition.pool import Pool
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


def choose_batch(
    configuration: ExploreConfiguration,
    pool: SurfacePool,
    results: Mapping[str, SurfaceLevelsDocument],
    rounds: Sequence[Round],
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
    results
        Of those that the store knows, by key.
    rounds
        Those that are done: what they chose is never chosen again, whatever came of it.
    view
        What the model says of the pool; None without a model.
    seed
        Of everything random.
    """
    factor = cost_factor(rounds)
    table = _table(pool, results, rounds, view, factor)
    acquisition, remark = _possible(configuration, table, has_model=view is not None)
    indices = choose(
        table,
        acquisition,
        batch_size(configuration, rounds),
        budget=cpu_time_left(configuration, rounds),
        rule=configuration.rule,
        seed=seed,
    )
    surfaces = [_expected(pool.surfaces[i], i, view) for i in indices]
    return Choice(surfaces, acquisition, remark, len(table.free()))


def _table(
    pool: SurfacePool,
    results: Mapping[str, SurfaceLevelsDocument],
    rounds: Sequence[Round],
    view: ModelView | None,
    factor: float,
) -> Pool:
    taken = {surface.key for done in rounds for surface in done.chosen} | set(results)
    measured = {key: levels_of(result) for key, result in results.items()}
    keys = [surface.key for surface in pool.surfaces]
    return Pool(
        keys=keys,
        vectors=(
            scaled(structural_vectors([surface.record for surface in pool.surfaces]))
            if view is None
            else view.vectors
        ),
        costs=np.array([factor * surface.estimated_cpu_time for surface in pool.surfaces]),
        groups=np.array([surface.group for surface in pool.surfaces]),
        taken=np.array([key in taken for key in keys]),
        distributions={} if view is None else view.distributions,
        labels={
            name: np.array([measured.get(key, {}).get(name, np.nan) for key in keys])
            for name in LEVELS
        },
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


def _expected(surface: PooledSurface, index: int, view: ModelView | None) -> ChosenSurface:
    """Return a chosen surface with what the model expects of it."""
    estimate = None if view is None else view.estimates[index]
    values = estimate.values if estimate else {}
    known = () if view is None or estimate is None else view.distributions
    return ChosenSurface(
        key=surface.key,
        name=surface.surface.name,
        formula=surface.surface.formula,
        source=surface.surface.source,
        estimated_cpu_time=surface.estimated_cpu_time,
        predicted={name: values[name] for name in LEVELS if name in values},
        interval_90={name: estimate.interval_90[name] for name in known} if estimate else {},
        in_domain=estimate.in_domain if estimate else None,
    )
