"""Ensembles: blind members, intervals that cover, a domain that is flagged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from learning_data import TOY, rocksalt_slab, toy_dataset, toy_record
from pymatgen.core import Lattice, Structure

from surfalign.errors import ConfigurationError, UnknownElementError
from surfalign.ml.data.datasets import FrozenDataset, freeze
from surfalign.ml.ensemble.calibration import Calibration, coverage
from surfalign.ml.ensemble.crossvalidation import blind, hold_out_folds, summarise
from surfalign.ml.ensemble.domain import Domain, atomic_descriptions
from surfalign.ml.ensemble.ensemble import Ensemble
from surfalign.ml.ensemble.fitting import fit_ensemble, main_fidelity
from surfalign.ml.ensemble.members import Task, member_data
from surfalign.ml.ensemble.recipe import Recipe
from surfalign.ml.ensemble.splits import formula_fold
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


def test_network_members_stop_on_formulas_they_do_not_learn() -> None:
    task = Task("lsoap", configuration_of(COMPOSITION), 0, 0)
    data = member_data(toy_dataset(60), task)
    assert data.validation
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


def test_quantile_by_hand() -> None:
    errors = np.arange(1.0, 20.0)  # 19 residuals: the 18th of them, 0.9 * 20
    calibration = Calibration.fit(errors, np.zeros(19))
    assert calibration.interval(np.array([5.0]), np.zeros(1)).tolist() == [[-13.0, 23.0]]
    few = Calibration.fit(errors[:8], np.zeros(8))
    assert not np.isfinite(few.interval(np.array([5.0]), np.zeros(1))).any()
    nine = Calibration.fit(errors[:9], np.zeros(9))
    assert nine.interval(np.array([0.0]), np.zeros(1)).tolist() == [[-9.0, 9.0]]


def test_intervals_cover_what_they_claim_and_widen_with_distance() -> None:
    generator = np.random.default_rng(5)
    scores = generator.uniform(0.0, 3.0, 6000)
    errors = generator.normal(size=6000) * (0.2 + 0.3 * scores)
    calibration = Calibration.fit(errors[:3000], scores[:3000])
    assert calibration.slope > 0.3
    intervals = calibration.interval(np.zeros(3000), scores[3000:])
    assert coverage(intervals, errors[3000:]) == pytest.approx(0.9, abs=0.02)
    near, far = scores[3000:] < 1.0, scores[3000:] > 2.0
    assert coverage(intervals[near], errors[3000:][near]) == pytest.approx(0.9, abs=0.05)
    assert coverage(intervals[far], errors[3000:][far]) == pytest.approx(0.9, abs=0.05)


def test_errors_that_shrink_with_distance_do_not_narrow_intervals() -> None:
    scores = np.linspace(0.0, 1.0, 50)
    assert Calibration.fit(1.0 - scores, scores).slope == 0.0


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
    with pytest.raises(ConfigurationError, match="no split 'random'"):
        hold_out_folds(dataset, Recipe(COMPOSITION, SMALL), "random", scratch=tmp_path)


def test_blind_evaluation_has_no_intervals(ensemble: Ensemble) -> None:
    summary = summarise(blind(ensemble, toy_dataset(60, noise=0.3)))
    assert summary["ionization_potential"]["coverage"] is None
    assert summary["ionization_potential"]["n"] == 60


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
