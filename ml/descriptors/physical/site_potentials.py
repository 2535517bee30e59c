"""Electrostatic potential of point charges in a slab, against the vacuum.

Summed in three dimensions after Ewald (Ann. Phys. 369, 253 (1921), doi 10.1002/andp.19213690304) in a cell
with a vacuum of a fixed width, and brought to two dimensions exactly: the periodic images across the
vacuum act by planar averages alone, which the dipole and the quadrupole of the slab give in closed form
(Yeh and Berkowitz, J. Chem. Phys. 111, 3155 (1999), doi 10.1063/1.479595, with the constant that they
leave out). Zero is the mean of the vacuum levels of the two faces; these are equal where the slab has no
dipole. Lateral variations of the images fall with exp(-G * vacuum), G the shortest lateral reciprocal
vector: at 20 angstrom of vacuum 0.2 mV for a primitive lateral cell of 10 angstrom.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc
from vesin import NeighborList

Array = NDArray[np.float64]

COULOMB = 14.399645478
"""e^2 / (4 pi epsilon_0), eV * angstrom (CODATA 2018)."""

_SPLITTING = 0.3
"""Ewald's splitting parameter (1/A): short sums on both sides for slabs of 10 to 100 atoms."""

_ACCURACY = 3.8
"""Both sums end where exp(-x^2) is 5e-7."""

_VACUUM = 20.0
"""Width of the vacuum of the sum (A), whatever that of the slab's own cell."""


def slab_site_potentials(charges: Array, positions: Array, lateral: Array) -> Array:
    """Return the potential at each charge of all others, against the vacuum (V), shape (n,).

    Parameters
    ----------
    charges
        Point charges (e), shape (n,); they must sum to zero.
    positions
        Cartesian positions of the connected slab (A), shape (n, 3).
    lateral
        The two lattice vectors along which the slab repeats (A), shape (2, 3).

    Raises
    ------
    ValueError
        When the charges do not sum to zero: the potential of a charged slab has no vacuum level.
    """
    if abs(charges.sum()) > 1e-6 * max(1.0, float(np.abs(charges).sum())):
        raise ValueError(f"the charges sum to {charges.sum():g} e, not to zero")
    normal = np.cross(lateral[0], lateral[1])
    area = float(np.linalg.norm(normal))
    normal = normal / area
    # Heights from the middle of the slab, so that the sums below are of numbers that are not large.
    heights = positions @ normal
    heights = heights - 0.5 * (heights.min() + heights.max())
    height = float(np.ptp(heights)) + _VACUUM
    cell = np.vstack([lateral, height * normal])
    own = -2.0 * _SPLITTING / np.sqrt(np.pi) * charges
    periodic = _real_sum(charges, positions, cell) + _reciprocal_sum(charges, positions, cell) + own
    dipole, quadrupole = charges @ heights, charges @ heights**2
    slab = 2.0 * np.pi / (area * height) * (2.0 * heights * dipole - quadrupole)
    return np.asarray(COULOMB * (periodic + slab))


def crystal_site_potentials(charges: Array, positions: Array, cell: Array) -> Array:
    """Return the potential at each charge of a crystal, against its mean in the cell (V), shape (n,).

    A crystal has no vacuum, so the mean of the potential over the cell is zero.

    Parameters
    ----------
    charges
        Point charges (e), shape (n,); they must sum to zero.
    positions
        Cartesian positions (A), shape (n, 3).
    cell
        Lattice vectors as rows (A), shape (3, 3).
    """
    own = -2.0 * _SPLITTING / np.sqrt(np.pi) * charges
    real = _real_sum(charges, positions, cell, periodic=(True, True, True))
    return np.asarray(COULOMB * (real + _reciprocal_sum(charges, positions, cell) + own))


def planar_potential(charges: Array, heights: Array, area: float, at: Array) -> Array:
    """Return the potential of charges averaged over planes, against the vacuum (V), shape (n_at,).

    Parameters
    ----------
    charges, heights
        Charges (e) and their heights along the normal (A), shape (n,); the charges sum to zero.
    area
        Of the lateral cell (A^2).
    at
        Heights of the planes (A), shape (n_at,).
    """
    distances = np.abs(at[:, None] - heights)
    # The mean of the two vacuum levels is zero by symmetry of |z|.
    return -2.0 * np.pi * COULOMB / area * (distances @ charges)


def _real_sum(
    charges: Array,
    positions: Array,
    cell: Array,
    periodic: tuple[bool, bool, bool] = (True, True, False),
) -> Array:
    neighbours = NeighborList(cutoff=_ACCURACY / _SPLITTING, full_list=True, n_threads=1)
    first, second, distances = neighbours.compute(
        points=np.ascontiguousarray(positions, dtype=float),
        box=np.ascontiguousarray(cell, dtype=float),
        periodic=list(periodic),
        quantities="ijd",
    )
    terms = charges[second] * erfc(_SPLITTING * distances) / distances
    return np.asarray(np.bincount(first, terms, len(charges)), dtype=float)


def _reciprocal_sum(charges: Array, positions: Array, cell: Array) -> Array:
    vectors = _reciprocal_vectors(cell)
    squares = (vectors**2).sum(axis=1)
    volume = abs(float(np.linalg.det(cell)))
    # Half of the vectors: those of the other half are their complex conjugates.
    weights = 8.0 * np.pi / volume * np.exp(-squares / (4.0 * _SPLITTING**2)) / squares
    phases = np.exp(1j * positions @ vectors.T)
    structure_factors = charges @ phases
    return np.asarray((phases * (weights * structure_factors.conj())).sum(axis=1).real)


def _reciprocal_vectors(cell: Array) -> Array:
    """Return half of the reciprocal lattice vectors within the cut-off, without zero (1/A)."""
    longest = 2.0 * _SPLITTING * _ACCURACY
    reciprocal = 2.0 * np.pi * np.linalg.inv(cell).T
    # |k . a_i| = 2 pi |n_i| <= |k| |a_i|.
    reach = np.floor(longest * np.linalg.norm(cell, axis=1) / (2.0 * np.pi)).astype(int)
    grids = np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij")
    indices = np.stack([grid.ravel() for grid in grids], axis=1)
    vectors = indices[len(indices) // 2 + 1 :] @ reciprocal
    return np.asarray(vectors[(vectors**2).sum(axis=1) <= longest**2])
