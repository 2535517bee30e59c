"""Density coefficients c^Z_nlm: what surrounds each atom, species by species.

    c^Z_nlm(i) = sum over neighbours j of species Z of R_nl(r_ij) Y_lm(r_ij)

They depend on the structure alone, not on anything learnable, so they are computed once. Species that
the structure does not hold take no room. The harmonics are real and orthonormal; any other real
convention gives the same spectra, which sum over m.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from surfalign.ml.configuration import DescriptorConfiguration
from surfalign.ml.descriptors.kernels.harmonics import fill_harmonics, recurrence_factors
from surfalign.ml.descriptors.kernels.neighbour_bins import neighbour_bins
from surfalign.ml.descriptors.kernels.row_products import UNROLLED, add_row_products
from surfalign.ml.descriptors.radial_basis import (
    POLYNOMIAL_DEGREE,
    RadialTable,
    tabulate_radial_basis,
)

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

BLOCK = 96
"""Neighbours at a time."""
ITSELF = 1e-6
"""Distance below which an image is the atom itself (A)."""


@dataclass(frozen=True)
class Density:
    """Density coefficients of the atoms of one structure.

    Attributes
    ----------
    species
        Atomic numbers present, ascending, shape (n_species,).
    coefficients
        c^Z_nlm, shape (n_atoms, n_species, (l_max + 1)^2, n_max); the entry of l, m is l^2 + l + m.
    """

    species: Integers
    coefficients: NDArray[np.floating]


@lru_cache(maxsize=8)
def _radial_table(descriptor: DescriptorConfiguration) -> RadialTable:
    return tabulate_radial_basis(
        r_cut=descriptor.r_cut,
        n_max=descriptor.n_max,
        l_max=descriptor.l_max,
        sigma=descriptor.sigma,
    )


def density_coefficients(
    numbers: Integers,
    positions: Array,
    cell: Array,
    periodic: tuple[bool, bool, bool],
    descriptor: DescriptorConfiguration,
) -> Density:
    """Expand the density around each atom of a structure.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n_atoms,).
    positions
        Cartesian positions (A), shape (n_atoms, 3).
    cell
        Lattice vectors as rows (A), shape (3, 3).
    periodic
        Along which lattice vectors the structure repeats.
    descriptor
        Hyperparameters.

    Returns
    -------
    Density
        Coefficients in double precision.
    """
    table = _radial_table(descriptor)
    species, slots = np.unique(np.asarray(numbers, dtype=np.int64), return_inverse=True)
    shape = (len(slots), len(species), (descriptor.l_max + 1) ** 2, descriptor.n_max)
    coefficients = np.zeros(shape)
    # The atom itself is part of its density; at distance zero only l = 0 is left.
    own = table.coefficients[0, -1, 0] / np.sqrt(4.0 * np.pi)
    coefficients[np.arange(len(slots)), slots, 0] = own
    _add_neighbours(
        coefficients,
        np.ascontiguousarray(positions, dtype=np.float64),
        slots,
        np.ascontiguousarray(cell, dtype=np.float64),
        np.array(periodic),
        table.coefficients.reshape(len(table.coefficients), POLYNOMIAL_DEGREE + 1, -1),
        table.spacing,
        table.reach,
        (0.0,) * descriptor.n_max,
        (0.0,) * ((descriptor.l_max + 1) * descriptor.n_max),
    )
    return Density(species, coefficients)


class _Room(NamedTuple):
    """Where the kernel keeps what it knows of the neighbours of one atom, at most ``BLOCK`` at a time.

    Attributes
    ----------
    vectors, distances
        Unit vectors, shape (3, BLOCK), and distances (A), shape (BLOCK,).
    radial, harmonics
        R_nl, shape (BLOCK, (l_max + 1) n_max); Y_lm, shape ((l_max + 1)^2, BLOCK).
    factors, recurrence
        For the recurrence of the harmonics.
    """

    vectors: Array
    distances: Array
    radial: Array
    harmonics: Array
    factors: tuple[Array, Array]
    recurrence: Array


@numba.njit(cache=True, nogil=True, fastmath=True)
def _add_neighbours(
    coefficients: Array,
    positions: Array,
    slots: Integers,
    cell: Array,
    repeats: NDArray[np.bool_],
    table: Array,
    spacing: float,
    reach: float,
    n_lanes: tuple[float, ...],
    radial_lanes: tuple[float, ...],
) -> None:
    """Add what surrounds each atom to its coefficients, one species after the other.

    The lengths of the two tuples, n_max and (l_max + 1) n_max, are known to the compiler, those of arrays are not.
    """
    bins = neighbour_bins(positions, slots, cell, repeats, reach)
    images, shape = bins.images, bins.shape
    near = np.empty(images.shape[1], dtype=np.int64)
    n_components = coefficients.shape[2]
    n_degrees = len(radial_lanes) // len(n_lanes)
    room = _Room(
        vectors=np.zeros((3, BLOCK)),
        distances=np.zeros(BLOCK),
        radial=np.zeros((BLOCK, len(radial_lanes))),
        harmonics=np.zeros((n_components, BLOCK)),
        factors=recurrence_factors(n_degrees),
        recurrence=np.zeros((n_degrees + 2, BLOCK)),
    )
    for i in range(len(bins.centers)):
        x, y, z = bins.centers[i, 0], bins.centers[i, 1], bins.centers[i, 2]
        for slot in range(coefficients.shape[1]):
            n = 0
            for u in range(-1, 2):
                for v in range(-1, 2):
                    row = (slot * shape[0] + bins.bins[i, 0] + u) * shape[1] + bins.bins[i, 1] + v
                    middle = row * shape[2] + bins.bins[i, 2]
                    for k in range(bins.starts[middle - 1], bins.starts[middle + 2]):
                        square = (
                            (images[0, k] - x) ** 2
                            + (images[1, k] - y) ** 2
                            + (images[2, k] - z) ** 2
                        )
                        # No branch: which image is near enough cannot be foretold.
                        near[n] = k
                        n += (square < reach**2) & (square > ITSELF**2)
            for first in range(0, n, BLOCK):
                n_block = min(n - first, BLOCK)
                for k in range(n_block):
                    for axis in range(3):
                        room.vectors[axis, k] = (
                            images[axis, near[first + k]] - bins.centers[i, axis]
                        )
                _fill_radial(n_block, table, spacing, room, radial_lanes)
                _add_products(coefficients[i, slot], n_block, room, n_lanes)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _fill_radial(
    n: int, table: Array, spacing: float, room: _Room, lanes: tuple[float, ...]
) -> None:
    """Interpolate R_nl of some neighbours, whose vectors become unit vectors."""
    x, y, z = room.vectors[0], room.vectors[1], room.vectors[2]
    for k in range(n):
        room.distances[k] = np.sqrt(x[k] ** 2 + y[k] ** 2 + z[k] ** 2)
    for axis in range(3):
        own = room.vectors[axis]
        for k in range(n):
            own[k] /= room.distances[k]
    for k in range(n):
        place = room.distances[k] / spacing
        interval = int(place)
        t = place - interval
        powers, radial = table[interval], room.radial[k]
        for j in range(len(lanes)):
            radial[j] = (
                (((powers[0, j] * t + powers[1, j]) * t + powers[2, j]) * t + powers[3, j]) * t
                + powers[4, j]
            ) * t + powers[5, j]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _add_products(
    coefficients: Array, n_neighbours: int, room: _Room, lanes: tuple[float, ...]
) -> None:
    """Add sum_j R_nl(r_j) Y_lm(r_j) of neighbours of one species to the coefficients of one atom."""
    n = UNROLLED * ((n_neighbours + UNROLLED - 1) // UNROLLED)
    room.radial[n_neighbours:n] = 0.0
    fill_harmonics(room.vectors, n, room.factors, room.recurrence, room.harmonics)
    for first in range(0, n, UNROLLED):
        for degree in range(len(room.factors[0])):
            add_row_products(  # type: ignore[call-arg]  # the typing context is numba's to give
                coefficients, room.radial, room.harmonics, first, degree, lanes
            )
