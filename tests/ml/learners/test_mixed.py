"""The mean of network and process: what it predicts, and that it is stored and restored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from learning_data import rocksalt_slab, toy_dataset

from surfalign.ml.ensemble.members import Task, member_data
from surfalign.ml.interface import KnowsItsInputs, SurfacePrediction, TrainingData
from surfalign.ml.learners.kinds import configuration_of, fit_model, restore_model, with_fidelity
from surfalign.ml.learners.mixed import MixedModel, mean_prediction

IP, EA = "ionization_potential", "electron_affinity"
SMALL = {
    "network": {
        "descriptor": {"r_cut": 4.0, "n_max": 3, "l_max": 2},
        "spectrum": {"n_channels": 2, "rank": 4},
        "network": {"hidden": 8, "readout": 4, "dropout": 0.0},
        "training": {"epochs": 2},
    },
    "process": {"iterations": 5},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> MixedModel:
    pytest.importorskip("torch")
    data = TrainingData(toy_dataset(20).records)
    fitted = fit_model(
        configuration_of("mixed", SMALL), "mixed", data, directory=tmp_path_factory.mktemp("mixed")
    )
    assert isinstance(fitted, MixedModel)
    return fitted


def test_it_is_the_mean_of_its_parts_with_the_attention_of_the_network(model: MixedModel) -> None:
    slab = rocksalt_slab("Ca", "O")
    (mean,) = model.predict([slab])
    (network,), (process,) = model.network.predict([slab]), model.process.predict([slab])
    for name in (IP, EA):
        assert mean.values[name] == pytest.approx(
            0.5 * (network.values[name] + process.values[name])
        )
        np.testing.assert_array_equal(mean.attention[name], network.attention[name])
        assert mean.spread[name] >= process.spread[name]
    assert isinstance(model, KnowsItsInputs)
    (effects,), (own,) = model.input_effects([slab]), model.process.input_effects([slab])
    assert effects[IP]["share of anions"] == pytest.approx(0.5 * own[IP]["share of anions"])


def test_an_impossible_pair_of_a_part_leaves_the_mean_possible() -> None:
    network = SurfacePrediction({IP: 4.0, EA: 5.0, "band_gap": 0.0, "surface_energy": 1.0})
    process = SurfacePrediction({IP: 4.6, EA: 4.4}, spread={IP: 0.3, EA: 0.3})
    mean = mean_prediction(network, process)
    assert mean.values[IP] == pytest.approx(0.5 * (4.5 + 4.6))
    assert mean.values[EA] == pytest.approx(0.5 * (4.5 + 4.4))
    assert mean.values["band_gap"] == pytest.approx(0.1)
    assert mean.values["surface_energy"] == 1.0


def test_a_model_is_put_together_again_from_arrays_and_json(model: MixedModel) -> None:
    arrays = {name: np.asarray(tensor) for name, tensor in model.tensors().items()}
    again = restore_model(
        "mixed", model.configuration.model_dump(mode="json"), model.metadata, arrays
    )
    slabs = [record.structure for record in toy_dataset(5).records]
    for before, after in zip(model.predict(slabs), again.predict(slabs), strict=True):
        assert after.values == before.values
        assert after.spread == before.spread
    assert again.elements == model.elements


def test_both_parts_predict_one_fidelity() -> None:
    configuration, chosen = with_fidelity(configuration_of("mixed", SMALL), "store/ddh/gpaw")
    assert chosen == "store/ddh/gpaw"
    assert configuration.of_network().targets.fidelity == chosen  # type: ignore[attr-defined]
    assert configuration.of_process().fidelity == chosen  # type: ignore[attr-defined]


def test_the_same_fit_in_the_same_place_gives_the_same_model(tmp_path: Path) -> None:
    data = TrainingData(toy_dataset(6).records)
    configuration = configuration_of("mixed", SMALL)
    first = fit_model(configuration, "mixed", data, directory=tmp_path)
    again = fit_model(configuration, "mixed", data, directory=tmp_path)  # goes on from the end
    slab = rocksalt_slab("Mg", "O")
    assert again.predict([slab])[0].values == first.predict([slab])[0].values


def test_a_property_without_any_label_is_left_out_by_both(tmp_path: Path) -> None:
    """One slab with an IP alone is enough, as for the network."""
    pytest.importorskip("torch")
    (record,) = toy_dataset(1).records
    record = replace(record, labels=tuple(label for label in record.labels if label.name == IP))
    configuration = configuration_of("mixed", SMALL)
    fitted = fit_model(configuration, "mixed", TrainingData([record]), directory=tmp_path)
    slab = rocksalt_slab("Ca", "O")
    assert fitted.predict([slab])[0].values.keys() == {IP}
    restored = restore_model(
        "mixed", fitted.configuration.model_dump(), fitted.metadata, fitted.tensors()
    )
    assert restored.predict([slab])[0].values == fitted.predict([slab])[0].values


def test_the_network_of_a_mixed_model_may_stop_on_formulas_it_does_not_learn() -> None:
    dataset = toy_dataset(60)
    share = {"network": {"training": {"validation_share": 0.1}}}
    data = member_data(dataset, Task("mixed", configuration_of("mixed", share), 0, 0))
    assert data.validation
