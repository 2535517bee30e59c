"""Geometry of the faces and of the middle of a slab in intensive numbers.

None of them grows with the lateral cell or with the thickness: they are means over zones of fixed width,
and amounts per area or per volume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure
from vesin import NeighborList

from surfalign.ml.descriptors.element_properties import atomic_radius
from surfalign.ml.descriptors.slab_geometry import slab_geometry, zone_shares

Array = NDArray[np.float64]

SURFACE_ZONE = 4.0
"""Depth of the zone below each face (A), as in the network."""

BULK_ZONE = 5.0
"""Half width of the zone around the middle of the slab (A), as in the network."""

OUTER_ZONE = 2.0
"""Depth of the zone that holds the outermost plane (A)."""

_SMOOTHING = 1.6
"""Standard deviation of the Gaussians that make up the density (A): a bond's length or less."""

_REACH = 6.0
"""No bond is longer (A), and no Gaussian reaches farther."""


@dataclass(frozen=True)
class SurfaceGeometry:
    """A slab with the zones of its atoms and the bonds between them.

    Attributes
    ----------
    positions
        Cartesian positions of the connected slab (A), shape (n_sites, 3).
    lateral
        The lattice vectors along which the slab repeats (A), shape (2, 3).
    heights
        Heights along the normal, zero in the middle of the slab (A), shape (n_sites,).
    area
        Of the lateral cell (A^2).
    depths
        Distances to the nearer face (A), shape (n_sites,).
    surface, bulk, outer
        Shares of the atoms in the zones; each sums to 1, shape (n_sites,).
    surface_density
        Atoms in the zone of one face, weighted by their share in it, for its area (1/A^2).
    bulk_density
        Atoms per volume around the atoms of the middle, smoothed (1/A^3): as what surrounds an atom it does
        not depend on whether the middle falls between planes or on one.
    coordination
        Smooth number of neighbours, shape (n_sites,).
    unlike_coordination
        The same of neighbours of other elements.
    bond_length
        Mean distance to these neighbours over the sum of the atomic radii, shape (n_sites,).
    """

    positions: Array
    lateral: Array
    heights: Array
    area: float
    depths: Array
    surface: Array
    bulk: Array
    outer: Array
    surface_density: float
    bulk_density: float
    coordination: Array
    unlike_coordination: Array
    bond_length: Array


def surface_geometry(structure: Structure) -> SurfaceGeometry:
    """Measure a slab.

    Raises
    ------
    SurfaceError
        If it has no vacuum.
    """
    cell = structure.lattice.matrix
    slab = slab_geometry(structure.frac_coords, cell)
    lateral = np.delete(cell, slab.axis, axis=0)
    normal = np.cross(lateral[0], lateral[1])
    area = float(np.linalg.norm(normal))
    heights = slab.positions @ (normal / area)
    heights = heights - 0.5 * (heights.min() + heights.max())
    surface = zone_shares(slab.depths, SURFACE_ZONE)
    outer = zone_shares(slab.depths, OUTER_ZONE)
    bulk = zone_shares(slab.depths.max() - slab.depths, BULK_ZONE)
    bulk = bulk / bulk.sum()
    coordination, unlike, length, density = bonds(structure, slab.positions, _across(slab.axis))
    return SurfaceGeometry(
        positions=slab.positions,
        lateral=lateral,
        heights=heights,
        area=area,
        depths=slab.depths,
        surface=surface / surface.sum(),
        bulk=bulk,
        outer=outer / outer.sum(),
        surface_density=float(surface.sum()) / (2.0 * area),
        bulk_density=float(bulk @ density),
        coordination=coordination,
        unlike_coordination=unlike,
        bond_length=length,
    )


def _across(axis: int) -> tuple[bool, bool, bool]:
    """Return along which lattice vectors a slab repeats whose vacuum lies along one of them."""
    return axis != 0, axis != 1, axis != 2


@dataclass(frozen=True)
class BondedPairs:
    """Atoms and their neighbours; each pair stands twice, once from either side.

    Attributes
    ----------
    first, second
        Indices of an atom and of its neighbour, shape (n_pairs,).
    vectors, distances
        From the one to the other (A), shape (n_pairs, 3) and (n_pairs,).
    reduced
        Distances over the sums of the atomic radii, shape (n_pairs,).
    weights
        How much of a bond a pair is, 0 to 1, shape (n_pairs,).
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    vectors: Array
    distances: Array
    reduced: Array
    weights: Array


def bonded_pairs(
    structure: Structure, positions: Array, periodic: tuple[bool, bool, bool]
) -> BondedPairs:
    """Return the pairs of atoms that may be bonded; parameters as for :func:`bonds`."""
    neighbours = NeighborList(cutoff=_REACH, full_list=True, n_threads=1)
    first, second, vectors, distances = neighbours.compute(
        points=np.ascontiguousarray(positions, dtype=float),
        box=np.ascontiguousarray(structure.lattice.matrix, dtype=float),
        periodic=list(periodic),
        quantities="ijDd",
    )
    radii = np.array([atomic_radius(site.specie.symbol) for site in structure])
    reduced = distances / (radii[first] + radii[second])
    # One at a bond's length, a half at 1.35 of it, and nothing at the next shell (1.6 to 1.7).
    weights = np.exp(-np.log(2.0) * (reduced / 1.35) ** 12) * zone_shares(distances, _REACH)
    return BondedPairs(
        first.astype(np.int64), second.astype(np.int64), vectors, distances, reduced, weights
    )


def bonds(
    structure: Structure, positions: Array, periodic: tuple[bool, bool, bool]
) -> tuple[Array, Array, Array, Array]:
    """Return coordination, that by other elements, mean reduced bond length, and density (1/A^3).

    Parameters
    ----------
    structure
        Elements and cell.
    positions
        Cartesian positions of its atoms (A), shape (n_sites, 3).
    periodic
        Along which lattice vectors it repeats.

    Returns
    -------
    tuple of arrays
        Shape (n_sites,) each.
    """
    numbers = np.array(structure.atomic_numbers, dtype=np.int64)
    pairs = bonded_pairs(structure, positions, periodic)
    first, second, weights = pairs.first, pairs.second, pairs.weights
    n = len(numbers)
    unlike_weights = weights * (numbers[first] != numbers[second])
    total = np.asarray(np.bincount(first, weights, n), dtype=float)
    unlike = np.asarray(np.bincount(first, unlike_weights, n), dtype=float)
    mean = np.bincount(first, weights * pairs.reduced, n) / np.maximum(total, 1e-9)
    # The atom itself is part of the density around it.
    gaussians = np.exp(-0.5 * (pairs.distances / _SMOOTHING) ** 2)
    density = (1.0 + np.bincount(first, gaussians, n)) / (2.0 * np.pi * _SMOOTHING**2) ** 1.5
    return total, unlike, mean, density
