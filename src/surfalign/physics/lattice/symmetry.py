"""A crystal with its exact space-group operations: what the surface enumeration works on.

The crystal is idealised by spglib, so that its operations hold to machine precision and every later
step can compare numbers instead of guessing tolerances. Everything is kept in a primitive basis of
the *standard conventional cell* of spglib (International Tables, first setting; hexagonal axes for
rhombohedral crystals). Miller indices always refer to that conventional cell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import spglib
from numpy.typing import NDArray
from pymatgen.core import Element, IStructure, Lattice, Structure

from surfalign.errors import InvalidStructureError, PartialOccupancyError
from surfalign.physics.lattice.axes import alike_settings, preferred_axes, settings_of
from surfalign.physics.lattice.symmetry_search import ask_spglib

#: Default distance tolerance of the symmetry search, in angstrom.
SYMPREC = 0.01

#: Rows: primitive vectors in the conventional basis, for each centring of the standard settings.
_PRIMITIVE_ROWS: dict[str, NDArray[np.float64]] = {
    "P": np.eye(3),
    "A": np.array([[1, 0, 0], [0, 0.5, -0.5], [0, 0.5, 0.5]]),
    "C": np.array([[0.5, 0.5, 0], [-0.5, 0.5, 0], [0, 0, 1]]),
    "I": np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]]),
    "F": np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]),
    "R": np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3,
}


@dataclass(frozen=True, eq=False)
class SymmetricCrystal:
    """An idealised crystal in a primitive basis, with its space group.

    Attributes
    ----------
    formula
        Reduced formula.
    space_group_symbol, space_group_number
        International short symbol and number.
    conventional_lattice
        Standard conventional lattice, rows, angstrom, shape (3, 3).
    primitive_rows
        Primitive vectors in the conventional basis, rows, shape (3, 3).
    positions
        Fractional coordinates in the primitive basis, shape (n_sites, 3).
    numbers
        Atomic numbers, shape (n_sites,).
    rotations, translations
        Operations x' = W x + t modulo lattice translations, in the primitive basis; shapes
        (n_operations, 3, 3), integer, and (n_operations, 3).
    input_sites
        Index of an equivalent site (by a lattice translation) in the input structure, (n_sites,).
    input_to_standard
        Matrix P with x_standard = P x_input + p for fractional coordinates, shape (3, 3).
    symprec
        Tolerance of the symmetry search, angstrom.
    cache
        Quantities that are needed for every surface of the crystal, filled on first use.
    """

    formula: str
    space_group_symbol: str
    space_group_number: int
    conventional_lattice: NDArray[np.float64]
    primitive_rows: NDArray[np.float64]
    positions: NDArray[np.float64]
    numbers: NDArray[np.int64]
    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]
    input_sites: NDArray[np.int64]
    input_to_standard: NDArray[np.float64]
    symprec: float = field(default=SYMPREC)
    cache: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def text(self) -> str:
        """Formula and space group, for messages."""
        return f"{self.formula} ({self.space_group_symbol}, No. {self.space_group_number})"

    @cached_property
    def lattice(self) -> NDArray[np.float64]:
        """Primitive lattice vectors, rows, angstrom, shape (3, 3)."""
        return self.primitive_rows @ self.conventional_lattice

    @cached_property
    def volume(self) -> float:
        """Volume of the primitive cell in angstrom^3."""
        return float(abs(np.linalg.det(self.lattice)))

    @cached_property
    def elements(self) -> NDArray[np.int64]:
        """Atomic numbers that occur, ascending, shape (n_elements,)."""
        return np.unique(self.numbers)

    @cached_property
    def symbols(self) -> list[tuple[int, str]]:
        """Index in :attr:`elements` and symbol, the least electronegative element first."""
        elements = [Element.from_Z(int(z)) for z in self.elements]
        order = sorted(range(len(elements)), key=lambda i: (elements[i].X, elements[i].Z))
        return [(i, elements[i].symbol) for i in order]

    @cached_property
    def species_counts(self) -> NDArray[np.int64]:
        """One-hot rows of the sites over :attr:`elements`, shape (n_sites, n_elements)."""
        one_hot: NDArray[np.int64] = np.equal.outer(self.numbers, self.elements).astype(np.int64)
        return one_hot

    @cached_property
    def point_operations(self) -> NDArray[np.int64]:
        """Distinct rotation parts in the primitive basis, shape (n, 3, 3)."""
        return np.unique(self.rotations, axis=0)

    @cached_property
    def conventional_point_operations(self) -> NDArray[np.int64]:
        """Distinct rotation parts in the conventional basis (column convention), shape (n, 3, 3)."""
        to_primitive = np.linalg.inv(self.primitive_rows.T)
        conventional = self.primitive_rows.T @ self.point_operations @ to_primitive
        return np.rint(conventional).astype(np.int64)

    @cached_property
    def orbits(self) -> list[list[int]]:
        """The sites of the primitive cell in groups that are equal by symmetry."""
        images = np.einsum("nij,sj->sni", self.rotations, self.positions) + self.translations
        left, orbits = set(range(len(self.numbers))), []
        while left:
            apart = images[min(left)][:, None, :] - self.positions[None, :, :]
            apart = (apart - np.rint(apart)) @ self.lattice
            same = (np.sum(apart**2, axis=-1) < self.symprec**2).any(axis=0)
            orbits.append([int(site) for site in np.flatnonzero(same)])
            left -= set(orbits[-1])
        return orbits

    def primitive_structure(self) -> Structure:
        """Return the idealised primitive cell with site property ``bulk_site``."""
        return Structure(
            Lattice(self.lattice),
            [Element.from_Z(int(z)) for z in self.numbers],
            self.positions,
            site_properties={"bulk_site": [int(i) for i in self.input_sites]},
        )

    def conventional_structure(self) -> Structure:
        """Return the standard conventional cell that Miller indices refer to."""
        shifts = _centring_translations(self.primitive_rows)
        standard = self.positions @ self.primitive_rows
        coordinates = (standard[:, None, :] + shifts[None, :, :]).reshape(-1, 3) % 1.0
        sites = np.repeat(self.input_sites, len(shifts))
        return Structure(
            Lattice(self.conventional_lattice),
            [Element.from_Z(int(z)) for z in np.repeat(self.numbers, len(shifts))],
            coordinates,
            site_properties={"bulk_site": [int(i) for i in sites]},
        )


class HasStructure(Protocol):
    """Whatever holds a crystal's structure, e.g. a :class:`~surfalign.crystals.crystal.Crystal`."""

    @property
    def structure(self) -> Structure:
        """Any cell of the crystal."""


#: What functions of surfaces take for a crystal.
AnyCrystal = Structure | SymmetricCrystal | HasStructure


def _centring_translations(primitive_rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lattice translations inside the conventional cell, shape (n, 3)."""
    steps = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    points = np.round(steps @ primitive_rows % 1.0, 6) % 1.0
    return np.unique(points, axis=0)


def symmetrize(structure: AnyCrystal, symprec: float = SYMPREC) -> SymmetricCrystal:
    """Find the space group of a crystal and idealise the crystal accordingly.

    Parameters
    ----------
    structure
        Any cell of the crystal; a :class:`SymmetricCrystal` is returned unchanged.
    symprec
        Distance tolerance in angstrom.

    Raises
    ------
    PartialOccupancyError
        Some site is not occupied by exactly one element.
    InvalidStructureError
        No space group is found (overlapping atoms, degenerate cell), or this is no crystal.
    """
    if isinstance(structure, SymmetricCrystal):
        return structure
    structure = getattr(structure, "structure", structure)
    if not isinstance(structure, IStructure):
        raise InvalidStructureError(
            f"{structure!r} is no crystal",
            "a pymatgen Structure, or what load_crystal returns",
            "load it first: surfalign.load_crystal(...)",
        )
    dataset = _spglib_dataset(structure, symprec)
    centring = str(dataset.international)[0]
    rows = _PRIMITIVE_ROWS[centring]
    lattice = np.asarray(dataset.std_lattice, dtype=float)
    transformation = np.asarray(dataset.transformation_matrix, dtype=float)
    rotations, translations = _primitive_operations(int(dataset.hall_number), rows)
    classes = np.asarray(dataset.std_mapping_to_primitive)
    _, first = np.unique(classes, return_index=True)
    positions = np.asarray(dataset.std_positions)[first] @ np.linalg.inv(rows)
    numbers = np.asarray(dataset.std_types, dtype=np.int64)[first]
    # From here on the conventional axes have their definite choice; the primitive basis stays.
    settings = (
        alike_settings(int(dataset.hall_number), lattice)
        if dataset.number <= 74
        else settings_of(int(dataset.number))
    )
    axes = preferred_axes(settings, positions @ rows, numbers)
    lattice, rows = axes @ lattice, rows @ np.linalg.inv(axes)
    transformation = np.linalg.inv(axes).T @ transformation
    input_classes = np.asarray(dataset.mapping_to_primitive)
    input_sites = [int(np.flatnonzero(input_classes == c)[0]) for c in classes[first]]
    return SymmetricCrystal(
        formula=structure.composition.reduced_formula,
        space_group_symbol=str(dataset.international),
        space_group_number=int(dataset.number),
        conventional_lattice=lattice,
        primitive_rows=rows,
        positions=positions % 1.0,
        numbers=numbers,
        rotations=rotations,
        translations=translations,
        input_sites=np.asarray(input_sites, dtype=np.int64),
        input_to_standard=transformation,
        symprec=symprec,
    )


def _spglib_dataset(structure: Structure, symprec: float) -> spglib.SpglibDataset:
    """Run spglib; turn its ways of failing into one error."""
    if len(structure) == 0:
        raise InvalidStructureError("The structure has no atoms", "a crystal", "Check the file")
    if not structure.is_ordered:
        raise PartialOccupancyError(
            f"{structure.composition.reduced_formula} has partially occupied sites",
            "one element on every site",
            "Choose an ordered structure or order this one first",
        )
    numbers = [site.specie.Z for site in structure]
    cell = (structure.lattice.matrix.tolist(), structure.frac_coords.tolist(), numbers)
    dataset: spglib.SpglibDataset | None = ask_spglib(spglib.get_symmetry_dataset, cell, symprec)
    if dataset is None:
        raise InvalidStructureError(
            f"No space group was found for {structure.composition.reduced_formula} "
            f"within {symprec} angstrom",
            "a periodic crystal without overlapping atoms",
            "Check the structure or change the symmetry tolerance",
        )
    return dataset


def _primitive_operations(
    hall_number: int, rows: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Take the exact operations of a Hall number to the primitive basis, one per point operation."""
    operations: Any = spglib.get_symmetry_from_database(hall_number)
    rotations = np.asarray(operations["rotations"], dtype=np.float64)
    translations = np.asarray(operations["translations"], dtype=np.float64)
    # x_conventional = Q x_primitive with Q = rows^T (columns are the primitive vectors).
    columns, inverse = rows.T, np.linalg.inv(rows.T)
    primitive = np.rint(inverse @ rotations @ columns).astype(np.int64)
    shifts = translations @ inverse.T
    # Translations of space groups are multiples of 1/24 in the primitive basis.
    shifts = np.rint(shifts * 24).astype(np.int64) % 24
    _, first = np.unique(primitive.reshape(-1, 9), axis=0, return_index=True)
    return primitive[first], shifts[first] / 24
