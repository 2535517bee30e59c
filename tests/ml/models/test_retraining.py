"""The nightly contest: paired bootstrap, verdicts, reports."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from learning_data import toy_dataset, toy_medians

from surfalign.errors import ConfigurationError
from surfalign.ml.assessment.evaluation import PairedComparison, compare
from surfalign.ml.ensemble.recipe import Recipe
from surfalign.ml.models.model_registry import ModelRegistry
from surfalign.ml.models.retraining import Outcome, Verdict, decide, retrain

MEAN = Recipe("mean", {})
TREES = Recipe("composition", {"n_estimators": 60})


def comparison(low: float, high: float) -> PairedComparison:
    return PairedComparison(0.5 * (low + high), (low, high), 1.0, 1.0, 100, 50)


@pytest.mark.parametrize(
    ("interval", "more_data", "verdict"),
    [
        ((-0.2, -0.1), False, Verdict.BETTER),
        ((-0.1, 0.1), True, Verdict.MORE_DATA),
        ((-0.1, 0.1), False, Verdict.KEPT),
        ((0.1, 0.2), True, Verdict.WORSE),
    ],
)
def test_verdicts(interval: tuple[float, float], more_data: bool, verdict: Verdict) -> None:
    assert decide(comparison(*interval), more_data) is verdict
    assert verdict.promoted == (verdict in (Verdict.BETTER, Verdict.MORE_DATA))


def test_a_few_formulas_decide_no_contest() -> None:
    """Two formulas lie on one side by chance every second time."""
    for low, high, verdict in ((-0.2, -0.1, Verdict.BETTER), (0.1, 0.2, Verdict.WORSE)):
        for n_formulas, found in ((5, Verdict.KEPT), (6, verdict)):
            few = replace(comparison(low, high), n_formulas=n_formulas)
            assert decide(few, more_data=False) is found


def test_nothing_to_compare_is_no_promotion() -> None:
    assert decide(None, True) is Verdict.INCOMPARABLE
    nan = np.full(3, np.nan)
    assert compare({"a": nan}, {"a": nan}, ["x", "y", "z"]) is None
    assert compare({"a": nan}, {"b": nan}, ["x", "y", "z"]) is None


def test_the_bootstrap_draws_formulas() -> None:
    """A hundred surfaces of one formula are one observation, not a hundred."""
    generator = np.random.default_rng(0)
    formulas = [f"F{i}" for i in range(10) for _ in range(30)]
    shift = np.repeat(generator.normal(0.0, 0.5, 10), 30)  # a formula is better or worse as a whole
    old = {"ionization_potential": np.full(300, 1.0)}
    new = {"ionization_potential": 1.0 + shift}
    clustered = compare(old, new, formulas)
    alone = compare(old, new, [str(i) for i in range(300)])
    assert clustered is not None
    assert alone is not None
    assert clustered.difference == pytest.approx(shift.mean())
    width = clustered.interval[1] - clustered.interval[0]
    assert width > 3 * (alone.interval[1] - alone.interval[0])
    assert clustered.n_formulas == 10
    same = compare(old, old, formulas)
    assert same is not None
    assert not same.significantly_better
    assert not same.significantly_worse


def test_a_history_of_contests(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path / "models")
    data = toy_dataset(40, noise=0.1)

    def run(recipe: Recipe, n_formulas: int = 40, force: bool = False) -> Outcome:
        dataset = data if n_formulas == 40 else toy_dataset(n_formulas, noise=0.1)
        return retrain(registry, "toy", dataset, recipe, scratch=tmp_path / "scratch", force=force)

    first = run(MEAN)
    assert first.verdict is Verdict.FIRST
    assert first.champion == first.challenger
    unchanged = run(MEAN)
    assert unchanged.verdict is Verdict.UNCHANGED
    assert unchanged.challenger is None
    assert run(MEAN, force=True).verdict is Verdict.KEPT
    better = run(TREES)
    assert better.verdict is Verdict.BETTER
    assert better.comparison is not None
    assert better.comparison.difference < -0.1
    assert better.comparison.n_surfaces == 40
    worse = run(MEAN)
    assert worse.verdict is Verdict.WORSE
    assert worse.champion == better.challenger
    more = run(TREES, 44)
    assert more.verdict in (Verdict.MORE_DATA, Verdict.BETTER)
    assert len(registry.versions("toy")) == 5
    champion = registry.champion("toy")
    assert champion is not None
    assert champion.previous == [first.champion, better.champion]
    assert registry.rollback("toy").version == better.champion

    reports = sorted(registry.report_folder("toy").glob("*.json"))
    assert [json.loads(path.read_text())["verdict"] for path in reports] == [
        first.verdict, unchanged.verdict, Verdict.KEPT, better.verdict, worse.verdict, more.verdict,
    ]  # fmt: skip
    text = better.report.read_text()
    assert "promoted: significantly better" in text
    assert "On 40 surfaces of 40 formulas that neither has seen" in text
    assert data.digest[:12] in text


def test_medians_alone_decide_a_contest(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path / "models")
    data = toy_medians(40)

    def run(kind: str, **options: object) -> Outcome:
        recipe = Recipe(kind, {"properties": ("ionization_potential",)} | options)
        return retrain(registry, "weak", data, recipe, scratch=tmp_path / "scratch")

    assert run("mean").verdict is Verdict.FIRST
    better = run("composition", n_estimators=60)
    assert better.verdict is Verdict.BETTER
    assert better.comparison is not None
    assert better.comparison.n_surfaces == better.comparison.n_formulas == 40
    text = better.report.read_text()
    assert "On 40 sets of 40 formulas that neither has seen" in text
    assert "| ionization_potential | sets | 40 |" in text
    card = registry.card("weak")
    assert card.of_weak_labels
    assert card.metrics["ionization_potential"]["sets"]["n"] == 40


def test_a_mistake_in_the_configuration_trains_nothing(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    with pytest.raises(ConfigurationError, match="n_estimators"):
        retrain(
            registry, "toy", toy_dataset(12),
            Recipe("composition", {"n_estimators": 0}), scratch=tmp_path,
        )  # fmt: skip
    assert registry.names() == []
