"""The level at the minimum, told from forces before it is reached: against energies in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from surfalign.workflows.engines.relaxation.held_centre import HeldCentre
from surfalign.workflows.engines.relaxation.level_estimate import estimate_level, level_per_force
from surfalign.workflows.engines.relaxation.level_response import LevelResponse
from surfalign.workflows.engines.relaxation.model_hessian import model_hessian
from surfalign.workflows.engines.relaxation.quasi_newton import Hessian
from surfalign.workflows.engines.relaxation.slab_level import central_atoms
from surfalign.workflows.engines.relaxation.symmetric_space import symmetric_space

from .test_symmetric_space import slab_of

STIFFNESS = np.array([[6.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 9.0]])
RESPONSE = np.array([4.0, -7.0, 2.0])


def test_with_the_true_hessian_and_response_the_minimum_is_known_from_anywhere() -> None:
    away = np.array([0.05, -0.02, 0.01])
    found = estimate_level(Hessian(STIFFNESS), LevelResponse(RESPONSE), -STIFFNESS @ away, [])
    assert found.change == pytest.approx(-RESPONSE @ away)
    assert found.error == pytest.approx(0.5 * _by_modes(away))


def _by_modes(away: np.ndarray) -> float:
    _, modes = np.linalg.eigh(STIFFNESS)
    parts = (modes.T @ RESPONSE) * (modes.T @ away)
    return float(max(abs(parts.sum()), np.linalg.norm(parts)))


def test_a_step_that_went_along_earlier_moves_is_trusted() -> None:
    away = np.array([0.05, -0.02, 0.01])
    response = LevelResponse(RESPONSE)
    forces = -STIFFNESS @ away
    along = estimate_level(Hessian(STIFFNESS), response, forces, [2.0 * away])
    assert along.error == pytest.approx(0.05 * abs(RESPONSE @ away))
    across = np.array([0.0, 0.01, 0.0])
    both = estimate_level(Hessian(STIFFNESS), response, forces, [across])
    alone = estimate_level(Hessian(STIFFNESS), response, forces, [])
    assert along.error < both.error < alone.error


def test_the_error_covers_what_a_wrong_start_hessian_does() -> None:
    inside, rng = 0, np.random.default_rng(5)
    for _ in range(40):
        true = STIFFNESS * rng.uniform(0.7, 1.4, size=3)
        true = 0.5 * (true + true.T)
        away = 0.05 * rng.normal(size=3)
        guess = LevelResponse(RESPONSE * rng.uniform(0.6, 1.5, size=3))
        found = estimate_level(Hessian(STIFFNESS), guess, -true @ away, [])
        inside += abs(found.change + RESPONSE @ away) <= found.error
    assert inside >= 32


def test_noise_of_the_forces_shows_in_the_level_where_modes_are_soft_and_ions_charged() -> None:
    noise = 0.02 * np.random.default_rng(3).normal(size=(20_000, 3))
    hessian, response = Hessian(STIFFNESS), LevelResponse(RESPONSE)
    levels = [estimate_level(hessian, response, forces, []).change for forces in noise[:500]]
    exact = np.std(np.linalg.solve(STIFFNESS, noise.T).T @ RESPONSE)
    sensitivity = level_per_force(hessian, response)
    assert 0.02 * sensitivity == pytest.approx(exact, rel=0.02)
    assert 0.02 * sensitivity == pytest.approx(np.std(levels), rel=0.1)
    assert level_per_force(Hessian(4 * STIFFNESS), response) == pytest.approx(sensitivity / 4)


def test_without_coordinates_nothing_is_left() -> None:
    found = estimate_level(Hessian(np.zeros((0, 0))), LevelResponse([]), np.zeros(0), [])
    assert (found.change, found.error) == (0.0, 0.0)
    assert level_per_force(Hessian(np.zeros((0, 0))), LevelResponse([])) == 0.0


def test_releasing_a_centre_does_what_its_forces_ask_for() -> None:
    slab = slab_of("MgO", (1, 0, 0))
    whole = symmetric_space(slab)
    free = whole.holding(central_atoms(slab))
    springs, guess = model_hessian(slab, whole), LevelResponse.guessed(slab, whole)
    rng = np.random.default_rng(2)
    pull = rng.normal(size=whole.size)  # the true energy: 0.5 q K q - pull q, K = 1.6 springs
    stiffness = 1.6 * springs
    into = whole.basis.T @ free.basis
    held = into @ np.linalg.solve(into.T @ stiffness @ into, into.T @ pull)
    forces = whole.expand(pull - stiffness @ held)
    released = HeldCentre(whole, springs, guess).change_on_release(
        free, Hessian(into.T @ stiffness @ into), LevelResponse(into.T @ guess.gradient), forces
    )
    assert released == pytest.approx(guess.gradient @ (np.linalg.solve(stiffness, pull) - held))
    assert np.abs(free.reduce(forces)).max() < 1e-9


def test_where_nothing_is_held_a_release_changes_nothing() -> None:
    slab = slab_of("MgO", (1, 0, 0))
    whole = symmetric_space(slab)
    centre = HeldCentre(whole, model_hessian(slab, whole), LevelResponse.guessed(slab, whole))
    hessian = Hessian(model_hessian(slab, whole))
    assert centre.change_on_release(whole, hessian, centre.response, np.ones((len(slab), 3))) == 0.0
