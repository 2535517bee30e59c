"""Deterministic k-point meshes: from the lattice and a spacing alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from surfalign.units import BOHR, HARTREE

Kind = Literal["bulk", "slab", "oriented_bulk"]

#: Grids are a little finer than they must be: the edge counts as inside by rounding alone.
_GRID_MARGIN = 0.999
#: Cells that differ by rounding errors must get the same mesh (points).
_TOLERANCE = 1e-3
#: Largest deviation of an in-plane angle from 90 degrees that still counts as rectangular.
_ANGLE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Mesh:
    """A regular mesh of k-points.

    Parameters
    ----------
    size
        Points along each reciprocal vector.
    gamma
        Whether it is centred at Gamma; else the original Monkhorst-Pack mesh, which avoids Gamma
        along axes with an even number of points and halves the irreducible points there.
    """

    size: tuple[int, int, int]
    gamma: bool = True

    def gpaw(self) -> dict[str, Any]:
        """Return GPAW's ``kpts``."""
        return {"size": list(self.size), "gamma": True} if self.gamma else {"size": list(self.size)}

    @property
    def n_points(self) -> int:
        """Number of points in the whole zone."""
        return math.prod(self.size)


def grid_spacing(cutoff: float, largest: float) -> float:
    """Return the spacing of the real-space grid, angstrom: ``largest``, or finer where the cut-off needs it.

    GPAW keeps waves of the density up to twice the cut-off. On a grid that cannot hold these it cuts them
    off in some cells, and refuses others.

    Parameters
    ----------
    cutoff
        Plane-wave cut-off of the wave functions, eV.
    largest
        Wanted spacing, angstrom.
    """
    wave_number = math.sqrt(2 * cutoff / HARTREE) / BOHR  # 1/angstrom
    return min(largest, math.pi / (math.sqrt(2) * wave_number) * _GRID_MARGIN)


def bulk_mesh(cell: ArrayLike, spacing: float) -> Mesh:
    """Return the Gamma-centred mesh of a bulk cell.

    Parameters
    ----------
    cell
        Lattice vectors as rows, angstrom, shape (3, 3).
    spacing
        Largest distance of neighbouring points, 1/angstrom (2 pi included).
    """
    reciprocal = 2 * np.pi * np.linalg.inv(np.asarray(cell, dtype=float)).T
    n_a, n_b, n_c = (_points(np.linalg.norm(vector), spacing) for vector in reciprocal)
    return Mesh((n_a, n_b, n_c))


def slab_mesh(cell: ArrayLike, spacing: float, *, periodic_normal: bool = False) -> Mesh:
    """Return the mesh of a slab, or of the bulk cell oriented like it.

    In-plane points depend on the in-plane vectors only, so that slab and oriented bulk share them
    and the errors of the sampling cancel in a surface energy. Rectangular faces take the original
    Monkhorst-Pack mesh with an even number of points, all others one centred at Gamma.

    Parameters
    ----------
    cell
        Lattice vectors as rows, angstrom; the first two lie in the plane.
    spacing
        Largest distance of neighbouring points, 1/angstrom (2 pi included).
    periodic_normal
        Whether the third direction is sampled too (oriented bulk).
    """
    a, b, c = np.asarray(cell, dtype=float)
    area = float(np.linalg.norm(np.cross(a, b)))
    height = abs(float(np.dot(np.cross(a, b), c))) / area
    sides = [_points(2 * np.pi * np.linalg.norm(other) / area, spacing) for other in (b, a)]
    cosine = abs(float(np.dot(a, b))) / float(np.linalg.norm(a) * np.linalg.norm(b))
    rectangular = cosine < math.radians(_ANGLE_TOLERANCE)
    if rectangular:
        sides = [n + n % 2 if n > 1 else n for n in sides]
    normal = _points(2 * np.pi / height, spacing) if periodic_normal else 1
    return Mesh((sides[0], sides[1], normal), gamma=not rectangular)


def mesh(cell: ArrayLike, spacing: float, kind: Kind) -> Mesh:
    """Return the mesh of a cell of this kind."""
    if kind == "bulk":
        return bulk_mesh(cell, spacing)
    return slab_mesh(cell, spacing, periodic_normal=kind == "oriented_bulk")


def _points(length: float | np.floating[Any], spacing: float) -> int:
    return max(1, math.ceil(float(length) / spacing - _TOLERANCE))
