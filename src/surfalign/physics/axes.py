"""A definite choice of axes where a space group leaves several standard settings open.

In the groups of low symmetry within a crystal family, two crystals' axes may both be standard and yet
give different surfaces the same Miller index: (101) and (011) of quartz, or (111) and (11-1) of an
ilmenite. The settings differ by a rotation that belongs to the lattice (and to the group's normalizer),
but not to the point group. Which one spglib returns depends on the cell it is given. Here the one is
taken whose structure factors (with atomic numbers as scattering factors; their moduli depend on no
origin) are largest, compared one reflection after the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Twofold axis along a + b, and along c: rows of the new axes in the old ones.
_SWAP = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]])
_TURN = np.diag([-1, -1, 1])
#: Reflections that tell the settings apart.
_REFLECTIONS = np.array(
    [[1, 1, 1], [1, 0, 1], [2, 1, 0], [2, 1, 1], [1, 2, 1], [2, 1, 3], [1, 3, 2], [3, 1, 2], [4, 1, 3],
     [1, 0, 4], [2, 1, 4], [5, 2, 3]]
)  # fmt: skip
#: Relative difference of squared structure factors that counts.
_DIFFERENCE = 1e-4


def settings_of(space_group_number: int) -> list[NDArray[np.int64]]:
    """Return the rotations between equally standard settings; rows: new axes in the old ones."""
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


def preferred_axes(
    space_group_number: int, positions: NDArray[np.float64], numbers: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Choose among the settings of a crystal.

    Parameters
    ----------
    space_group_number
        Number of the space group.
    positions
        Fractional coordinates in the conventional cell, of the atoms of a primitive one, (n, 3).
    numbers
        Atomic numbers, shape (n,).

    Returns
    -------
    numpy.ndarray
        Rows: the preferred axes in the given ones, integer, shape (3, 3).
    """
    remaining = settings_of(space_group_number)
    for reflection in _REFLECTIONS:
        if len(remaining) == 1:
            break
        # Indices are the components h.a: with new axes a' = M a, h = h_old M^T.
        old = np.array([reflection @ np.linalg.inv(axes).T for axes in remaining])
        factors = np.abs(np.exp(2j * np.pi * old @ positions.T) @ numbers) ** 2
        limit = factors.max() - _DIFFERENCE * float(numbers.sum()) ** 2
        remaining = [axes for axes, f in zip(remaining, factors, strict=True) if f >= limit]
    return remaining[0]
