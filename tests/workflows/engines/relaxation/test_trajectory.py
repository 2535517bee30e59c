"""What a finished relaxation leaves of the level, from its own steps."""

from __future__ import annotations

import numpy as np
import pytest

from surfalign.workflows.engines.relaxation.level_response import LevelResponse
from surfalign.workflows.engines.relaxation.model_hessian import model_hessian
from surfalign.workflows.engines.relaxation.symmetric_space import symmetric_space
from surfalign.workflows.engines.relaxation.trajectory import level_error

from .test_symmetric_space import slab_of


def walk(n_steps: int) -> tuple[list[np.ndarray], list[np.ndarray], float]:
    """Steepest descent in springs twice as stiff as the model's; return the true level that is left."""
    slab = slab_of("MgO", (1, 0, 0))
    space = symmetric_space(slab)
    stiffness = 2.0 * model_hessian(slab, space)
    q = np.full(space.size, 0.05)
    positions, forces = [], []
    for _ in range(n_steps):
        pull = -stiffness @ q
        positions.append(slab.cart_coords + space.expand(q))
        forces.append(space.expand(pull))
        q = q + 0.03 * pull
    left = q - 0.03 * pull
    return positions, forces, abs(float(LevelResponse.guessed(slab, space).gradient @ left))


@pytest.mark.parametrize("n_steps", [2, 4, 8])
def test_the_stated_error_covers_what_is_left(n_steps: int) -> None:
    positions, forces, left = walk(n_steps)
    slab = slab_of("MgO", (1, 0, 0))
    stated = level_error(slab, positions, forces, np.ones(len(slab)))
    assert 0.5 * left <= stated <= 10 * left


def test_at_the_minimum_nothing_is_left() -> None:
    slab = slab_of("MgO", (1, 0, 0))
    here = [slab.cart_coords]
    assert level_error(slab, here, [np.zeros((len(slab), 3))], np.ones(len(slab))) == 0.0


def test_forces_on_held_atoms_do_not_count() -> None:
    slab = slab_of("MgO", (1, 0, 0))
    height = np.abs(slab.cart_coords[:, 2] - slab.cart_coords[:, 2].mean())
    forces = np.zeros((len(slab), 3))
    forces[height < 1.5, 2] = 1.0
    assert level_error(slab, [slab.cart_coords], [forces], height > 1.5) == pytest.approx(
        0.0, abs=1e-12
    )
