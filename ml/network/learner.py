"""The network behind :mod:`surfalign.ml.interface`; loads torch, and lightning only to train."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.descriptors.density_cache import default_cache
from surfalign.ml.network.model import TrainedModel

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from surfalign.ml.interface import SurfacePrediction, TrainingData


class NetworkModel:
    """A trained network whose weights are numpy arrays and whose densities are cached.

    All members of an ensemble share the cache, so that a slab is expanded once.

    Parameters
    ----------
    model
        The network.
    """

    def __init__(self, model: TrainedModel) -> None:
        self.model = model

    @property
    def configuration(self) -> LearnerConfiguration:
        """How it was fitted."""
        return self.model.configuration

    @property
    def metadata(self) -> dict[str, Any]:
        """What else it needs."""
        return self.model.metadata

    @property
    def elements(self) -> frozenset[str]:
        """Elements of its training data."""
        return self.model.elements

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return its weights."""
        return {name: tensor.cpu().numpy() for name, tensor in self.model.tensors().items()}

    def predict(self, structures: Sequence[Structure]) -> list[SurfacePrediction]:
        """Predict for unrelaxed slabs."""
        return self.model.predict(structures, cache=default_cache())

    @classmethod
    def fit(
        cls,
        data: TrainingData,
        configuration: LearnerConfiguration,
        directory: Path,
        seed: int,
        on_progress: Callable[[str], None] | None,
    ) -> Self:
        """Fit a network; a fit that was killed goes on in the same directory."""
        from surfalign.ml.network.training import train_model

        return cls(
            train_model(
                data.train,
                data.validation,
                configuration,
                set_labels=data.set_labels,
                directory=directory,
                seed=seed,
                progress=on_progress,
            )
        )

    @classmethod
    def restore(
        cls,
        configuration: LearnerConfiguration,
        metadata: dict[str, Any],
        tensors: Mapping[str, NDArray[Any]],
    ) -> Self:
        """Put a network together again."""
        # Arrays read from a file may be read-only, which torch does not like.
        copies = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
        return cls(TrainedModel.from_tensors(configuration, metadata, copies))
