"""Where the vacuum of a slab lies and how deep each atom sits below the nearest surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import SurfaceError

MINIMUM_VACUUM = 3.0
"""The widest gap between atomic planes in an oxide crystal is narrower than this (A)."""

WIDEST_GAP_OF_A_CRYSTAL = 9.0
"""No crystal has a wider gap between its atoms (A); layered and molecular crystals have up to 7."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SlabGeometry:
    """A slab cut open at its vacuum.

    Attributes
    ----------
    axis
        Lattice vector that crosses the vacuum.
    positions
        Cartesian positions of the connected slab (A), shape (n_sites, 3).
    depths
        Distance of each atom to the nearest of the two outermost atoms, along the normal (A),
        shape (n_sites,).
    vacuum
        Width of the vacuum along the normal (A).
    thickness
        Distance between the outermost atoms along the normal (A).
    """

    axis: int
    positions: Array
    depths: Array
    vacuum: float
    thickness: float


def slab_geometry(fractional: Array, cell: Array) -> SlabGeometry:
    """Find the vacuum of a slab, join the slab where the cell cuts it, and measure depths.

    Parameters
    ----------
    fractional
        Fractional coordinates, shape (n_sites, 3).
    cell
        Lattice vectors as rows (A), shape (3, 3).

    Raises
    ------
    SurfaceError
        If no lattice vector crosses a vacuum, as in a bulk crystal.
    """
    volume = abs(float(np.linalg.det(cell)))
    heights = np.array(
        [volume / np.linalg.norm(np.cross(cell[k - 2], cell[k - 1])) for k in range(3)]
    )
    wrapped = fractional % 1.0
    gaps, ends = [], []
    for axis in range(3):
        levels = np.sort(wrapped[:, axis])
        steps = np.diff(np.append(levels, levels[0] + 1.0))
        gaps.append(steps.max() * heights[axis])
        ends.append(levels[steps.argmax()])
    axis = int(np.argmax(gaps))
    if gaps[axis] < MINIMUM_VACUUM:
        raise SurfaceError(
            f"the structure has no vacuum: its widest gap between atoms is {gaps[axis]:.2f} A",
            f"a slab with more than {MINIMUM_VACUUM:g} A of vacuum along one lattice vector",
            "build a slab first, or give a bulk crystal with --hkl",
        )
    # The tolerance keeps atoms of the topmost plane together.
    opened = wrapped.copy()
    opened[:, axis] -= np.ceil(wrapped[:, axis] - ends[axis] - 1e-6)
    levels = opened[:, axis] * heights[axis]
    depths = np.minimum(levels - levels.min(), levels.max() - levels)
    return SlabGeometry(axis, opened @ cell, depths, float(gaps[axis]), float(np.ptp(levels)))


def vacuum(fractional: Array, cell: Array) -> float:
    """Return the width of the vacuum (A), zero where there is none; parameters as for :func:`slab_geometry`."""
    try:
        return slab_geometry(fractional, cell).vacuum
    except SurfaceError:
        return 0.0


def zone_shares(distances: Array, width: float) -> Array:
    """Return how much atoms belong to a zone: 1 at its plane, falling smoothly to 0 at its width.

    Parameters
    ----------
    distances
        Distances to the plane that the zone starts from (A), not negative.
    width
        Where the zone ends (A).
    """
    return np.asarray(0.5 * (1.0 + np.cos(np.pi * np.minimum(distances / width, 1.0))))
