"""Stripes: the ways to remove half of a boundary layer along short lattice vectors."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surfalign.physics.lattice.oriented import OrientedCrystal
from surfalign.physics.slabs.terminations import Termination

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


@dataclass(frozen=True, eq=False)
class Stripes:
    """The removals of one wavevector: neighbouring rows of atoms that hold half of the layer.

    Attributes
    ----------
    widths
        Width of the two gaps between rows in which each stripe ends, the widest first, angstrom,
        shape (n_stripes,).
    starts, lengths
        First row of each stripe, and its number of rows, shape (n_stripes,).
    rows
        Number of the row that each boundary atom is in, by its cell modulo 2, shape (n, 2, 2).
    n_rows
        Number of rows in one period.
    """

    widths: NDArray[np.float64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    rows: NDArray[np.int64]
    n_rows: int

    def removed(self, chosen: slice) -> NDArray[np.bool_]:
        """Return whether each atom goes, for some of the stripes, shape (n_chosen, n, 2, 2)."""
        starts, lengths = (x[chosen, None, None, None] for x in (self.starts, self.lengths))
        return np.asarray((self.rows - starts) % self.n_rows < lengths)


def stripes(oriented: OrientedCrystal, layer: BoundaryLayer, wavevector: Wavevector) -> Stripes:
    """Return the removals of one wavevector: neighbours in phase that hold half of the layer."""
    in_plane = oriented.lattice[:2, :2]
    inverse = np.linalg.inv(in_plane)
    lean = oriented.lattice[2, :2] @ inverse
    lateral = layer.positions[:, :2] + layer.positions[:, 2:] * lean
    phases = (lateral[:, None, :] + CELLS[None, :, :]) @ np.array(wavevector) % 1.0
    flat = phases.ravel()
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    # Atoms in phase belong to the same row: never split them.
    begins = np.concatenate([[0], np.flatnonzero(np.diff(ordered) > _SAME_PHASE) + 1])
    rows = np.zeros(len(order), dtype=np.int64)
    rows[begins[1:]] = 1
    rows = np.cumsum(rows)
    if len(begins) > 1 and ordered[0] + 1.0 - ordered[-1] <= _SAME_PHASE:
        begins = begins[:-1]
        rows %= len(begins)
    n_rows = len(begins)
    row_of = np.empty_like(rows)
    row_of[order] = rows
    one_hot = oriented.crystal.species_counts[layer.sites]
    kind = np.repeat(one_hot.argmax(axis=1), len(CELLS))
    n_kinds = one_hot.shape[1]
    counts = np.bincount(row_of * n_kinds + kind, minlength=n_rows * n_kinds).reshape(n_rows, -1)
    # Sums over consecutive rows as differences; twice round, because stripes cross the boundary.
    sums = np.zeros((2 * n_rows + 1, n_kinds), dtype=np.int64)
    np.cumsum(np.concatenate([counts, counts]), axis=0, out=sums[1:])
    half = 2 * layer.counts  # of the four cells
    first = ordered[begins]
    borders = (first - np.roll(first, 1)) % 1.0
    borders /= np.linalg.norm(inverse @ np.array(wavevector))
    totals = sums.sum(axis=1)
    ends = np.searchsorted(totals, totals[:n_rows] + half.sum())
    halved = (sums[np.minimum(ends, 2 * n_rows)] - sums[:n_rows] == half).all(axis=1)
    starts, ends = np.flatnonzero(halved), ends[halved]
    widths = borders[starts] + borders[ends % n_rows]
    widest = np.argsort(-widths, kind="stable")
    return Stripes(
        widths=widths[widest],
        starts=starts[widest],
        lengths=(ends - starts)[widest],
        rows=row_of.reshape(-1, 2, 2),
        n_rows=n_rows,
    )


def supercell_of(wavevector: Wavevector) -> NDArray[np.int64]:
    """Return the lattice of translations with integer phase: the stripes' in-plane cell."""
    parity = (round(2 * wavevector[0]) % 2, round(2 * wavevector[1]) % 2)
    return {
        (0, 0): np.array([[1, 0], [0, 1]]),
        (1, 0): np.array([[2, 0], [0, 1]]),
        (0, 1): np.array([[1, 0], [0, 2]]),
        (1, 1): np.array([[1, 1], [-1, 1]]),
    }[parity]
