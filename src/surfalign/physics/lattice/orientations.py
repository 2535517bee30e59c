"""Symmetry-unique surface orientations, nonpolar or polar by the point-operation rule.

An orientation (hkl) can carry a nonpolar slab if and only if some point operation of the space group
maps the plane normal n to -n (Hinuma et al., Comput. Mater. Sci. 113, 221 (2016),
doi:10.1016/j.commatsci.2015.11.042).

Miller indices refer to the *standard conventional cell* of spglib, which is the users' convention,
whatever cell was given: (1, 1, 0) of rutile is the surface that the literature calls so, also when the
input was a supercell. :func:`standard_cell` shows that cell, :func:`convert_miller_index` translates.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from surfalign.errors import SurfaceError
from surfalign.physics.lattice.symmetry import SYMPREC, AnyCrystal, SymmetricCrystal, symmetrize

MillerIndex = tuple[int, int, int]

#: Minus signs and overbars that people paste, as the hyphen that they mean.
_MINUS_SIGNS = str.maketrans("−–", "--")
_OVERBAR = re.compile("(\\d)[\u0304\u0305]")


@dataclass(frozen=True)
class Orientation:
    """One of the symmetry-unique orientations of a crystal.

    Attributes
    ----------
    miller_index
        In the standard conventional cell; the representative of its symmetry class.
    nonpolar
        Whether a point operation maps the normal to its opposite.
    spacing
        Interplanar spacing of the primitive lattice along the normal, angstrom.
    area
        Area of the primitive in-plane cell, angstrom^2.
    multiplicity
        Number of symmetry-equivalent directions (n and -n counted apart where both occur).
    """

    miller_index: MillerIndex
    nonpolar: bool
    spacing: float
    area: float
    multiplicity: int

    @property
    def label(self) -> str:
        """The index in parentheses, e.g. ``(110)`` or ``(1-12)``."""
        return format_miller_index(self.miller_index)


def as_miller_indices(given: MillerIndex | Sequence[MillerIndex] | None) -> list[MillerIndex]:
    """Return a list of indices, from one index, from several, or from None.

    Raises
    ------
    SurfaceError
        When something is no index of three integers that are not all zero.
    """
    if given is None:
        return []
    rows: list[Any] = list(given)
    if rows and isinstance(rows[0], Real):
        rows = [rows]
    if not all(len(r) == 3 and all(isinstance(h, Integral) for h in r) and any(r) for r in rows):
        raise SurfaceError(
            f"{given!r} is no Miller index",
            "three integers that are not all zero, or a list of such",
            "write (1, 1, 0), or [(1, 1, 0), (1, 0, 0)]",
        )
    return [_as_index(row) for row in rows]


def format_miller_index(miller_index: MillerIndex) -> str:
    """Write an index as ``(110)``; comma-separated where an entry has two digits."""
    separator = "," if any(abs(h) > 9 for h in miller_index) else ""
    return "(" + separator.join(str(h) for h in miller_index) + ")"


def parse_miller_index(text: str, *, hexagonal: bool = True) -> MillerIndex:
    """Read an index as people write it: ``1,-1,0``, ``1 -1 0``, ``1-10``, also in brackets.

    Of four indices (hkil), as they are written for hexagonal cells, the third is redundant: it must
    be -(h + k), and is left out.

    Parameters
    ----------
    text
        The index.
    hexagonal
        Whether the axes are, or may be; four indices mean nothing on others.

    Raises
    ------
    SurfaceError
        The text is no Miller index, or all of its numbers are zero.
    """
    bare = _OVERBAR.sub(r"-\1", text.translate(_MINUS_SIGNS)).strip("()[]{} ")
    parts = re.split(r"\s*[,;\s]\s*", bare)
    if re.fullmatch(r"(-?\d){3,4}", bare):
        parts = re.findall(r"-?\d", bare)
    numbers = [int(part) for part in parts if re.fullmatch(r"[+-]?\d+", part)]
    if len(numbers) == 4 and numbers[0] + numbers[1] + numbers[2] == 0:
        if not hexagonal:
            raise SurfaceError(
                f"{text!r} has four numbers, and the axes of this crystal are not hexagonal",
                "three integers",
                "leave the third out if it is -(h + k), or check the crystal",
            )
        del numbers[2]
        del parts[2]
    if len(numbers) != 3 or len(parts) != 3 or not any(numbers):
        raise SurfaceError(
            f"{text!r} is no Miller index",
            "three integers that are not all zero, or four (hkil) with i = -(h + k)",
            "write it as 1,1,0 or 1,1,-2,0",
        )
    return numbers[0], numbers[1], numbers[2]


def standard_cell(structure: AnyCrystal, symprec: float = SYMPREC) -> Structure:
    """Return the standard conventional cell that Miller indices refer to.

    Site property ``bulk_site`` holds the index of an equivalent site in the input.
    """
    return symmetrize(structure, symprec).conventional_structure()


def convert_miller_index(
    structure: AnyCrystal, miller_index: MillerIndex, symprec: float = SYMPREC
) -> MillerIndex:
    """Translate an index of the *input* cell's planes to the standard conventional cell.

    The same planes, other axes: h_standard = h_input P^-1 with x_standard = P x_input + p.
    """
    crystal = symmetrize(structure, symprec)
    indices = np.asarray(miller_index) @ np.linalg.inv(crystal.input_to_standard)
    return coprime_index(indices)


def coprime_index(indices: NDArray[np.float64]) -> MillerIndex:
    """Scale a rational direction to coprime integers.

    Raises
    ------
    SurfaceError
        The direction is zero or not rational with a small denominator.
    """
    largest = np.abs(indices).max()
    if largest < 1e-8:
        raise SurfaceError("The Miller index is (0, 0, 0)", "a plane", "Give a nonzero index")
    for denominator in range(1, 241):
        scaled = indices * (denominator / largest)
        whole = np.rint(scaled)
        if np.abs(scaled - whole).max() < 1e-3:
            divisor = math.gcd(*(int(h) for h in whole))
            h, k, l = (int(h) // divisor for h in whole)
            return h, k, l
    raise SurfaceError(
        f"The direction {indices} is not a small rational index",
        "a lattice plane of the crystal",
        "Give the index in the standard conventional cell",
    )


def canonical_miller_index(crystal: SymmetricCrystal, miller_index: MillerIndex) -> MillerIndex:
    """Return the representative of an orientation's class under the point group and inversion."""
    return max(
        _orbit(crystal, np.asarray(coprime_index(np.asarray(miller_index, float)))), key=_rank
    )


def is_nonpolar(crystal: SymmetricCrystal, miller_index: MillerIndex) -> bool:
    """Apply the point-operation rule to an index of the standard conventional cell."""
    normal = np.asarray(miller_index)
    # A row of Miller indices transforms as h' = h W for the operation x' = W x.
    images = normal @ crystal.conventional_point_operations
    return bool((images == -normal).all(axis=1).any())


def unique_orientations(
    structure: AnyCrystal, max_index: int, symprec: float = SYMPREC
) -> list[Orientation]:
    """List all symmetry-unique orientations up to a largest index, nonpolar and polar.

    Parameters
    ----------
    structure
        Any cell of the crystal.
    max_index
        Largest absolute value of an index, at least 1.
    symprec
        Tolerance of the symmetry search, angstrom.

    Returns
    -------
    list of Orientation
        n and -n count as one orientation. Sorted by in-plane area, then by index.

    Raises
    ------
    SurfaceError
        ``max_index`` is smaller than 1.
    """
    if max_index < 1:
        raise SurfaceError(f"max_index is {max_index}", "at least 1", "Give a positive number")
    crystal = symmetrize(structure, symprec)
    axis = np.arange(-max_index, max_index + 1)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[np.gcd.reduce(grid, axis=1) == 1]
    seen: set[MillerIndex] = set()
    found: list[Orientation] = []
    for normal in sorted((_as_index(row) for row in grid), key=_rank, reverse=True):
        if normal in seen:
            continue
        orbit = _orbit(crystal, np.asarray(normal))
        seen |= orbit
        found.append(_describe(crystal, normal, len(orbit)))
    return sorted(found, key=lambda o: (round(o.area, 3), tuple(-h for h in _rank(o.miller_index))))


def nonpolar_orientations(
    structure: AnyCrystal, max_index: int = 1, symprec: float = SYMPREC
) -> list[Orientation]:
    """List the symmetry-unique orientations that can carry a nonpolar slab.

    Parameters and errors as for :func:`unique_orientations`.
    """
    return [o for o in unique_orientations(structure, max_index, symprec) if o.nonpolar]


def primitive_normal(crystal: SymmetricCrystal, miller_index: MillerIndex) -> NDArray[np.int64]:
    """Return the coprime index of a plane family in the primitive reciprocal basis, shape (3,)."""
    return np.asarray(coprime_index(np.asarray(miller_index) @ crystal.primitive_rows.T))


def interplanar_spacing(crystal: SymmetricCrystal, normal: NDArray[np.int64]) -> float:
    """Return the spacing of the primitive lattice planes in angstrom (``normal``: primitive basis)."""
    return float(1.0 / np.linalg.norm(np.linalg.solve(crystal.lattice, normal.astype(float))))


def _describe(
    crystal: SymmetricCrystal, miller_index: MillerIndex, multiplicity: int
) -> Orientation:
    spacing = interplanar_spacing(crystal, primitive_normal(crystal, miller_index))
    return Orientation(
        miller_index=miller_index,
        nonpolar=is_nonpolar(crystal, miller_index),
        spacing=spacing,
        area=crystal.volume / spacing,
        multiplicity=multiplicity,
    )


def _orbit(crystal: SymmetricCrystal, normal: NDArray[np.int64]) -> set[MillerIndex]:
    """Return all images of a normal under the point group, and their opposites."""
    images = normal @ crystal.conventional_point_operations
    return {_as_index(row) for row in np.concatenate([images, -images])}


def _as_index(row: NDArray[np.int64]) -> MillerIndex:
    return int(row[0]), int(row[1]), int(row[2])


def _rank(index: MillerIndex) -> tuple[int, ...]:
    """Order in which people write an index: small, few minus signs, then (110) before (101)."""
    negatives = sum(h < 0 for h in index)
    return (-max(map(abs, index)), -sum(map(abs, index)), -negatives, *index)
