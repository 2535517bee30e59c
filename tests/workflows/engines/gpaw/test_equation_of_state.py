from __future__ import annotations

import numpy as np
import pytest

from surfalign.errors import ConvergenceError
from surfalign.workflows.engines.gpaw.equation_of_state import fit_birch_murnaghan

VOLUMES = np.linspace(17.0, 21.0, 7)
EV_PER_CUBIC_ANGSTROM_IN_GPA = 160.21766


def birch_murnaghan(
    volume: np.ndarray, energy: float, modulus: float, slope: float, v0: float
) -> np.ndarray:
    """Written out from Phys. Rev. 71, 809 (1947), independently of the fit."""
    x = (v0 / volume) ** (2 / 3)
    return energy + 9 * v0 * modulus / 16 * ((x - 1) ** 3 * slope + (x - 1) ** 2 * (6 - 4 * x))


def test_an_exact_curve_is_recovered() -> None:
    energies = birch_murnaghan(VOLUMES, -12.0, 1.0, 4.1, 18.9)
    fit = fit_birch_murnaghan(VOLUMES.tolist(), energies.tolist())
    assert fit.equilibrium_volume == pytest.approx(18.9, abs=1e-4)
    assert fit.bulk_modulus == pytest.approx(EV_PER_CUBIC_ANGSTROM_IN_GPA, rel=1e-4)
    assert fit.fit_residual < 1e-6


def test_a_minimum_outside_the_volumes_is_an_error() -> None:
    energies = birch_murnaghan(VOLUMES, -12.0, 1.0, 4.1, 25.0)
    with pytest.raises(ConvergenceError, match="equilibrium volume"):
        fit_birch_murnaghan(VOLUMES.tolist(), energies.tolist())
