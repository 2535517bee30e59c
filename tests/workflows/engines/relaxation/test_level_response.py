"""How the level answers to displacements: against electrostatics, and learnt."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from surfalign.physics.levels.response import CHARGE_OVER_PERMITTIVITY, level_response
from surfalign.workflows.engines.relaxation.level_response import LevelResponse
from surfalign.workflows.engines.relaxation.slab_level import slab_level
from surfalign.workflows.engines.relaxation.symmetric_space import symmetric_space

from .test_symmetric_space import slab_of

AREA = 10.0  # angstrom^2


def outside_against_centre(charges: np.ndarray, heights: np.ndarray) -> float:
    """Return an electron's energy outside against that in the centre: sheets of charge, summed."""
    far, centre = heights.max() + 5.0, 0.5 * (heights.max() + heights.min())

    def energy(z: float) -> float:
        # Of an electron (charge -1) in the field of sheets q / area: + q |z - z_i| / (2 epsilon_0 area).
        return float((charges * np.abs(z - heights)).sum() * CHARGE_OVER_PERMITTIVITY / 2 / AREA)

    above = energy(far) - energy(centre)
    below = energy(2 * centre - far) - energy(centre)
    return 0.5 * (above + below)


def test_the_response_is_that_of_sheets_of_charge() -> None:
    charges = np.array([0.6, -0.6, 0.5, -0.5, 0.6, -0.6])
    heights = np.array([0.0, 0.1, 2.0, 2.02, 4.0, 3.9])
    heights = heights - 0.5 * (heights.max() + heights.min())
    response = level_response(charges, heights, AREA)
    np.testing.assert_allclose(response[:, :2], 0.0)
    for atom in (0, 1, 4, 5):  # those well off the centre
        moved = heights.copy()
        moved[atom] += 1e-3 * np.sign(heights[atom])
        # The centre itself must not move with the outermost sheet.
        change = outside_against_centre(
            np.append(charges, [0, 0]), np.append(moved, [-9.0, 9.0])
        ) - outside_against_centre(np.append(charges, [0, 0]), np.append(heights, [-9.0, 9.0]))
        expected = response[atom, 2] * 1e-3 * np.sign(heights[atom])
        assert change == pytest.approx(-abs(expected) * np.sign(charges[atom]), rel=1e-6)
        assert expected == pytest.approx(change, rel=1e-6)


def test_a_cation_that_moves_outward_lowers_the_level() -> None:
    slab = slab_of("MgO", (1, 0, 0))
    top = [i for i in np.argsort(slab.cart_coords[:, 2])[-2:] if slab[i].specie.symbol == "Mg"]
    space = symmetric_space(slab)
    shift = np.zeros((len(slab), 3))
    shift[top[0], 2] = 0.1
    assert LevelResponse.guessed(slab, space).gradient @ space.reduce(shift) < -0.1


def test_steps_teach_the_true_response() -> None:
    true = np.array([3.0, -5.0, 1.0])
    response = LevelResponse(np.zeros(3))
    rng = np.random.default_rng(0)
    for step in 0.2 * rng.normal(size=(40, 3)):
        response.learn(step, float(true @ step))
    np.testing.assert_allclose(response.gradient, true, atol=0.05)


def test_parts_of_a_step_that_cancel_do_not_count_as_nothing() -> None:
    response = LevelResponse(np.array([1.0, -1.0]))
    change = response.change(np.diag([2.0, 3.0]), np.array([0.1, 0.1]))
    assert change == pytest.approx(np.sqrt(2) * 0.1)


def test_a_composition_without_formal_charges_has_no_guess() -> None:
    slab = Structure(Lattice.tetragonal(4, 20), ["Cu", "Zn"], [[0, 0, 0.4], [0.5, 0.5, 0.6]])
    space = symmetric_space(slab)
    np.testing.assert_allclose(LevelResponse.guessed(slab, space).gradient, 0.0)


def test_the_level_is_the_vacuum_against_the_sites_of_the_centre() -> None:
    slab = slab_of("MgO", (1, 0, 0))
    z = np.linspace(0, 1, 400, endpoint=False)
    heights = slab.frac_coords[:, 2]
    inside = (z > heights.min() - 0.02) & (z < heights.max() + 0.02)
    profile = np.where(inside, -9.0, 4.0)
    sites = np.where([s.specie.symbol == "Mg" for s in slab], -40.0, -60.0)
    assert slab_level(slab, profile, sites) == pytest.approx(4.0 + 50.0, abs=0.05)
