"""Cutting slabs: from a termination, a thickness and stripes to the atoms."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from surfalign.physics.lattice.oriented import OrientedCrystal
from surfalign.physics.slabs.corrugation import StripePattern, supercell_cells
from surfalign.physics.slabs.stripes import BoundaryLayer, boundary_layer
from surfalign.physics.slabs.surface_slab import SurfaceSlab, reduced_cell
from surfalign.physics.slabs.terminations import Termination

#: A slab may be thinner than wanted by this much, angstrom: what noise takes from a round number.
_MISSING_THICKNESS = 1e-3
#: Positions in the oriented basis are told apart by this much.
_SAME_POSITION = 1e-4


class SlabBuilder:
    """Cuts the slabs of one termination with the fewest periods that reach a thickness.

    All stripes of one cell are cut from the same planar slab, made once.

    Parameters
    ----------
    termination
        The upper cut.
    slab_thickness, vacuum_thickness
        Angstrom; the first is a minimum.
    """

    def __init__(
        self, termination: Termination, slab_thickness: float, vacuum_thickness: float
    ) -> None:
        self.termination = termination
        self._vacuum_thickness = vacuum_thickness
        self._n_periods = _periods_needed(termination, slab_thickness)
        self._planar: dict[tuple[bytes, int], PlanarSlab] = {}

    @cached_property
    def _layer(self) -> BoundaryLayer:
        return boundary_layer(self.termination)

    def build(self, name: str, pattern: StripePattern | None = None) -> SurfaceSlab:
        """Return the slab; with a pattern, both faces lose their stripes."""
        n_periods = self._n_periods
        if pattern is None:
            planar = self._cut(np.eye(2, dtype=np.int64), n_periods)
            kept = np.ones(len(planar.sites), dtype=bool)
        else:
            # Not every centre respects the stripes: add periods until one does.
            choices = 2 * self.termination.oriented.n_periods
            while n_periods % choices not in pattern.operations:
                n_periods += 1
            planar = self._cut(pattern.supercell, n_periods)
            kept = ~self._removed(planar, pattern, n_periods % choices)
        positions = planar.positions[kept]
        positions[:, 2] -= 0.5 * (positions[0, 2] + positions[-1, 2])
        return SurfaceSlab(
            termination=self.termination,
            name=name,
            in_plane=planar.in_plane,
            positions=positions,
            sites=planar.sites[kept],
            vacuum_thickness=self._vacuum_thickness,
            pattern=pattern,
        )

    def _cut(self, cell: NDArray[np.int64], n_periods: int) -> PlanarSlab:
        key = (cell.tobytes(), n_periods)
        if key not in self._planar:
            self._planar[key] = _planar_slab(self.termination, cell, n_periods)
        return self._planar[key]

    def _removed(
        self, planar: PlanarSlab, pattern: StripePattern, choice: int
    ) -> NDArray[np.bool_]:
        """Say which atoms the stripes of both faces take, shape (n_atoms,)."""
        rotation, shift = pattern.operations[choice]
        # The operations know the added periods modulo a lattice vector only; w may lean by it.
        translation = np.array([shift[0], shift[1], planar.bottom + planar.top])
        # Many patterns share a face and the operation that makes the other one from it.
        key = rotation.tobytes() + translation.tobytes()
        if key not in planar.faces:
            depth = float(np.ptp(self._layer.positions[:, 2])) + _SAME_POSITION
            heights = planar.coordinates[:, 2]
            upper = np.flatnonzero(heights >= planar.top - depth)
            lower = np.flatnonzero(heights <= planar.bottom + depth)
            images = planar.coordinates[lower] @ rotation.T + translation
            atoms = np.concatenate([upper, lower])
            places = np.concatenate([planar.coordinates[upper], images])
            found, numbers = self._boundary_atoms(places)
            planar.faces[key] = atoms[found], numbers
        atoms, numbers = planar.faces[key]
        removed = np.zeros(len(planar.sites), dtype=bool)
        removed[atoms[pattern.removed.ravel()[numbers]]] = True
        return removed

    def _boundary_atoms(
        self, coordinates: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find the positions (oriented basis, shape (n, 3)) of boundary atoms.

        Returns
        -------
        found, numbers
            Which positions these are, and the number of each one's atom in the 2 x 2 cell.
        """
        shift = coordinates[:, None, :] - self._layer.positions[None, :, :]
        cells = np.rint(shift[..., :2])
        shift[..., :2] -= cells
        found, atoms = np.nonzero(np.abs(shift).max(axis=-1) < _SAME_POSITION)
        parity = cells[found, atoms].astype(np.int64) % 2
        return found, 4 * atoms + 2 * parity[:, 0] + parity[:, 1]


@dataclass(frozen=True, eq=False)
class PlanarSlab:
    """A slab with both boundary planes whole, its atoms from the bottom up.

    Attributes
    ----------
    bottom, top
        Heights of the lowest and highest atoms in the oriented basis.
    coordinates
        In the oriented basis, shape (n, 3).
    sites
        Index of each atom's site, shape (n,).
    in_plane
        In-plane vectors, rows, angstrom, shape (2, 2).
    positions
        Cartesian, angstrom, shape (n, 3).
    faces
        By the operation that makes the lower face from the upper one: the atoms that stripes may
        take, and the number of each one's boundary atom in the 2 x 2 cell.
    """

    bottom: float
    top: float
    coordinates: NDArray[np.float64]
    sites: NDArray[np.int64]
    in_plane: NDArray[np.float64]
    positions: NDArray[np.float64]
    faces: dict[bytes, tuple[NDArray[np.int64], NDArray[np.int64]]] = field(default_factory=dict)


def _planar_slab(termination: Termination, cell: NDArray[np.int64], n_periods: int) -> PlanarSlab:
    """Cut between the termination and its image, moved down by whole periods.

    The centre of the slab lies half as many periods lower, on another symmetry centre.
    """
    oriented, top = termination.oriented, termination.plane.top
    origin = oriented.center or 0.0
    return cut_between(oriented, cell, origin - top - n_periods / oriented.n_periods, origin + top)


def cut_between(
    oriented: OrientedCrystal, cell: NDArray[np.int64], low: float, high: float
) -> PlanarSlab:
    """Cut all atoms of an in-plane cell (rows, in the primitive one) between two heights, units of d."""
    column, sites = oriented.column(low, high)
    cells = supercell_cells(cell)
    shifts = np.column_stack([cells, np.zeros(len(cells))])
    coordinates = (column[None, :, :] + shifts[:, None, :]).reshape(-1, 3)
    sites = np.tile(sites, len(cells))
    cartesian = coordinates @ oriented.lattice
    in_plane, rotation = reduced_cell(cell @ oriented.lattice[:2, :2])
    fractional = cartesian[:, :2] @ rotation @ np.linalg.inv(in_plane)
    # Atoms on the border of the cell stay on one side, whatever the last digit.
    fractional = (fractional + 1e-7) % 1.0 - 1e-7
    positions = np.column_stack([fractional @ in_plane, cartesian[:, 2]])
    order = np.lexsort((sites, np.round(cartesian[:, 2], 5)))
    return PlanarSlab(low, high, coordinates[order], sites[order], in_plane, positions[order])


def _periods_needed(termination: Termination, slab_thickness: float) -> int:
    """Return the number of periods to add to the slab between a cut and its nearest image."""
    oriented, top = termination.oriented, termination.plane.top
    period = 1.0 / oriented.n_periods
    wanted = (slab_thickness - _MISSING_THICKNESS) / oriented.spacing
    n_periods = math.ceil((wanted - 2 * top) / period)
    origin = oriented.center or 0.0
    while True:
        atoms, _ = oriented.column(origin - top - n_periods * period, origin + top)
        if len(atoms):
            return n_periods
        n_periods += 1
