"""How the vacuum level of a slab answers to the displacement of its ions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Elementary charge over the vacuum's permittivity, eV angstrom (CODATA 2018, doi:10.1063/5.0064853).
CHARGE_OVER_PERMITTIVITY = 180.9512801


def level_response(charges: ArrayLike, heights: ArrayLike, area: float) -> NDArray[np.float64]:
    """Return the derivative of the vacuum level (of an electron, against the slab's centre).

    An ion of effective charge ``q`` that moves outward by ``u`` adds the dipole ``q u`` to its face and
    lowers the level outside by ``q u / (epsilon_0 area)``. The level is taken on both faces and averaged,
    so each ion counts by half. Linear in the displacements to about 0.01 eV over 1 eV (SrO(100)).

    Parameters
    ----------
    charges
        Effective (screened dynamic) charges, elementary charges, shape ``(n_atoms,)``.
    heights
        Along the normal, angstrom, shape ``(n_atoms,)``.
    area
        Of one face, angstrom^2.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_atoms, 3)``, eV/angstrom; only the components along the normal (z) differ from zero.
    """
    places = np.asarray(heights, dtype=float)
    outward = np.sign(np.round(places - 0.5 * (places.max() + places.min()), 3))
    response = np.zeros((places.size, 3))
    response[:, 2] = (
        -0.5 * CHARGE_OVER_PERMITTIVITY / area * np.asarray(charges, dtype=float) * outward
    )
    return response
