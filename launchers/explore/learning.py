"""The learner of a loop: freeze what the store knows, retrain, look at the pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from surfalign.errors import EmptyDatasetError, ModelNotFoundError
from surfalign.launchers.explore.configuration import ExploreConfiguration
from surfalign.ml.acquisition.from_ensemble import ModelView, view_of
from surfalign.ml.data.datasets import FrozenDataset, write_dataset
from surfalign.ml.data.from_results import freeze_results
from surfalign.ml.data.records import SurfaceRecord
from surfalign.ml.ensemble.recipe import Recipe
from surfalign.ml.models.model_registry import ModelRegistry
from surfalign.ml.models.retraining import retrain
from surfalign.ml.models.shipped_model import own_or_shipped
from surfalign.processes import available_cores
from surfalign.settings import Settings
from surfalign.stores.campaign_register import Method
from surfalign.stores.database import Database
from surfalign.stores.query.results import find


@dataclass(frozen=True)
class Learned:
    """What came of a retraining.

    Attributes
    ----------
    n_labels
        Labelled surfaces.
    dataset
        Digest of the data; empty where there are none.
    model
        Version that predicts now; empty where there is none.
    verdict
        What became of the new version, or why none was trained.
    """

    n_labels: int
    dataset: str = ""
    model: str = ""
    verdict: str = ""


def learn(
    configuration: ExploreConfiguration,
    database: Database,
    settings: Settings,
    on_progress: Callable[[str], None],
) -> Learned:
    """Freeze the results and retrain; without data or with too few, say so.

    Raises
    ------
    MixedMethodsError
        When the query takes results of several methods.
    ModelNotFoundError
        When the model shall not be trained and is not there.
    """
    registry = _models(configuration, settings)
    name, choice = configuration.model_name, configuration.model
    if not choice.train:
        version = registry.card(name).version
        return Learned(0, model=version, verdict="not trained: the configuration says so")
    query = choice.query or query_of(configuration.method)
    try:
        results = find(database, query, full=True)
        dataset = freeze_results(results, name, flagged=choice.flagged)
    except EmptyDatasetError:
        return Learned(0, verdict="not trained: there is no label yet")
    n_labels = int(dataset.summary()["labelled_surfaces"])
    if n_labels < choice.least_labels:
        reason = f"not trained: {n_labels} labels of the {choice.least_labels} that it takes"
        return Learned(n_labels, dataset.digest, _version(registry, name), reason)
    return _retrain(configuration, dataset, registry, n_labels, settings, on_progress)


def look(
    configuration: ExploreConfiguration,
    version: str,
    records: Sequence[SurfaceRecord],
    settings: Settings,
) -> ModelView:
    """Look at slabs through a version of the loop's model.

    Raises
    ------
    ModelNotFoundError
        When the version has gone.
    UnknownElementError
        When the model can make nothing of an element of the pool.
    """
    ensemble, _ = _models(configuration, settings).load(configuration.model_name, version)
    return view_of(ensemble, records)


def query_of(method: Method) -> str:
    """Return the query of the results that a method gives."""
    parts = [
        f'engine = "{method.engine}"',
        f'quality = "{method.quality.value}"',
        f"relaxed = {str(method.relax_slabs).lower()}",
    ]
    if not method.options:  # options are part of the functional's name
        parts.append(f'functional = "{method.functional.value}"')
    return " and ".join(parts)


def _retrain(
    configuration: ExploreConfiguration,
    dataset: FrozenDataset,
    registry: ModelRegistry,
    n_labels: int,
    settings: Settings,
    on_progress: Callable[[str], None],
) -> Learned:
    name, choice = configuration.model_name, configuration.model
    frozen = registry.data_folder(name) / f"{dataset.digest[:16]}.dataset.json.gz"
    if not frozen.is_file():
        write_dataset(dataset, frozen)
    recipe = Recipe(
        choice.kind, choice.configuration, configuration.seed, available_cores(settings)
    )
    outcome = retrain(
        registry,
        name,
        dataset,
        recipe,
        scratch=settings.data_directory / "training",
        on_progress=on_progress,
    )
    return Learned(n_labels, dataset.digest, outcome.champion or "", outcome.verdict.value)


def _models(configuration: ExploreConfiguration, settings: Settings) -> ModelRegistry:
    """Return where the loop's model is: among one's own, or, if the loop does not train it, in the package."""
    own = ModelRegistry(settings.data_directory / "models")
    return own if configuration.model.train else own_or_shipped(configuration.model_name, own)[0]


def _version(registry: ModelRegistry, name: str) -> str:
    """Return the version that predicts; empty where there is none."""
    try:
        return registry.card(name).version
    except ModelNotFoundError:
        return ""
