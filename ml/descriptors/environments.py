"""What the learner sees of a slab: its distinct atoms, how many there are of each, and how deep they sit.

Atoms of the same species whose spectra agree are indistinguishable to any network on the spectrum, so
they are merged and counted. That covers the atoms related by symmetry, lateral translations of a
supercell included, needs no tolerance in space, and is much cheaper than finding the space group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from surfalign.errors import InvalidStructureError
from surfalign.ml.configuration import DescriptorConfiguration
from surfalign.ml.descriptors.density import density_coefficients
from surfalign.ml.descriptors.slab_geometry import slab_geometry
from surfalign.ml.properties.property import Level

MERGING_TOLERANCE = 1e-5
"""Largest relative difference between the fingerprints of two atoms taken as one."""

DEPTH_TOLERANCE = 1e-3
"""Largest difference in depth between two atoms taken as one (A)."""

N_PROBES = 4

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Environments:
    """The distinct atoms of one slab.

    Attributes
    ----------
    species
        Atomic numbers present, ascending, shape (n_species,).
    coefficients
        Density coefficients, shape (n_distinct, n_species, (l_max + 1)^2, n_max), single precision.
    centers
        Atomic number of each distinct atom, shape (n_distinct,).
    multiplicities
        How many atoms of the slab each stands for, shape (n_distinct,).
    depths
        Distance to the nearest surface (A), shape (n_distinct,); zero for the atoms of a crystal.
    membership
        Index of the distinct atom that stands for each site, shape (n_sites,); shape (1,) where only the first
        atom is described.
    """

    species: Integers
    coefficients: NDArray[np.float32]
    centers: Integers
    multiplicities: Integers
    depths: NDArray[np.float64]
    membership: Integers


def atomic_environments(structure: Structure, descriptor: DescriptorConfiguration) -> Environments:
    """Expand the density around the distinct atoms of a slab.

    A slab is cut open at its vacuum, so that neither the width of the vacuum nor a periodic image
    across it matters. A crystal is periodic along all lattice vectors. Where an atom is meant, it is the first
    one, and it alone is described.

    Parameters
    ----------
    structure
        A slab with vacuum along one lattice vector, or a crystal.
    descriptor
        Hyperparameters of the expansion, and which of the two it is, or that its first atom is meant.

    Raises
    ------
    InvalidStructureError
        If the structure is disordered or empty.
    SurfaceError
        If a slab has no vacuum.
    """
    if not len(structure) or not structure.is_ordered:
        raise InvalidStructureError(
            f"{structure.composition.reduced_formula or 'the structure'} is disordered or empty",
            "a slab with one species on each site",
            "order the structure first",
        )
    numbers = np.array(structure.atomic_numbers, dtype=np.int64)
    cell = structure.lattice.matrix
    if descriptor.level is not Level.SLAB:
        positions, periodic = structure.cart_coords, (True, True, True)
        # No atom is nearer to a surface than another: all belong to both zones of the network alike.
        depths = np.zeros(len(numbers))
    else:
        geometry = slab_geometry(structure.frac_coords, cell)
        positions, depths = geometry.positions, geometry.depths
        periodic = geometry.axis != 0, geometry.axis != 1, geometry.axis != 2
    density = density_coefficients(numbers, positions, cell, periodic, descriptor)
    if descriptor.level is Level.ATOM:
        representatives = membership = np.zeros(1, dtype=np.int64)
    else:
        representatives, membership = merge_equal_atoms(
            numbers, depths, spectrum_fingerprints(density.coefficients)
        )
    return Environments(
        species=density.species,
        coefficients=density.coefficients[representatives].astype(np.float32),
        centers=numbers[representatives],
        multiplicities=np.bincount(membership).astype(np.int64),
        depths=depths[representatives],
        membership=membership,
    )


def spectrum_fingerprints(coefficients: NDArray[np.floating]) -> Array:
    """Return a few numbers that are equal for two atoms if and only if their spectra are.

    The spectrum is a quadratic form in (species, n); it is probed in fixed generic directions u,
    sum_m (sum_zn u_zn c^z_nlm)^2.

    Parameters
    ----------
    coefficients
        Density coefficients, shape (n_atoms, n_species, (l_max + 1)^2, n_max).

    Returns
    -------
    Array
        Shape (n_atoms, n_probes * (l_max + 1)), relative to the largest of each column.
    """
    n_atoms, n_species, n_components, n_max = coefficients.shape
    generator = np.random.default_rng(20240)
    directions = generator.normal(size=(N_PROBES, n_species, n_max))
    probed = np.tensordot(coefficients, directions, axes=([1, 3], [1, 2]))
    starts = np.arange(int(np.sqrt(n_components))) ** 2
    fingerprints = np.add.reduceat(probed**2, starts, axis=1).reshape(n_atoms, -1)
    scale = np.abs(fingerprints).max(axis=0)
    return np.asarray(fingerprints / np.where(scale > 0.0, scale, 1.0))


def merge_equal_atoms(
    numbers: Integers, depths: Array, fingerprints: Array
) -> tuple[Integers, Integers]:
    """Find the distinct atoms.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n_atoms,).
    depths
        Distances to the nearest surface (A), shape (n_atoms,).
    fingerprints
        Shape (n_atoms, n_fingerprints), of order one.

    Returns
    -------
    representatives, membership
        Index of the first atom of each kind, shape (n_distinct,); the kind of each atom, shape
        (n_atoms,).
    """
    membership = np.full(len(numbers), -1, dtype=np.int64)
    representatives: list[int] = []
    for atom in range(len(numbers)):
        if membership[atom] >= 0:
            continue
        open_atoms = np.flatnonzero((membership < 0) & (numbers == numbers[atom]))
        differences = np.abs(fingerprints[open_atoms] - fingerprints[atom]).max(axis=1)
        alike = (differences < MERGING_TOLERANCE) & (
            np.abs(depths[open_atoms] - depths[atom]) < DEPTH_TOLERANCE
        )
        membership[open_atoms[alike]] = len(representatives)
        representatives.append(atom)
    return np.array(representatives, dtype=np.int64), membership
