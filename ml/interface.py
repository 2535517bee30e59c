"""What every learner fulfils: data in, a model out, predictions of slabs; loads no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from surfalign.ml.properties.property import BAND_GAP, KNOWN, Property

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from surfalign.ml.data.records import SetLabel, SurfaceRecord


@dataclass(frozen=True)
class SurfacePrediction:
    """Prediction for one structure, on the scales on which its properties are learned.

    Attributes
    ----------
    values
        Property to value, in the property's unit where it is not learned on another scale.
    attention
        Property to the weight of each atom in it, shape (n_sites,), summing to 1; empty for models
        that do not look at atoms.
    embedding
        Vector of the slab, shape (d,); None where the model has none.
    environments
        Vectors of the atoms, shape (n_sites, d); None where the model has none.
    spread
        Property to what the model itself says of its error, in the property's unit: a standard deviation, or
        how far its parts disagree. Intervals are scaled by it as far as errors follow it; empty for models
        that say nothing.
    """

    values: dict[str, float]
    attention: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    embedding: NDArray[np.float64] | None = None
    environments: NDArray[np.float64] | None = None
    spread: dict[str, float] = field(default_factory=dict)


def ordered_levels(columns: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Return predictions without an EA above its IP: both are their mean there, and the gap is zero.

    Learners that fit IP and EA apart know nothing of each other. The nearest possible pair is at most as far
    from the truth, in the root mean square of the two, as the impossible one. NaN stays.
    """
    found = dict(columns)
    for one in KNOWN.values():
        upper, lower = found.get(one.not_above or ""), found.get(one.name)
        if one.not_above is None or upper is None or lower is None:
            continue
        middle = 0.5 * (upper + lower)
        # Comparisons with NaN are false, and NaN stays.
        inverted = lower > upper
        found[one.not_above] = np.where(inverted, middle, upper)
        found[one.name] = np.where(inverted, middle, lower)
        if BAND_GAP in found:
            found[BAND_GAP] = np.where(inverted, 0.0, found[BAND_GAP])
    return found


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


@runtime_checkable
class KnowsItsInputs(Protocol):
    """A model of named inputs, which can say what each of them does."""

    def input_effects(self, structures: Sequence[Structure]) -> list[dict[str, dict[str, float]]]:
        """Return, for each slab, property to input to its effect, in the property's unit.

        The effect is what the prediction would lose if this input took its mean in the training data.
        """


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


@dataclass(frozen=True)
class Learner:
    """A kind of model: how it is configured, fitted and put together again.

    Attributes
    ----------
    configuration
        Model of its configuration, with ``extra="forbid"``. A field ``fidelity``, here or in a field
        ``targets``, says what is predicted.
    fit
        Fits a model: ``fit(data, configuration, directory, seed, on_progress)``. The directory is for
        checkpoints; ``on_progress`` takes a line now and then.
    restore
        Puts a model together again: ``restore(configuration, metadata, tensors)``, the arrays by name.
    for_properties
        Gives what of the configuration differs from its defaults when other properties than IP and EA are
        learned, all of one level; None where it can learn no others.
    iterative
        Whether it is trained in many rounds: then a share of the formulas decides when it stops, and
        the members of an ensemble are fitted in processes of their own.
    """

    configuration: type[BaseModel]
    fit: Callable[[TrainingData, Any, Path, int, Callable[[str], None]], FittedModel]
    restore: Callable[[Any, dict[str, Any], Mapping[str, NDArray[Any]]], FittedModel]
    iterative: bool = False
    for_properties: Callable[[Sequence[Property]], dict[str, Any]] | None = None
