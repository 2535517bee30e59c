"""Errors with their own errors: weights, a bootstrap that draws formulas, kinds of labels apart."""

from __future__ import annotations

import numpy as np
import pytest

from surfalign.ml.assessment.evaluation import compare, contest
from surfalign.ml.assessment.held_out import HeldOut
from surfalign.ml.assessment.metrics import error_rows, metrics, summarise, with_bounds
from surfalign.ml.assessment.score import anion_of


def held(formula: str, label: float, value: float, **fields: object) -> HeldOut:
    given = {"interval": (value - 1.0, value + 1.0), "in_domain": True, "unit": "eV"} | fields
    given.setdefault("surface", f"{formula} {label}")
    return HeldOut(
        formula=formula, name="ionization_potential", label=label, value=value, fold="x", **given
    )  # type: ignore[arg-type]


def test_statistics_by_hand() -> None:
    found = metrics(
        [held("A", 1.0, 1.5), held("B", 2.0, 2.0), held("C", 3.0, 1.5, in_domain=False)]
    )
    assert found["mae"] == pytest.approx(2.0 / 3.0)
    assert found["rmse"] == pytest.approx(np.sqrt(2.5 / 3.0))
    assert found["bias"] == pytest.approx(-1.0 / 3.0)
    assert found["r2"] == pytest.approx(1.0 - 2.5 / 2.0)
    assert found["coverage"] == pytest.approx(2.0 / 3.0)
    assert found["mean_width"] == pytest.approx(2.0)
    assert found["mae_in_domain"] == pytest.approx(0.25)
    assert found["worth_of_domain"] == pytest.approx(1.25)
    assert (found["n"], found["n_formulas"], found["n_out_of_domain"]) == (3, 3, 1)


def test_a_label_counts_by_its_weight() -> None:
    found = metrics([held("A", 0.0, 1.0), held("B", 0.0, 5.0, weight=0.0)])
    assert found["mae"] == pytest.approx(1.0)
    assert found["coverage"] == 1.0
    thrice = metrics([held("A", 0.0, 1.0, weight=3.0), held("B", 0.0, 5.0)])
    assert thrice["mae"] == pytest.approx(2.0)


def test_the_interval_is_that_of_formulas_not_of_surfaces() -> None:
    """Errors of 100 formulas with standard deviation 1: the mean has 0.1, however many surfaces each has."""
    generator = np.random.default_rng(0)
    size = np.abs(generator.normal(5.0, 1.0, 100))
    for copies in (1, 20):
        found = metrics(
            [
                held(f"F{k}", 0.0, e, surface=f"{k} {c}")
                for k, e in enumerate(size)
                for c in range(copies)
            ]
        )
        low, high = found["mae_interval"]
        assert high - low == pytest.approx(2 * 1.96 * size.std() / 10.0, rel=0.1)


def test_nothing_and_one_formula_have_no_interval() -> None:
    assert metrics([])["mae"] is None
    single = metrics([held("A", 1.0, 1.5), held("A", 2.0, 2.5)])
    assert single["mae"] == pytest.approx(0.5)
    assert single["mae_interval"] is None
    assert with_bounds(single, "mae") == "0.50"
    assert metrics([held("A", 1.0, 1.5), held("B", 1.0, 2.5)])["r2"] is None


def test_kinds_of_labels_stand_apart() -> None:
    found = [
        held("A", 1.0, 1.1),
        held("B", 1.0, 3.0, near_metal=True),
        held("C", 1.0, 2.0, statistic="median"),
    ]
    summary = summarise(found)
    errors = summary["ionization_potential"]
    assert errors["mae"] == pytest.approx(0.1)
    assert errors["near_metals"]["mae"] == pytest.approx(2.0)
    assert errors["sets"]["mae"] == pytest.approx(1.0)
    kinds = [(kind, m["n"]) for _, kind, m in error_rows(summary)]
    assert kinds == [("surfaces", 1), ("near-metals", 1), ("sets", 1)]
    only_sets = summarise(found[2:])
    assert [kind for _, kind, _ in error_rows(only_sets)] == ["sets"]


def test_a_contest_weighs_labels_and_skips_what_only_one_side_knows() -> None:
    old = {"a": np.array([1.0, 1.0, np.nan]), "b": np.array([1.0, np.nan, 1.0])}
    new = {"a": np.array([0.0, 3.0, 0.0]), "b": np.array([1.0, 0.0, np.nan])}
    alike = compare(old, new, ["x", "y", "z"])
    assert alike is not None
    assert alike.difference == pytest.approx((-0.5 + 2.0) / 2)
    assert alike.n_surfaces == 2
    weighed = compare(old, new, ["x", "y", "z"], np.array([1.0, 0.0, 1.0]))
    assert weighed is not None
    assert weighed.difference == pytest.approx(-0.5)


def test_a_contest_is_decided_on_surfaces_with_a_gap_or_else_on_medians() -> None:
    def side(error: float) -> list[HeldOut]:
        gapped = [held(f"F{k}", 0.0, error, surface=f"s{k}") for k in range(8)]
        metals = [
            held(f"F{k}", 0.0, 3.0 - error, surface=f"m{k}", near_metal=True) for k in range(30)
        ]
        sets = [held(f"F{k}", 0.0, error, surface=f"t{k}", statistic="median") for k in range(5)]
        return [*gapped, *metals, *sets]

    found = contest(side(1.0), side(0.5), ["ionization_potential"])
    assert list(found) == ["surfaces", "sets", "near-metals"]
    assert found["surfaces"].significantly_better
    assert found["near-metals"].significantly_worse
    sets = [h for h in side(1.0) if h.of_set], [h for h in side(0.5) if h.of_set]
    only = contest(*sets, ["ionization_potential"])
    assert list(only) == ["sets"]
    assert only["sets"].n_formulas == 5
    assert contest(side(1.0), [], ["ionization_potential"]) == {}


@pytest.mark.parametrize(
    ("formula", "anion"),
    [("PbTe", "Te"), ("SrTiO3", "O"), ("BaZnTe", "Te"), ("LiCaSb", "Sb"), ("Mg2Si", "Si"), ("CdI2", "I")],
)  # fmt: skip
def test_the_anion_of_a_formula(formula: str, anion: str) -> None:
    assert anion_of(formula) == anion
