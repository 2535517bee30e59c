"""How an ensemble is trained: the kind of model, its configuration, and what is random in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surfalign.ml.ensemble.fitting import fit_ensemble
from surfalign.ml.ensemble.members import training_data
from surfalign.ml.learners.kinds import configuration_of, fit_model, settings_for
from surfalign.ml.properties.learnable import learned_properties

if TYPE_CHECKING:
    from pydantic import BaseModel

    from surfalign.ml.data.datasets import FrozenDataset
    from surfalign.ml.data.records import SetLabel, SurfaceRecord
    from surfalign.ml.ensemble.ensemble import Ensemble
    from surfalign.ml.interface import FittedModel

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """How an ensemble is trained.

    Attributes
    ----------
    kind
        Kind of model.
    configuration
        What differs from the defaults of that kind.
    seed
        Of everything random.
    workers
        Members of a network that are fitted at a time.
    properties
        What is learned; with none, what the data declare, else what the configuration names.
    """

    kind: str
    configuration: Mapping[str, Any]
    seed: int = 0
    workers: int = 1
    properties: tuple[str, ...] = ()

    def for_dataset(self, dataset: FrozenDataset) -> Recipe:
        """Return the recipe with a configuration that learns the properties of a data set.

        Where the data declare none and none is asked for, it is this recipe.

        Raises
        ------
        ConfigurationError
            When the kind cannot learn them.
        LearnerError
            When nothing can be learned of one of them; see :func:`~surfalign.ml.properties.learnable.check_learnable`.
        """
        found = learned_properties(dataset, self.properties)
        if not found:
            return self
        return replace(
            self, configuration=_merged(settings_for(self.kind, found), self.configuration)
        )

    def complete(self) -> BaseModel:
        """Return the configuration with its defaults.

        Raises
        ------
        ConfigurationError
            When the configuration has a mistake.
        """
        return configuration_of(self.kind, self.configuration)

    def fit(
        self, dataset: FrozenDataset, *, scratch: Path, on_progress: Progress | None = None
    ) -> Ensemble:
        """Fit an ensemble.

        Parameters
        ----------
        dataset
            What to learn from.
        scratch
            For finished members and checkpoints; a killed training goes on from there.
        on_progress
            Called with a line now and then.

        Raises
        ------
        ConfigurationError
            When the configuration has a mistake.
        EmptyDatasetError
            When a property has no label.
        LearnerError
            When the process of a member ends without a result.
        """
        return fit_ensemble(
            dataset,
            self.kind,
            self.for_dataset(dataset).complete(),
            directory=scratch,
            seed=self.seed,
            workers=self.workers,
            on_progress=on_progress,
        )

    def fit_one(
        self,
        records: Sequence[SurfaceRecord],
        *,
        directory: Path,
        set_labels: Sequence[SetLabel] = (),
        on_progress: Progress | None = None,
    ) -> FittedModel:
        """Fit one model as the members of an ensemble are fitted, to all given records.

        Parameters
        ----------
        records
            Surfaces to learn from.
        directory
            For checkpoints.
        set_labels
            Labels of sets; those whose members are all among the records count.
        on_progress
            Called with a line now and then.

        Raises
        ------
        ConfigurationError
            When the configuration has a mistake.
        EmptyDatasetError
            When a property has no label.
        """
        configuration = self.complete()
        return fit_model(
            configuration,
            self.kind,
            training_data(records, set_labels, configuration, self.seed),
            directory=directory,
            seed=self.seed,
            on_progress=on_progress,
        )


def _merged(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings in which what is given replaces the defaults, key by key."""
    result = dict(defaults)
    for key, value in given.items():
        own = result.get(key)
        both = isinstance(own, Mapping) and isinstance(value, Mapping)
        result[key] = _merged(own, value) if both else value  # type: ignore[arg-type]
    return result
