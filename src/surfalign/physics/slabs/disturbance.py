"""How much a cut, and the removal of stripes, disturbs the atoms that stay: what orders surfaces.

Each atom of the half-crystal sees a smooth, species-weighted sum over the atoms that are missing. The
sums over all atoms of its first, second and third power are invariants of the surface: no choice of
cell, origin or order of atoms changes them, and they tell inequivalent surfaces apart. The first power
counts the bonds that are broken, so the least disturbed surface comes first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surfalign.physics.lattice.neighbours import CUTOFF, neighbour_pairs, smooth_weight
from surfalign.physics.lattice.oriented import OrientedCrystal
from surfalign.physics.slabs.stripes import CELLS, BoundaryLayer
from surfalign.physics.slabs.terminations import Termination

#: Reach of the finer sums, which tell how stripes run over what lies far below, angstrom.
FAR = 10.0
#: Relative difference of two sums that counts.
SAME_SUM = 1e-4

#: The four cells, with a height of zero, shape (4, 3).
_CELLS = np.pad(CELLS, ((0, 0), (0, 1)))


def cut_sums(termination: Termination) -> NDArray[np.float64]:
    """Return the sums of a planar cut, shape (3,)."""
    oriented = termination.oriented
    reach = CUTOFF / oriented.spacing
    top, above = termination.plane.top, termination.cut_height / oriented.spacing
    origin = oriented.center or 0.0
    kept, kept_sites = oriented.column(origin + top - reach, origin + top)
    gone, gone_sites = oriented.column(origin + above, origin + above + reach)
    if not len(gone):
        return np.zeros(3)
    numbers = oriented.crystal.numbers
    _, origins, distances, targets = neighbour_pairs(
        oriented.lattice[:2], kept @ oriented.lattice, CUTOFF, gone @ oriented.lattice
    )
    weights = smooth_weight(distances, CUTOFF) * np.sqrt(numbers[gone_sites[targets]])
    seen = np.bincount(origins, weights, len(kept))
    return np.array([np.sqrt(numbers[kept_sites]) @ seen**power for power in (1, 2, 3)])


def removal_sums(
    termination: Termination, layer: BoundaryLayer, removed: NDArray[np.bool_], reach: float
) -> NDArray[np.float64]:
    """Return the sums of stripe patterns.

    Parameters
    ----------
    termination
        The planar cut.
    layer
        The atoms that may go.
    removed
        Which of them do, by their cell modulo 2, shape (n_patterns, n, 2, 2).
    reach
        How far an atom sees, angstrom.

    Returns
    -------
    numpy.ndarray
        Logarithms of the three sums, per primitive in-plane cell, shape (n_patterns, 3).
    """
    oriented = termination.oriented
    numbers = oriented.crystal.numbers
    lowest = float(layer.positions[:, 2].min())
    below, sites = oriented.column(lowest - reach / oriented.spacing, lowest - 1e-5)
    observers = np.concatenate([layer.positions, below])
    charges = np.sqrt(numbers[np.concatenate([layer.sites, sites])])
    seen_from = _kernel(oriented, observers, layer, reach)
    n_patterns, n_layer = removed.shape[:2]
    gone = removed.reshape(n_patterns, n_layer, 4).astype(np.float64)
    totals = np.zeros((n_patterns, 3))
    for number in range(len(CELLS)):
        # Seen from cell c, an atom of cell c' stands in cell c' - c; modulo 2 that is an exclusive or.
        turned = gone[:, :, np.arange(4) ^ number].reshape(n_patterns, -1)
        seen = turned @ seen_from.T
        # Atoms of the layer look out only where they stay.
        seen[:, :n_layer] *= 1.0 - gone[:, :, number]
        totals += np.stack([seen**power @ charges for power in (1, 2, 3)], axis=1)
    return np.log1p(totals / len(CELLS))


def _kernel(
    oriented: OrientedCrystal,
    observers: NDArray[np.float64],
    layer: BoundaryLayer,
    reach: float,
) -> NDArray[np.float64]:
    """Return how an observer in cell 0 sees each atom of the 2 x 2 cell, (n_observers, 4 n_layer)."""
    doubled = oriented.lattice.copy()
    doubled[:2] *= 2
    atoms = (layer.positions[:, None, :] + _CELLS).reshape(-1, 3)
    _, origins, distances, targets = neighbour_pairs(
        doubled[:2], observers @ oriented.lattice, reach, atoms @ oriented.lattice
    )
    charges = np.sqrt(np.repeat(oriented.crystal.numbers[layer.sites], 4))
    kernel = np.zeros((len(observers), len(atoms)))
    np.add.at(kernel, (origins, targets), smooth_weight(distances, reach) * charges[targets])
    return kernel
