"""The mean of the L-SOAP network and the Gaussian process; torch is loaded when one is fitted or restored.

The two err differently: the network knows what surrounds each atom, the process the physics of the whole
slab. Their mean is better than either. A gap is the difference of the two mean levels; other properties that
the process does not predict are the network's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.interface import Learner, SurfacePrediction, TrainingData, ordered_levels
from surfalign.ml.learners import gaussian_process, lsoap
from surfalign.ml.learners.gaussian_process import (
    GaussianProcess,
    GaussianProcessConfiguration,
    tensors_of,
)
from surfalign.ml.learners.lsoap import LSOAP
from surfalign.ml.properties.property import (
    BAND_GAP,
    ELECTRON_AFFINITY,
    IONIZATION_POTENTIAL,
    LEVELS,
    Property,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pymatgen.core import Structure

    from surfalign.ml.interface import FittedModel


class MixedConfiguration(BaseModel):
    """Configurations of both parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["mixed"] = "mixed"
    network: LearnerConfiguration = Field(default_factory=LearnerConfiguration)
    process: GaussianProcessConfiguration = Field(default_factory=GaussianProcessConfiguration)
    fidelity: str | None = Field(
        default=None, description="Fidelity of the predictions of both; None is the most frequent"
    )

    def of_network(self) -> LearnerConfiguration:
        """Return the network's configuration at the common fidelity."""
        if self.fidelity is None:
            return self.network
        targets = self.network.targets.model_copy(update={"fidelity": self.fidelity})
        return self.network.model_copy(update={"targets": targets})

    def of_process(self) -> GaussianProcessConfiguration:
        """Return the process' configuration at the common fidelity."""
        if self.fidelity is None:
            return self.process
        return self.process.model_copy(update={"fidelity": self.fidelity})


class MixedModel:
    """A network and a process, fitted to the same data.

    Parameters
    ----------
    configuration
        How they were fitted.
    network, process
        The two.
    """

    def __init__(
        self, configuration: MixedConfiguration, network: FittedModel, process: GaussianProcess
    ) -> None:
        self.configuration, self.network, self.process = configuration, network, process

    @classmethod
    def fit(
        cls,
        data: TrainingData,
        configuration: MixedConfiguration,
        directory: Path,
        seed: int,
        on_progress: Callable[[str], None],
    ) -> Self:
        """Fit both; a fit that was killed goes on in the same directory.

        As the network does, the process leaves properties without any label out.
        """
        labelled = {label.name for record in data.everything for label in record.labels}
        labelled |= {label.name for label in data.set_labels}
        wanted = configuration.process.properties
        properties = tuple(name for name in wanted if name in labelled) or wanted
        narrowed = configuration.process.model_copy(update={"properties": properties})
        configuration = configuration.model_copy(update={"process": narrowed})
        network = LSOAP.fit(data, configuration.of_network(), directory, seed, on_progress)
        process = GaussianProcess.fit(
            data.everything, configuration.of_process(), data.set_labels, seed, on_progress
        )
        return cls(configuration, network, process)

    @classmethod
    def restore(
        cls,
        configuration: MixedConfiguration,
        metadata: dict[str, Any],
        tensors: Mapping[str, NDArray[Any]],
    ) -> Self:
        """Put both together again."""
        network = LSOAP.restore(
            configuration.of_network(), metadata["network"], tensors_of("network", tensors)
        )
        process = GaussianProcess(
            configuration.of_process(), metadata["process"], tensors_of("process", tensors)
        )
        return cls(configuration, network, process)

    @property
    def metadata(self) -> dict[str, Any]:
        """What both need."""
        return {"network": self.network.metadata, "process": self.process.metadata}

    @property
    def elements(self) -> frozenset[str]:
        """Elements of the training data."""
        return self.network.elements | self.process.elements

    def tensors(self) -> dict[str, Any]:
        """Return the numbers of both."""
        parts = (("network", self.network), ("process", self.process))
        return {
            f"{name}.{key}": array for name, part in parts for key, array in part.tensors().items()
        }

    def predict(self, structures: Sequence[Structure]) -> list[SurfacePrediction]:
        """Predict for unrelaxed slabs: the means, with the attention of the network."""
        pairs = zip(self.network.predict(structures), self.process.predict(structures), strict=True)
        return [mean_prediction(network, process) for network, process in pairs]

    def input_effects(self, structures: Sequence[Structure]) -> list[dict[str, dict[str, float]]]:
        """Return what each prediction would lose if one input took its training mean, eV."""
        # The process has half a say.
        return [
            {
                name: {one: 0.5 * effect for one, effect in effects.items()}
                for name, effects in own.items()
            }
            for own in self.process.input_effects(structures)
        ]


def mean_prediction(network: SurfacePrediction, process: SurfacePrediction) -> SurfacePrediction:
    """Return the mean of two predictions of one slab, neither with an EA above its IP.

    Its spread is that of the process and the distance of either part from the mean, added as squares.
    """
    parts = []
    for one in (network, process):
        columns = {name: np.array([value]) for name, value in one.values.items()}
        parts.append({name: float(c[0]) for name, c in ordered_levels(columns).items()})
    values = {
        name: float(np.mean([part[name] for part in parts if name in part]))
        for name in {**parts[0], **parts[1]}
    }
    if BAND_GAP in values and set(LEVELS) <= set(values):
        values[BAND_GAP] = values[IONIZATION_POTENTIAL] - values[ELECTRON_AFFINITY]
    spread = {
        name: float(np.hypot(deviation, 0.5 * (parts[0].get(name, values[name]) - parts[1][name])))
        for name, deviation in process.spread.items()
    }
    return replace(network, values=values, spread=network.spread | spread)


def settings_for(properties: Sequence[Property]) -> dict[str, Any]:
    """Return the settings of both parts when they learn given properties."""
    return {
        "network": lsoap.settings_for(properties),
        "process": gaussian_process.settings_for(properties),
    }


MIXED = Learner(
    MixedConfiguration,
    MixedModel.fit,
    MixedModel.restore,
    iterative=True,
    for_properties=settings_for,
)
