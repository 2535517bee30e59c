"""A trained network: predict, explain, take apart for storage, put together again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from pymatgen.core import Structure
from torch import Tensor

from surfalign.errors import ModelVersionError, UnknownElementError
from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.descriptors.density_cache import DensityCache
from surfalign.ml.descriptors.element_properties import MAX_ATOMIC_NUMBER
from surfalign.ml.interface import SurfacePrediction
from surfalign.ml.network.batches import collate, inputs_of
from surfalign.ml.network.network import SlabNetwork
from surfalign.ml.properties.property import Level

FORMAT_VERSION = 1
"""Of metadata and tensors; raised when an older version cannot be read any more."""

SLABS_PER_BATCH = 16


class TrainedModel:
    """A network with all that is needed to use it.

    Parameters
    ----------
    configuration
        How it was made.
    metadata
        Plain JSON: properties, units, fidelities, elements of the training data, format.
    network
        The network.
    """

    def __init__(
        self, configuration: LearnerConfiguration, metadata: dict[str, Any], network: SlabNetwork
    ) -> None:
        self.configuration = configuration
        self.metadata = metadata
        self.network = network.eval()

    @property
    def elements(self) -> frozenset[str]:
        """Elements of the training data."""
        return frozenset(self.metadata["elements"])

    @property
    def properties(self) -> tuple[str, ...]:
        """What is predicted."""
        return tuple(self.metadata["properties"])

    def predict(
        self,
        structures: Sequence[Structure],
        *,
        fidelity: str | None = None,
        cache: DensityCache | None = None,
    ) -> list[SurfacePrediction]:
        """Predict for unrelaxed slabs.

        Elements that the training data lack are described by their properties alone.

        Parameters
        ----------
        structures
            Slabs with vacuum along one lattice vector.
        fidelity
            Whose level to predict; None is the model's own.
        cache
            Where density coefficients are kept; None keeps nothing.

        Raises
        ------
        UnknownElementError
            For elements without tabulated properties.
        """
        for structure in structures:
            check_elements(structure)
        head = self._fidelity_index(fidelity)
        environments = (cache or DensityCache(None)).prepare(
            structures, self.configuration.descriptor
        )
        of_atoms = self.configuration.descriptor.level is Level.ATOM
        predictions: list[SurfacePrediction] = []
        for start in range(0, len(environments), SLABS_PER_BATCH):
            part = environments[start : start + SLABS_PER_BATCH]
            batch = collate(
                part, inputs_of(structures[start : start + SLABS_PER_BATCH], self.configuration)
            )
            with torch.no_grad():
                output = self.network(batch)
            for k, slab in enumerate(part):
                rows = batch.slabs == k
                # Both zones together; each site has its share of its distinct atom's weight.
                weights = output.weights[rows].mean(dim=-1).double().numpy()
                weights = weights / weights.sum(axis=0)
                shares = weights / slab.multiplicities[:, None]
                sites = slab.membership
                values = output.values[k, :, head].double().tolist()
                predictions.append(
                    SurfacePrediction(
                        values=dict(zip(self.properties, values, strict=True)),
                        attention={}
                        if of_atoms
                        else {
                            name: np.asarray(shares[sites, p])
                            for p, name in enumerate(self.properties)
                        },
                        embedding=output.vectors[k].flatten().double().numpy(),
                        environments=output.atoms[rows].double().numpy()[sites],
                    )
                )
        return predictions

    def tensors(self) -> dict[str, Tensor]:
        """Return the weights, by name."""
        return {name: t.detach().contiguous() for name, t in self.network.state_dict().items()}

    @classmethod
    def from_tensors(
        cls,
        configuration: LearnerConfiguration,
        metadata: dict[str, Any],
        tensors: Mapping[str, Tensor],
    ) -> Self:
        """Put a model together again.

        Raises
        ------
        ModelVersionError
            If the parts were written by another version of the code, or do not fit together.
        """
        if metadata.get("format") != FORMAT_VERSION:
            raise ModelVersionError(
                f"the model has format {metadata.get('format')!r}",
                f"format {FORMAT_VERSION}",
                "train it again with this version, or use the version that its card names",
            )
        network = SlabNetwork(configuration, metadata["properties"], len(metadata["fidelities"]))
        try:
            network.load_state_dict(dict(tensors))
        except RuntimeError as error:
            raise ModelVersionError(
                f"the weights do not fit the configuration: {error}",
                "weights written with this configuration",
                "train the model again",
            ) from error
        return cls(configuration, metadata, network)

    def _fidelity_index(self, fidelity: str | None) -> int:
        names = self.metadata["fidelities"]
        if fidelity is None:
            return 0
        if fidelity not in names:
            raise ModelVersionError(
                f"the model does not know the fidelity {fidelity!r}",
                f"one of {', '.join(names)}",
                "choose one of these, or train with labels of that fidelity",
            )
        return int(names.index(fidelity))


def check_elements(structure: Structure) -> None:
    """Refuse elements whose properties are not tabulated.

    Raises
    ------
    UnknownElementError
        Naming the elements.
    """
    unknown = sorted(
        {e.symbol for e in structure.composition.elements if not 0 < e.Z <= MAX_ATOMIC_NUMBER}
    )
    if unknown:
        raise UnknownElementError(
            f"{structure.composition.reduced_formula} holds {', '.join(unknown)}",
            f"elements up to atomic number {MAX_ATOMIC_NUMBER}",
            "leave these surfaces out",
        )
