"""Low-rank invariants of atoms whose factors are mixed for each element, and the gradient of those factors.

    y_lh = sum_m s_lmh s_lm(h + H)            s_lmh = sum_Zn c^Z_nlm F^Z_lnh        h < H

The sums s are made twice rather than kept: they are larger than everything else, and memory is slower than the sums.
l runs slowest, for the factors of one l and two elements stay in the first cache while atom follows atom.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from surfalign.ml.descriptors.kernels.row_products import WIDTH, add_weighted_rows

Reals = NDArray[np.floating]
Integers = NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def fill_products(
    coefficients: Reals, elements: Integers, factors: Reals, products: Reals
) -> None:
    """Fill in the invariants.

    Parameters
    ----------
    coefficients
        c^Z_nlm, shape (n_atoms, n_slots, (l_max + 1)^2, n_max).
    elements
        Which of the factors each slot takes, -1 where it is empty, shape (n_atoms, n_slots).
    factors
        F, shape (l_max + 1, n_elements, n_max, 2 * rank).
    products
        y, written, shape (n_atoms, l_max + 1, rank).
    """
    n_degrees, rank = factors.shape[0], products.shape[2]
    room = np.empty((2 * n_degrees - 1, 2 * rank), dtype=factors.dtype)
    for degree in range(n_degrees):
        sums = room[: 2 * degree + 1]
        for atom in range(len(coefficients)):
            _fill_sums(coefficients[atom], elements[atom], factors[degree], degree, sums)
            total = products[atom, degree]
            total[:] = 0.0
            for component in range(len(sums)):
                left, right = sums[component, :rank], sums[component, rank:]
                for h in range(rank):
                    total[h] += left[h] * right[h]


@numba.njit(cache=True, nogil=True)
def add_factor_gradients(
    coefficients: Reals,
    elements: Integers,
    factors: Reals,
    of_products: Reals,
    of_factors: Reals,
) -> None:
    """Add the gradients of the factors.

    Parameters
    ----------
    coefficients, elements, factors
        As in :func:`fill_products`.
    of_products
        Gradient of the invariants, shape (n_atoms, l_max + 1, rank).
    of_factors
        Gradient of the factors, added to, shape (l_max + 1, n_elements, n_max, 2 * rank).
    """
    n_degrees, rank = factors.shape[0], of_products.shape[2]
    room = np.empty((2 * n_degrees - 1, 2 * rank), dtype=factors.dtype)
    for degree in range(n_degrees):
        sums = room[: 2 * degree + 1]
        first, last = degree**2, (degree + 1) ** 2
        for atom in range(len(coefficients)):
            _fill_sums(coefficients[atom], elements[atom], factors[degree], degree, sums)
            _turn_into_gradients(sums, of_products[atom, degree])
            for slot in range(elements.shape[1]):
                element = elements[atom, slot]
                if element >= 0:
                    own = coefficients[atom, slot, first:last]
                    _add_product(of_factors[degree, element], own.T, sums)


@numba.njit(cache=True, nogil=True)
def _fill_sums(
    coefficients: Reals, elements: Integers, factors: Reals, degree: int, sums: Reals
) -> None:
    """Fill in s of one atom and one l, shape (2 l + 1, 2 * rank); the factors are those of this l."""
    sums[:] = 0.0
    for slot in range(len(elements)):
        if elements[slot] >= 0:
            own = coefficients[slot, degree**2 : (degree + 1) ** 2]
            _add_product(sums, own, factors[elements[slot]])


@numba.njit(cache=True, nogil=True)
def _turn_into_gradients(sums: Reals, of_products: Reals) -> None:
    """Put the gradient of each s in its place: the s of the other side times the gradient of the product."""
    rank = len(of_products)
    for component in range(len(sums)):
        left, right = sums[component, :rank], sums[component, rank:]
        for h in range(rank):
            other = left[h]
            left[h] = right[h] * of_products[h]
            right[h] = other * of_products[h]


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _add_product(target: Reals, weights: Reals, rows: Reals) -> None:
    """Add weights @ rows to an array, shape (n_targets, n_columns)."""
    n_columns = target.shape[1]
    whole = n_columns - n_columns % WIDTH
    for row in range(len(target)):
        for first in range(0, whole, WIDTH):
            add_weighted_rows(target, weights, rows, row, first)  # type: ignore[call-arg]  # the typing context is numba's to give
        for p in range(len(rows)):
            for column in range(whole, n_columns):
                target[row, column] += weights[row, p] * rows[p, column]
