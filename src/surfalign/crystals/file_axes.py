"""The axes of a structure file beside those of the standard cell, in which Miller indices count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from surfalign.physics.lattice.orientations import (
    MillerIndex,
    canonical_miller_index,
    coprime_index,
    format_miller_index,
)
from surfalign.physics.lattice.symmetry import SymmetricCrystal, symmetrize

#: Rows of a matrix, hashable.
Matrix = tuple[tuple[float, float, float], ...]

_AXES = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
_SMALL = tuple(
    (h, k, l) for h in (0, 1) for k in (-1, 0, 1) for l in (-1, 0, 1) if (h, k, l) > (0, 0, 0)
)


def axes_of_file(read: SymmetricCrystal, primitive: Structure) -> tuple[Matrix, tuple[str, ...]]:
    """Relate the axes of a file to those of the standard cell.

    Parameters
    ----------
    read
        The crystal as it was found in the file's cell.
    primitive
        The cell that was made of it, from which the standard cell is made again wherever surfaces are cut.

    Returns
    -------
    matrix
        P with x_standard = P x_file.
    notes
        One where an index means other planes here than in the file.
    """
    standard = symmetrize(primitive)
    to_primitive = np.linalg.inv(read.primitive_rows.T) @ read.input_to_standard
    matrix = standard.input_to_standard @ to_primitive
    rows: Matrix = tuple((float(a), float(b), float(c)) for a, b, c in matrix)
    return rows, _note(standard, matrix)


def to_standard(matrix: Matrix, miller_index: MillerIndex) -> MillerIndex:
    """Translate an index: the same planes, other axes (h_standard = h_file P^-1)."""
    return coprime_index(np.asarray(miller_index) @ np.linalg.inv(np.asarray(matrix)))


def _note(standard: SymmetricCrystal, matrix: NDArray[np.float64]) -> tuple[str, ...]:
    inverse = np.linalg.inv(matrix)
    differing = {}
    for index in (*_AXES, *_SMALL):
        here = canonical_miller_index(standard, coprime_index(np.asarray(index) @ inverse))
        if here != canonical_miller_index(standard, index):
            differing[index] = here
    # Those of the axes say all, where they are not equivalent.
    shown = [index for index in differing if index in _AXES] or list(differing)[:3]
    if not shown:
        return ()
    parts = [
        f"your file's {format_miller_index(index)} is {format_miller_index(differing[index])} here"
        for index in shown
    ]
    a, b, c = np.linalg.norm(standard.conventional_lattice, axis=1)
    return (
        f"{', '.join(parts)}: Miller indices count in the standard cell (a {a:.3f}, b {b:.3f}, "
        f"c {c:.3f} angstrom); --hkl-of-file takes those of your file",
    )
