"""Atoms and their periodic images, sorted by species and place, so that what an atom may reach lies together.

Bins are as wide as the reach along each lattice vector: the neighbours of an atom are in its own bin and in those
next to it, and three bins in a row are one stretch of the sorted images.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

ROUNDING = 1e-9
"""Share of a bin by which the outermost ones begin earlier, so that the last digit puts no atom beyond them."""


class NeighbourBins(NamedTuple):
    """Images of the atoms of a structure in bins.

    Attributes
    ----------
    centers
        Positions of the atoms, in the first cell along periodic lattice vectors (A), shape (n_atoms, 3).
    bins
        Bin of each atom along each lattice vector; none is an outermost one, shape (n_atoms, 3).
    images
        Positions of all atoms and images that any atom may reach (A), by species and bin, shape (3, n_images).
    starts
        Where each bin of each species starts in ``images``, and where the last ends, shape (n_species * n_bins + 1,).
    shape
        Number of bins along each lattice vector, shape (3,).
    """

    centers: Array
    bins: Integers
    images: Array
    starts: Integers
    shape: Integers


@numba.njit(cache=True, nogil=True)
def neighbour_bins(
    positions: Array, slots: Integers, cell: Array, repeats: NDArray[np.bool_], reach: float
) -> NeighbourBins:
    """Sort the atoms of a structure, and their images, into bins.

    Parameters
    ----------
    positions
        Cartesian positions (A), shape (n_atoms, 3).
    slots
        Species of each atom, counted from 0, shape (n_atoms,).
    cell
        Lattice vectors as rows (A), shape (3, 3).
    repeats
        Along which lattice vectors the structure repeats, shape (3,).
    reach
        Largest distance between neighbours (A).
    """
    inverse = np.linalg.inv(cell)
    places = positions @ inverse
    shape = np.empty(3, dtype=np.int64)
    low, width = np.empty(3), np.empty(3)
    # First and last cell that has an image of each atom within reach of any atom.
    first, last = np.zeros((2, len(places), 3), dtype=np.int64)
    for axis in range(3):
        # Planes of equal fractional coordinate are 1 / |column of the inverse| apart.
        width[axis] = reach * np.sqrt((inverse[:, axis] ** 2).sum())
        if repeats[axis]:
            places[:, axis] -= np.floor(places[:, axis])
        margin = (1.0 + ROUNDING) * width[axis]
        low[axis], high = places[:, axis].min() - margin, places[:, axis].max() + margin
        shape[axis] = int((high - low[axis]) / width[axis]) + 1
        if repeats[axis]:
            for i in range(len(places)):
                first[i, axis] = int(np.ceil(low[axis] - places[i, axis]))
                last[i, axis] = int(np.floor(high - places[i, axis]))
    bins = ((places - low) / width).astype(np.int64)
    starts = np.zeros((slots.max() + 1) * shape.prod() + 1, dtype=np.int64)
    images = np.empty((3, 0))
    # Count first, then place from the last to the first of each bin.
    for placing in range(2):
        if placing:
            starts = starts.cumsum()
            images = np.empty((3, starts[-1]))
        for i in range(len(places)):
            for u in range(first[i, 0], last[i, 0] + 1):
                for v in range(first[i, 1], last[i, 1] + 1):
                    for w in range(first[i, 2], last[i, 2] + 1):
                        x, y, z = places[i, 0] + u, places[i, 1] + v, places[i, 2] + w
                        key = slots[i] * shape[0] + int((x - low[0]) / width[0])
                        key = key * shape[1] + int((y - low[1]) / width[1])
                        key = key * shape[2] + int((z - low[2]) / width[2])
                        if placing:
                            starts[key] -= 1
                            for axis in range(3):
                                images[axis, starts[key]] = (
                                    x * cell[0, axis] + y * cell[1, axis] + z * cell[2, axis]
                                )
                        else:
                            starts[key] += 1
    return NeighbourBins(places @ cell, bins, images, starts, shape)
