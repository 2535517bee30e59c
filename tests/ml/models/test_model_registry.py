"""The registry: versions, champion, rollback, damage, kills."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from learning_data import toy_dataset

from surfalign.errors import (
    ConfigurationError,
    DamagedFileError,
    ModelNotFoundError,
    ModelVersionError,
)
from surfalign.ml.ensemble.recipe import Recipe
from surfalign.ml.models.model_registry import CARD, CHAMPION, WEIGHTS, ModelCard, ModelRegistry
from surfalign.ml.models.retraining import train_version

DOUBLES = Path(__file__).parents[2] / "doubles"
SMALL = {"n_estimators": 5}


def train(registry: ModelRegistry, n_formulas: int = 12, kind: str = "composition") -> ModelCard:
    recipe = Recipe(kind, SMALL if kind == "composition" else {})
    return train_version(
        registry, "toy", toy_dataset(n_formulas), recipe, scratch=registry.directory / "scratch"
    )


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


def test_a_version_predicts_as_before_it_was_stored(registry: ModelRegistry) -> None:
    from surfalign.ml.ensemble.fitting import fit_ensemble
    from surfalign.ml.learners.kinds import configuration_of

    dataset = toy_dataset(12)
    configuration = configuration_of("composition", SMALL)
    fitted = fit_ensemble(dataset, "composition", configuration, directory=registry.directory)
    card = train(registry)
    loaded, _ = registry.load("toy", card.version)
    structures = [record.structure for record in dataset.records]
    for before, after in zip(fitted.predict(structures), loaded.predict(structures), strict=True):
        assert after.values == pytest.approx(before.values, abs=1e-12)
        assert after.interval_90 == before.interval_90
        assert after.in_domain == before.in_domain


def test_the_card_tells_where_a_version_comes_from(registry: ModelRegistry) -> None:
    card = train(registry)
    read = registry.card("toy", card.version)
    assert read == card
    assert read.dataset["digest"] == toy_dataset(12).digest
    assert read.version == f"0001-{toy_dataset(12).digest[:8]}"
    assert read.configuration["n_estimators"] == 5
    assert read.code_versions["surfalign"]
    assert read.elements["O"] == 12
    assert read.metrics["ionization_potential"]["unit"] == "eV"
    assert read.metrics["ionization_potential"]["n"] == 12


def test_versions_are_kept_and_rolled_back(registry: ModelRegistry) -> None:
    assert registry.names() == []
    first, second = train(registry).version, train(registry, 14).version
    assert registry.champion("toy") is None
    with pytest.raises(ModelNotFoundError, match="no champion yet"):
        registry.load("toy")
    registry.promote("toy", first)
    registry.promote("toy", second)
    registry.promote("toy", second)  # again changes nothing
    champion = registry.champion("toy")
    assert champion is not None
    assert (champion.version, champion.previous) == (second, [first])
    assert registry.rollback("toy").version == first
    with pytest.raises(ModelNotFoundError, match="no earlier champion"):
        registry.rollback("toy")
    assert registry.rollback("toy", "0002").version == second
    assert registry.versions("toy") == [first, second]
    assert registry.names() == ["toy"]
    with pytest.raises(ModelNotFoundError, match="no version '0007'"):
        registry.rollback("toy", "0007")
    with pytest.raises(ModelNotFoundError, match="one of toy"):
        registry.card("other")


def test_names_are_folders(registry: ModelRegistry) -> None:
    with pytest.raises(ConfigurationError, match="no name for a model"):
        registry.data_folder("../escape")


def test_damage_is_named(registry: ModelRegistry) -> None:
    version = train(registry).version
    registry.promote("toy", version)
    folder = registry.directory / "toy" / "versions" / version
    weights = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(weights[:-10])
    with pytest.raises(DamagedFileError, match="not the file that its card describes"):
        registry.load("toy")
    (folder / WEIGHTS).write_bytes(weights)
    registry.load("toy")
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(card | {"card_version": 99}))
    with pytest.raises(ModelVersionError, match="format 99"):
        registry.load("toy")
    (folder / CARD).write_text("{")
    with pytest.raises(DamagedFileError, match=r"card\.json cannot be read"):
        registry.load("toy")
    for field, value in (("metrics", None), ("metrics", {"band_gap": 1}), ("kind", 3)):
        (folder / CARD).write_text(json.dumps(card | {field: value}))
        with pytest.raises(DamagedFileError, match=rf"card\.json holds .* as {field}"):
            registry.load("toy")
    (registry.directory / "toy" / CHAMPION).write_text("{")
    with pytest.raises(DamagedFileError, match="rollback toy --to"):
        registry.champion("toy")
    (folder / CARD).write_text(json.dumps(card))
    assert registry.rollback("toy", version).version == version
    registry.load("toy")


def test_weights_of_another_code_version_are_refused(registry: ModelRegistry) -> None:
    from surfalign.ml.ensemble.ensemble import Ensemble
    from surfalign.ml.network.weights import read_parts

    version = train(registry).version
    parts, tensors = read_parts(registry.directory / "toy" / "versions" / version / WEIGHTS)
    parts["members"][0]["configuration"]["number_of_trees"] = 7
    with pytest.raises(ModelVersionError, match="number_of_trees"):
        Ensemble.restore(parts, tensors)
    del parts["members"][0]["configuration"]["number_of_trees"]
    without = {name: array for name, array in tensors.items() if "residuals" not in name}
    with pytest.raises(ModelVersionError, match="residuals"):
        Ensemble.restore(parts, without)


def test_nothing_in_a_version_is_a_pickle(registry: ModelRegistry) -> None:
    folder = registry.directory / "toy" / "versions" / train(registry).version
    assert {path.name for path in folder.iterdir()} == {WEIGHTS, CARD}
    header = int.from_bytes((folder / WEIGHTS).read_bytes()[:8], "little")
    names = json.loads((folder / WEIGHTS).read_bytes()[8 : 8 + header])
    dtypes = {entry["dtype"] for name, entry in names.items() if name != "__metadata__"}
    assert dtypes <= {"F32", "F64", "I32", "I64"}
    assert np.isfinite(header)


@pytest.mark.processes
def test_a_retraining_killed_anywhere_leaves_a_sound_champion(tmp_path: Path) -> None:
    """The script kills a retraining at each of its file-system events, one after the other."""
    environment = os.environ | {
        "PYTHONPATH": str(DOUBLES), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    process = subprocess.run(
        [sys.executable, str(DOUBLES / "killed_retraining.py"), str(tmp_path / "models")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    outcome = json.loads(process.stdout)
    assert outcome["kills"] >= 15, "fewer events than a retraining has: the hook sees nothing"
    assert outcome["status"] == 0, "the last attempt should have run to its end"
    champions = outcome["champions"]
    assert champions[0].startswith("0001-"), "killed at the first event, the old one stays"
    assert champions[-1] != champions[0], "the attempt that survived promotes its challenger"


RELEASED = ModelRegistry(Path(__file__).parents[1] / "released")


@pytest.mark.parametrize("name", RELEASED.names())
def test_every_released_version_predicts_what_it_predicted(name: str) -> None:
    """One folder for each release that changed what is stored; never remade."""
    from learning_data import rocksalt_slab

    ensemble, card = RELEASED.load(name)
    expected = json.loads((RELEASED.directory / name / "expected.json").read_text())
    (estimate,) = ensemble.predict([rocksalt_slab("Mg", "O")])
    assert card.code_versions["surfalign"] == name.removeprefix("toy-")
    assert estimate.values == pytest.approx(expected["values"], abs=1e-6)
    assert estimate.domain_score == pytest.approx(expected["domain_score"], abs=1e-4)
    assert estimate.in_domain == expected["in_domain"]
    for label, bounds in expected["interval_90"].items():
        assert estimate.interval_90[label] == pytest.approx(bounds, abs=1e-3)


def test_there_is_a_released_version() -> None:
    assert RELEASED.names()
