"""The L-SOAP network as a kind of model; torch is loaded when one is fitted or restored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.interface import Learner, TrainingData

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


LSOAP = Learner(LearnerConfiguration, _fit, _restore, iterative=True)
