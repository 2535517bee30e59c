"""Surface energy of a symmetric slab against its bulk.

    gamma = (E_slab - N e_bulk) / (2 A)

Subtracting the energy of an independently computed bulk cell drifts with the thickness, because any
error of e_bulk is multiplied by N. A bulk cell oriented like the slab (same in-plane cell, k mesh and
cut-off) removes the drift: V. Fiorentini, M. Methfessel, J. Phys.: Condens. Matter 8, 6525 (1996),
doi:10.1088/0953-8984/8/36/005.
"""

from __future__ import annotations

from surfalign.errors import PhysicsInputError
from surfalign.units import EV_PER_SQUARE_ANGSTROM_IN_JOULE_PER_SQUARE_METRE


def surface_energy(slab_energy: float, bulk_energy: float, n_bulk: float, area: float) -> float:
    """Surface energy of one face, J/m^2.

    Parameters
    ----------
    slab_energy
        Total energy of the slab, eV.
    bulk_energy
        Energy of one bulk cell, eV; best the bulk cell oriented like the slab.
    n_bulk
        How many of these bulk cells the slab holds.
    area
        Area of one face, angstrom^2.

    Raises
    ------
    PhysicsInputError
        When the area or the number of cells is not positive.
    """
    if not area > 0 or not n_bulk > 0:
        raise PhysicsInputError(
            f"an area of {area} angstrom^2 and {n_bulk} bulk cells",
            "both positive",
            "check the slab that was handed in",
        )
    excess = slab_energy - n_bulk * bulk_energy
    return excess / (2 * area) * EV_PER_SQUARE_ANGSTROM_IN_JOULE_PER_SQUARE_METRE
