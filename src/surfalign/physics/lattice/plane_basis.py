"""A reduced basis of a family of lattice planes: two vectors in the plane and one step up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def plane_basis(normal: NDArray[np.int64], lattice: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return integer rows a1, a2, w: a reduced basis of the plane and one step up.

    Parameters
    ----------
    normal
        Coprime plane index in the basis ``lattice``, shape (3,).
    lattice
        Primitive vectors, rows, angstrom, shape (3, 3).

    Returns
    -------
    numpy.ndarray
        Integer rows, shape (3, 3), right-handed in space: |a1| <= |a2|, a1 and a2 Gauss-reduced,
        and w as close to the normal as a lattice vector of this height can be.
    """
    first, second, step = _integer_basis(normal)
    first, second = _gauss_reduce(first, second, lattice)
    cartesian = np.array([first, second]) @ lattice
    if np.linalg.det(np.array([first, second, step]) @ lattice) < 0:
        second, cartesian[1] = -second, -cartesian[1]
    a1, a2 = cartesian
    if a1 @ a2 > 1e-6 and abs(np.linalg.norm(a1) - np.linalg.norm(a2)) < 1e-6:
        # Of the two equally short choices take the obtuse one: hexagonal cells get 120 degrees.
        first, second = second, -first
        cartesian = np.array([first, second]) @ lattice
    return np.array([first, second, _closest_to_normal(step, first, second, lattice)])


def upright(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotate right-handed rows so that the first is along x and the second in the xy plane."""
    x = vectors[0] / np.linalg.norm(vectors[0])
    z = np.cross(vectors[0], vectors[1])
    z /= np.linalg.norm(z)
    upright = vectors @ np.array([x, np.cross(z, x), z]).T
    upright[0, 1:] = upright[1, 2] = 0.0
    return np.asarray(upright)


def _integer_basis(
    normal: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return two vectors that span the integer plane normal.v = 0, and one with normal.v = 1."""
    vectors = np.eye(3, dtype=np.int64)
    remaining = normal.astype(np.int64).copy()
    # Euclid's algorithm on the heights of three basis vectors.
    while np.count_nonzero(remaining) > 1:
        low, *rest = sorted(np.flatnonzero(remaining), key=lambda i: abs(remaining[i]))
        for i in rest:
            times = remaining[i] // remaining[low]
            remaining[i] -= times * remaining[low]
            vectors[i] -= times * vectors[low]
    up = int(np.flatnonzero(remaining)[0])
    first, second = (vectors[i] for i in range(3) if i != up)
    return first, second, vectors[up] * remaining[up]


def _gauss_reduce(
    first: NDArray[np.int64], second: NDArray[np.int64], lattice: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the two shortest vectors of a plane lattice (Lagrange and Gauss)."""
    metric = lattice @ lattice.T
    while True:
        if first @ metric @ first > second @ metric @ second * (1 + 1e-9):
            first, second = second, first
        times = int(np.rint((first @ metric @ second) / (first @ metric @ first) - 1e-9))
        if times == 0:
            return first, second
        second = second - times * first
        if second @ metric @ second > first @ metric @ first * (1 - 1e-9):
            return first, second


def _closest_to_normal(
    step: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    lattice: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Subtract in-plane vectors from ``step`` so that it leans as little as possible."""
    plane = np.array([first, second]) @ lattice
    along, *_ = np.linalg.lstsq(plane.T, step @ lattice, rcond=None)
    nearest = np.floor(along + 1e-9).astype(np.int64)
    candidates = [
        step - (nearest[0] + i) * first - (nearest[1] + j) * second for i in (0, 1) for j in (0, 1)
    ]
    lengths = [round(float(np.linalg.norm(c @ lattice)), 6) for c in candidates]
    return np.asarray(candidates[int(np.argmin(lengths))])
