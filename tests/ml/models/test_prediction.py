"""Prediction from Python: a crystal in, levels with intervals and a flag out."""

from __future__ import annotations

from pathlib import Path

import pytest
from learning_data import toy_dataset

import surfalign
from surfalign.errors import ModelNotFoundError, SurfaceError
from surfalign.ml.ensemble.recipe import Recipe
from surfalign.ml.models.model_registry import Registry
from surfalign.ml.models.retraining import train_version


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry(tmp_path / "models")
    recipe = Recipe("mean", {})
    card = train_version(registry, "toy", toy_dataset(12), recipe, scratch=tmp_path)
    registry.promote("toy", card.version)
    return registry


def test_the_surfaces_of_a_crystal_are_predicted_and_shown(registry: Registry) -> None:
    predicted = surfalign.predict("MgO", miller_index=(1, 0, 0), registry=registry)
    (surface,) = predicted
    assert surface.name == "MgO(100)-A"
    assert surface.model.startswith("toy 0001-")
    low, high = surface.interval_90("ionization_potential")
    assert surface.ionization_potential is not None
    assert low < surface.ionization_potential < high
    assert repr(surface).startswith("PredictedSurface('MgO(100)-A', IP ")
    assert repr(predicted).splitlines()[1].split()[0] == "MgO(100)-A"
    assert surface.as_dict()["model"] == surface.model
    names = {one.name for one in surfalign.predict("MgO", registry=registry)}
    assert {"MgO(100)-A", "MgO(110)-A"} < names


def test_an_element_that_was_not_learned_is_flagged(registry: Registry) -> None:
    (surface,) = surfalign.predict("CeO2", miller_index=(1, 1, 1), registry=registry)
    assert not surface.estimate.in_domain
    assert repr(surface).endswith("domain: outside: Ce)")


def test_what_is_missing_is_named(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no trained model"):
        surfalign.predict("MgO", registry=Registry(tmp_path / "empty"))
    with pytest.raises(SurfaceError, match="polar"):
        surfalign.predict("ZnO", miller_index=(0, 0, 1), registry=registry)
