"""Displacements that keep a slab's symmetry: the few coordinates in which a relaxation moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import spglib
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Structure

from surfalign.errors import InvalidStructureError
from surfalign.physics.lattice.symmetry_search import ask_spglib

FloatArray = NDArray[np.float64]

#: Tolerance of the symmetry search, angstrom; slabs of this package are exact.
_SYMPREC = 1e-3


@dataclass(frozen=True)
class SymmetricSpace:
    """An orthonormal basis of the totally symmetric displacements of a cell.

    Parameters
    ----------
    basis
        Shape ``(3 * n_atoms, n_coordinates)``; columns are orthonormal displacements.
    """

    basis: FloatArray

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return int(self.basis.shape[1])

    def reduce(self, vectors: ArrayLike) -> FloatArray:
        """Return the coordinates of displacements or forces of shape ``(n_atoms, 3)``."""
        return np.asarray(self.basis.T @ np.asarray(vectors, dtype=float).ravel())

    def expand(self, coordinates: ArrayLike) -> FloatArray:
        """Return displacements or forces, shape ``(n_atoms, 3)``, of these coordinates."""
        return np.asarray((self.basis @ np.asarray(coordinates, dtype=float)).reshape(-1, 3))

    def longest(self, coordinates: ArrayLike) -> float:
        """Return the largest displacement, or force, of an atom."""
        if not self.size:
            return 0.0
        return float(np.linalg.norm(self.expand(coordinates), axis=1).max())

    def holding(self, held: ArrayLike) -> SymmetricSpace:
        """Return the part of this space in which some atoms stay where they are.

        Parameters
        ----------
        held
            Shape ``(n_atoms,)``, whether an atom is held.
        """
        rows = np.repeat(np.asarray(held, dtype=bool), 3)
        if not rows.any() or not self.size:
            return self
        _, values, right = np.linalg.svd(self.basis[rows])
        rank = int((values > 1e-8).sum())
        return SymmetricSpace(self.basis @ right[rank:].T)


def symmetric_space(structure: Structure) -> SymmetricSpace:
    """Return the totally symmetric displacements of a cell, a shift of the whole cell left out.

    The projector on them is the mean of the matrices by which the space group's operations permute and
    turn displacements.

    Parameters
    ----------
    structure
        The cell.

    Raises
    ------
    InvalidStructureError
        When spglib finds no symmetry, not even the identity: atoms lie on one another.
    """
    matrix, places = structure.lattice.matrix, structure.frac_coords
    numbers = [site.specie.Z for site in structure]
    cell = (matrix.tolist(), places.tolist(), numbers)
    symmetry = ask_spglib(spglib.get_symmetry, cell, _SYMPREC)
    if symmetry is None:
        raise InvalidStructureError(
            f"the symmetry of {structure.composition.reduced_formula} cannot be found",
            "atoms at distinct places",
            "check the structure",
        )
    n_atoms = len(structure)
    projector = np.zeros((n_atoms, 3, n_atoms, 3))
    columns = matrix.T
    for rotation, shift in zip(symmetry["rotations"], symmetry["translations"], strict=True):
        turned = columns @ rotation @ np.linalg.inv(columns)
        images = _images(places, rotation, shift, columns)
        for atom, image in enumerate(images):
            projector[image, :, atom, :] += turned
    flat = projector.reshape(3 * n_atoms, 3 * n_atoms) / len(symmetry["rotations"])
    shifts = np.tile(np.eye(3), (n_atoms, 1)) / np.sqrt(n_atoms)
    still = np.eye(3 * n_atoms) - shifts @ shifts.T
    flat = still @ flat @ still
    values, vectors = np.linalg.eigh(0.5 * (flat + flat.T))
    return SymmetricSpace(vectors[:, values > 0.5])


def _images(
    places: FloatArray, rotation: FloatArray, shift: FloatArray, columns: FloatArray
) -> NDArray[np.int64]:
    """Return the atom that each atom is moved to by an operation."""
    apart = (places @ rotation.T + shift)[:, None, :] - places[None, :, :]
    apart -= np.rint(apart)
    return np.asarray(np.linalg.norm(apart @ columns.T, axis=2).argmin(axis=1))
