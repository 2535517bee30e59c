"""Real spherical harmonics of many directions at once.

With P_lm the normalised Legendre functions without the factor sin^m(theta) and without the Condon-Shortley phase,

    Y_lm = P_lm(z) Re (x + i y)^m,    Y_l-m = P_lm(z) Im (x + i y)^m    for m >= 0 and unit vectors (x, y, z),
    P_lm = a_lm (z P_l-1,m - b_lm P_l-2,m)    (Holmes and Featherstone, doi 10.1007/s00190-002-0216-2).

They are orthonormal on the sphere.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def recurrence_factors(n_degrees: int) -> tuple[Array, Array]:
    """Return a_lm, with P_mm in place of a_mm, and b_lm, both of shape (n_degrees, n_degrees)."""
    a, b = np.zeros((n_degrees, n_degrees)), np.zeros((n_degrees, n_degrees))
    a[0, 0] = np.sqrt(0.25 / np.pi)
    for m in range(n_degrees):
        if m:
            # Cosines and sines share what the one cosine of m = 0 has for itself.
            a[m, m] = a[m - 1, m - 1] * np.sqrt((1.0 + 0.5 / m) * (2.0 if m == 1 else 1.0))
        for degree in range(m + 1, n_degrees):
            a[degree, m] = np.sqrt((4.0 * degree**2 - 1.0) / (degree**2 - m**2))
            before = (degree - 1) ** 2
            b[degree, m] = np.sqrt((before - m**2) / (4.0 * before - 1.0))
    return a, b


@numba.njit(cache=True, nogil=True, fastmath=True)
def fill_harmonics(
    directions: Array, n: int, factors: tuple[Array, Array], work: Array, harmonics: Array
) -> None:
    """Evaluate the harmonics of unit vectors.

    Parameters
    ----------
    directions
        x, y and z, and further rows that are not looked at; shape (at least 3, at least n).
    n
        Number of directions.
    factors
        See :func:`recurrence_factors`.
    work
        Room for the recurrence, shape (l_max + 3, at least n).
    harmonics
        Is filled, shape ((l_max + 1)^2, at least n); the row of l, m is l^2 + l + m.
    """
    x, y, z = directions[0], directions[1], directions[2]
    cosines, sines = work[0], work[1]
    a, b = factors
    cosines[:n], sines[:n] = 1.0, 0.0
    for m in range(len(a)):
        for degree in range(m, len(a)):
            own, below = work[degree + 2], work[degree + 1]
            before = work[degree]
            first, second = a[degree, m], a[degree, m] * b[degree, m]
            if degree == m:
                own[:n] = first
            elif degree == m + 1:
                for k in range(n):
                    own[k] = first * z[k] * below[k]
            else:
                for k in range(n):
                    own[k] = first * z[k] * below[k] - second * before[k]
            middle = degree * degree + degree
            plus, minus = harmonics[middle + m], harmonics[middle - m]
            if m:
                for k in range(n):
                    minus[k] = own[k] * sines[k]
            for k in range(n):
                plus[k] = own[k] * cosines[k]
        for k in range(n):
            cosine = cosines[k]
            cosines[k] = cosine * x[k] - sines[k] * y[k]
            sines[k] = cosine * y[k] + sines[k] * x[k]
