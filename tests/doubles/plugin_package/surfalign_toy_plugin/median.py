"""A learner that predicts the median of the labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from pymatgen.core import Structure

from surfalign.ml.interface import Learner, SurfacePrediction, TrainingData

PROPERTIES = ("ionization_potential", "electron_affinity")


class MedianConfiguration(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    fidelity: str | None = None


class MedianModel:
    def __init__(
        self,
        configuration: MedianConfiguration,
        metadata: dict[str, Any],
        tensors: Mapping[str, NDArray[Any]],
    ) -> None:
        self.configuration = configuration
        self.metadata = metadata
        self._tensors = dict(tensors)

    @property
    def elements(self) -> frozenset[str]:
        return frozenset(self.metadata["elements"])

    def tensors(self) -> dict[str, NDArray[Any]]:
        return self._tensors

    def predict(self, structures: Sequence[Structure]) -> list[SurfacePrediction]:
        values = {name: float(median[0]) for name, median in self._tensors.items()}
        return [SurfacePrediction(dict(values)) for _ in structures]


def fit(
    data: TrainingData,
    configuration: MedianConfiguration,
    directory: Path,
    seed: int,
    on_progress: Callable[[str], None],
) -> MedianModel:
    labels = [label for record in data.everything for label in record.labels]
    medians = {
        name: np.array([np.median([label.value for label in labels if label.name == name])])
        for name in PROPERTIES
    }
    elements = {s for record in data.everything for s in record.chemical_system.split("-")}
    return MedianModel(configuration, {"elements": sorted(elements)}, medians)


MEDIAN = Learner(MedianConfiguration, fit, MedianModel)
