"""The model of the package predicts where nobody has trained one, and only there."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from learning_data import toy_dataset
from typer.testing import CliRunner

import surfalign
from surfalign.errors import ModelNotFoundError
from surfalign.launchers.cli.main import app
from surfalign.ml.ensemble.recipe import Recipe
from surfalign.ml.models.model_registry import ModelRegistry
from surfalign.ml.models.retraining import train_version
from surfalign.ml.models.shipped_model import FOLDER, NAME, own_or_shipped, shipped_registry

runner = CliRunner()


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory in which nobody has trained anything."""
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path))
    return tmp_path


def test_it_is_small_and_says_how_good_it_is() -> None:
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    assert size < 10e6
    card = shipped_registry().card(NAME)
    for name in ("ionization_potential", "electron_affinity"):
        errors = card.metrics[name]
        assert errors["n"] >= 20
        low, high = errors["mae_interval"]
        assert 0 < low < errors["mae"] < high
    page = Path(__file__).parents[3] / "docs" / "model.md"
    assert card.version in page.read_text(encoding="utf-8")


def test_it_predicts_with_intervals_and_domain_on_a_new_machine(empty: Path) -> None:
    predicted = surfalign.predict("TiO2-rutile", miller_index=(1, 1, 0))
    for surface in predicted:
        assert surface.model.startswith(NAME)
        low, high = surface.interval_90("ionization_potential")
        assert math.isfinite(high - low)
        ip, ea = surface.ionization_potential, surface.electron_affinity
        assert ip is not None
        assert ea is not None
        assert ea <= ip
        assert 3 < ip < 13
        assert low < ip < high
    assert not list(empty.iterdir()), "nothing is written to predict"


def test_the_command_says_whose_model_predicts(empty: Path) -> None:
    result = runner.invoke(app, ["learn", "predict", "MgO", "--hkl", "1,0,0"])
    assert result.exit_code == 0, result.output
    assert f"{NAME} predicts, which comes with surfalign" in result.stderr
    assert "MgO(100)-A" in result.stdout
    result = runner.invoke(app, ["learn", "models"])
    assert f"surfalign learn models {NAME}" in result.stdout
    result = runner.invoke(app, ["learn", "models", NAME])
    assert "gaussian-process" in result.stdout


def test_a_model_of_ones_own_comes_first_and_the_other_stays_by_name(empty: Path) -> None:
    own = ModelRegistry()
    card = train_version(own, "mine", toy_dataset(), Recipe("mean", {}, 0, 1), scratch=empty / "s")
    assert own_or_shipped()[1] == NAME, "a version that was not promoted does not predict"
    own.promote("mine", card.version)
    assert own_or_shipped()[1] == "mine"
    assert own_or_shipped()[0].directory == own.directory
    assert own_or_shipped(NAME)[0].directory == FOLDER
    with pytest.raises(ModelNotFoundError, match="no model 'other'"):
        surfalign.predict("MgO", model="other")


def test_a_folder_that_is_named_is_searched_alone(empty: Path) -> None:
    result = runner.invoke(app, ["learn", "predict", "MgO", "--registry", str(empty / "none")])
    assert isinstance(result.exception, ModelNotFoundError)
