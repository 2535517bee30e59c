"""Ensembles: blind members, intervals that cover, a domain that is flagged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from learning_data import TOY, rocksalt_slab, toy_dataset, toy_medians, toy_record
from pymatgen.core import Lattice, Structure

from surfalign.errors import ConfigurationError, UnknownElementError
from surfalign.ml.assessment.crossvalidation import hold_out_folds
from surfalign.ml.assessment.held_out import blind, predict_held_out
from surfalign.ml.assessment.metrics import summarise
from surfalign.ml.data.datasets import FrozenDataset, freeze
from surfalign.ml.data.records import Label
from surfalign.ml.ensemble.calibration import Calibration, coverage
from surfalign.ml.ensemble.difficulty import BOUNDS, Difficulty, difficulty_features
from surfalign.ml.ensemble.domain import Domain, atomic_descriptions, described
from surfalign.ml.ensemble.ensemble import Ensemble
from surfalign.ml.ensemble.fitting import fit_ensemble, main_fidelity
from surfalign.ml.ensemble.members import Task, member_data
from surfalign.ml.ensemble.recipe import Recipe
from surfalign.ml.ensemble.splits import formula_fold
from surfalign.ml.interface import ordered_levels
from surfalign.ml.learners.kinds import configuration_of

COMPOSITION = "composition"
SMALL = {"n_estimators": 30}


def fit(dataset: FrozenDataset, folder: Path) -> Ensemble:
    return fit_ensemble(
        dataset, COMPOSITION, configuration_of(COMPOSITION, SMALL), directory=folder
    )


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Ensemble:
    return fit(toy_dataset(60, noise=0.3), tmp_path_factory.mktemp("fit"))


def test_no_member_sees_its_fold() -> None:
    dataset = toy_dataset(60)
    for fold in range(5):
        task = Task(COMPOSITION, configuration_of(COMPOSITION), fold, 0)
        folds = {formula_fold(r.formula) for r in member_data(dataset, task).everything}
        assert folds == set(range(5)) - {fold}


def test_network_members_may_stop_on_formulas_they_do_not_learn() -> None:
    dataset = toy_dataset(60)
    everything = member_data(dataset, Task("lsoap", configuration_of("lsoap"), 0, 0))
    assert not everything.validation
    share = configuration_of("lsoap", {"training": {"validation_share": 0.1}})
    task = Task("lsoap", share, 0, 0)
    data = member_data(dataset, task)
    assert len(data.train) + len(data.validation) == len(everything.train)
    assert 0.05 < len(data.validation) / len(everything.train) < 0.2
    assert not {r.formula for r in data.train} & {r.formula for r in data.validation}
    single = member_data(toy_dataset(1), task)
    assert len(single.train) == 1
    assert not single.validation


def test_blind_predictions_are_those_of_the_blind_member(ensemble: Ensemble) -> None:
    records = toy_dataset(60).records
    predicted = ensemble.predict_blind(records)["ionization_potential"]
    for record, value in list(zip(records, predicted, strict=True))[::7]:
        member = ensemble.members[formula_fold(record.formula)]
        assert value == member.predict([record.structure])[0].values["ionization_potential"]


def test_with_one_formula_no_member_is_blind(tmp_path: Path) -> None:
    single = freeze("one", [toy_record("Mg", "O")], fidelities=[TOY])
    ensemble = fit(single, tmp_path)
    own = formula_fold("MgO")
    assert ensemble.blind_folds == frozenset(range(5)) - {own}
    assert ensemble.predict_blind(single.records) == {}
    (estimate,) = ensemble.predict([single.records[0].structure])
    assert estimate.interval_90["ionization_potential"] == (-np.inf, np.inf)
    assert estimate.in_domain


def column(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, dtype=float)[:, None]


def test_quantile_by_hand() -> None:
    errors, same = np.arange(1.0, 20.0), np.zeros((1, 1))
    calibration = Calibration.fit(errors, np.zeros((19, 1)))  # the 18th of 19: 0.9 * 20
    assert calibration.interval(np.array([5.0]), same).tolist() == [[-13.0, 23.0]]
    few = Calibration.fit(errors[:8], np.zeros((8, 1)))
    assert not np.isfinite(few.interval(np.array([5.0]), same)).any()
    nine = Calibration.fit(errors[:9], np.zeros((9, 1)))
    assert nine.interval(np.array([0.0]), same).tolist() == [[-9.0, 9.0]]


def test_a_label_without_weight_widens_no_interval() -> None:
    errors, weights = np.arange(1.0, 23.0), np.ones(22)
    weights[19:] = 0.0
    calibration = Calibration.fit(errors, np.zeros((22, 1)), weights)
    assert calibration.interval(np.zeros(1), np.zeros((1, 1))).tolist() == [[-18.0, 18.0]]
    halves = Calibration.fit(np.repeat(errors[:19], 2), np.zeros((38, 1)), np.full(38, 0.5))
    assert halves.interval(np.zeros(1), np.zeros((1, 1))).tolist() == [[-18.0, 18.0]]


def test_intervals_cover_what_they_claim_and_widen_with_distance() -> None:
    generator = np.random.default_rng(5)
    scores = generator.uniform(0.0, 3.0, 6000)
    errors = generator.normal(size=6000) * (0.2 + 0.3 * scores)
    calibration = Calibration.fit(errors[:3000], column(scores[:3000]))
    one, three = calibration.difficulty.of(column(np.array([1.0, 2.9])))
    assert three > 1.5 * one
    new = scores[3000:]
    intervals = calibration.interval(np.zeros(3000), column(new))
    assert coverage(intervals, errors[3000:]) == pytest.approx(0.9, abs=0.02)
    near, far = new < 1.0, new > 2.0
    assert coverage(intervals[near], errors[3000:][near]) == pytest.approx(0.9, abs=0.05)
    assert coverage(intervals[far], errors[3000:][far]) == pytest.approx(0.9, abs=0.05)
    plain = Calibration.fit(errors[:3000], np.zeros((3000, 1))).interval(
        np.zeros(3000), np.zeros((3000, 1))
    )
    # The same coverage on average; easy surfaces gain more than hard ones lose.
    assert np.ptp(intervals, axis=1).mean() < 0.95 * np.ptp(plain, axis=1).mean()


def test_errors_that_shrink_with_distance_do_not_narrow_intervals() -> None:
    scores = np.linspace(0.0, 1.0, 50)
    difficulty = Difficulty.fit(1.0 - scores, column(scores), np.ones(50))
    assert difficulty.of(column(scores)).tolist() == [1.0] * 50


def test_a_difficulty_is_bounded_and_stored() -> None:
    generator = np.random.default_rng(1)
    features = generator.normal(size=(200, 3))
    size = np.abs(1.0 + 0.5 * features[:, 0] + 0.3 * features[:, 2])
    difficulty = Difficulty.fit(size, features, np.ones(200))
    far = difficulty.of(np.array([[100.0, 0.0, 0.0], [-100.0, 0.0, 0.0]]))
    assert far.tolist() == list(BOUNDS[::-1])
    again = Difficulty.restore(difficulty.as_array())
    assert again.of(features).tolist() == difficulty.of(features).tolist()


def test_a_calibration_of_an_earlier_version_gives_the_same_intervals() -> None:
    stored = {
        "calibration.ionization_potential.residuals": np.arange(1.0, 20.0),
        "calibration.ionization_potential.slope": np.array([0.5]),
    }
    calibration = Calibration.restore("ionization_potential", stored)
    features = difficulty_features({}, np.array([0.0, 2.0]))
    assert calibration.interval(np.zeros(2), features).tolist() == [[-18.0, 18.0], [-36.0, 36.0]]
    assert "calibration.x.weights" in calibration.tensors("x")


def test_descriptions_are_invariant() -> None:
    slab = rocksalt_slab("Mg", "O")
    reference = np.sort(atomic_descriptions(slab), axis=0)
    turned = Structure(
        Lattice(slab.lattice.matrix @ np.array([[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, 1.0]])),
        slab.species[::-1],
        slab.frac_coords[::-1] + np.array([0.3, 0.2, 0.1]),
    )
    np.testing.assert_allclose(np.sort(atomic_descriptions(turned), axis=0), reference, atol=1e-4)
    supercell = slab.copy()
    supercell.make_supercell([2, 3, 1])
    np.testing.assert_allclose(
        np.sort(atomic_descriptions(supercell), axis=0)[::6], reference, atol=1e-4
    )


def test_the_domain_knows_its_own_and_not_others() -> None:
    records = toy_dataset(15).records
    domain = Domain.of([atomic_descriptions(r.structure) for r in records], frozenset({"Mg", "O"}))
    own = rocksalt_slab("Mg", "O")
    strange = rocksalt_slab("Mg", "O")
    strange.scale_lattice(strange.volume * 2.0)
    scores = domain.scores([atomic_descriptions(own), atomic_descriptions(strange)])
    assert scores[0] == pytest.approx(0.0, abs=5e-3)
    assert scores[1] > 0.5
    assert Domain.restore(domain.metadata(), domain.tensors()) is not domain
    limited = replace(domain, threshold=0.3)
    assert limited.contains([own, strange], scores).tolist() == [True, False]
    unknown = rocksalt_slab("Ca", "O")
    assert limited.contains([unknown], np.zeros(1)).tolist() == [False]


def test_a_slab_with_an_unknown_element_is_predicted_and_flagged(ensemble: Ensemble) -> None:
    (estimate,) = ensemble.predict([rocksalt_slab("La", "N")])
    assert not estimate.in_domain
    assert estimate.unknown_elements == ("La", "N")
    assert np.isfinite(estimate.values["ionization_potential"])
    dummy = rocksalt_slab("Mg", "O")
    dummy.replace_species({"Mg": "X"})
    with pytest.raises(UnknownElementError, match="one chemical element"):
        ensemble.predict([dummy])
    assert ensemble.predict([]) == []


def test_held_out_folds_are_covered(tmp_path: Path) -> None:
    """The claim of the intervals, on formulas that no member has seen."""
    dataset = toy_dataset(60, noise=0.5)
    found = hold_out_folds(dataset, Recipe(COMPOSITION, SMALL), "formula", scratch=tmp_path)
    assert len(found) == 120
    summary = summarise(found)
    for name in ("ionization_potential", "electron_affinity"):
        assert summary[name]["n"] == 60
        # Of 60 the standard deviation of a coverage of 90 % is 4 %.
        assert 0.80 <= summary[name]["coverage"] <= 1.0
        assert 0 < summary[name]["mae"] <= summary[name]["rmse"]
        low, high = summary[name]["mae_interval"]
        assert low < summary[name]["mae"] < high
    with pytest.raises(ConfigurationError, match="no split 'random'"):
        hold_out_folds(dataset, Recipe(COMPOSITION, SMALL), "random", scratch=tmp_path)


def test_blind_evaluation_has_no_intervals(ensemble: Ensemble) -> None:
    summary = summarise(blind(ensemble, toy_dataset(60, noise=0.3)))
    assert summary["ionization_potential"]["coverage"] is None
    assert summary["ionization_potential"]["n"] == 60


def test_no_affinity_lies_above_its_ionization_potential() -> None:
    columns = ordered_levels(
        {
            "ionization_potential": np.array([6.0, 4.0, np.nan]),
            "electron_affinity": np.array([2.0, 5.0, 1.0]),
            "band_gap": np.array([4.0, 0.3, np.nan]),
        }
    )
    assert columns["band_gap"][:2].tolist() == [4.0, 0.0]
    assert columns["ionization_potential"][:2].tolist() == [6.0, 4.5]
    assert columns["electron_affinity"].tolist() == [2.0, 4.5, 1.0]
    assert ordered_levels({"band_gap": np.ones(1)})["band_gap"].tolist() == [1.0]


def test_medians_have_errors_and_intervals_of_their_own(tmp_path: Path) -> None:
    dataset = toy_medians(60)
    properties = {"properties": ("ionization_potential",)}
    configuration = configuration_of(COMPOSITION, SMALL | properties)
    ensemble = fit_ensemble(dataset, COMPOSITION, configuration, directory=tmp_path)
    (found,) = summarise(blind(ensemble, dataset)).values()
    assert found["n"] == 0
    assert found["sets"]["n"] == found["sets"]["n_formulas"] == 60
    assert 0.0 < found["sets"]["mae"] < 1.0
    held = predict_held_out(ensemble, toy_medians(20), "seen")
    assert all(h.of_set and h.covered is not None for h in held)
    # No surface has a label: nothing is known of how far one lies from the median.
    (estimate,) = ensemble.predict([dataset.records[0].structure])
    assert estimate.interval_90["ionization_potential"] == (-np.inf, np.inf)
    assert Ensemble.restore(ensemble.metadata(), ensemble.tensors()).calibrations.keys() == {
        "ionization_potential", "median of ionization_potential",
    }  # fmt: skip


def with_gaps(dataset: FrozenDataset, n_gapped: int) -> FrozenDataset:
    """The same slabs, so many with a gap; those without count less and are 5 eV off."""
    records = []
    for place, record in enumerate(dataset.records):
        gapped = place < n_gapped
        gap = Label(name="band_gap", value=3.0 if gapped else 0.0, unit="eV", fidelity=TOY.key)
        labels = [
            l if gapped else replace(l, value=l.value + 5.0, weight=0.3) for l in record.labels
        ]
        records.append(replace(record, labels=(*labels, gap)))
    return freeze("gaps", records, fidelities=[TOY])


def test_near_metals_stand_apart_and_calibrate_only_where_that_is_said(tmp_path: Path) -> None:
    lines: list[str] = []
    configuration = configuration_of(COMPOSITION, SMALL)

    def fitted(n_gapped: int) -> Ensemble:
        dataset = with_gaps(toy_dataset(60, noise=0.2), n_gapped)
        return fit_ensemble(
            dataset, COMPOSITION, configuration, directory=tmp_path, on_progress=lines.append
        )

    many, few = fitted(30), fitted(5)
    assert len(many.calibrations["ionization_potential"].residuals) == 30
    assert many.notes == {}
    assert len(few.calibrations["ionization_potential"].residuals) == 60
    assert "calibrated with 55 near-metals" in few.notes["ionization_potential"]
    assert any("with 55 near-metals" in line for line in lines)
    summary = summarise(blind(many, with_gaps(toy_dataset(60, noise=0.2), 30)))
    errors = summary["ionization_potential"]
    assert (errors["n"], errors["near_metals"]["n"]) == (30, 30)


def test_slabs_are_described_once_for_a_training() -> None:
    dataset = toy_dataset(4)
    assert described(dataset) is described(toy_dataset(4))


def test_the_main_fidelity_has_the_largest_weight() -> None:
    assert main_fidelity(toy_dataset(3)) == TOY.key


def test_reference_slabs_are_covered(shared_data: Path, tmp_path: Path) -> None:
    """Nine of ten held-out slabs of JARVIS lie inside of their intervals."""
    from surfalign.ml.data.from_slab_files import freeze_slab_file

    dataset = freeze_slab_file(shared_data / "surfaces" / "jarvis_slabs_dev.json.gz", min_gap=0.3)
    recipe = Recipe(COMPOSITION, {"n_estimators": 40})
    summary = summarise(hold_out_folds(dataset, recipe, "formula", scratch=tmp_path))
    for name in ("ionization_potential", "electron_affinity"):
        assert 0.84 <= summary[name]["coverage"] <= 0.96


def test_what_old_trainings_left_is_removed(tmp_path: Path) -> None:
    import os

    from surfalign.ml.ensemble.members import remove_old

    for name, days in (("old", 20), ("recent", 2)):
        folder = tmp_path / name
        folder.mkdir()
        then = folder.stat().st_mtime - days * 24 * 3600
        os.utime(folder, (then, then))
    remove_old(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["recent"]
    remove_old(tmp_path / "absent")


def test_a_model_that_knows_its_errors_has_narrower_intervals() -> None:
    """Half of the surfaces are ten times as hard, and the model says which."""
    generator = np.random.default_rng(2)
    spread = np.repeat([0.1, 1.0], 500)
    errors = generator.permuted(generator.normal(size=1000)) * spread
    scores = np.zeros(1000)
    told = difficulty_features({}, scores, spread)
    widths = [
        np.ptp(Calibration.fit(errors, f).interval(np.zeros(1000), f), axis=1)
        for f in (told, difficulty_features({}, scores))
    ]
    assert widths[0].mean() < 0.8 * widths[1].mean()
    inside = np.abs(errors) <= widths[0] / 2
    assert inside.mean() == pytest.approx(0.9, abs=0.01)
