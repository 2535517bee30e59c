"""The baselines: what they predict, and that the stored trees are scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from learning_data import TOY, rocksalt_slab, toy_dataset, toy_levels, toy_sets
from pymatgen.core import Composition

from surfalign.errors import ConfigurationError, EmptyDatasetError, UnknownElementError
from surfalign.ml.data.records import Label, surface_record
from surfalign.ml.descriptors.composition import composition_features, element_vector, feature_names
from surfalign.ml.learners.baselines import CompositionConfiguration, CompositionModel, MeanModel
from surfalign.ml.learners.kinds import configuration_of, restore_model

SMALL = CompositionConfiguration(n_estimators=60)


def test_features_by_hand() -> None:
    names = feature_names()
    values = dict(zip(names, composition_features(Composition("MgO")), strict=True))
    assert values["mean of atomic_number"] == pytest.approx(10.0)
    assert values["deviation of atomic_number"] == pytest.approx(2.0)
    assert values["range of atomic_number"] == pytest.approx(4.0)
    assert values["cation mean of atomic_number"] == pytest.approx(12.0)
    assert values["anion of atomic_number"] == pytest.approx(8.0)
    assert values["2-norm of fractions"] == pytest.approx(np.sqrt(0.5))
    assert values["number of elements"] == 2
    assert values["anion of p_valence"] == 4


def test_features_do_not_depend_on_the_size_of_the_cell() -> None:
    np.testing.assert_allclose(
        composition_features(Composition("Sr4Ti4O12")), composition_features(Composition("SrTiO3"))
    )
    with pytest.raises(UnknownElementError, match="'Qq' is no element"):
        element_vector("Qq")


def test_the_mean_is_weighted() -> None:
    labels = [("a", 6.0, 1.0), ("b", 9.0, 2.0)]
    records = [
        surface_record(
            name, rocksalt_slab("Mg", "O"), "test:1",
            labels=[Label(name=p, value=v, unit="eV", fidelity=TOY.key, weight=w)
                    for p in ("ionization_potential", "electron_affinity")],
        )
        for name, v, w in labels
    ]  # fmt: skip
    (prediction,) = MeanModel.fit(records).predict([rocksalt_slab("Ca", "S")])
    assert prediction.values["ionization_potential"] == pytest.approx(8.0)


def test_boosted_trees_find_the_rule_and_beat_the_mean() -> None:
    dataset = toy_dataset(60)
    train, test = dataset.records[::2], dataset.records[1::2]
    errors = {}
    for model in (MeanModel.fit(train), CompositionModel.fit(train, SMALL)):
        predicted = model.predict([record.structure for record in test])
        errors[model.kind] = np.mean(
            [
                abs(p.values[name] - record.value(name))
                for p, record in zip(predicted, test, strict=True)
                for name in p.values
            ]
        )
    assert errors["composition"] < 0.6 * errors["mean"]


def test_stored_trees_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.ensemble import GradientBoostingRegressor

    fitted = []
    fit = GradientBoostingRegressor.fit

    def remember(self, X, y, **arguments):  # type: ignore[no-untyped-def]  # noqa: N803
        fitted.append((self, X))
        return fit(self, X, y, **arguments)

    monkeypatch.setattr(GradientBoostingRegressor, "fit", remember)
    records = toy_dataset(40, noise=0.3).records
    model = CompositionModel.fit(records, SMALL)
    ours = [p.values["ionization_potential"] for p in model.predict([r.structure for r in records])]
    np.testing.assert_allclose(ours, fitted[0][0].predict(fitted[0][1]), rtol=1e-12)


def test_a_model_is_put_together_again_from_arrays_and_json() -> None:
    records = toy_dataset(20).records
    model = CompositionModel.fit(records, SMALL, seed=3)
    again = restore_model(
        "composition", model.configuration.model_dump(mode="json"), model.metadata,
        model.tensors(),
    )  # fmt: skip
    structures = [record.structure for record in records]
    assert again.predict(structures) == model.predict(structures)
    assert again.elements == model.elements


def test_fidelities_are_told_apart() -> None:
    """A second fidelity lies 2 eV higher; predictions stay at the wanted one."""
    records = list(toy_dataset(40).records)
    high = [
        surface_record(
            f"{r.name}-high", r.structure, "test:1",
            labels=[Label(name=l.name, value=l.value + 2.0, unit="eV", fidelity="high")
                    for l in r.labels],
        )
        for r in records[::2]
    ]  # fmt: skip
    model = CompositionModel.fit([*records, *high])
    assert model.metadata["fidelities"]["ionization_potential"] == TOY.key
    slab = rocksalt_slab("Ca", "O")
    truth = toy_levels(slab)["ionization_potential"]
    assert model.predict([slab])[0].values["ionization_potential"] == pytest.approx(truth, abs=0.5)
    configuration = CompositionConfiguration(fidelity="high")
    up = CompositionModel.fit([*records, *high], configuration).predict([slab])
    assert up[0].values["ionization_potential"] == pytest.approx(truth + 2.0, abs=0.6)


def test_labels_of_sets_are_learned_from() -> None:
    dataset = toy_sets(30)
    slab = dataset.records[0].structure
    model = CompositionModel.fit(dataset.records, SMALL, dataset.set_labels)
    (prediction,) = model.predict([slab])
    expected = toy_levels(slab)["ionization_potential"]
    assert prediction.values["ionization_potential"] == pytest.approx(expected, abs=0.3)


def test_mistakes_are_named() -> None:
    with pytest.raises(EmptyDatasetError, match="no record has a label ionization_potential"):
        MeanModel.fit([surface_record("bare", rocksalt_slab("Mg", "O"), "test:1")])
    with pytest.raises(ConfigurationError, match="n_trees"):
        configuration_of("composition", {"n_trees": 3})
