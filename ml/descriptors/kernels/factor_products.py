"""Low-rank invariants of atoms whose factors are mixed for each element, and the gradient of those factors.

    y_lh = sum_m s_lmh s_lm(h + H)            s_lmh = sum_Zn c^Z_nlm F^Z_lnh        h < H

The sums s are made twice rather than kept: they are larger than everything else, and memory is slower than the sums.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from surfalign.ml.descriptors.kernels.row_products import WIDTH, add_weighted_rows

Reals = NDArray[np.floating]
Integers = NDArray[np.int64]

BLOCK = 16
"""Atoms whose densities stay in the second cache, while the factors of one l and some elements stay in the first.

All atoms at once take a fifth longer, and so do four.
"""


@numba.njit(cache=True, nogil=True)
def fill_products(coefficients: Reals, elements: Integers, factors: Reals, products: Reals) -> None:
    """Fill in the invariants.

    Parameters
    ----------
    coefficients
        c^Z_nlm, shape (n_atoms, n_slots, (l_max + 1)^2, n_max).
    elements
        Which of the factors each slot takes, -1 where it is empty, shape (n_atoms, n_slots).
    factors
        F, shape (n_elements, l_max + 1, n_max, 2 * rank).
    products
        y, written, shape (n_atoms, l_max + 1, rank).
    """
    n_degrees, rank = products.shape[1:]
    room = np.empty((2 * n_degrees - 1, 2 * rank), dtype=factors.dtype)
    for start in range(0, len(products), BLOCK):
        for degree in range(n_degrees):
            sums = room[: 2 * degree + 1]
            for atom in range(start, min(start + BLOCK, len(products))):
                _fill_sums(coefficients[atom], elements[atom], factors, degree, sums)
                _fill_squares(sums, products[atom, degree])


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
        Gradient of the factors, added to, shape (n_elements, l_max + 1, n_max, 2 * rank).
    """
    n_degrees, rank = of_products.shape[1:]
    room = np.empty((2 * n_degrees - 1, 2 * rank), dtype=factors.dtype)
    for start in range(0, len(of_products), BLOCK):
        for degree in range(n_degrees):
            sums = room[: 2 * degree + 1]
            for atom in range(start, min(start + BLOCK, len(of_products))):
                _fill_sums(coefficients[atom], elements[atom], factors, degree, sums)
                _turn_into_gradients(sums, of_products[atom, degree])
                _add_gradients(coefficients[atom], elements[atom], sums, degree, of_factors)


@numba.njit(cache=True, nogil=True)
def _fill_sums(
    coefficients: Reals, elements: Integers, factors: Reals, degree: int, sums: Reals
) -> None:
    """Fill in s of one atom and one l, shape (2 l + 1, 2 * rank)."""
    sums[:] = 0.0
    for slot in range(len(elements)):
        if elements[slot] >= 0:
            own = coefficients[slot, degree**2 : (degree + 1) ** 2]
            _add_product(sums, own, factors[elements[slot], degree])


@numba.njit(cache=True, nogil=True)
def _fill_squares(sums: Reals, products: Reals) -> None:
    """Fill in y of one atom and one l, shape (rank,): the left sums times the right ones."""
    rank = len(products)
    products[:] = 0.0
    for component in range(len(sums)):
        left, right = sums[component, :rank], sums[component, rank:]
        for h in range(rank):
            products[h] += left[h] * right[h]


@numba.njit(cache=True, nogil=True)
def _turn_into_gradients(sums: Reals, of_products: Reals) -> None:
    """Put the gradient of each s in its place: the s of the other side times the gradient of y."""
    rank = len(of_products)
    for component in range(len(sums)):
        for h in range(rank):
            left = sums[component, h]
            sums[component, h] = sums[component, rank + h] * of_products[h]
            sums[component, rank + h] = left * of_products[h]


@numba.njit(cache=True, nogil=True)
def _add_gradients(
    coefficients: Reals, elements: Integers, of_sums: Reals, degree: int, of_factors: Reals
) -> None:
    """Add what one atom and one l contribute to the gradients of the factors."""
    for slot in range(len(elements)):
        if elements[slot] >= 0:
            own = coefficients[slot, degree**2 : (degree + 1) ** 2]
            _add_product(of_factors[elements[slot], degree], own.T, of_sums)


@numba.njit(cache=True, nogil=True)
def _add_product(target: Reals, weights: Reals, rows: Reals) -> None:
    """Add weights @ rows to an array, shape (n_targets, n_columns)."""
    n_targets, n_columns = target.shape
    whole = n_columns - n_columns % WIDTH
    for row in range(0, n_targets, 2):
        other = min(row + 1, n_targets - 1)
        for first in range(0, whole, WIDTH):
            add_weighted_rows(  # type: ignore[call-arg]  # the typing context is numba's to give
                target, weights, rows, row, other, first
            )
    for row in range(n_targets):
        for p in range(len(rows)):
            for column in range(whole, n_columns):
                target[row, column] += weights[row, p] * rows[p, column]
