"""How much of a face each of its terminations covers, at a temperature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import PhysicsInputError
from surfalign.physics.phases.chemical_potential import BOLTZMANN
from surfalign.units import EV_PER_SQUARE_ANGSTROM_IN_JOULE_PER_SQUARE_METRE


def thermal_weights(
    surface_energies: Sequence[float], area: float, temperature: float
) -> NDArray[np.float64]:
    """Return the share of each termination of one orientation, shape (n,); they sum to 1.

        w_i = exp(-gamma_i A / k T) / sum_j exp(-gamma_j A / k T)

    A patch as large as the whole face would never be of a less stable termination: the weight falls
    exponentially with its area. The smallest patch that can be told apart is one primitive cell of the
    plane, and if the border between patches cost nothing, each cell would choose for itself. With ``area``
    that of this cell, the same for all terminations, the weights are therefore an upper bound of what the
    less stable ones cover. Steps between patches cost energy, so real faces lie nearer to the most stable
    one alone.

    Parameters
    ----------
    surface_energies
        J/m^2.
    area
        Of the primitive cell of the plane, angstrom^2.
    temperature
        K; 0 leaves only the most stable (several, where they are equal).

    Raises
    ------
    PhysicsInputError
        The area is not positive, the temperature is negative or infinite, or there is no surface energy.
    """
    if not surface_energies or not area > 0 or not 0 <= temperature < np.inf:
        raise PhysicsInputError(
            f"{len(surface_energies)} surface energies, an area of {area} angstrom^2 and {temperature} K",
            "at least one, a positive area, and a finite temperature of at least 0 K",
            "check what was handed in",
        )
    above = np.asarray(surface_energies, dtype=float)
    above = (above - above.min()) * area / EV_PER_SQUARE_ANGSTROM_IN_JOULE_PER_SQUARE_METRE
    factors = (
        np.exp(-above / (BOLTZMANN * temperature)) if temperature else (above == 0).astype(float)
    )
    return np.asarray(factors / factors.sum())
