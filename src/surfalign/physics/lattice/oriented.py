"""A crystal seen along a surface normal: in-plane cell, atomic planes, symmetry centres.

Everything that decides about terminations happens on one axis. The operations that keep the plane
family map a height z to s z + tau with s = +1 or -1; together they form the symmetry group of a line:
translations by a period p (the primitive interplanar spacing, or a fraction of it where a screw, a
glide or another isometry repeats the planes sooner) and, for nonpolar orientations, inversions whose
centres lie p/2 apart (Hinuma et al. 2016, doi:10.1016/j.commatsci.2015.11.042).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from surfalign.physics.lattice.orientations import (
    MillerIndex,
    interplanar_spacing,
    primitive_normal,
)
from surfalign.physics.lattice.plane_basis import plane_basis, upright
from surfalign.physics.lattice.symmetry import SymmetricCrystal

#: Atoms whose heights are chained by steps smaller than this form one atomic plane, angstrom.
PLANE_TOLERANCE = 0.1

Operation = tuple[NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class OrientedCrystal:
    """A crystal in a basis of two in-plane vectors and one that rises by one lattice plane.

    Attributes
    ----------
    crystal
        The crystal.
    miller_index
        In the standard conventional cell.
    basis
        Rows a1, a2 (in plane, reduced) and w (one lattice plane up) in the primitive basis; an
        integer matrix of determinant +1 or -1, shape (3, 3).
    lattice
        The same vectors, rotated so that a1 is along x and the normal along z; rows, angstrom.
    spacing
        Height d of w, the interplanar spacing, angstrom.
    coordinates
        Fractional coordinates of the sites in ``basis``, in [0, 1), shape (n_sites, 3); the third
        is the height in units of d.
    period
        Period p of the planes along the normal, angstrom; p = d / ``n_periods``.
    n_periods
        Number of periods in d.
    center
        Height of a symmetry centre in units of d, in [0, 1/2); None where the orientation is polar.
    plane_operations
        Rotations and translations, in ``basis``, of the operations that keep the family of planes;
        shapes (n, 3, 3) and (n, 3).
    """

    crystal: SymmetricCrystal
    miller_index: MillerIndex
    basis: NDArray[np.int64]
    lattice: NDArray[np.float64]
    spacing: float
    coordinates: NDArray[np.float64]
    n_periods: int
    center: float | None
    plane_operations: tuple[NDArray[np.int64], NDArray[np.float64]]

    @property
    def period(self) -> float:
        """Period of the planar average along the normal, angstrom."""
        return self.spacing / self.n_periods

    @property
    def area(self) -> float:
        """Area of the primitive in-plane cell, angstrom^2."""
        return float(self.lattice[0, 0] * self.lattice[1, 1])

    def column(self, low: float, high: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the atoms of one in-plane cell between two heights, in units of d.

        Returns
        -------
        coordinates, sites
            In ``basis``, shape (n, 3), and the index of each atom's site, shape (n,).
        """
        heights = self.coordinates[:, 2]
        first = np.ceil(low - heights - 1e-6).astype(np.int64)
        last = np.floor(high - heights + 1e-6).astype(np.int64)
        numbers = np.maximum(last - first + 1, 0)
        sites = np.repeat(np.arange(len(heights)), numbers)
        atoms = self.coordinates[sites]
        starts = np.repeat(first - np.cumsum(numbers) + numbers, numbers)
        atoms[:, 2] += starts + np.arange(len(sites))
        return atoms, sites

    @cached_property
    def reversing_operations(self) -> list[Operation]:
        """The operations (W, t), in ``basis``, that turn the normal round; the simplest first."""
        found = [(w, t) for w, t in zip(*self.plane_operations, strict=True) if w[2, 2] == -1]
        return sorted(found, key=lambda operation: _complexity(operation[0]))

    def keeping_operations(self) -> list[Operation]:
        """Return the operations (W, t), in ``basis``, that keep every lattice plane in place."""
        return [
            (w, t)
            for w, t in zip(*self.plane_operations, strict=True)
            if w[2, 2] == 1 and abs(t[2] - np.rint(t[2])) < 1e-6
        ]


@dataclass(frozen=True, eq=False)
class AtomicPlane:
    """A set of sites at the same height within the tolerance.

    Attributes
    ----------
    bottom, top, height
        Heights of the lowest and highest atom and their mean, units of d, relative to the centre.
    sites
        Indices of the sites, shape (n,).
    offsets
        Number of whole spacings added to each site's height, shape (n,).
    counts
        Number of atoms of each element of the crystal, shape (n_elements,).
    """

    bottom: float
    top: float
    sites: NDArray[np.int64]
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def height(self) -> float:
        """Middle of the plane in units of d."""
        return 0.5 * (self.bottom + self.top)

    def lowered(self) -> AtomicPlane:
        """Return the same plane one spacing below."""
        return replace(self, bottom=self.bottom - 1, top=self.top - 1, offsets=self.offsets - 1)


def orient(crystal: SymmetricCrystal, miller_index: MillerIndex) -> OrientedCrystal:
    """Express a crystal in a reduced basis of the planes ``miller_index``."""
    normal = primitive_normal(crystal, miller_index)
    basis = plane_basis(normal, crystal.lattice)
    spacing = interplanar_spacing(crystal, normal)
    coordinates = crystal.positions @ np.linalg.inv(basis) % 1.0
    rotations, translations = _operations_in_basis(crystal, basis)
    keeping = (rotations[:, 2, :2] == 0).all(axis=1)
    rotations, translations = rotations[keeping], translations[keeping]
    sign = rotations[:, 2, 2]
    # Multiples of 1/24 are exact; compare them as integers.
    heights = np.rint(translations[:, 2] * 24).astype(int) % 24
    n_periods = len(set(heights[sign == 1].tolist()))
    turning = heights[sign == -1]
    return OrientedCrystal(
        crystal=crystal,
        miller_index=miller_index,
        basis=basis,
        lattice=upright(basis @ crystal.lattice),
        spacing=spacing,
        coordinates=coordinates,
        n_periods=n_periods,
        center=float(turning.min()) / 48 if len(turning) else None,
        plane_operations=(rotations, translations),
    )


def atomic_planes(
    oriented: OrientedCrystal, tolerance: float = PLANE_TOLERANCE
) -> list[AtomicPlane]:
    """Return the atomic planes within one spacing d, upwards from the symmetry centre.

    The first plane is the one at the centre, where there is one; otherwise the next above it. The
    list consists of ``n_periods`` equivalent parts. Where no gap between atoms is as wide as
    ``tolerance`` (angstrom), the tolerance is lowered to half of the widest gap.
    """
    origin = oriented.center or 0.0
    heights = (oriented.coordinates[:, 2] - origin) % 1.0
    order = np.argsort(heights, kind="stable")
    gaps = np.diff(heights[order], append=heights[order[0]] + 1.0)
    threshold = min(tolerance / oriented.spacing, 0.5 * float(gaps.max()))
    # Start behind a gap, so that no plane is torn apart by the periodic boundary.
    start = int(np.flatnonzero(gaps > threshold)[0]) + 1
    order, gaps = np.roll(order, -start), np.roll(gaps, -start)
    pieces = np.split(order, np.flatnonzero(gaps > threshold)[:-1] + 1)
    return sorted((_plane(oriented, piece, heights) for piece in pieces), key=lambda p: p.height)


def _plane(
    oriented: OrientedCrystal, sites: NDArray[np.int64], heights: NDArray[np.float64]
) -> AtomicPlane:
    """Gather one plane; heights relative to the centre, unwrapped across the boundary."""
    unwrapped = heights[sites].copy()
    unwrapped[1:] = unwrapped[0] + np.cumsum(np.diff(unwrapped) % 1.0)
    middle = 0.5 * (unwrapped[0] + unwrapped[-1])
    # Planes at the centre itself start the period, so -0 must not become 1.
    unwrapped -= np.floor(middle + 1e-7)
    origin = oriented.center or 0.0
    offsets = np.rint(unwrapped + origin - oriented.coordinates[sites, 2]).astype(np.int64)
    return AtomicPlane(
        bottom=float(unwrapped[0]),
        top=float(unwrapped[-1]),
        sites=sites,
        offsets=offsets,
        counts=oriented.crystal.species_counts[sites].sum(axis=0),
    )


def _operations_in_basis(
    crystal: SymmetricCrystal, basis: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return rotations (n, 3, 3) and translations (n, 3) in another primitive basis."""
    to_basis = np.linalg.inv(basis.T)
    rotations = np.rint(to_basis @ crystal.rotations @ basis.T).astype(np.int64)
    return rotations, crystal.translations @ to_basis.T


def _complexity(rotation: NDArray[np.int64]) -> int:
    """Order operations by preference: inversion, mirror, twofold axis, rotoinversions."""
    if (rotation == -np.eye(3, dtype=np.int64)).all():
        return 0
    determinant, trace = round(float(np.linalg.det(rotation))), int(np.trace(rotation))
    return {(-1, 1): 1, (1, -1): 2}.get((determinant, trace), 3)
