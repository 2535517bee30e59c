"""The kinds of models: how each is configured, fitted and put together again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from surfalign.errors import ConfigurationError, ModelVersionError
from surfalign.ml.interface import FittedModel, Learner, TrainingData
from surfalign.plugins import PluginGroup

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from surfalign.ml.properties.property import Property

#: Kind of model to the :class:`~surfalign.ml.interface.Learner` that makes it.
LEARNERS = {
    "mean": "surfalign.ml.learners.baselines:MEAN",  # the mean of the labels
    "composition": "surfalign.ml.learners.baselines:COMPOSITION",  # boosted trees
    "gaussian-process": "surfalign.ml.learners.gaussian_process:GAUSSIAN_PROCESS",
    "lsoap": "surfalign.ml.learners.lsoap:LSOAP",  # learnable SOAP with attention
    "mixed": "surfalign.ml.learners.mixed:MIXED",  # the mean of the two before
}


def _problem_of(part: Any) -> str:
    return "" if isinstance(part, Learner) else f"is a {type(part).__name__}, not a Learner"


#: The learners of surfalign and of other packages.
LEARNER_GROUP = PluginGroup("surfalign.learners", "kind of model", LEARNERS, _problem_of)


def get_learner(kind: str) -> Learner:
    """Return a learner by the kind of its models.

    Raises
    ------
    ConfigurationError
        When the kind is unknown.
    PluginError
        When another package adds the kind and it cannot be used.
    """
    learner: Learner = LEARNER_GROUP.load(kind)
    return learner


def configuration_of(kind: str, given: Mapping[str, Any] | None = None) -> BaseModel:
    """Return the typed configuration of a kind.

    Raises
    ------
    ConfigurationError
        When the kind or a key is unknown, or a value out of range.
    """
    expected = get_learner(kind).configuration
    try:
        return expected.model_validate(dict(given or {}))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise ConfigurationError(
            f"the configuration of {kind} has a mistake at "
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
            _keys_at(expected, first["loc"]),
            "correct the configuration",
        ) from error


def settings_for(kind: str, properties: Sequence[Property]) -> dict[str, Any]:
    """Return what of the configuration of a kind differs from its defaults when it learns given properties.

    Raises
    ------
    ConfigurationError
        When the kind learns IP and EA only.
    """
    learner = get_learner(kind)
    if learner.for_properties is None:
        raise ConfigurationError(
            f"models of kind {kind} learn no other properties than their own",
            "a kind that learns any property: mixed, lsoap, gaussian-process, composition or mean",
            "choose another --kind",
        )
    return learner.for_properties(properties)


def _keys_at(section: type[BaseModel], location: Sequence[int | str]) -> str:
    """Return which keys there are at the place of a mistake."""
    where = []
    for part in location[:-1]:
        field = section.model_fields.get(str(part))
        inner = None if field is None else field.annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        where.append(str(part))
        section = inner
    name = ".".join(where)
    return f"keys {f'of {name} ' if name else ''}among {', '.join(sorted(section.model_fields))}"


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
    kind: str,
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
    learner = get_learner(kind)
    typed = learner.configuration.model_validate(configuration)
    return learner.fit(data, typed, directory, seed, on_progress or (lambda line: None))


def restore_model(
    kind: str,
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
        return get_learner(kind).restore(configuration_of(kind, configuration), metadata, tensors)
    except (ConfigurationError, KeyError) as error:
        raise ModelVersionError(
            f"a stored model of kind {kind} does not fit this version: {error}",
            "the configuration, metadata and arrays that this version writes",
            "train it again, or use the version of surfalign that its card names",
        ) from error
