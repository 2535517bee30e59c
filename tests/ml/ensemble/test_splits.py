"""Splits keep alike surfaces together and do not move."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from surfalign.errors import EmptyDatasetError, LearnerError
from surfalign.ml.ensemble.splits import (
    by_chemical_system,
    by_formula,
    formula_fold,
    hold_out,
    leave_one_element_out,
)


@dataclass(frozen=True)
class Item:
    formula: str
    chemical_system: str


ITEMS = [
    Item(formula, system)
    for formula, system, copies in (
        ("MgO", "Mg-O", 5), ("TiO2", "O-Ti", 4), ("Ti2O3", "O-Ti", 2), ("ZnO", "O-Zn", 3),
        ("ZnS", "S-Zn", 2), ("CaO", "Ca-O", 1), ("SnO2", "O-Sn", 3), ("SnO", "O-Sn", 2),
    )
    for _ in range(copies)
]  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_folds_by_formula(seed: int) -> None:
    splits = list(by_formula(ITEMS, 4, seed))
    tested = sorted(index for split in splits for index in split.test)
    assert tested == list(range(len(ITEMS)))
    for split in splits:
        assert sorted(split.train + split.test) == list(range(len(ITEMS)))
        assert not {ITEMS[i].formula for i in split.train} & {ITEMS[i].formula for i in split.test}
        assert 3 <= len(split.test) <= 8
    assert [s.test for s in by_formula(ITEMS, 4, seed)] == [s.test for s in splits]
    others = [[s.test for s in by_formula(ITEMS, 4, other)] for other in range(10, 20)]
    assert any(other != [s.test for s in splits] for other in others)


def test_folds_by_chemical_system() -> None:
    for split in by_chemical_system(ITEMS, 3):
        train = {ITEMS[i].chemical_system for i in split.train}
        assert not train & {ITEMS[i].chemical_system for i in split.test}


def test_one_element_is_left_out() -> None:
    splits = {s.name: s for s in leave_one_element_out(ITEMS, smallest=5)}
    assert set(splits) == {"Mg", "Sn", "Ti", "Zn"}  # O is everywhere, S and Ca are too few
    zinc = splits["Zn"]
    assert all("Zn" in ITEMS[i].chemical_system for i in zinc.test)
    assert not any("Zn" in ITEMS[i].chemical_system for i in zinc.train)


def test_a_part_is_held_out() -> None:
    split = hold_out(ITEMS, 0.3, seed=3)
    assert 0.2 * len(ITEMS) <= len(split.test) <= 0.5 * len(ITEMS)
    assert not {ITEMS[i].formula for i in split.train} & {ITEMS[i].formula for i in split.test}
    with pytest.raises(LearnerError, match="cannot be split"):
        hold_out(ITEMS[:5], 0.3)


def test_too_few_to_split() -> None:
    with pytest.raises(EmptyDatasetError, match="nothing to split"):
        list(by_formula([], 5))
    with pytest.raises(LearnerError, match="8 formulas for 9 folds"):
        list(by_formula(ITEMS, 9))


def test_the_fold_of_a_formula_never_moves() -> None:
    """A released model counts on these: change them and its blind members are not blind."""
    assert [formula_fold(f) for f in ("MgO", "TiO2", "ZnO", "SrTiO3", "Al2O3")] == [2, 3, 1, 4, 0]
