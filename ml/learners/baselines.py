"""Models that any learner of surfaces has to beat: the mean, and composition with boosted trees.

They are fitted and asked like the network, and are kept like it, as plain arrays and JSON: the trees of
scikit-learn are stored as arrays and walked here, so that nothing is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from surfalign.errors import ConfigurationError, EmptyDatasetError
from surfalign.ml.descriptors.composition import composition_features
from surfalign.ml.interface import Learner, SurfacePrediction
from surfalign.ml.properties.property import LEVELS, Level, Property

if TYPE_CHECKING:
    from pymatgen.core import Composition, Structure

    from surfalign.ml.data.records import SetLabel, SurfaceRecord

#: Fewer rows are all used for each tree.
FEW_ROWS = 10


class BaselineConfiguration(BaseModel):
    """What every baseline is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    properties: tuple[str, ...] = Field(default=LEVELS, description="What is predicted")
    fidelity: str | None = Field(
        default=None, description="Fidelity of the predictions; None is the most frequent one"
    )


class MeanConfiguration(BaselineConfiguration):
    """The mean of the training labels."""

    kind: Literal["mean"] = "mean"


class CompositionConfiguration(BaselineConfiguration):
    """Gradient-boosted trees on composition features."""

    kind: Literal["composition"] = "composition"
    n_estimators: int = Field(default=300, ge=1, description="Trees for each property")
    learning_rate: float = Field(default=0.05, gt=0, description="Shrinkage of each tree")
    max_depth: int = Field(default=4, ge=1, description="Depth of the trees")
    subsample: float = Field(default=0.7, gt=0, le=1, description="Share of rows for each tree")
    max_features: float = Field(default=0.3, gt=0, le=1, description="Share of features a split")
    min_samples_leaf: int = Field(default=3, ge=1, description="Rows in a leaf")


class Rows:
    """Labels of one property as rows of a table.

    Attributes
    ----------
    compositions
        Composition of each row.
    values, weights
        Labels and their weights, shape (n_rows,).
    fidelities
        Fidelity of each row.
    """

    def __init__(
        self, name: str, records: Sequence[SurfaceRecord], set_labels: Sequence[SetLabel]
    ) -> None:
        from pymatgen.core import Composition

        labels: list[tuple[Composition, Any]] = [
            (record.structure.composition, label)
            for record in records
            for label in record.labels
            if label.name == name
        ]
        labels += [(Composition(s.formula), s) for s in set_labels if s.name == name]
        if not labels:
            raise EmptyDatasetError(
                f"no record has a label {name}",
                "labels of every property that is to be predicted",
                "name other properties, or add data",
            )
        self.compositions: list[Composition] = [composition for composition, _ in labels]
        self.values = np.array([label.value for _, label in labels])
        self.weights = np.array([label.weight for _, label in labels])
        self.fidelities: list[str] = [label.fidelity for _, label in labels]

    def main_fidelity(self) -> str:
        """Return the fidelity with the largest weight; of equals the first by name."""
        totals = dict.fromkeys(sorted(self.fidelities), 0.0)
        for fidelity, weight in zip(self.fidelities, self.weights, strict=True):
            totals[fidelity] += weight
        return max(totals, key=lambda key: totals[key])


class Baseline:
    """A fitted baseline: one tensor set for each property.

    Attributes
    ----------
    configuration
        How it was fitted.
    metadata
        Elements seen, and the fidelity of the predictions of each property.
    """

    kind = "mean"

    def __init__(
        self,
        configuration: BaselineConfiguration,
        metadata: dict[str, Any],
        tensors: Mapping[str, NDArray[Any]],
    ) -> None:
        self.configuration = configuration
        self.metadata = metadata
        self._tensors = dict(tensors)

    @property
    def elements(self) -> frozenset[str]:
        """Elements of the training data."""
        return frozenset(self.metadata["elements"])

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return all fitted numbers."""
        return dict(self._tensors)

    def predict(self, structures: Sequence[Structure]) -> list[SurfacePrediction]:
        """Predict the properties of unrelaxed slabs."""
        compositions = [structure.composition for structure in structures]
        columns = {name: self._values(name, compositions) for name in self.configuration.properties}
        return [
            SurfacePrediction({name: float(column[i]) for name, column in columns.items()})
            for i in range(len(structures))
        ]

    def _values(self, name: str, compositions: Sequence[Composition]) -> NDArray[np.float64]:
        return np.full(len(compositions), float(self._tensors[f"{name}.mean"][0]))


class MeanModel(Baseline):
    """Predicts the weighted mean of the labels at the wanted fidelity."""

    kind = "mean"

    @classmethod
    def fit(
        cls,
        records: Sequence[SurfaceRecord],
        configuration: MeanConfiguration | None = None,
        set_labels: Sequence[SetLabel] = (),
        seed: int = 0,
    ) -> Self:
        """Fit to records; the seed has no effect.

        Raises
        ------
        EmptyDatasetError
            When a property has no label.
        """
        configuration = configuration or MeanConfiguration()
        tensors, fidelities = {}, {}
        for name in configuration.properties:
            rows = Rows(name, records, set_labels)
            fidelities[name] = configuration.fidelity or rows.main_fidelity()
            chosen = np.array([f == fidelities[name] for f in rows.fidelities])
            if not chosen.any():
                chosen[:] = True
            mean = np.average(rows.values[chosen], weights=rows.weights[chosen])
            tensors[f"{name}.mean"] = np.array([mean])
        return cls(configuration, training_metadata(records, fidelities), tensors)


class CompositionModel(Baseline):
    """Gradient-boosted trees on composition features, with the fidelity as a feature."""

    kind = "composition"

    @classmethod
    def fit(
        cls,
        records: Sequence[SurfaceRecord],
        configuration: CompositionConfiguration | None = None,
        set_labels: Sequence[SetLabel] = (),
        seed: int = 0,
    ) -> Self:
        """Fit to records.

        Raises
        ------
        EmptyDatasetError
            When a property has no label.
        """
        from sklearn.ensemble import GradientBoostingRegressor

        configuration = configuration or CompositionConfiguration()
        tensors: dict[str, NDArray[Any]] = {}
        fidelities, known = {}, {}
        for name in configuration.properties:
            rows = Rows(name, records, set_labels)
            fidelities[name] = configuration.fidelity or rows.main_fidelity()
            known[name] = sorted(set(rows.fidelities))
            model = GradientBoostingRegressor(
                n_estimators=configuration.n_estimators,
                learning_rate=configuration.learning_rate,
                max_depth=configuration.max_depth,
                # A sample of a handful of rows may be empty.
                subsample=configuration.subsample if len(rows.values) >= FEW_ROWS else 1.0,
                max_features=configuration.max_features,
                min_samples_leaf=configuration.min_samples_leaf,
                random_state=seed,
            )
            table = _table(rows.compositions, rows.fidelities, known[name])
            model.fit(table, rows.values, sample_weight=rows.weights)
            for key, array in _tree_arrays(model).items():
                tensors[f"{name}.{key}"] = array
        metadata = training_metadata(records, fidelities) | {"known_fidelities": known}
        return cls(configuration, metadata, tensors)

    def _values(self, name: str, compositions: Sequence[Composition]) -> NDArray[np.float64]:
        fidelity = self.metadata["fidelities"][name]
        known = self.metadata["known_fidelities"][name]
        table = _table(compositions, [fidelity] * len(compositions), known)
        return _walk({key: self._tensors[f"{name}.{key}"] for key in _TREE_ARRAYS}, table)


def training_metadata(
    records: Sequence[SurfaceRecord], fidelities: dict[str, str]
) -> dict[str, Any]:
    """Return elements seen, and the fidelity of the predictions of each property."""
    elements = {symbol for record in records for symbol in record.chemical_system.split("-")}
    return {"elements": sorted(elements), "fidelities": fidelities}


def _table(
    compositions: Sequence[Composition], fidelities: Sequence[str], known: Sequence[str]
) -> NDArray[np.float64]:
    """Return composition features, and one column for each fidelity but the first."""
    cached: dict[str, NDArray[np.float64]] = {}
    rows = []
    for composition, fidelity in zip(compositions, fidelities, strict=True):
        formula = composition.reduced_formula
        if formula not in cached:
            cached[formula] = composition_features(composition)
        rows.append([*cached[formula], *(float(fidelity == other) for other in known[1:])])
    return np.array(rows).reshape(len(rows), -1)


_TREE_ARRAYS = ("feature", "threshold", "left", "right", "value", "start")


def _tree_arrays(model: Any) -> dict[str, NDArray[Any]]:
    """Return the trees of a fitted boosting model as arrays of shape (n_trees, n_nodes).

    Unused nodes at the end of a row are leaves of value zero that nothing points to. ``start`` is the
    prediction before the first tree, shape (1,).
    """
    trees = [estimator.tree_ for estimator in model.estimators_[:, 0]]
    width = max(tree.node_count for tree in trees)

    def padded(name: str, dtype: type, fill: float) -> NDArray[Any]:
        table = np.full((len(trees), width), fill, dtype=dtype)
        for row, tree in zip(table, trees, strict=True):
            row[: tree.node_count] = np.ravel(getattr(tree, name))
        return table

    return {
        "feature": padded("feature", np.int32, 0),
        "threshold": padded("threshold", np.float64, 0.0),
        "left": padded("children_left", np.int32, -1),
        "right": padded("children_right", np.int32, -1),
        "value": model.learning_rate * padded("value", np.float64, 0.0),
        "start": np.array([float(np.ravel(model.init_.constant_)[0])]),
    }


def _walk(trees: Mapping[str, NDArray[Any]], table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of the trees for each row of a table, shape (n_rows,)."""
    # scikit-learn compares features in single precision.
    features = table.astype(np.float32)
    rows, n_trees = np.arange(len(table))[:, None], len(trees["feature"])
    tree = np.arange(n_trees)[None, :]
    node = np.zeros((len(table), n_trees), dtype=np.int64)
    while True:
        left = trees["left"][tree, node]
        inner = left >= 0
        if not inner.any():
            break
        feature = np.where(inner, trees["feature"][tree, node], 0)
        goes_left = features[rows, feature] <= trees["threshold"][tree, node]
        node = np.where(inner, np.where(goes_left, left, trees["right"][tree, node]), node)
    total: NDArray[np.float64] = trees["value"][tree, node].sum(axis=1) + trees["start"][0]
    return total


def named_properties(properties: Sequence[Property]) -> dict[str, Any]:
    """Return the settings of a baseline that learns given properties."""
    return {"properties": [one.name for one in properties]}


def settings_of_compositions(properties: Sequence[Property]) -> dict[str, Any]:
    """Return the settings of trees on compositions that learn given properties.

    Raises
    ------
    ConfigurationError
        When they are of atoms, which share the composition of their structure.
    """
    if properties[0].level is Level.ATOM:
        raise ConfigurationError(
            "models of kind composition know a formula, which all atoms of a structure share",
            "a kind that knows atoms: mixed, lsoap or gaussian-process",
            "choose another --kind",
        )
    return named_properties(properties)


MEAN = Learner(
    MeanConfiguration,
    lambda data, configuration, directory, seed, on_progress: MeanModel.fit(
        data.everything, configuration, data.set_labels, seed
    ),
    MeanModel,
    for_properties=named_properties,
)
COMPOSITION = Learner(
    CompositionConfiguration,
    lambda data, configuration, directory, seed, on_progress: CompositionModel.fit(
        data.everything, configuration, data.set_labels, seed
    ),
    CompositionModel,
    for_properties=settings_of_compositions,
)
