"""Pairs of atoms within a reach, and smooth densities of neighbours made of them."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from surfalign.physics.lattice.symmetry import SymmetricCrystal

#: Reach of the neighbour densities, angstrom.
CUTOFF = 4.5


def bulk_density(crystal: SymmetricCrystal) -> NDArray[np.float64]:
    """Return the neighbour density at each site of the bulk, shape (n_sites,)."""
    if "bulk_density" not in crystal.cache:
        positions = crystal.positions @ crystal.lattice
        crystal.cache["bulk_density"] = neighbour_density(
            crystal.lattice, positions, crystal.numbers
        )
    density: NDArray[np.float64] = crystal.cache["bulk_density"]
    return density


def neighbour_density(
    lattice: NDArray[np.float64],
    positions: NDArray[np.float64],
    numbers: NDArray[np.int64],
    others: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return a smooth, species-weighted density of neighbours at each position.

    Parameters
    ----------
    lattice
        Periodic vectors, rows, angstrom, shape (2, 3) or (3, 3).
    positions
        Where the density is wanted, cartesian, angstrom, shape (n, 3).
    numbers
        Atomic numbers of the neighbours, shape (n_others,).
    others
        Positions of the neighbours, shape (n_others, 3); by default ``positions``.
    """
    _, origin, distances, target = neighbour_pairs(lattice, positions, CUTOFF, others)
    weights = smooth_weight(distances, CUTOFF) * np.sqrt(numbers[target])
    return np.bincount(origin, weights, len(positions)).astype(np.float64)


def smooth_weight(distances: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Return (1 - r^2/R^2)^3, which vanishes at the reach R with its first two derivatives."""
    return np.asarray(np.maximum(1.0 - distances**2 / reach**2, 0.0) ** 3)


def neighbour_pairs(
    lattice: NDArray[np.float64],
    positions: NDArray[np.float64],
    cutoff: float,
    others: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Find all pairs of atoms within a cutoff under periodicity along the given vectors.

    Parameters
    ----------
    lattice
        Periodic vectors, rows, angstrom, shape (n_periodic, 3).
    positions
        Cartesian positions, angstrom, shape (n_atoms, 3).
    cutoff
        Largest distance, angstrom.
    others
        Positions of the partners, shape (n_others, 3); by default the atoms themselves.

    Returns
    -------
    displacements, origins, distances, targets
        Vectors from origin to target, angstrom, shape (n_pairs, 3); the other three (n_pairs,).
    """
    others = positions if others is None else others
    inverse = np.linalg.pinv(lattice)
    positions = positions - np.floor(positions @ inverse + 1e-9) @ lattice
    others = others - np.floor(others @ inverse + 1e-9) @ lattice
    reach = np.ceil(cutoff * np.linalg.norm(inverse, axis=0)).astype(int)
    steps = np.array(list(itertools.product(*[range(-n, n + 1) for n in reach])))
    images = (others[None, :, :] + (steps @ lattice)[:, None, :]).reshape(-1, 3)
    low, high = positions.min(axis=0) - cutoff, positions.max(axis=0) + cutoff
    near = np.flatnonzero(((images >= low) & (images <= high)).all(axis=1))
    pairs = KDTree(positions).sparse_distance_matrix(
        KDTree(images[near]), cutoff, output_type="ndarray"
    )
    pairs = pairs[pairs["v"] > 1e-3]
    origins = pairs["i"].astype(np.int64)
    chosen = near[pairs["j"]]
    return images[chosen] - positions[origins], origins, pairs["v"], chosen % len(others)
