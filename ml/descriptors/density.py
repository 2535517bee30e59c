"""Density coefficients c^Z_nlm: what surrounds each atom, species by species.

    c^Z_nlm(i) = sum over neighbours j of species Z of R_nl(r_ij) Y_lm(r_ij)

They depend on the structure alone, not on anything learnable, so they are computed once. Species that
the structure does not hold take no room. The harmonics are real and orthonormal; any other real
convention gives the same spectra, which sum over m.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
import sphericart
from numpy.typing import NDArray
from vesin import NeighborList

from surfalign.ml.configuration import DescriptorConfiguration
from surfalign.ml.descriptors.radial_basis import RadialTable, tabulate_radial_basis

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


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


@lru_cache(maxsize=8)
def _harmonics(l_max: int) -> sphericart.SphericalHarmonics:
    return sphericart.SphericalHarmonics(l_max)


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
    # Half of the pairs suffice: the harmonics of the reverse vector differ by the parity (-1)^l.
    neighbours = NeighborList(cutoff=table.reach, full_list=False, n_threads=1)
    centers, others, vectors, distances = neighbours.compute(
        points=np.ascontiguousarray(positions, dtype=float),
        box=np.ascontiguousarray(cell, dtype=float),
        periodic=list(periodic),
        quantities="ijDd",
    )
    shape = (len(slots), len(species), (descriptor.l_max + 1) ** 2, descriptor.n_max)
    coefficients = np.zeros(shape)
    # The atom itself is part of its density; at distance zero only l = 0 is left.
    own = table.coefficients[0, 3, 0] / np.sqrt(4.0 * np.pi)
    coefficients[np.arange(len(slots)), slots, 0] = own
    if len(centers):
        harmonics = _harmonics(descriptor.l_max).compute(np.ascontiguousarray(vectors))
        accumulate = _accumulation_kernel(descriptor.n_max)
        accumulate(
            coefficients.reshape(*shape[:2], -1),
            centers.astype(np.int64),
            others.astype(np.int64),
            slots.astype(np.int64),
            distances,
            harmonics,
            table.coefficients,
            1.0 / table.spacing,
        )
    return Density(species, coefficients)


@lru_cache(maxsize=8)
def _accumulation_kernel(n_max: int) -> Callable[..., None]:
    """Compile the sum over pairs for one n_max.

    n runs fastest, and its constant length lets the compiler fill vector registers with it.
    """

    def accumulate(
        coefficients: Array,
        centers: Integers,
        others: Integers,
        slots: Integers,
        distances: Array,
        harmonics: Array,
        table: Array,
        inverse_spacing: float,
    ) -> None:
        n_degrees = table.shape[2]
        radial = np.empty(n_degrees * n_max)
        tile = np.empty(n_degrees * n_degrees * n_max)
        parity = np.empty(n_degrees * n_degrees * n_max)
        for degree in range(n_degrees):
            block = slice(degree * degree * n_max, (degree + 1) * (degree + 1) * n_max)
            parity[block] = 1.0 - 2.0 * (degree % 2)
        for pair in range(len(centers)):
            i, j = centers[pair], others[pair]
            interval = int(distances[pair] * inverse_spacing)
            x = distances[pair] - interval / inverse_spacing
            powers = table[interval].reshape(4, -1)
            for k in range(len(radial)):
                radial[k] = ((powers[0, k] * x + powers[1, k]) * x + powers[2, k]) * x + powers[
                    3, k
                ]
            for degree in range(n_degrees):
                for component in range(degree * degree, (degree + 1) * (degree + 1)):
                    harmonic = harmonics[pair, component]
                    for n in range(n_max):
                        tile[component * n_max + n] = radial[degree * n_max + n] * harmonic
            at_i, at_j = coefficients[i, slots[j]], coefficients[j, slots[i]]
            for k in range(len(tile)):
                at_i[k] += tile[k]
            for k in range(len(tile)):
                at_j[k] += parity[k] * tile[k]

    compiled: Callable[..., None] = numba.njit(cache=True, nogil=True, fastmath=True)(accumulate)
    return compiled
