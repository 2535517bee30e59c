from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from learning_data import toy_dataset
from scipy.stats import norm

from surfalign.errors import UncalibratedModelError
from surfalign.ml.ensemble.calibration import Calibration
from surfalign.ml.ensemble.ensemble import Ensemble
from surfalign.ml.ensemble.level_distribution import level_distribution
from surfalign.ml.ensemble.recipe import Recipe
from surfalign.ml.properties.property import LEVELS
from surfalign.physics.levels.distribution import LevelWindow


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Ensemble:
    scratch = tmp_path_factory.mktemp("scratch")
    return Recipe("composition", {}).fit(toy_dataset(60, noise=0.3), scratch=scratch)


def test_nine_of_ten_lie_inside_of_the_intervals_of_the_prediction(ensemble: Ensemble) -> None:
    records = toy_dataset(12).records
    estimates = ensemble.predict([record.structure for record in records])
    joint = level_distribution(ensemble, estimates)
    for column, name in enumerate(LEVELS):
        low, high = np.array([estimate.interval_90[name] for estimate in estimates]).T
        direction = np.eye(2)[column]
        inside = joint.probability([LevelWindow(*direction, low, high)])
        assert inside == pytest.approx(np.full(len(records), 0.9), abs=0.03)


def test_the_levels_have_the_correlation_of_the_errors(ensemble: Ensemble) -> None:
    estimates = ensemble.predict([record.structure for record in toy_dataset(3).records])
    for correlation in (-0.5, 0.0, 0.9):
        joint = level_distribution(replace(ensemble, correlation=correlation), estimates)
        covariance = joint.covariances[0]
        found = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
        assert found == pytest.approx(correlation, abs=0.06)


def test_the_correlation_is_kept_with_the_model(ensemble: Ensemble) -> None:
    assert ensemble.correlation is not None
    assert -1.0 <= ensemble.correlation <= 1.0
    restored = Ensemble.restore(ensemble.metadata(), ensemble.tensors())
    assert restored.correlation == ensemble.correlation
    earlier = {k: v for k, v in ensemble.metadata().items() if k != "correlation"}
    assert Ensemble.restore(earlier, ensemble.tensors()).correlation is None


def test_labels_that_are_all_equal_leave_no_correlation_to_know(tmp_path: Path) -> None:
    # The mean of equal labels errs by nothing, so that there is nothing to correlate.
    dataset = toy_dataset(12)
    equal = {"ionization_potential": 7.0, "electron_affinity": 1.0}
    records = tuple(
        replace(
            record,
            labels=tuple(
                replace(one, value=equal.get(one.name, one.value)) for one in record.labels
            ),
        )
        for record in dataset.records
    )
    ensemble = Recipe("mean", {}).fit(replace(dataset, records=records), scratch=tmp_path)
    assert ensemble.correlation is None


def test_a_model_without_intervals_of_both_levels_is_refused(ensemble: Ensemble) -> None:
    estimates = ensemble.predict([toy_dataset(1).records[0].structure])
    one = {LEVELS[0]: ensemble.calibrations[LEVELS[0]]}
    with pytest.raises(UncalibratedModelError, match="finite intervals"):
        level_distribution(replace(ensemble, calibrations=one), estimates)


def test_normal_errors_have_normal_scores_and_come_back() -> None:
    size = np.sort(np.abs(norm.ppf((np.arange(1000) + 0.5) / 1000)))
    calibration = Calibration(size * 0.4, np.ones(1000))
    features = np.zeros((3, 1))
    errors = np.array([-0.4, 0.0, 0.8])
    assert calibration.normal_scores(errors, features) == pytest.approx([-1.0, 0.0, 2.0], abs=0.02)
    assert calibration.errors_of_scores(np.array([-1.0, 0.0, 2.0])) == pytest.approx(
        errors, abs=0.01
    )


def test_beyond_all_residuals_errors_still_grow() -> None:
    calibration = Calibration(np.array([0.1, 0.2]), np.ones(2))
    far = calibration.errors_of_scores(np.array([1.0, 2.0, 4.0]))
    assert np.all(np.diff(far) > 0)
    assert far[2] > 0.2
