"""A definite choice of axes where a space group leaves several standard settings open.

In the groups of low symmetry within a crystal family, two crystals' axes may both be standard and yet
give different surfaces the same Miller index: (101) and (011) of quartz, or (111) and (11-1) of an
ilmenite. The settings differ by a rotation that belongs to the lattice (and to the group's normalizer),
but not to the point group. Triclinic, monoclinic and orthorhombic crystals leave more open where their
lattice is nearly more symmetric than they are: equally long axes, angles of 90 or 120 degrees. Which
setting spglib returns depends on the cell it is given, or on noise. Here the one is taken whose
structure factors (with atomic numbers as scattering factors; their moduli depend on no origin) are
largest, compared one reflection after the other.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import spglib
from numpy.typing import NDArray

#: Twofold axis along a + b, and along c: rows of the new axes in the old ones.
_SWAP = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]])
_TURN = np.diag([-1, -1, 1])
#: Reflections that tell the settings apart.
_REFLECTIONS = np.array(
    [[1, 1, 1], [1, 0, 1], [2, 1, 0], [2, 1, 1], [1, 2, 1], [2, 1, 3], [1, 3, 2], [3, 1, 2], [4, 1, 3],
     [1, 0, 4], [2, 1, 4], [5, 2, 3], [1, 3, 5], [3, 1, 5], [5, 1, 3], [2, 4, 6], [4, 2, 6], [6, 4, 2],
     [1, 1, 0], [0, 1, 1], [1, 1, 2], [2, 0, 1], [0, 2, 1], [1, 2, 0], [1, 1, 3], [3, 1, 1], [1, 3, 1],
     [2, 0, 4], [4, 0, 2], [2, 4, 0], [2, 2, 4], [4, 2, 2], [2, 4, 2], [1, 0, 0], [0, 1, 0], [0, 0, 1],
     [2, 0, 0], [0, 2, 0], [0, 0, 2]]
)  # fmt: skip
#: Relative difference of squared structure factors that counts.
_DIFFERENCE = 1e-4
#: Relative difference up to which two metrics are alike.
_METRIC_DIFFERENCE = 0.01


def settings_of(space_group_number: int) -> list[NDArray[np.int64]]:
    """Return the rotations between equally standard settings; rows: new axes in the old ones.

    For the groups whose lattice always has the rotations (tetragonal to cubic).
    """
    n, one = space_group_number, np.eye(3, dtype=np.int64)
    if 75 <= n <= 88 or 168 <= n <= 176 or n in (146, 148):
        return [one, _SWAP]
    # Pa-3 is standard in one of the two settings only.
    if 195 <= n <= 206 and n != 205:
        return [one, _SWAP]
    if n in (143, 144, 145, 147):
        return [one, _SWAP, _TURN, _SWAP @ _TURN]
    if n in (*range(149, 155), *range(156, 160), *range(162, 166)):
        return [one, _TURN]
    return [one]


def alike_settings(
    hall_number: int, conventional_lattice: NDArray[np.float64]
) -> list[NDArray[np.int64]]:
    """Return the changes of axes that keep the setting of a space group and, nearly, the metric.

    Parameters
    ----------
    hall_number
        Hall number of the standard setting of a triclinic, monoclinic or orthorhombic group.
    conventional_lattice
        Conventional lattice, rows, angstrom, shape (3, 3).

    Returns
    -------
    list of numpy.ndarray
        Right-handed; rows: new axes in the old ones, integer, shape (3, 3). The identity is first.
    """
    metric = conventional_lattice @ conventional_lattice.T
    lengths = np.sqrt(np.diag(metric))
    changes = _unimodular()
    new = changes @ metric @ changes.transpose(0, 2, 1)
    alike = (np.abs(new - metric) <= _METRIC_DIFFERENCE * np.outer(lengths, lengths)).all((1, 2))
    found = [np.eye(3, dtype=np.int64)]
    # Nearly cubic, all of 24 rotations are alike; more can only be a lattice without any shape.
    for change in changes[alike]:
        if not (change == found[0]).all() and _keeps_setting(hall_number, change):
            found.append(change)
    return found


def preferred_axes(
    settings: list[NDArray[np.int64]],
    positions: NDArray[np.float64],
    numbers: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Choose among the settings of a crystal.

    Parameters
    ----------
    settings
        Rows: axes in the given ones.
    positions
        Fractional coordinates in the conventional cell, of the atoms of a primitive one, (n, 3).
    numbers
        Atomic numbers, shape (n,).

    Returns
    -------
    numpy.ndarray
        Rows: the preferred axes in the given ones, integer, shape (3, 3).
    """
    remaining = settings
    for reflection in _REFLECTIONS:
        if len(remaining) == 1:
            break
        # Indices are the components h.a: with new axes a' = M a, h = h_old M^T.
        old = np.array([reflection @ np.linalg.inv(axes).T for axes in remaining])
        factors = np.abs(np.exp(2j * np.pi * old @ positions.T) @ numbers) ** 2
        limit = factors.max() - _DIFFERENCE * float(numbers.sum()) ** 2
        remaining = [axes for axes, f in zip(remaining, factors, strict=True) if f >= limit]
    return remaining[0]


@cache
def _unimodular() -> NDArray[np.int64]:
    """Return all integer matrices of determinant 1 with entries -1, 0, 1; shape (n, 3, 3)."""
    matrices = np.array(list(itertools.product((-1, 0, 1), repeat=9))).reshape(-1, 3, 3)
    return np.asarray(matrices[np.rint(np.linalg.det(matrices)) == 1])


def _keeps_setting(hall_number: int, change: NDArray[np.int64]) -> bool:
    """Whether a space group has the same operations in other axes, but for a shift of the origin."""
    rotations, shifts = _operations(hall_number)
    # With a' = M a, coordinates change by x' = P x, P = M^-T.
    forward = np.rint(np.linalg.inv(change).T).astype(np.int64)
    backward = change.T
    new = forward @ rotations @ backward
    moved = shifts @ forward.T
    # Shifts of the origin that normalizers of these groups need are multiples of 1/8.
    origins = np.array(list(itertools.product(range(0, 24, 3), repeat=3)))
    fitting = np.ones(len(origins), dtype=bool)
    for rotation, shift in zip(new, moved, strict=True):
        same = shifts[(rotations == rotation).all(axis=(1, 2))]
        if not len(same):
            return False
        wanted = shift + origins @ (np.eye(3, dtype=np.int64) - rotation).T
        # Several operations share a rotation where the lattice is centred.
        fitting &= ((wanted[:, None, :] - same[None, :, :]) % 24 == 0).all(-1).any(-1)
    return bool(fitting.any())


@cache
def _operations(hall_number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rotations (n, 3, 3) and translations in units of 1/24, shape (n, 3)."""
    operations: Any = spglib.get_symmetry_from_database(hall_number)
    shifts = np.rint(np.asarray(operations["translations"]) * 24).astype(np.int64)
    return np.asarray(operations["rotations"], dtype=np.int64), shifts % 24
