"""Learning of declared properties: the same ensembles, intervals, flags, registry and retraining."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learning_data import (
    TOY,
    crystal_entries,
    rocksalt_crystal,
    rocksalt_slab,
    toy_dataset,
    toy_stiffness,
)
from pymatgen.core import Structure

from surfalign.errors import (
    ConfigurationError,
    LearnerError,
    MixedLevelsError,
    UninformativeLabelsError,
    UnknownPropertyError,
)
from surfalign.ml.assessment.crossvalidation import hold_out_folds, subset
from surfalign.ml.assessment.held_out import blind, predict_held_out
from surfalign.ml.assessment.metrics import error_rows, summarise
from surfalign.ml.data.datasets import FrozenDataset, freeze
from surfalign.ml.data.records import Label, SetLabel, Statistic, surface_record
from surfalign.ml.ensemble.recipe import Recipe
from surfalign.ml.interface import KnowsItsInputs
from surfalign.ml.learners.kinds import get_learner
from surfalign.ml.models.model_registry import ModelRegistry
from surfalign.ml.models.prediction import predict_records
from surfalign.ml.models.retraining import Verdict, retrain, train_version
from surfalign.ml.models.shipped_model import NAME, own_or_shipped
from surfalign.ml.properties.learnable import on_learned_scale
from surfalign.ml.properties.property import Level, Property, Transformation

STIFFNESS = Property(
    name="stiffness", unit="GPa", level=Level.CRYSTAL, transformation=Transformation.LOG
)
FAST: dict[str, dict[str, Any]] = {
    "mean": {},
    "composition": {"n_estimators": 40},
    "gaussian-process": {"iterations": 8},
}


def crystals(n: int = 40, one: Property = STIFFNESS) -> FrozenDataset:
    """Return crystals with a stiffness; its logarithm follows a rule."""
    records = []
    for entry in crystal_entries(n):
        label = Label(name=one.name, value=entry["stiffness"], unit=one.unit, fidelity=TOY.key)
        structure = Structure.from_dict(entry["structure"])
        records.append(
            surface_record(entry["name"], structure, "test", labels=[label], level=one.level)
        )
    return freeze("crystals", records, fidelities=[TOY], declared=[one])


@pytest.fixture(scope="module")
def dataset() -> FrozenDataset:
    return crystals()


@pytest.mark.parametrize("kind", sorted(FAST))
def test_every_quick_kind_learns_a_property_of_crystals(
    kind: str, dataset: FrozenDataset, tmp_path: Path
) -> None:
    ensemble = Recipe(kind, FAST[kind]).fit(dataset, scratch=tmp_path)
    assert (ensemble.level, list(ensemble.properties)) == (Level.CRYSTAL, ["stiffness"])
    (estimate,) = ensemble.predict([rocksalt_crystal("Mg", "O")])
    low, high = estimate.interval_90["stiffness"]
    assert 0.0 < low < estimate.values["stiffness"] < high
    # Equal widths on the logarithmic scale: the upper part is the longer one.
    assert high - estimate.values["stiffness"] > estimate.values["stiffness"] - low
    if kind != "mean":
        errors = [np.log(h.value / h.label) for h in blind(ensemble, dataset)]
        labels = [np.log(r.value("stiffness")) for r in dataset.records]
        assert np.mean(np.abs(errors)) < 0.5 * np.std(labels)


def test_a_process_tells_effects_in_the_unit_of_the_property(
    dataset: FrozenDataset, tmp_path: Path
) -> None:
    ensemble = Recipe("gaussian-process", FAST["gaussian-process"]).fit(dataset, scratch=tmp_path)
    crystal = rocksalt_crystal("Mg", "O")
    (effects,), (estimate,) = ensemble.input_effects([crystal]), ensemble.predict([crystal])
    members = [
        m.input_effects([crystal])[0] for m in ensemble.members if isinstance(m, KnowsItsInputs)
    ]
    name, value = "volume of an atom", estimate.values["stiffness"]
    learned = float(np.mean([own["stiffness"][name] for own in members]))
    assert effects["stiffness"][name] == pytest.approx(value - value * np.exp(-learned))


def test_the_network_learns_crystals_and_knows_no_supercells(
    dataset: FrozenDataset, tmp_path: Path
) -> None:
    recipe = Recipe("lsoap", {"training": {"epochs": 25}}).for_dataset(dataset)
    learned = on_learned_scale(dataset)
    model = recipe.fit_one(learned.records, directory=tmp_path)
    labels = np.array([r.value("stiffness") for r in learned.records])
    found = model.predict([r.structure for r in learned.records])
    assert np.mean(np.abs([p.values["stiffness"] for p in found] - labels)) < 0.5 * np.std(labels)
    crystal = rocksalt_crystal("Mg", "O")
    larger = crystal.copy()
    larger.make_supercell([[1, 1, 0], [0, 2, 0], [0, 0, 1]])
    (one, many) = model.predict([crystal, larger])
    assert many.values["stiffness"] == pytest.approx(one.values["stiffness"], abs=2e-4)
    assert one.attention["stiffness"].sum() == pytest.approx(1.0)
    again = get_learner("lsoap").restore(model.configuration, model.metadata, model.tensors())
    (told,) = again.predict([crystal])
    assert told.values["stiffness"] == pytest.approx(one.values["stiffness"], abs=1e-6)


def test_settings_of_a_kind_are_kept_beside_the_properties(dataset: FrozenDataset) -> None:
    recipe = Recipe("mixed", {"network": {"training": {"epochs": 3}}, "process": {"iterations": 2}})
    whole = recipe.for_dataset(dataset).complete().model_dump(mode="json")
    assert whole["network"]["targets"]["properties"] == ["stiffness"]
    assert (whole["network"]["training"]["epochs"], whole["process"]["iterations"]) == (3, 2)
    assert (whole["network"]["descriptor"]["level"], whole["network"]["descriptor"]["r_cut"]) == (
        "crystal",
        5.0,
    )
    assert whole["process"]["inputs"] == "crystal"


def test_defaults_and_their_serialised_form_stay_those_of_surfaces() -> None:
    recipe = Recipe("mixed", {})
    assert recipe.for_dataset(toy_dataset(12)) is recipe
    plain = recipe.complete().model_dump(mode="json")
    assert "level" not in plain["network"]["descriptor"]
    assert plain["process"]["properties"] == ["ionization_potential", "electron_affinity"]


def test_held_out_intervals_cover_what_was_not_seen(dataset: FrozenDataset, tmp_path: Path) -> None:
    recipe = Recipe("composition", FAST["composition"])
    found = hold_out_folds(dataset, recipe, "formula", scratch=tmp_path)
    assert len(found) == 40
    assert all(h.unit == "GPa" and h.interval is not None and h.interval[0] > 0 for h in found)
    assert np.mean([bool(h.covered) for h in found]) >= 0.75
    (row,) = error_rows(summarise(found))
    assert row[:2] == ("stiffness", "crystals")


def test_formulas_with_several_crystals_are_learned_as_sets(tmp_path: Path) -> None:
    whole = crystals()
    bare = [replace(record, labels=()) for record in whole.records]
    sets = [
        SetLabel(
            name="stiffness", value=r.value("stiffness"), unit="GPa", fidelity=TOY.key,
            members=(r.name,), statistic=Statistic.ONE_OF, formula=r.formula, source="table:1",
        )
        for r in whole.records
    ]  # fmt: skip
    data = freeze("sets", bare, set_labels=sets, fidelities=[TOY], declared=[STIFFNESS])
    ensemble = Recipe("composition", FAST["composition"]).fit(data, scratch=tmp_path)
    (held, *_) = predict_held_out(ensemble, subset(data, range(40)), "seen")
    assert held.of_set
    assert held.interval is not None
    assert held.interval[0] < held.value < held.interval[1]


def test_a_property_of_slabs_is_learned_beside_known_ones(tmp_path: Path) -> None:
    slabs = toy_dataset(40)
    activity = Property(name="activity", unit="mA/cm^2", level=Level.SLAB)
    records = [
        replace(
            r,
            labels=(
                *r.labels,
                Label(name="activity", value=2.0 * r.value("electron_affinity"), unit="mA/cm^2", fidelity=TOY.key),
            ),
        )
        for r in slabs.records
    ]  # fmt: skip
    data = freeze("slabs", records, fidelities=[TOY], declared=[activity])
    ensemble = Recipe("composition", FAST["composition"]).fit(data, scratch=tmp_path)
    assert list(ensemble.predict([rocksalt_slab("Mg", "O")])[0].values) == ["activity"]
    recipe = Recipe(
        "composition", FAST["composition"], properties=("ionization_potential", "activity")
    )
    both = recipe.fit(data, scratch=tmp_path)
    assert list(both.predict([rocksalt_slab("Mg", "O")])[0].values) == [
        "ionization_potential",
        "activity",
    ]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda d: subset(d, range(5)), UninformativeLabelsError, "5 labels of 5 formulas"),
        (
            lambda d: replace(d, records=tuple(_with_value(r, 7.0) for r in d.records)),
            UninformativeLabelsError,
            "all 40 labels of stiffness are 7 GPa",
        ),
    ],
)
def test_labels_that_teach_nothing_are_refused(
    dataset: FrozenDataset,
    change: Callable[[FrozenDataset], FrozenDataset],
    error: type[Exception],
    message: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=message):
        Recipe("mean", {}).fit(change(dataset), scratch=tmp_path)


def _with_value(record: Any, value: float) -> Any:
    return replace(record, labels=tuple(replace(label, value=value) for label in record.labels))


def test_properties_without_a_label_and_kinds_without_a_choice_are_refused(
    dataset: FrozenDataset,
) -> None:
    with pytest.raises(
        UnknownPropertyError, match=r"no structure .* hardness.*Expected: one of stiffness"
    ):
        Recipe("mean", {}, properties=("hardness",)).for_dataset(dataset)
    with pytest.raises(LearnerError, match="named twice"):
        Recipe("mean", {}, properties=("stiffness", "stiffness")).for_dataset(dataset)
    with pytest.raises(ConfigurationError, match="physical_inputs are those of slabs"):
        Recipe("lsoap", {"network": {"physical_inputs": True}}).for_dataset(dataset).complete()


def test_a_model_of_crystals_lives_in_the_registry_and_is_retrained(
    dataset: FrozenDataset, tmp_path: Path
) -> None:
    registry = ModelRegistry(tmp_path / "models")
    recipe = Recipe("composition", FAST["composition"])
    first = retrain(registry, "hard", subset(dataset, range(20)), recipe, scratch=tmp_path)
    assert first.verdict is Verdict.FIRST
    again = retrain(registry, "hard", subset(dataset, range(20)), recipe, scratch=tmp_path)
    assert again.verdict is Verdict.UNCHANGED
    second = retrain(registry, "hard", dataset, recipe, scratch=tmp_path)
    assert second.comparison is not None
    assert second.comparison.unit == "GPa"
    report = second.report.read_text()
    assert "On 40 crystals of 40 formulas" in report
    assert " GPa, challenger " in report
    card = registry.card("hard")
    assert (card.level, card.of_levels) == (Level.CRYSTAL, False)
    assert card.dataset["properties"] == [STIFFNESS.as_dict()]
    content = json.loads(second.report.with_suffix(".json").read_text())
    assert content["metrics"]["stiffness"]["level"] == "crystal"
    record = surface_record("MgO", rocksalt_crystal("Mg", "O"), "test", level=Level.CRYSTAL)
    predictions = predict_records([record], registry, "hard")
    assert predictions.headings() == ("Crystal", "stiffness (GPa)", "90 %", "Domain")
    assert "stiffness (GPa)" in repr(predictions)
    plain = predictions[0].as_dict()
    assert plain["units"] == {"stiffness": "GPa"}
    assert plain["interval_90"]["stiffness"][0] < plain["stiffness"]
    with pytest.raises(MixedLevelsError, match=r"is a slab, and hard .* predicts crystals"):
        predict_records([replace(record, level=Level.SLAB)], registry, "hard")


def test_models_of_other_properties_do_not_stand_in_for_those_of_levels(
    dataset: FrozenDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_DATA_DIRECTORY", str(tmp_path))
    registry = ModelRegistry()
    hard = train_version(registry, "hard", dataset, Recipe("mean", {}), scratch=tmp_path)
    registry.promote("hard", hard.version)
    assert registry.latest() == "hard"
    assert own_or_shipped()[1] == NAME, "the shipped model knows IP and EA"
    levels = train_version(
        registry, "levels", toy_dataset(12), Recipe("mean", {}), scratch=tmp_path
    )
    registry.promote("levels", levels.version)
    registry.rollback("hard", hard.version)  # promoted last
    assert registry.latest() == "levels"
    assert own_or_shipped()[1] == "levels"


def test_the_rule_of_the_double_is_intensive() -> None:
    crystal = rocksalt_crystal("Mg", "O")
    assert toy_stiffness(crystal * 2) == pytest.approx(toy_stiffness(crystal))
