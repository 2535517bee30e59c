"""Configure, fit and restore a model of any kind; which kind it is, only this module asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from surfalign.errors import ConfigurationError, ModelVersionError
from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.interface import FittedModel, LearnerKind, TrainingData
from surfalign.ml.learners import baselines

if TYPE_CHECKING:
    from numpy.typing import NDArray


def configuration_of(kind: LearnerKind, given: Mapping[str, Any] | None = None) -> BaseModel:
    """Return the typed configuration of a kind.

    Raises
    ------
    ConfigurationError
        When a key is unknown or a value out of range.
    """
    try:
        return _configuration_class(kind).model_validate(dict(given or {}))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise ConfigurationError(
            f"the configuration of {kind} has a mistake at "
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
            f"keys among {', '.join(sorted(_configuration_class(kind).model_fields))}",
            "correct the configuration",
        ) from error


def with_fidelity(configuration: BaseModel, fidelity: str) -> tuple[BaseModel, str]:
    """Return the configuration with its fidelity resolved, and that fidelity.

    Parameters
    ----------
    configuration
        Of any kind.
    fidelity
        What to predict where the configuration does not say.
    """
    targets = getattr(configuration, "targets", None)
    part: BaseModel = configuration if targets is None else targets
    chosen = getattr(part, "fidelity", None) or fidelity
    part = part.model_copy(update={"fidelity": chosen})
    if targets is None:
        return part, chosen
    return configuration.model_copy(update={"targets": part}), chosen


def fit_model(
    configuration: BaseModel,
    kind: LearnerKind,
    data: TrainingData,
    *,
    directory: Path,
    seed: int = 0,
    on_progress: Callable[[str], None] | None = None,
) -> FittedModel:
    """Fit one model.

    Parameters
    ----------
    configuration
        That of the kind; see :func:`configuration_of`.
    kind
        Which model.
    data
        What to fit to.
    directory
        For checkpoints; a fit that was killed goes on from there.
    seed
        Of everything random.
    on_progress
        Called with a line now and then.

    Raises
    ------
    EmptyDatasetError
        When a property has no label.
    """
    if isinstance(configuration, baselines.MeanConfiguration):
        return baselines.MeanModel.fit(data.everything, configuration, data.set_labels, seed)
    if isinstance(configuration, baselines.CompositionConfiguration):
        return baselines.CompositionModel.fit(data.everything, configuration, data.set_labels, seed)
    from surfalign.ml.network.learner import NetworkModel

    typed = LearnerConfiguration.model_validate(configuration)
    return NetworkModel.fit(data, typed, directory, seed, on_progress)


def restore_model(
    kind: LearnerKind,
    configuration: Mapping[str, Any],
    metadata: dict[str, Any],
    tensors: Mapping[str, NDArray[Any]],
) -> FittedModel:
    """Put a model together again.

    Raises
    ------
    ModelVersionError
        When the parts do not fit this version of the code.
    """
    try:
        typed = configuration_of(kind, configuration)
        if isinstance(typed, baselines.MeanConfiguration):
            return baselines.MeanModel(typed, metadata, tensors)
        if isinstance(typed, baselines.CompositionConfiguration):
            return baselines.CompositionModel(typed, metadata, tensors)
        from surfalign.ml.network.learner import NetworkModel

        network = LearnerConfiguration.model_validate(typed)
        return NetworkModel.restore(network, metadata, tensors)
    except (ConfigurationError, KeyError) as error:
        raise ModelVersionError(
            f"a stored model of kind {kind} does not fit this version: {error}",
            "the configuration, metadata and arrays that this version writes",
            "train it again, or use the version of surfalign that its card names",
        ) from error


def _configuration_class(kind: LearnerKind) -> type[BaseModel]:
    if kind is LearnerKind.LSOAP:
        return LearnerConfiguration
    if kind is LearnerKind.MEAN:
        return baselines.MeanConfiguration
    return baselines.CompositionConfiguration
