"""Surface energy of a symmetric slab, by a bulk reference or by a fit over thicknesses.

    gamma = (E_slab - N e_bulk) / (2 A)

Subtracting the energy of an independently computed bulk cell drifts with the thickness, because any
error of e_bulk is multiplied by N. A bulk cell oriented like the slab (same in-plane cell, k mesh and
cut-off) or a straight line through several thicknesses removes the drift: V. Fiorentini, M. Methfessel,
J. Phys.: Condens. Matter 8, 6525 (1996), doi:10.1088/0953-8984/8/36/005.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

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


@dataclass(frozen=True)
class ThicknessFit:
    """A straight line ``E(N) = 2 A gamma + N e_bulk`` through several thicknesses."""

    surface_energy: float  #: J/m^2
    bulk_energy: float  #: eV per bulk cell
    residual: float  #: root-mean-square deviation from the line, eV


def surface_energy_from_thicknesses(
    n_bulk: ArrayLike, slab_energies: ArrayLike, area: float
) -> ThicknessFit:
    """Fit the energies of slabs of several thicknesses.

    Parameters
    ----------
    n_bulk
        Number of bulk cells in each slab, shape ``(n_slabs,)``.
    slab_energies
        Total energies, shape ``(n_slabs,)``, eV.
    area
        Area of one face, angstrom^2.

    Raises
    ------
    PhysicsInputError
        With fewer than two different thicknesses, or a non-positive area.
    """
    counts = np.asarray(n_bulk, dtype=float)
    energies = np.asarray(slab_energies, dtype=float)
    if counts.shape != energies.shape or np.unique(counts).size < 2 or not area > 0:
        raise PhysicsInputError(
            f"{counts.size} thicknesses ({np.unique(counts).size} different), "
            f"{energies.size} energies, area {area}",
            "at least two different thicknesses, one energy each, a positive area",
            "compute the slab at two or more thicknesses",
        )
    slope, intercept = np.polyfit(counts, energies, 1)
    residual = float(np.sqrt(np.mean((energies - slope * counts - intercept) ** 2)))
    gamma = float(intercept) / (2 * area) * EV_PER_SQUARE_ANGSTROM_IN_JOULE_PER_SQUARE_METRE
    return ThicknessFit(gamma, float(slope), residual)
