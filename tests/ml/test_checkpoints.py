"""The checkpoint of every released format loads and predicts what it predicted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from model_contract import ModelContract, rough_slab
from safetensors.torch import load_file

from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.network.model import FORMAT_VERSION, TrainedModel

FOLDERS = sorted((Path(__file__).parent / "checkpoints").glob("format-*"))


def load(folder: Path) -> TrainedModel:
    card = json.loads((folder / "card.json").read_text())
    configuration = LearnerConfiguration.model_validate(card["configuration"])
    tensors = load_file(folder / "weights.safetensors")
    return TrainedModel.from_tensors(configuration, card["metadata"], tensors)


def test_the_present_format_has_a_checkpoint() -> None:
    assert f"format-{FORMAT_VERSION}" in {folder.name for folder in FOLDERS}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_released_checkpoint_predicts_what_it_predicted(folder: Path) -> None:
    expected = json.loads((folder / "card.json").read_text())["values_of_rough_slab"]
    (prediction,) = load(folder).predict([rough_slab()])
    assert prediction.values == pytest.approx(expected, abs=1e-3)


class TestReleasedModel(ModelContract):
    @pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
    def model(self, request: pytest.FixtureRequest) -> TrainedModel:
        return load(request.param)
