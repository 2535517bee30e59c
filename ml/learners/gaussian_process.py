"""A Gaussian process on the physical inputs of slabs, with a distribution for each prediction.

It learns the IP and the EA each from :mod:`~surfalign.ml.descriptors.physical_inputs`; see
:mod:`.additive_process` for its covariance. The weight of a label says how noisy it is: the noise has the
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
from scipy.linalg import cho_solve, cholesky, solve_triangular

from surfalign.ml.descriptors.physical_inputs import GROUPS, INPUTS, physical_table
from surfalign.ml.interface import Learner, SurfacePrediction, ordered_levels
from surfalign.ml.learners.additive_process import AdditiveKernel
from surfalign.ml.learners.baselines import BaselineConfiguration, Rows, training_metadata

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from surfalign.ml.data.records import SetLabel, SurfaceRecord

Array = NDArray[np.float64]

MISSING = "share of inputs that are missing"
"""Name of the input of its own, in the last group."""

LARGEST_DISTANCE = 5.0
"""Standardised inputs end here (standard deviations): beyond, a number says only that it is far."""

SMALLEST_WEIGHT = 1e-3
"""Lighter labels are taken for this light: their noise stays finite."""


class GaussianProcessConfiguration(BaselineConfiguration):
    """The process on physical inputs."""

    kind: Literal["gaussian-process"] = "gaussian-process"
    weighted: bool = Field(
        default=True, description="Labels of lower weight are noisier; False takes all for equal"
    )
    rows_for_kernel: int = Field(
        default=800, ge=2, description="Labels that the kernel is fitted to, at most (at random)"
    )
    most_rows: int = Field(
        default=6000, ge=2, description="Labels that predictions rest on, at most (at random)"
    )
    iterations: int = Field(default=60, ge=0, description="Steps of the fit of the kernel, at most")


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
        if metadata["inputs"] != input_names():
            raise KeyError("physical inputs of another version")  # restore_model says the rest
        self.configuration, self.metadata = configuration, metadata
        self._tensors = dict(tensors)
        self._processes: dict[str, OneProcess] = {}

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
        for name in configuration.properties:
            rows = Rows(name, records, set_labels)
            fidelities[name] = configuration.fidelity or rows.main_fidelity()
            known[name] = sorted(set(rows.fidelities))
            table = np.vstack([_label_table(name, records), _set_table(name, records, set_labels)])
            process = OneProcess.fit(
                np.hstack([table, _one_hot(rows.fidelities, known[name])]),
                rows.values,
                rows.weights if configuration.weighted else np.ones(len(rows.values)),
                configuration,
                seed,
            )
            on_progress(f"{name}: {len(rows.values)} labels, noise {process.noise:.2f}")
            tensors |= {f"{name}.{key}": array for key, array in process.tensors().items()}
        metadata = training_metadata(records, fidelities) | {
            "known_fidelities": known,
            "inputs": input_names(),
        }
        return cls(configuration, metadata, tensors)

    @property
    def elements(self) -> frozenset[str]:
        """Elements of the training data."""
        return frozenset(self.metadata["elements"])

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return all fitted numbers."""
        return dict(self._tensors)

    def predict(self, structures: Sequence[Structure]) -> list[SurfacePrediction]:
        """Predict the properties of unrelaxed slabs, each with its standard deviation."""
        table = with_missing(physical_table(structures))
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
        table = with_missing(physical_table(structures))
        effects: list[dict[str, dict[str, float]]] = [{} for _ in structures]
        for name in self.configuration.properties:
            process, told = self._process(name), self._told(name, table)
            for row, own in zip(told, effects, strict=True):
                single, whole = process.effects(row)
                # Fidelities come last in both; they are no property of the slab.
                own[name] = {
                    **{
                        f"all {group} together": float(e)
                        for group, e in zip(GROUPS, whole, strict=False)
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

    def _process(self, name: str) -> OneProcess:
        if name not in self._processes:
            parts = {
                key.removeprefix(f"{name}."): array
                for key, array in self._tensors.items()
                if key.startswith(f"{name}.")
            }
            self._processes[name] = OneProcess(parts)
        return self._processes[name]


class OneProcess:
    """The process of one property.

    Parameters
    ----------
    parts
        ``centre``, ``scale``: of the inputs, shape (n_columns,). ``label_scale``: mean and standard
        deviation of the labels. ``theta``: of the kernel. ``rows``: standardised inputs, shape
        (n, n_columns). ``weights``, ``targets``: of the labels, standardised, shape (n,).
    """

    def __init__(self, parts: Mapping[str, NDArray[Any]]) -> None:
        self._parts = dict(parts)
        self._kernel = _kernel(len(parts["centre"]))
        self._theta = np.asarray(parts["theta"])
        covariance = self._kernel.labels_covariance(self._theta, parts["rows"], parts["weights"])
        self._factor = cholesky(covariance, lower=True)
        self._solution = cho_solve((self._factor, True), parts["targets"])

    @classmethod
    def fit(
        cls,
        table: Array,
        values: Array,
        weights: Array,
        configuration: GaussianProcessConfiguration,
        seed: int,
    ) -> Self:
        """Fit to inputs, shape (n, n_columns), and labels with weights, shape (n,) each."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column without any number
            centre, scale = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
        centre = np.where(np.isfinite(centre), centre, 0.0)
        scale = np.where(scale > 1e-9, scale, 1.0)
        weights = np.maximum(weights, SMALLEST_WEIGHT)
        mean = float(np.average(values, weights=weights))
        deviation = float(np.sqrt(np.average((values - mean) ** 2, weights=weights))) or 1.0
        rows, targets = _standardised(table, centre, scale), (values - mean) / deviation
        order = np.random.default_rng(seed).permutation(len(rows))
        some = np.sort(order[: configuration.rows_for_kernel])
        kept = np.sort(order[: configuration.most_rows])
        kernel = _kernel(table.shape[1])
        return cls(
            {
                "centre": centre,
                "scale": scale,
                "label_scale": np.array([mean, deviation]),
                "theta": kernel.fit(
                    rows[some], weights[some], targets[some], configuration.iterations
                ),
                "rows": rows[kept],
                "weights": weights[kept],
                "targets": targets[kept],
            }
        )

    @property
    def noise(self) -> float:
        """Standard deviation of a label of full weight from the truth, in the property's unit."""
        return float(np.exp(0.5 * self._theta[-1]) * self._parts["label_scale"][1])

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return what it is made of."""
        return dict(self._parts)

    def predict(self, table: Array) -> tuple[Array, Array]:
        """Return value and standard deviation of a label of full weight, shape (n,) each."""
        mean, deviation = self._parts["label_scale"]
        rows = self._rows(table)
        between = self._kernel.covariance(self._theta, rows, self._parts["rows"])
        reduced = solve_triangular(self._factor, between.T, lower=True)
        prior = self._kernel.variances(self._theta, rows)
        variances = np.maximum(prior - (reduced**2).sum(axis=0), 0.0) + np.exp(self._theta[-1])
        return mean + deviation * (between @ self._solution), deviation * np.sqrt(variances)

    def effects(self, row: Array) -> tuple[Array, Array]:
        """Return what the prediction loses when columns take their mean.

        Shape (n_columns,) for one at a time, and (n_groups,) for all of a group.
        """
        whole = self._rows(row[None, :])
        n_columns, sizes = whole.shape[1], self._kernel.sizes
        groups = np.repeat(np.arange(len(sizes)), sizes)
        removed = np.vstack([np.eye(n_columns), groups == np.arange(len(sizes))[:, None]])
        changed = np.where(removed > 0, 0.0, whole)
        between = self._kernel.covariance(
            self._theta, np.vstack([whole, changed]), self._parts["rows"]
        )
        values = between @ self._solution
        lost = self._parts["label_scale"][1] * (values[0] - values[1:])
        return lost[:n_columns], lost[n_columns:]

    def _rows(self, table: Array) -> Array:
        return _standardised(table, self._parts["centre"], self._parts["scale"])


def input_names() -> list[str]:
    """Return the names of the inputs, in order."""
    return [*(one.name for one in INPUTS), MISSING]


def with_missing(table: Array) -> Array:
    """Add the share of the inputs that are missing as a column."""
    return np.column_stack([table, np.isnan(table).mean(axis=1)])


def _label_table(name: str, records: Sequence[SurfaceRecord]) -> Array:
    """Return the inputs of each label of a property, in the order of ``Rows``."""
    labelled = [r.structure for r in records for label in r.labels if label.name == name]
    return with_missing(physical_table(labelled))


def _set_table(
    name: str, records: Sequence[SurfaceRecord], set_labels: Sequence[SetLabel]
) -> Array:
    """Return the median inputs of the members of each set, in the order of ``Rows``."""
    structures = {record.name: record.structure for record in records}
    rows = []
    for label in set_labels:
        if label.name == name:
            members = with_missing(physical_table([structures[m] for m in label.members]))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # missing for all members
                rows.append(np.nanmedian(members, axis=0))
    return np.array(rows).reshape(len(rows), len(INPUTS) + 1)


def _one_hot(fidelities: Sequence[str], known: Sequence[str]) -> Array:
    """Return one column for each fidelity but the first."""
    return np.array([[float(f == other) for other in known[1:]] for f in fidelities]).reshape(
        len(fidelities), -1
    )


def _standardised(table: Array, centre: Array, scale: Array) -> Array:
    """Return columns of mean 0 and deviation 1; what is missing is at the mean."""
    standard = np.clip((table - centre) / scale, -LARGEST_DISTANCE, LARGEST_DISTANCE)
    return np.asarray(np.nan_to_num(standard))


def _kernel(n_columns: int) -> AdditiveKernel:
    """Return the kernel of the groups of inputs, and of the fidelities where there are several."""
    sizes = [sum(one.group == group for one in INPUTS) for group in GROUPS]
    sizes[-1] += 1  # how many are missing
    rest = n_columns - sum(sizes)
    return AdditiveKernel(tuple([*sizes, rest] if rest else sizes))


GAUSSIAN_PROCESS = Learner(
    GaussianProcessConfiguration,
    lambda data, configuration, directory, seed, on_progress: GaussianProcess.fit(
        data.everything, configuration, data.set_labels, seed, on_progress
    ),
    GaussianProcess,
)
