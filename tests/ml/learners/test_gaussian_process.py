"""The Gaussian process against scikit-learn's, and what it does with weights, sets, and missing inputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from learning_data import TOY, rocksalt_slab, toy_dataset, toy_levels, toy_sets
from scipy.optimize import approx_fprime

from surfalign.errors import EmptyDatasetError, ModelVersionError
from surfalign.ml.data.records import Label, SetLabel, Statistic, SurfaceRecord, surface_record
from surfalign.ml.descriptors.physical.physical_inputs import GROUPS
from surfalign.ml.ensemble.ensemble import Ensemble
from surfalign.ml.ensemble.fitting import fit_ensemble
from surfalign.ml.learners.additive_process import JITTER, AdditiveKernel
from surfalign.ml.learners.gaussian_process import (
    GaussianProcess,
    GaussianProcessConfiguration,
)
from surfalign.ml.learners.kinds import configuration_of, restore_model
from surfalign.ml.learners.process_inputs import NAMES, Inputs

KIND = "gaussian-process"
IP, EA = "ionization_potential", "electron_affinity"
FAST = GaussianProcessConfiguration(iterations=15)
KERNEL = AdditiveKernel((2, 3))
THETA = np.log([0.4, 0.8, 1.5, 0.2, 0.6, 1.3, 0.7, 0.1, 0.05])


def table(n: int = 25, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(n, 5))
    return rows, generator.uniform(0.2, 1.0, n), np.sin(rows[:, 0]) + rows[:, 3]


@pytest.fixture(scope="module")
def model() -> GaussianProcess:
    return GaussianProcess.fit(toy_dataset(40, noise=0.1).records, FAST)


def test_one_group_is_the_process_of_scikit_learn() -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import (
        ConstantKernel,
        DotProduct,
        RationalQuadratic,
    )

    rows, weights, targets = table()
    variance, length, shape, linear = np.exp(THETA[:4])
    noise = np.exp(THETA[-1]) / weights + JITTER
    root = np.sqrt(5.0)  # squared distances and products are divided by the number of columns
    kernel = (
        ConstantKernel(1.0)
        + ConstantKernel(variance) * RationalQuadratic(length, shape)
        + ConstantKernel(linear) * DotProduct(1e-9)
    )
    peer = GaussianProcessRegressor(kernel, alpha=noise, optimizer=None).fit(rows / root, targets)
    own, theta = AdditiveKernel((5,)), np.append(THETA[:4], THETA[-1])
    value, _ = own.likelihood(theta, rows, weights, targets)
    assert value == pytest.approx(peer.log_marginal_likelihood_value_, rel=1e-9)
    new, _, _ = table(6, seed=1)
    solution = np.linalg.solve(own.labels_covariance(theta, rows, weights), targets)
    between = own.covariance(theta, new, rows)
    assert between @ solution == pytest.approx(peer.predict(new / root), rel=1e-7)
    assert own.variances(theta, new) == pytest.approx(np.diag(own.covariance(theta, new, new)))


def test_the_gradient_is_that_of_finite_differences() -> None:
    rows, weights, targets = table()
    _, gradient = KERNEL.likelihood(THETA, rows, weights, targets)
    numerical = approx_fprime(
        THETA, lambda theta: KERNEL.likelihood(theta, rows, weights, targets)[0], 1e-6
    )
    assert gradient == pytest.approx(numerical, abs=1e-3)


def test_a_label_of_half_weight_counts_as_half_of_two_equal_labels() -> None:
    rows, _, targets = table(8)
    twice = np.vstack([rows, rows])
    one = KERNEL.labels_covariance(THETA, rows, np.full(8, 2.0))
    two = KERNEL.labels_covariance(THETA, twice, np.ones(16))
    new, _, _ = table(4, seed=2)
    first = KERNEL.covariance(THETA, new, rows) @ np.linalg.solve(one, targets)
    second = KERNEL.covariance(THETA, new, twice) @ np.linalg.solve(two, np.tile(targets, 2))
    assert first == pytest.approx(second, abs=1e-6)


def test_it_finds_the_rule_and_tells_how_sure_it_is() -> None:
    records = toy_dataset(60).records
    # Every anion is on both sides: four of them follow each other in the order of the names.
    train, test = [r for k, r in enumerate(records) if k % 3], records[::3]
    model = GaussianProcess.fit(train, FAST)
    predicted = model.predict([record.structure for record in test])
    errors = [p.values[IP] - r.value(IP) for p, r in zip(predicted, test, strict=True)]
    assert np.mean(np.abs(errors)) < 0.4 * np.std([record.value(IP) for record in test])
    near, far = model.predict([train[0].structure, rocksalt_slab("La", "N")])
    assert 0.0 < near.spread[IP] < far.spread[IP]


def test_light_labels_are_believed_less() -> None:
    records = list(toy_dataset(30).records)
    wrong = replace(
        records[0],
        labels=tuple(replace(label, value=label.value + 3.0) for label in records[0].labels),
    )
    truth = records[0].value(IP)

    def error(first: SurfaceRecord) -> float:
        (found,) = GaussianProcess.fit([first, *records[1:]], FAST).predict([first.structure])
        return abs(found.values[IP] - truth)

    light = replace(wrong, labels=tuple(replace(label, weight=0.02) for label in wrong.labels))
    assert error(light) < 0.5 * error(wrong)


def test_the_affinity_is_never_above_the_ionization_potential() -> None:
    """Labels of metals and of slabs far from them, and predictions for elements never seen."""
    records = [
        replace(
            record,
            labels=tuple(
                replace(label, value=4.0 + 0.3 * (k % 3) * (-1 if label.name == IP else 1))
                for label in record.labels
            ),
        )
        for k, record in enumerate(toy_dataset(20).records)
    ]
    model = GaussianProcess.fit(records, FAST)
    strange = [rocksalt_slab(cation, "N") for cation in ("La", "Cs", "Au", "Th")]
    for found in model.predict([*(record.structure for record in records), *strange]):
        assert found.values[EA] <= found.values[IP]


def test_a_model_is_put_together_again_from_arrays_and_json(model: GaussianProcess) -> None:
    again = restore_model(
        KIND, model.configuration.model_dump(mode="json"), model.metadata, model.tensors()
    )
    structures = [record.structure for record in toy_dataset(50).records]
    assert again.predict(structures) == model.predict(structures)
    assert again.elements == model.elements
    other = model.metadata | {"inputs": ["another"]}
    with pytest.raises(ModelVersionError, match="inputs of another version"):
        restore_model(KIND, {}, other, model.tensors())


def test_effects_of_the_inputs_are_what_the_prediction_loses(model: GaussianProcess) -> None:
    slab = rocksalt_slab("Ca", "Se")
    (effects,) = model.input_effects([slab])
    assert set(effects) == {IP, EA}
    groups = [f"all {group} together" for group in GROUPS]
    assert list(effects[IP]) == [*groups, *NAMES[Inputs.PHYSICAL].inputs]
    assert max(abs(effect) for effect in effects[IP].values()) > 0.05
    # What does not differ in the training data has no effect.
    assert effects[IP]["field of the slab's dipole"] == pytest.approx(0.0, abs=1e-9)


def test_fidelities_are_told_apart() -> None:
    records = list(toy_dataset(30).records)
    high = [
        surface_record(
            f"{r.name}-high", r.structure, "test:1",
            labels=[Label(name=l.name, value=l.value + 2.0, unit="eV", fidelity="high")
                    for l in r.labels],
        )
        for r in records[::2]
    ]  # fmt: skip
    slab = rocksalt_slab("Ca", "O")
    truth = toy_levels(slab)[IP]
    (low,) = GaussianProcess.fit([*records, *high], FAST).predict([slab])
    assert low.values[IP] == pytest.approx(truth, abs=0.4)
    configuration = FAST.model_copy(update={"fidelity": "high"})
    (up,) = GaussianProcess.fit([*records, *high], configuration).predict([slab])
    assert up.values[IP] == pytest.approx(truth + 2.0, abs=0.5)


def test_labels_of_sets_are_learned_from() -> None:
    dataset = toy_sets(30)
    slab = dataset.records[0].structure
    model = GaussianProcess.fit(dataset.records, FAST, dataset.set_labels)
    (prediction,) = model.predict([slab])
    assert prediction.values[IP] == pytest.approx(toy_levels(slab)[IP], abs=0.3)


def test_medians_of_formulas_are_learned_from_without_a_slab() -> None:
    sets = [
        SetLabel(
            name=IP, value=toy_levels(record.structure)[IP], unit="eV", fidelity=TOY.key, members=(),
            statistic=Statistic.MEDIAN, formula=record.formula, source="test:1",
        )
        for record in toy_dataset(60).records
    ]  # fmt: skip
    alone = FAST.model_copy(update={"inputs": Inputs.COMPOSITION, "properties": (IP,)})
    train = [label for k, label in enumerate(sets) if k % 3]
    model = GaussianProcess.fit([], alone, train)
    slabs = [record.structure for record in toy_dataset(60).records[::3]]
    errors = [
        p.values[IP] - label.value for p, label in zip(model.predict(slabs), sets[::3], strict=True)
    ]
    assert np.mean(np.abs(errors)) < 0.3 * np.std([label.value for label in sets])


def test_more_labels_than_allowed_are_drawn_from() -> None:
    few = FAST.model_copy(update={"rows_for_kernel": 15, "most_rows": 20})
    model = GaussianProcess.fit(toy_dataset(40).records, few)
    assert model.tensors()[f"{IP}.rows"].shape[0] == 20
    (found,) = model.predict([rocksalt_slab("Ca", "O")])
    assert found.values[IP] == pytest.approx(toy_levels(rocksalt_slab("Ca", "O"))[IP], abs=1.5)


def test_data_without_labels_are_refused() -> None:
    bare = surface_record("bare", rocksalt_slab("Mg", "O"), "test:1")
    with pytest.raises(EmptyDatasetError, match="no record has a label"):
        GaussianProcess.fit([bare])


def test_an_ensemble_of_processes_is_stored_and_restored(tmp_path: Path) -> None:
    dataset = toy_dataset(40, noise=0.2)
    configuration = configuration_of(KIND, {"iterations": 5})
    ensemble = fit_ensemble(dataset, KIND, configuration, directory=tmp_path)
    slab = rocksalt_slab("Ca", "O")
    (estimate,) = ensemble.predict([slab])
    low, high = estimate.interval_90[IP]
    assert low < estimate.values[IP] < high
    again = Ensemble.restore(ensemble.metadata(), ensemble.tensors())
    assert again.predict([slab])[0].values == estimate.values
