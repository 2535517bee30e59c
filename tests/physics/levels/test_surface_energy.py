from __future__ import annotations

import pytest

from surfalign.errors import PhysicsInputError
from surfalign.physics.levels.surface_energy import surface_energy

AREA, BULK, GAMMA = 8.9, -12.0, 0.06  # angstrom^2, eV, eV/angstrom^2


def slab(n: int) -> float:
    return n * BULK + 2 * AREA * GAMMA


def test_the_known_energy_comes_in_joule_per_square_metre() -> None:
    assert surface_energy(slab(5), BULK, 5, AREA) == pytest.approx(GAMMA * 16.02176634)


def test_a_wrong_bulk_energy_drifts_with_thickness() -> None:
    wrong = BULK + 0.01
    drift = surface_energy(slab(10), wrong, 10, AREA) - surface_energy(slab(5), wrong, 5, AREA)
    assert drift == pytest.approx(-0.05 / (2 * AREA) * 16.02176634)


def test_senseless_slabs_are_refused() -> None:
    for n_bulk, area in ((0, 8.9), (-1, 8.9), (1, 0.0), (1, -8.9)):
        with pytest.raises(PhysicsInputError, match="both positive"):
            surface_energy(-1.0, -1.0, n_bulk, area)


@pytest.mark.parametrize("times", [0.05, 3.0])
def test_the_cell_of_the_slab_may_be_any_part_or_multiple(times: float) -> None:
    # Laterally: energy, area and bulk cells grow together. The bulk cell may be larger than the slab.
    known = surface_energy(slab(5), BULK, 5, AREA)
    assert surface_energy(slab(5) * times, BULK, 5 * times, AREA * times) == pytest.approx(known)
    assert surface_energy(slab(5), BULK * 10, 0.5, AREA) == pytest.approx(known)
