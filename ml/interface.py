"""What every kind of model has in common: what it is fitted to, what it can do, what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from surfalign.ml.data.records import SetLabel, SurfaceRecord


@dataclass(frozen=True)
class SurfacePrediction:
    """Prediction for one unrelaxed slab.

    Attributes
    ----------
    values
        Property to value, in the property's unit (eV; J/m^2 for the surface energy).
    attention
        Property to the weight of each atom in it, shape (n_sites,), summing to 1; empty for models
        that do not look at atoms.
    embedding
        Vector of the slab, shape (d,); None where the model has none.
    environments
        Vectors of the atoms, shape (n_sites, d); None where the model has none.
    """

    values: dict[str, float]
    attention: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    embedding: NDArray[np.float64] | None = None
    environments: NDArray[np.float64] | None = None


class LearnerKind(StrEnum):
    """The kinds of models."""

    MEAN = "mean"  # the mean of the labels
    COMPOSITION = "composition"  # composition features and boosted trees
    LSOAP = "lsoap"  # learnable SOAP with attention


class FittedModel(Protocol):
    """A model that can predict and be kept as JSON and arrays."""

    @property
    def configuration(self) -> BaseModel:
        """How it was fitted."""

    @property
    def metadata(self) -> dict[str, Any]:
        """What else it needs, as plain JSON."""

    @property
    def elements(self) -> frozenset[str]:
        """Elements of its training data."""

    def tensors(self) -> Mapping[str, Any]:
        """Its weights."""

    def predict(self, structures: Sequence[Structure]) -> list[SurfacePrediction]:
        """Predict for unrelaxed slabs."""


@dataclass(frozen=True)
class TrainingData:
    """What one model is fitted to.

    Attributes
    ----------
    train
        Surfaces to learn from.
    validation
        Surfaces that decide when to stop.
    set_labels
        Labels of sets; their members are among ``train``.
    """

    train: Sequence[SurfaceRecord]
    validation: Sequence[SurfaceRecord] = ()
    set_labels: Sequence[SetLabel] = ()

    @property
    def everything(self) -> list[SurfaceRecord]:
        """All surfaces, for models that need no validation."""
        return [*self.train, *self.validation]
