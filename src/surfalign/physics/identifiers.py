"""Stable identifiers: equal surfaces get equal identifiers, whatever cell the user gave.

The identifier hashes numbers that no choice of cell, origin, rotation or order of atoms can change:
composition, space group, number of atoms, area, thickness, and sums over the atoms of how much of its
bulk surroundings each has lost. The sums are smooth functions of the geometry, so numerical noise
shifts them by its own size only.
"""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree  # type: ignore[import-untyped]  # scipy ships no type hints

from surfalign.physics.symmetry import SymmetricCrystal

#: Reach of the pair sums, angstrom.
CUTOFF = 4.5
#: Reach of the sums over removed atoms, angstrom.
STRIPE_CUTOFF = 12.0
#: Relative resolution of each number of a fingerprint in the identifier. Coarse, because noise in the
#: input (files with few digits) must not change identifiers; surfaces of one orientation that agree
#: this closely are numbered. Odd numbers, because lattice parameters are often round ones.
RESOLUTION = np.array([0.00207, 0.00507, *[0.0207] * 8])


def surface_fingerprint(
    crystal: SymmetricCrystal,
    in_plane: NDArray[np.float64],
    positions: NDArray[np.float64],
    sites: NDArray[np.int64],
    removed: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return invariants of a slab.

    Parameters
    ----------
    crystal
        The bulk crystal.
    in_plane
        In-plane vectors, rows, angstrom, shape (2, 2).
    positions
        Cartesian positions, angstrom, shape (n_atoms, 3).
    sites
        Index of each atom's site in the crystal, shape (n_atoms,).
    removed
        Positions of the atoms that striped faces lack, in the same frame, angstrom, shape (n, 3).

    Returns
    -------
    numpy.ndarray
        Volume per atom (angstrom^3), mean neighbour density of the bulk, lengths of the reduced
        in-plane vectors and thickness (angstrom), three sums over the missing parts of the neighbour
        densities, and two sums over the removed atoms that others see (dimensionless), shape (10,).
    """
    numbers = crystal.numbers[sites]
    vectors = np.zeros((2, 3))
    vectors[:, :2] = in_plane
    bulk = bulk_density(crystal)
    # The upper face alone: both faces are equal, and how they are in step in a thin slab says
    # nothing of the surface. Deeper atoms have lost nothing within the cutoff.
    gone = np.zeros((0, 3)) if removed is None else removed[removed[:, 2] > 0]
    top = float(positions[:, 2].max())
    depth = min(top, float(gone[:, 2].min())) if len(gone) else top
    face = positions[:, 2] > max(depth - CUTOFF, 0.0)
    density = neighbour_density(vectors, positions[face], numbers, positions)
    missing = 1.0 - density / bulk[sites[face]]
    weights = np.sqrt(numbers[face]) * np.clip(positions[face, 2], 0.0, 1.0)
    return np.array(
        [
            crystal.volume / len(crystal.numbers),
            bulk.mean(),
            *np.linalg.norm(in_plane, axis=1),
            np.ptp(positions[:, 2]),
            weights @ missing,
            weights @ missing**2,
            weights @ missing**3,
            *_stripe_sums(vectors, positions, numbers, gone),
        ]
    )


def _stripe_sums(
    lattice: NDArray[np.float64],
    positions: NDArray[np.float64],
    numbers: NDArray[np.int64],
    removed: NDArray[np.float64],
) -> tuple[float, float]:
    """Tell stripe patterns apart by how many removed atoms each atom sees, near and far.

    Squares and cubes make these sums sensitive to how the stripes run over what lies below.
    """
    if not len(removed):
        return 0.0, 0.0
    upper = positions[:, 2] > 0
    positions, numbers = positions[upper], numbers[upper]
    _, origins, distances, _ = neighbour_pairs(lattice, positions, STRIPE_CUTOFF, removed)
    weights = (1.0 - distances**2 / STRIPE_CUTOFF**2) ** 3
    seen = np.bincount(origins, weights, len(positions))
    charges = np.sqrt(numbers) * np.minimum(positions[:, 2], 1.0)
    return float(charges @ seen**2), float(charges @ seen**3)


def surface_identifier(
    formula: str,
    space_group_number: int,
    discrete: tuple[object, ...],
    fingerprint: NDArray[np.float64],
    twin: int = 0,
) -> str:
    """Hash a fingerprint with the discrete facts about the surface; 16 hexadecimal digits.

    ``discrete`` holds whatever else is exact: class, number of atoms, symmetry of the orientation.
    ``twin`` numbers surfaces whose fingerprints agree to the grid although they are not equivalent
    (stripes on a nearly symmetric crystal), in the order of their exact fingerprints.
    """
    steps = np.floor(np.log1p(fingerprint) / RESOLUTION).astype(np.int64).tolist()
    text = f"{formula} {space_group_number} {discrete} {steps}"
    text += f" {twin}" if twin else ""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def bulk_density(crystal: SymmetricCrystal) -> NDArray[np.float64]:
    """Return the neighbour density at each site of the bulk, shape (n_sites,)."""
    if "bulk_density" not in crystal.cache:
        positions = crystal.positions @ crystal.lattice
        crystal.cache["bulk_density"] = neighbour_density(
            crystal.lattice, positions, crystal.numbers
        )
    return crystal.cache["bulk_density"]


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
    # (1 - r^2/R^2)^3 and its first two derivatives vanish at the cutoff R.
    weights = (1.0 - distances**2 / CUTOFF**2) ** 3 * np.sqrt(numbers[target])
    return np.bincount(origin, weights, len(positions)).astype(np.float64)


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
