"""The L-SOAP network as a kind of model; torch is loaded when one is fitted or restored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.interface import Learner, TrainingData
from surfalign.ml.properties.property import Level, Property

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from surfalign.ml.network.learner import NetworkModel


def _fit(
    data: TrainingData,
    configuration: LearnerConfiguration,
    directory: Path,
    seed: int,
    on_progress: Callable[[str], None],
) -> NetworkModel:
    from surfalign.ml.network.learner import NetworkModel

    return NetworkModel.fit(data, configuration, directory, seed, on_progress)


def _restore(
    configuration: LearnerConfiguration,
    metadata: dict[str, Any],
    tensors: Mapping[str, NDArray[Any]],
) -> NetworkModel:
    from surfalign.ml.network.learner import NetworkModel

    return NetworkModel.restore(configuration, metadata, tensors)


def settings_for(properties: Sequence[Property]) -> dict[str, Any]:
    """Return the settings of a network that learns given properties, all of equal weight."""
    settings: dict[str, Any] = {
        "targets": {"properties": [one.name for one in properties], "weights": {}}
    }
    level = properties[0].level
    if level is not Level.SLAB:
        descriptor = LearnerConfiguration().descriptor.model_dump()
        settings["descriptor"] = descriptor | {"level": level.value}
    return settings


LSOAP = Learner(LearnerConfiguration, _fit, _restore, iterative=True, for_properties=settings_for)
