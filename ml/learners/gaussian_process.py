"""A Gaussian process on the physical inputs of slabs, with a distribution for each prediction.

It learns the IP and the EA each from :mod:`~surfalign.ml.descriptors.physical.physical_inputs`, or from the composition
where no surface is known; see :mod:`.additive_process` for its covariance. The weight of a label says how noisy it is: the noise has the
variance sigma^2 / weight, and sigma is learned. The label of a set of slabs is that of a slab with the
median inputs of the set. Where an input cannot be had it takes its mean in the training data, so that it
moves nothing, and an input of its own tells how many are missing.

An EA above the IP is impossible. Such a pair, rare, is moved to the nearest one that is possible: both take
their mean, as in a metal. That never enlarges the root-mean-square error of the two.

A model is stored as plain arrays and JSON; the factorised covariance is made anew from the rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pymatgen.core import Composition

from surfalign.ml.data.packed_structures import StructuresOf
from surfalign.ml.interface import Learner, SurfacePrediction, ordered_levels
from surfalign.ml.learners.additive_process import FittedProcess
from surfalign.ml.learners.baselines import (
    BaselineConfiguration,
    Rows,
    named_properties,
    training_metadata,
)
from surfalign.ml.learners.process_inputs import NAMES, InputNames, Inputs
from surfalign.ml.properties.property import Level, Property

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from surfalign.ml.data.records import SetLabel, SurfaceRecord

Array = NDArray[np.float64]


class GaussianProcessConfiguration(BaselineConfiguration):
    """The process on physical inputs."""

    kind: Literal["gaussian-process"] = "gaussian-process"
    inputs: Inputs = Field(
        default=Inputs.PHYSICAL,
        description="physical (of the slab), crystal (of the material), atom (of the first atom) or composition "
        "(of the formula alone)",
    )
    weighted: bool = Field(
        default=True, description="Labels of lower weight are noisier; False takes all for equal"
    )
    rows_for_kernel: int = Field(
        default=800, ge=2, description="Labels that the kernel is fitted to, at most (at random)"
    )
    most_rows: int = Field(
        default=6000, ge=2, description="Labels that predictions rest on, at most (at random)"
    )
    iterations: int = Field(default=30, ge=0, description="Steps of the fit of the kernel, at most")


class GaussianProcess:
    """A fitted process for each property.

    Attributes
    ----------
    configuration
        How it was fitted.
    metadata
        Elements seen, fidelities of the predictions and of the training labels, names of the inputs.
    """

    kind = "gaussian-process"

    def __init__(
        self,
        configuration: GaussianProcessConfiguration,
        metadata: dict[str, Any],
        tensors: Mapping[str, NDArray[Any]],
    ) -> None:
        self._names = NAMES[configuration.inputs]
        if metadata["inputs"] != list(self._names.inputs):
            raise KeyError("inputs of another version")  # restore_model says the rest
        self.configuration, self.metadata = configuration, metadata
        self._tensors = dict(tensors)
        self._processes: dict[str, FittedProcess] = {}

    @classmethod
    def fit(
        cls,
        records: Sequence[SurfaceRecord],
        configuration: GaussianProcessConfiguration | None = None,
        set_labels: Sequence[SetLabel] = (),
        seed: int = 0,
        on_progress: Callable[[str], None] = lambda line: None,
    ) -> Self:
        """Fit to records; the seed draws rows where they are too many.

        Raises
        ------
        EmptyDatasetError
            When a property has no label.
        """
        configuration = configuration or GaussianProcessConfiguration()
        tensors: dict[str, NDArray[Any]] = {}
        fidelities, known = {}, {}
        names = NAMES[configuration.inputs]
        slabs = names.describe(StructuresOf(records))
        described = dict(zip((record.name for record in records), slabs, strict=True))
        for name in configuration.properties:
            rows = Rows(name, records, set_labels)
            fidelities[name] = configuration.fidelity or rows.main_fidelity()
            known[name] = sorted(set(rows.fidelities))
            table = np.array(
                [described[r.name] for r in records for label in r.labels if label.name == name]
                + _set_rows(names, name, described, set_labels)
            )
            process = FittedProcess.fit(
                names.sizes(len(known[name])),
                np.hstack([table, _one_hot(rows.fidelities, known[name])]),
                rows.values,
                rows.weights if configuration.weighted else np.ones(len(rows.values)),
                rows_for_kernel=configuration.rows_for_kernel,
                most_rows=configuration.most_rows,
                iterations=configuration.iterations,
                seed=seed,
            )
            on_progress(f"{name}: {len(rows.values)} labels, noise {process.noise:.2f}")
            tensors |= {f"{name}.{key}": array for key, array in process.tensors().items()}
        metadata = training_metadata(records, fidelities) | {
            "known_fidelities": known,
            "inputs": list(names.inputs),
        }
        return cls(configuration, metadata, tensors)

    @property
    def elements(self) -> frozenset[str]:
        """Elements of the training data."""
        return frozenset(self.metadata["elements"])

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return all fitted numbers."""
        return dict(self._tensors)

    def predict(self, structures: Sequence[Structure | Composition]) -> list[SurfacePrediction]:
        """Predict the properties of unrelaxed slabs, each with its standard deviation.

        A process on compositions may be asked for a composition as well.
        """
        table = self._names.describe(structures)
        values, deviations = {}, {}
        for name in self.configuration.properties:
            values[name], deviations[name] = self._process(name).predict(self._told(name, table))
        values = ordered_levels(values)
        return [
            SurfacePrediction(
                {name: float(column[i]) for name, column in values.items()},
                spread={name: float(column[i]) for name, column in deviations.items()},
            )
            for i in range(len(structures))
        ]

    def input_effects(self, structures: Sequence[Structure]) -> list[dict[str, dict[str, float]]]:
        """Return what each prediction would lose if an input took its training mean, eV.

        Inputs that say alike hide behind each other; therefore each group is taken away as a whole, too.
        """
        table = self._names.describe(structures)
        effects: list[dict[str, dict[str, float]]] = [{} for _ in structures]
        for name in self.configuration.properties:
            process, told = self._process(name), self._told(name, table)
            for row, own in zip(told, effects, strict=True):
                single, whole = process.effects(row)
                # Fidelities come last in both; they are no property of the slab.
                own[name] = {
                    **{
                        f"all {group} together": float(e)
                        for group, e in zip(self._names.groups, whole, strict=False)
                    },
                    **{
                        one: float(e)
                        for one, e in zip(self.metadata["inputs"], single, strict=False)
                    },
                }
        return effects

    def _told(self, name: str, table: Array) -> Array:
        """Add the fidelity of the predictions."""
        wanted = [self.metadata["fidelities"][name]] * len(table)
        return np.hstack([table, _one_hot(wanted, self.metadata["known_fidelities"][name])])

    def _process(self, name: str) -> FittedProcess:
        if name not in self._processes:
            self._processes[name] = FittedProcess(
                self._names.sizes(len(self.metadata["known_fidelities"][name])),
                tensors_of(name, self._tensors),
            )
        return self._processes[name]


def _set_rows(
    names: InputNames, name: str, described: Mapping[str, Array], set_labels: Sequence[SetLabel]
) -> list[Array]:
    """Return the median inputs of the members of each set, in the order of ``Rows``."""
    rows = []
    for label in set_labels:
        if label.name != name:
            continue
        if names.of_formulas:
            rows.append(names.describe([Composition(label.formula)])[0])
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # missing for all members
            rows.append(np.nanmedian([described[member] for member in label.members], axis=0))
    return rows


def tensors_of(part: str, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the tensors of one part of a model, whose names begin with that of the part, and a dot."""
    prefix = f"{part}."
    return {
        name.removeprefix(prefix): array
        for name, array in tensors.items()
        if name.startswith(prefix)
    }


def _one_hot(fidelities: Sequence[str], known: Sequence[str]) -> Array:
    """Return one column for each fidelity but the first."""
    return np.array([[float(f == other) for other in known[1:]] for f in fidelities]).reshape(
        len(fidelities), -1
    )


def settings_for(properties: Sequence[Property]) -> dict[str, Any]:
    """Return the settings of a process that learns given properties."""
    inputs = {Level.CRYSTAL: Inputs.CRYSTAL, Level.ATOM: Inputs.ATOM}.get(properties[0].level)
    return named_properties(properties) | ({"inputs": inputs.value} if inputs else {})


GAUSSIAN_PROCESS = Learner(
    GaussianProcessConfiguration,
    lambda data, configuration, directory, seed, on_progress: GaussianProcess.fit(
        data.everything, configuration, data.set_labels, seed, on_progress
    ),
    GaussianProcess,
    for_properties=settings_for,
)
