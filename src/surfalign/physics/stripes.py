"""Stripes: the ways to remove half of a boundary layer along short lattice vectors."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surfalign.physics.oriented import OrientedCrystal
from surfalign.physics.terminations import Termination

#: The four cells of the (2 x 2) supercell, shape (4, 2); entry (a, b) is number 2a + b.
CELLS = np.array(list(itertools.product((0, 1), repeat=2)))

#: Rows of atoms, and widths of gaps, are told apart by this much (phase; angstrom).
_SAME_PHASE, SAME_WIDTH = 1e-4, 1e-3

Wavevector = tuple[float, float]


@dataclass(frozen=True, eq=False)
class BoundaryLayer:
    """The atoms of the outermost planes that are halved.

    Attributes
    ----------
    sites
        Indices of the sites, shape (n,).
    positions
        Coordinates in the oriented basis, at their true heights, shape (n, 3).
    counts
        Number of atoms of each element, shape (n_elements,).
    planes
        Number of each atom's plane, the outermost is 0, shape (n,).
    """

    sites: NDArray[np.int64]
    positions: NDArray[np.float64]
    counts: NDArray[np.int64]
    planes: NDArray[np.int64]


def boundary_layer(termination: Termination) -> BoundaryLayer:
    """Collect the atoms that a repair may remove."""
    planes = termination.boundary_planes
    sites = np.concatenate([plane.sites for plane in planes])
    offsets = np.concatenate([plane.offsets for plane in planes])
    positions = termination.oriented.coordinates[sites].copy()
    positions[:, 2] += offsets
    counts = np.sum([plane.counts for plane in planes], axis=0)
    numbers = np.repeat(np.arange(len(planes)), [len(plane.sites) for plane in planes])
    return BoundaryLayer(sites, positions, np.asarray(counts), numbers)


def doubling_wavevectors(oriented: OrientedCrystal) -> list[Wavevector]:
    """Return half reciprocal vectors: the shortest of each of the three classes, ties included."""
    inverse = np.linalg.inv(oriented.lattice[:2, :2]).T
    found = []
    for parity in ((1, 0), (0, 1), (1, 1)):
        options = [
            (m, n)
            for m in range(-3, 4)
            for n in range(0, 4)
            if (m % 2, n % 2) == parity and (n > 0 or m > 0)
        ]
        lengths = np.linalg.norm(np.array(options) @ inverse, axis=1)
        shortest = lengths.min() * (1 + 1e-4)
        found += [
            (m / 2, n / 2) for (m, n), q in zip(options, lengths, strict=True) if q <= shortest
        ]
    return found


def stripes(
    oriented: OrientedCrystal, layer: BoundaryLayer, wavevector: Wavevector
) -> list[tuple[float, NDArray[np.bool_]]]:
    """Return the removals of one wavevector: neighbours in phase that hold half of the layer.

    Each as an array of shape (n, 2, 2), whether an atom goes by its cell modulo 2, with the width
    (angstrom) of the two gaps between rows in which the stripe ends; the widest first.
    """
    in_plane = oriented.lattice[:2, :2]
    lean = oriented.lattice[2, :2] @ np.linalg.inv(in_plane)
    lateral = layer.positions[:, :2] + layer.positions[:, 2:] * lean
    phases = (lateral[:, None, :] + CELLS[None, :, :]) @ np.array(wavevector) % 1.0
    flat = phases.ravel()
    order = np.argsort(flat, kind="stable")
    gaps = np.diff(flat[order], append=flat[order[0]] + 1.0)
    # Atoms in phase belong to the same row: never split them.
    rows = np.split(order, np.flatnonzero(gaps[:-1] > _SAME_PHASE) + 1)
    if len(rows) > 1 and gaps[-1] <= _SAME_PHASE:
        rows[0] = np.concatenate([rows[0], rows.pop()])
    one_hot = oriented.crystal.species_counts[layer.sites]
    counts = np.array([one_hot[row // 4].sum(axis=0) for row in rows])
    # Sums over consecutive rows as differences; twice round, because stripes cross the boundary.
    sums = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum([*counts, *counts], axis=0)])
    half = 2 * layer.counts  # of the four cells
    first = flat[[row[0] for row in rows]]
    borders = (first - np.roll(first, 1)) % 1.0
    borders /= np.linalg.norm(np.linalg.inv(in_plane) @ np.array(wavevector))
    starts = np.arange(len(rows))
    ends = np.searchsorted(sums.sum(axis=1), sums[starts].sum(axis=1) + half.sum())
    halved = (sums[np.minimum(ends, len(sums) - 1)] - sums[starts] == half).all(axis=1)
    found = []
    for start, end in zip(starts[halved], ends[halved], strict=True):
        removed = np.zeros(flat.shape, dtype=bool)
        for row in range(start, end):
            removed[rows[row % len(rows)]] = True
        width = borders[start] + borders[end % len(rows)]
        found.append((float(width), removed.reshape(-1, 2, 2)))
    return sorted(found, key=lambda pair: -pair[0])


def supercell_of(wavevector: Wavevector) -> NDArray[np.int64]:
    """Return the lattice of translations with integer phase: the stripes' in-plane cell."""
    parity = (round(2 * wavevector[0]) % 2, round(2 * wavevector[1]) % 2)
    return {
        (0, 0): np.array([[1, 0], [0, 1]]),
        (1, 0): np.array([[2, 0], [0, 1]]),
        (0, 1): np.array([[1, 0], [0, 2]]),
        (1, 1): np.array([[1, 1], [-1, 1]]),
    }[parity]
