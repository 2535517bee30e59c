"""Start Hessian and its updates, on functions whose minimum is known."""

from __future__ import annotations

import numpy as np
import pytest

from surfalign.workflows.engines.relaxation.model_hessian import model_hessian
from surfalign.workflows.engines.relaxation.quasi_newton import Hessian, with_floor
from surfalign.workflows.engines.relaxation.symmetric_space import symmetric_space

from .test_symmetric_space import slab_of

TRUE = np.array([[8.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 1.0]])


def descend(hessian: Hessian, n_steps: int) -> float:
    """Return the distance from the minimum of a quadratic function after some steps."""
    place, before = np.array([0.3, -0.2, 0.4]), None
    for _ in range(n_steps):
        forces = -TRUE @ place
        if before is not None:
            hessian.learn(place - before[0], forces - before[1])
        before = place, forces
        place = place + hessian.newton_step(forces)
    return float(np.linalg.norm(place))


def test_the_true_hessian_needs_one_step() -> None:
    assert descend(Hessian(TRUE), 1) < 1e-12


def test_any_start_learns_a_quadratic_function() -> None:
    assert descend(Hessian(5.0 * np.eye(3)), 12) < 1e-3


def test_a_start_of_the_right_shape_is_scaled_by_its_first_lesson() -> None:
    hessian = Hessian(0.5 * TRUE, scalable=True)
    step = np.array([0.1, 0.1, -0.1])
    hessian.learn(step, -TRUE @ step)
    np.testing.assert_allclose(hessian.matrix, TRUE, rtol=0.05, atol=0.05)


def test_a_lesson_shorter_than_the_noise_teaches_nothing() -> None:
    hessian = Hessian(TRUE)
    hessian.learn(np.array([1e-4, 0.0, 0.0]), np.array([0.02, -0.01, 0.01]))
    np.testing.assert_allclose(hessian.matrix, TRUE, atol=0.05)


def test_a_maximum_along_a_step_does_not_turn_the_next_one_around() -> None:
    hessian = Hessian(TRUE)
    step = np.array([0.0, 0.0, 0.2])
    hessian.learn(step, +2.0 * step)  # the force grows along the step
    assert np.linalg.eigvalsh(hessian.matrix).min() > 0
    forces = np.array([0.1, 0.2, 0.3])
    assert hessian.newton_step(forces) @ forces > 0


def test_a_floor_raises_soft_modes_alone() -> None:
    np.testing.assert_allclose(np.linalg.eigvalsh(with_floor(np.diag([0.1, 5.0]), 2.0)), [2, 5])


@pytest.mark.parametrize("name", ["MgO", "TiO2-rutile"])
def test_springs_know_that_layers_are_softer_than_bonds(name: str) -> None:
    slab = slab_of(name, (1, 1, 0))
    space = symmetric_space(slab)
    values = np.linalg.eigvalsh(model_hessian(slab, space))
    assert values.min() >= 0.5 - 1e-9
    assert values.max() > 10 * values.min()
