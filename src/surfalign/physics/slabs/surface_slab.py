"""One slab: its atoms, its cell, its oriented bulk, and what is known of its surface."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Element, Lattice, PeriodicSite, Structure

from surfalign.physics.lattice.identifiers import surface_identifier
from surfalign.physics.lattice.orientations import MillerIndex
from surfalign.physics.lattice.oriented import OrientedCrystal
from surfalign.physics.lattice.symmetry import SymmetricCrystal
from surfalign.physics.slabs.corrugation import StripePattern, supercell_cells
from surfalign.physics.slabs.terminations import Termination

#: Widest oriented bulk cell, in primitive cells, that is taken to have c along the normal.
_MAX_UPRIGHT_REPEATS = 4


@dataclass(frozen=True, eq=False)
class SurfaceSlab:
    """A symmetric slab and everything known about its surface; stoichiometric but for oxygen, at most.

    Attributes
    ----------
    termination
        The cut; ``termination.termination_class`` is the class A, B or C.
    name
        Human name, e.g. ``MgO(100)-A``.
    in_plane
        In-plane lattice vectors, rows, angstrom, shape (2, 2); a along x.
    positions
        Cartesian positions, angstrom, centred about z = 0, shape (n_atoms, 3).
    sites
        Index of each atom's site in the symmetric crystal, shape (n_atoms,).
    vacuum_thickness
        Height without atoms between slab images, angstrom.
    pattern
        The stripes of a type C surface; None for types A and B.
    excess_oxygen
        Oxygen atoms beyond the stoichiometric amount, both faces together; negative in reduced slabs.
    """

    termination: Termination
    name: str
    in_plane: NDArray[np.float64]
    positions: NDArray[np.float64]
    sites: NDArray[np.int64]
    vacuum_thickness: float
    pattern: StripePattern | None = None
    excess_oxygen: int = 0

    @property
    def crystal(self) -> SymmetricCrystal:
        """The idealised bulk crystal."""
        return self.termination.oriented.crystal

    @property
    def miller_index(self) -> MillerIndex:
        """In the standard conventional cell."""
        return self.termination.oriented.miller_index

    @property
    def termination_class(self) -> str:
        """Class of the termination: ``A``, ``B`` or ``C``."""
        return self.termination.termination_class.value

    @property
    def label(self) -> str:
        """Composition of the outermost planes, from the surface down; how the oxygen there was changed."""
        if not self.excess_oxygen:
            return self.termination.label
        return f"{self.termination.label}, {'reduced' if self.excess_oxygen < 0 else 'oxidised'}"

    @property
    def formula(self) -> str:
        """Reduced formula of the crystal."""
        return self.crystal.formula

    @property
    def space_group_symbol(self) -> str:
        """International symbol of the bulk's space group."""
        return self.crystal.space_group_symbol

    @property
    def space_group_number(self) -> int:
        """Number of the bulk's space group."""
        return self.crystal.space_group_number

    @property
    def bulk_repeat(self) -> float:
        """Smallest period of the bulk's planar average along the normal, angstrom.

        The interplanar spacing of the primitive lattice, or the fraction of it after which a screw
        axis, a glide or another isometry repeats the planes.
        """
        return self.termination.oriented.period

    @property
    def area(self) -> float:
        """Area of one face, angstrom^2."""
        return float(abs(np.linalg.det(self.in_plane)))

    @property
    def slab_thickness(self) -> float:
        """Distance of the outermost atoms along the normal, angstrom."""
        return float(np.ptp(self.positions[:, 2]))

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.positions)

    @property
    def identity(self) -> dict[str, Any]:
        """What the surface is, under the names of the stored documents."""
        return {
            "formula": self.formula,
            "space_group_symbol": self.space_group_symbol,
            "space_group_number": self.space_group_number,
            "miller_index": self.miller_index,
            "termination": self.termination_class,
            "termination_label": self.label,
            "n_atoms": self.n_atoms,
            "area": self.area,
            "slab_thickness": self.slab_thickness,
            "vacuum_thickness": self.vacuum_thickness,
            "bulk_repeat": self.bulk_repeat,
            "excess_oxygen": self.excess_oxygen,
        }

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """Atomic numbers, shape (n_atoms,)."""
        return self.crystal.numbers[self.sites]

    @cached_property
    def identifier(self) -> str:
        """Stable hash of crystal, surface and thickness; the vacuum does not enter."""
        return surface_identifier(self.crystal, self.name, self.n_atoms)

    @cached_property
    def slab(self) -> Structure:
        """The slab: a and b in plane, c along the normal, centred at half of c.

        Site property ``bulk_site`` is the index of an equivalent site in the input structure.
        """
        height = self.slab_thickness + self.vacuum_thickness
        lattice = np.zeros((3, 3))
        lattice[:2, :2], lattice[2, 2] = self.in_plane, height
        return _structure(
            lattice, self.positions + np.array([0.0, 0.0, 0.5 * height]), self.crystal, self.sites
        )

    @cached_property
    def oriented_bulk(self) -> Structure:
        """The bulk in the slab's in-plane cell.

        c is along the normal where at most four primitive spacings reach a lattice vector there;
        otherwise c is the lattice vector, one spacing up, that leans least.
        """
        cell = self.pattern.supercell if self.pattern else np.eye(2, dtype=np.int64)
        return _oriented_bulk(self.termination.oriented, cell)

    def __repr__(self) -> str:
        return f"SurfaceSlab({self.name!r}, n_atoms={self.n_atoms}, identifier={self.identifier!r})"


def reduced_cell(
    vectors: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Reduce a plane cell and turn it so that a is along x.

    Returns
    -------
    in_plane, rotation
        Rows, angstrom, shape (2, 2); and the matrix R with x_new = x_old R, shape (2, 2).
    """
    a, b = vectors
    while True:
        if a @ a > b @ b * (1 + 1e-9):
            a, b = b, a
        times = np.rint(a @ b / (a @ a) - 1e-9)
        if times == 0:
            break
        b = b - times * a
    if a[0] * b[1] - a[1] * b[0] < 0:
        b = -b
    if a @ b > 1e-6 and abs(a @ a - b @ b) < 1e-6:
        # Of the two equally short choices take the obtuse one: hexagonal cells get 120 degrees.
        a, b = b, -a
    x = a / np.linalg.norm(a)
    rotation = np.array([[x[0], -x[1]], [x[1], x[0]]])
    in_plane = np.array([a, b]) @ rotation
    in_plane[0, 1] = 0.0
    return in_plane, rotation


def _oriented_bulk(oriented: OrientedCrystal, cell: NDArray[np.int64]) -> Structure:
    """Return the bulk with the slab's in-plane vectors; see :attr:`SurfaceSlab.oriented_bulk`."""
    in_plane, rotation = reduced_cell(cell @ oriented.lattice[:2, :2])
    vectors = oriented.lattice.copy()
    vectors[:, :2] = vectors[:, :2] @ rotation
    cells = supercell_cells(cell)
    repeats, lean = _upright_repeats(vectors, in_plane)
    lattice = np.zeros((3, 3))
    lattice[:2, :2] = in_plane
    lattice[2] = [*lean, repeats * oriented.spacing]
    shifts = np.array([[a, b, step] for step in range(repeats) for a, b in cells], dtype=float)
    coordinates = (oriented.coordinates[None, :, :] + shifts[:, None, :]).reshape(-1, 3)
    sites = np.tile(np.arange(len(oriented.coordinates)), len(shifts))
    return _structure(lattice, coordinates @ vectors, oriented.crystal, sites)


def _upright_repeats(
    vectors: NDArray[np.float64], in_plane: NDArray[np.float64]
) -> tuple[int, NDArray[np.float64]]:
    """Return how many spacings c of the oriented bulk spans, and its in-plane part (angstrom)."""
    for repeats in range(1, _MAX_UPRIGHT_REPEATS + 1):
        lean = repeats * vectors[2, :2] @ np.linalg.inv(in_plane)
        if np.abs(lean - np.rint(lean)).max() < 1e-6:
            return repeats, np.zeros(2)
    return 1, vectors[2, :2]


def _structure(
    lattice: NDArray[np.float64],
    positions: NDArray[np.float64],
    crystal: SymmetricCrystal,
    sites: NDArray[np.int64],
) -> Structure:
    """Make a pymatgen structure with site property ``bulk_site``."""
    fractional = positions @ np.linalg.inv(lattice)
    fractional = (fractional + 1e-9) % 1.0 - 1e-9
    # Compositions and sites that are not checked again are most of what pymatgen's objects cost.
    elements = {int(z): Composition({Element.from_Z(int(z)): 1}) for z in crystal.elements}
    cell = Lattice(lattice)
    structure = Structure(cell, [], [])
    structure.sites = [
        PeriodicSite(elements[z], place, cell, properties={"bulk_site": site}, skip_checks=True)
        for z, place, site in zip(
            crystal.numbers[sites].tolist(),
            fractional,
            crystal.input_sites[sites].tolist(),
            strict=True,
        )
    ]
    return structure
