"""Orders that noise does not change."""

from __future__ import annotations

import numpy as np

from surfalign.physics.lattice.ordering import Criterion, ranks, settled_order


def _by(values: list[float], tolerance: float) -> Criterion:
    return lambda members: [values[i] for i in members], tolerance


def test_later_criteria_decide_where_earlier_ones_tie() -> None:
    first, second = [1.0, 0.5, 1.0 + 1e-6, 0.5 - 1e-6], [2.0, 1.0, 1.0, 2.0]
    assert settled_order(4, [_by(first, 1e-3), _by(second, 1e-3)]) == [1, 3, 2, 0]


def test_members_that_tie_in_everything_keep_their_order() -> None:
    assert settled_order(3, [_by([1.0, 1.0 - 1e-7, 1.0 - 2e-7], 1e-3)]) == [0, 1, 2]


def test_noise_at_any_value_changes_nothing() -> None:
    # Also where a grid would have a step: pairs of equal values at 1,000 places.
    chance = np.random.default_rng(4)
    values = np.repeat(np.arange(1000) * 0.0125, 2)
    tie_break = list(np.tile([1.0, 0.0], 1000))
    for _ in range(20):
        noisy = list(values + 1e-5 * chance.normal(size=2000))
        order = settled_order(2000, [_by(noisy, 1e-3), _by(tie_break, 1e-3)])
        assert order == [2 * (i // 2) + 1 - i % 2 for i in range(2000)]


def test_a_criterion_is_asked_only_where_members_tie() -> None:
    asked: list[list[int]] = []

    def costly(members: np.ndarray) -> list[float]:
        asked.append([int(i) for i in members])
        return [0.0] * len(members)

    settled_order(4, [_by([3.0, 1.0, 3.0, 2.0], 0.1), (costly, 0.1)])
    assert asked == [[0, 2]]


def test_ranks_are_those_of_the_alphabet() -> None:
    assert list(ranks(["C", "A", "B", "A"])) == [2.0, 0.0, 1.0, 0.0]
