"""One slab: its atoms, its cell, its oriented bulk, and what is known of its surface."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Element, Lattice, Structure

from surfalign.physics.corrugation import (
    StripePattern,
    boundary_layer,
    removed_at,
    supercell_cells,
)
from surfalign.physics.identifiers import surface_fingerprint, surface_identifier
from surfalign.physics.orientations import MillerIndex
from surfalign.physics.oriented import OrientedCrystal
from surfalign.physics.symmetry import SymmetricCrystal
from surfalign.physics.terminations import Termination

#: Widest oriented bulk cell, in primitive cells, that is taken to have c along the normal.
_MAX_UPRIGHT_REPEATS = 4


@dataclass(frozen=True, eq=False)
class SurfaceSlab:
    """A symmetric stoichiometric slab and everything known about its surface.

    Attributes
    ----------
    termination
        The cut; ``termination.polarity`` is the class A, B or C.
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
    removed
        Positions of the atoms that the stripes lack, in the frame of ``positions``, shape (n, 3).
    twin
        Number of surfaces of this orientation before this one with the same rounded fingerprint.
    """

    termination: Termination
    name: str
    in_plane: NDArray[np.float64]
    positions: NDArray[np.float64]
    sites: NDArray[np.int64]
    vacuum_thickness: float
    pattern: StripePattern | None = None
    removed: NDArray[np.float64] | None = None
    twin: int = 0

    @property
    def crystal(self) -> SymmetricCrystal:
        """The idealised bulk crystal."""
        return self.termination.oriented.crystal

    @property
    def miller_index(self) -> MillerIndex:
        """In the standard conventional cell."""
        return self.termination.oriented.miller_index

    @property
    def polarity(self) -> str:
        """Class of the termination: ``A``, ``B`` or ``C``."""
        return self.termination.polarity.value

    @property
    def label(self) -> str:
        """Composition of the outermost planes, from the surface down."""
        return self.termination.label

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

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """Atomic numbers, shape (n_atoms,)."""
        return self.crystal.numbers[self.sites]

    @cached_property
    def identifier(self) -> str:
        """Stable hash of crystal, surface and thickness; the vacuum does not enter."""
        return surface_identifier(
            self.formula,
            self.space_group_number,
            (self.polarity, self.n_atoms, *self.termination.oriented.symmetry_numbers),
            self.fingerprint,
            self.twin,
        )

    @cached_property
    def fingerprint(self) -> NDArray[np.float64]:
        """Numbers that characterise the surface; see :func:`~.identifiers.surface_fingerprint`."""
        return surface_fingerprint(
            self.crystal, self.in_plane, self.positions, self.sites, self.removed
        )

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


def build_slab(
    termination: Termination,
    pattern: StripePattern | None,
    slab_thickness: float,
    vacuum_thickness: float,
) -> SurfaceSlab:
    """Cut the slab of a termination with the fewest periods that reach the thickness."""
    oriented = termination.oriented
    n_periods = _periods_needed(termination, slab_thickness)
    if pattern is None:
        coordinates, sites = _cut(termination, n_periods, np.zeros((1, 2), dtype=np.int64))
        kept, cell = np.ones(len(sites), dtype=bool), np.eye(2, dtype=np.int64)
    else:
        coordinates, sites, kept = _striped_cut(termination, pattern, n_periods)
        cell = pattern.supercell
    in_plane, rotation = _reduced_cell(cell @ oriented.lattice[:2, :2])
    cartesian = coordinates @ oriented.lattice
    fractional = cartesian[:, :2] @ rotation @ np.linalg.inv(in_plane)
    # Atoms on the border of the cell stay on one side, whatever the last digit.
    fractional = (fractional + 1e-7) % 1.0 - 1e-7
    z = cartesian[:, 2] - 0.5 * (cartesian[kept, 2].min() + cartesian[kept, 2].max())
    positions = np.column_stack([fractional @ in_plane, z])
    order = np.flatnonzero(kept)[np.lexsort((sites[kept], np.round(z[kept], 5)))]
    return SurfaceSlab(
        termination=termination,
        name="",
        in_plane=in_plane,
        positions=positions[order],
        sites=sites[order],
        vacuum_thickness=vacuum_thickness,
        pattern=pattern,
        removed=None if pattern is None else positions[~kept],
    )


def _periods_needed(termination: Termination, slab_thickness: float) -> int:
    """Return the number of periods to add to the slab between a cut and its nearest image."""
    oriented, top = termination.oriented, termination.plane.top
    period = 1.0 / oriented.n_periods
    wanted = slab_thickness / oriented.spacing - 1e-6
    n_periods = math.ceil((wanted - 2 * top) / period)
    base = oriented.coordinates[:, 2] - (oriented.center or 0.0)
    while True:
        low = -top - n_periods * period
        counts = np.floor(top - base + 1e-6) - np.ceil(low - base - 1e-6) + 1
        if np.maximum(counts, 0).sum() > 0:
            return n_periods
        n_periods += 1


def _cut(
    termination: Termination, n_periods: int, cells: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return coordinates (oriented basis, shape (n, 3)) and sites of the atoms of a slab.

    The upper cut is the termination's own; the lower one is its image, moved down by whole periods.
    (The centre of the slab then lies half as many periods lower, on another symmetry centre.)
    """
    oriented = termination.oriented
    top = termination.plane.top
    origin = oriented.center or 0.0
    low, high = origin - top - n_periods / oriented.n_periods, origin + top
    base = oriented.coordinates
    first = np.ceil(low - base[:, 2] - 1e-6).astype(np.int64)
    last = np.floor(high - base[:, 2] + 1e-6).astype(np.int64)
    numbers = np.maximum(last - first + 1, 0)
    sites = np.repeat(np.arange(len(base)), numbers)
    column = base[sites]
    starts = np.repeat(first - np.cumsum(numbers) + numbers, numbers)
    column[:, 2] += starts + np.arange(len(sites))
    shifts = np.column_stack([cells, np.zeros(len(cells))])
    coordinates = (column[None, :, :] + shifts[:, None, :]).reshape(-1, 3)
    return coordinates, np.tile(sites, len(cells))


def _striped_cut(
    termination: Termination, pattern: StripePattern, n_periods: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Cut a slab; say which atoms stay when both faces lose their stripes."""
    oriented = termination.oriented
    layer = boundary_layer(termination)
    # Not every centre respects the stripes: add periods until one does.
    choices = 2 * oriented.n_periods
    while n_periods % choices not in pattern.operations:
        n_periods += 1
    rotation, translation = pattern.operations[n_periods % choices]
    height = 2 * (oriented.center or 0.0) - n_periods / oriented.n_periods
    coordinates, sites = _cut(termination, n_periods, supercell_cells(pattern.supercell))
    images = coordinates @ rotation.T + np.array([translation[0], translation[1], height])
    removed = removed_at(layer, pattern, coordinates) | removed_at(layer, pattern, images)
    return coordinates, sites, ~removed


def _reduced_cell(
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
    in_plane, rotation = _reduced_cell(cell @ oriented.lattice[:2, :2])
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
    # Compositions, made once, save pymatgen from making one for every site.
    elements = {int(z): Composition({Element.from_Z(int(z)): 1}) for z in crystal.elements}
    return Structure(
        Lattice(lattice),
        [elements[int(crystal.numbers[i])] for i in sites],
        fractional,
        site_properties={"bulk_site": [int(crystal.input_sites[i]) for i in sites]},
    )
