"""Equilibrium shape of a crystal from the surface energies of its orientations (Wulff construction).

The shape is the set of points x with n . x <= gamma(n) for the normals n of all known orientations and of
their images under the crystal's own point group. pymatgen's WulffShape applies the symmetry of the lattice
in the place of the crystal's: corundum, whose lattice is hexagonal but whose class is -3m, gets twelve
faces (102) for six, pyrite 24 faces (210) for twelve. WulffPack 1.5 applies the crystal's, but in axes of
spglib's choice, which need not be those that our Miller indices refer to, and with an inversion that polar
crystals do not have. What remains is an intersection of half-spaces, which scipy does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, HalfspaceIntersection, QhullError

from surfalign.errors import ShapeError
from surfalign.physics.lattice.orientations import (
    MillerIndex,
    canonical_miller_index,
    format_miller_index,
)
from surfalign.physics.lattice.symmetry import SymmetricCrystal

#: Points and planes are told apart by this much, in units of the largest surface energy.
_SAME = 1e-7
#: A shape that reaches this many times further than its nearest face is open, not closed.
_OPEN = 1e4


@dataclass(frozen=True, eq=False)
class Face:
    """One face of the shape.

    Attributes
    ----------
    miller_index
        Of the orientation whose image it is: the representative of its class.
    normal
        Cartesian unit vector, shape (3,).
    vertices
        Corners in order around the normal, in units of the surface energy, shape (n, 3).
    """

    miller_index: MillerIndex
    normal: NDArray[np.float64]
    vertices: NDArray[np.float64]

    @property
    def area(self) -> float:
        """Area, in squared units of the surface energy."""
        edges = self.vertices - self.vertices[0]
        return float(0.5 * self.normal @ np.cross(edges[:-1], edges[1:]).sum(axis=0))


@dataclass(frozen=True, eq=False)
class EquilibriumShape:
    """The shape of a crystal in equilibrium.

    Attributes
    ----------
    crystal
        The crystal.
    energies
        Surface energy of each orientation that was given, by its representative index.
    faces
        The faces that show.
    """

    crystal: SymmetricCrystal
    energies: dict[MillerIndex, float]
    faces: list[Face]

    @property
    def area_fractions(self) -> dict[MillerIndex, float]:
        """Share of each given orientation in the area of the shape; 0 where it does not show."""
        areas = dict.fromkeys(self.energies, 0.0)
        for face in self.faces:
            areas[face.miller_index] += face.area
        whole = sum(areas.values())
        return {index: area / whole for index, area in areas.items()}

    @property
    def mean_surface_energy(self) -> float:
        """Surface energy averaged over the area of the shape."""
        return sum(self.energies[i] * share for i, share in self.area_fractions.items())

    def shows_below(self, miller_index: MillerIndex) -> float:
        """Return the surface energy below which an orientation would show on this shape.

        The distance of the plane that touches the shape: an orientation that was not given shows if,
        and only if, its surface energy is lower.
        """
        normal = unit_normals(self.crystal, [miller_index])[0]
        return float(max((face.vertices @ normal).max() for face in self.faces))


def equilibrium_shape(
    crystal: SymmetricCrystal, surface_energies: Mapping[MillerIndex, float]
) -> EquilibriumShape:
    """Construct the equilibrium shape.

    Parameters
    ----------
    crystal
        The crystal.
    surface_energies
        Of each orientation, in any one unit; indices of the standard conventional cell. Of equivalent
        orientations the lowest counts.

    Raises
    ------
    ShapeError
        No orientations, a surface energy that is not positive, or orientations that enclose no volume.
    """
    energies: dict[MillerIndex, float] = {}
    for given, energy in surface_energies.items():
        index = canonical_miller_index(crystal, given)
        energies[index] = min(float(energy), energies.get(index, np.inf))
    _check(energies)
    indices, owners = [], []
    for index in sorted(energies):
        images = _images(crystal, index)
        indices += images
        owners += [index] * len(images)
    normals = unit_normals(crystal, indices)
    distances = np.array([energies[owner] for owner in owners]) / max(energies.values())
    points = _corners(normals, distances, energies)
    faces = []
    for owner, normal, distance in zip(owners, normals, distances, strict=True):
        corners = points[np.abs(points @ normal - distance) < 10 * _SAME]
        if len(corners) >= 3:
            ordered = _around(corners, normal) * max(energies.values())
            face = Face(owner, normal, ordered)
            if face.area > (1e-6 * energies[owner]) ** 2:
                faces.append(face)
    return EquilibriumShape(crystal, energies, faces)


def encloses_volume(crystal: SymmetricCrystal, indices: Iterable[MillerIndex]) -> bool:
    """Tell whether orientations make a closed shape; their energies, if positive, do not matter."""
    try:
        equilibrium_shape(crystal, dict.fromkeys(indices, 1.0))
    except ShapeError:
        return False
    return True


def unit_normals(crystal: SymmetricCrystal, indices: list[MillerIndex]) -> NDArray[np.float64]:
    """Return the Cartesian unit normals of lattice planes, shape (n, 3)."""
    vectors = np.asarray(indices, dtype=float) @ np.linalg.inv(crystal.conventional_lattice).T
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1)[:, None])


def _images(crystal: SymmetricCrystal, index: MillerIndex) -> list[MillerIndex]:
    """Return the images of an orientation and their opposites.

    A slab with two equal faces exists only where an operation turns the normal round, so that opposite
    faces are equivalent. Adding them by hand changes nothing then, and for a polar orientation it says what
    alone can be said: the mean of both faces.
    """
    images = np.asarray(index) @ crystal.conventional_point_operations
    rows = np.unique(np.concatenate([images, -images]), axis=0)
    return [(int(h), int(k), int(l)) for h, k, l in rows]


def _check(energies: Mapping[MillerIndex, float]) -> None:
    if not energies:
        raise ShapeError(
            "there is no surface energy", "those of a few orientations", "compute some first"
        )
    wrong = {index: energy for index, energy in energies.items() if not 0 < energy < np.inf}
    if wrong:
        index, energy = next(iter(wrong.items()))
        raise ShapeError(
            f"the surface energy of {format_miller_index(index)} is {energy:.3g}",
            "positive ones: with others a crystal would fall apart",
            "look at that result's checks, or leave it out",
        )


def _corners(
    normals: NDArray[np.float64],
    distances: NDArray[np.float64],
    energies: Mapping[MillerIndex, float],
) -> NDArray[np.float64]:
    """Return the corners of the body that the planes enclose, shape (n, 3)."""
    try:
        body = HalfspaceIntersection(np.column_stack([normals, -distances]), np.zeros(3))
        points = np.asarray(body.intersections)
        closed = np.isfinite(points).all() and np.abs(points).max() < _OPEN * distances.min()
        if closed:
            # Corners where more than three faces meet come several times.
            points = points[ConvexHull(points).vertices]
    except QhullError:
        closed = False
    if not closed:
        names = ", ".join(format_miller_index(index) for index in sorted(energies))
        raise ShapeError(
            f"the orientations {names} enclose no volume: the shape would be endless in some direction",
            "orientations in all directions",
            "compute another orientation; 'surfalign surfaces' lists them",
        )
    return points


def _around(corners: NDArray[np.float64], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Order the corners of a face counter-clockwise around its normal."""
    spokes = corners - corners.mean(axis=0)
    first = spokes[np.argmax(np.linalg.norm(spokes, axis=1))]
    second = np.cross(normal, first)
    return corners[np.argsort(np.arctan2(spokes @ second, spokes @ first))]
