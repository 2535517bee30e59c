"""k-points: meshes from a spacing, and lists that hold the band edges.

All meshes are centred at Gamma: hexagonal cells need it, and the usual extrema lie on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from pymatgen.core import Structure
from pymatgen.io.vasp import Kpoints
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

Point = tuple[float, float, float]

#: VASP's own symmetry tolerance (SYMPREC): the irreducible points must be those that VASP finds.
_SYMPREC = 1e-5
#: Cells that differ by rounding errors must get the same mesh (points).
_TOLERANCE = 1e-3
#: k-points nearer than this are one (reduced coordinates).
_SAME_POINT = 1e-5


def bulk_mesh(structure: Structure, spacing: float) -> Kpoints:
    """Return the mesh of a bulk cell.

    Parameters
    ----------
    structure
        The cell.
    spacing
        Largest distance of neighbouring points, 1/angstrom (2 pi included).
    """
    return _gamma(tuple(_points(v, spacing) for v in structure.lattice.reciprocal_lattice.abc))


def even_mesh(structure: Structure, spacing: float) -> Kpoints:
    """Return a mesh with even divisions, so that it holds the centres of the zone's faces.

    Hexagonal divisions are multiples of six in the plane: they hold K as well. Parameters as for
    :func:`bulk_mesh`.
    """
    multiples = [6, 6, 2] if structure.lattice.is_hexagonal() else [2, 2, 2]
    lengths = structure.lattice.reciprocal_lattice.abc
    return _gamma(
        tuple(
            multiple * math.ceil(_points(length, spacing) / multiple)
            for length, multiple in zip(lengths, multiples, strict=True)
        )
    )


def exchange_mesh(structure: Structure, spacing: float) -> Kpoints:
    """Return the mesh of the exchange: even divisions, no more. Parameters as for :func:`bulk_mesh`."""
    lengths = structure.lattice.reciprocal_lattice.abc
    return _gamma(tuple(2 * math.ceil(_points(length, spacing) / 2) for length in lengths))


def slab_mesh(structure: Structure, spacing: float, *, periodic_normal: bool = False) -> Kpoints:
    """Return the mesh of a slab, or of the bulk cell oriented like it.

    In-plane points depend on the in-plane vectors only, so that slab and oriented bulk share them and
    the errors of the sampling cancel in a surface energy.

    Parameters
    ----------
    structure
        The cell; its first two vectors lie in the plane.
    spacing
        Largest distance of neighbouring points, 1/angstrom (2 pi included).
    periodic_normal
        Whether the third direction is sampled too (oriented bulk).
    """
    a, b, c = structure.lattice.matrix
    normal = np.cross(a, b)
    area = float(np.linalg.norm(normal))
    height = abs(float(np.dot(normal, c))) / area
    along_a, along_b = (
        _points(2 * np.pi * float(np.linalg.norm(other)) / area, spacing) for other in (b, a)
    )
    along_c = _points(2 * np.pi / height, spacing) if periodic_normal else 1
    return _gamma((along_a, along_b, along_c))


def with_zero_weights(structure: Structure, mesh: Kpoints, points: Sequence[Point]) -> Kpoints:
    """Return the irreducible points of a mesh with weights, then ``points`` with weight zero.

    Points that the mesh holds already are not repeated.

    Parameters
    ----------
    structure
        The cell, in the order of the POSCAR.
    mesh
        A Gamma-centred mesh.
    points
        Further k-points, reduced.
    """
    analyzer = SpacegroupAnalyzer(structure, symprec=_SYMPREC)
    irreducible = analyzer.get_ir_reciprocal_mesh(mesh.kpts[0])
    weighted = [tuple(float(x) for x in point) for point, _ in irreducible]
    weights = [int(weight) for _, weight in irreducible]
    new: list[Point] = []
    for point in points:
        if not any(same_point(point, known) for known in [*weighted, *new]):
            new.append(point)
    size = "x".join(str(n) for n in mesh.kpts[0])
    return Kpoints(
        comment=f"irreducible {size} mesh, then the band edges with weight 0",
        style=Kpoints.supported_modes.Reciprocal,
        num_kpts=len(weighted) + len(new),
        kpts=[*weighted, *new],
        kpts_weights=[*weights, *([0] * len(new))],
    )


def edge_points(
    eigenvalues: ArrayLike, points: ArrayLike, n_occupied: int, window: float, most: int
) -> list[Point]:
    """Return the k-points where bands lie near the extrema, the extrema first.

    Parameters
    ----------
    eigenvalues
        Shape (n_points, n_bands), eV.
    points
        Reduced k-points, shape (n_points, 3).
    n_occupied
        Number of occupied bands.
    window
        Largest distance to the extremum, eV.
    most
        Most points for each edge.
    """
    bands, k = np.asarray(eigenvalues, dtype=float), np.asarray(points, dtype=float)
    valence, conduction = -bands[:, n_occupied - 1], bands[:, n_occupied]
    found: list[Point] = []
    for edge in (valence, conduction):
        order = np.argsort(edge, kind="stable")[:most]
        for index in order[edge[order] <= edge.min() + window]:
            point = (float(k[index, 0]), float(k[index, 1]), float(k[index, 2]))
            if not any(same_point(point, known) for known in found):
                found.append(point)
    return found


def same_point(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return whether two reduced k-points differ by a reciprocal lattice vector."""
    difference = np.asarray(one, dtype=float) - np.asarray(other, dtype=float)
    return bool(np.all(np.abs(difference - np.rint(difference)) < _SAME_POINT))


def number_of_points(kpoints: Kpoints, structure: Structure) -> int:
    """Return how many k-points a calculation has after symmetry."""
    if kpoints.num_kpts:
        return int(kpoints.num_kpts)
    analyzer = SpacegroupAnalyzer(structure, symprec=_SYMPREC)
    return len(analyzer.get_ir_reciprocal_mesh(kpoints.kpts[0]))


def _points(length: float, spacing: float) -> int:
    return max(1, math.ceil(length / spacing - _TOLERANCE))


def _gamma(size: tuple[int, ...]) -> Kpoints:
    # Kpoints.gamma_automatic would compute nothing else, and writes no reason
    return Kpoints(
        comment="Gamma-centred mesh",
        num_kpts=0,
        style=Kpoints.supported_modes.Gamma,
        kpts=[size],
        kpts_shift=(0, 0, 0),
    )
