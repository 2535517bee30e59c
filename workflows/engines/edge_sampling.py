"""Whether the k-points of a calculation can hold the band edges of its crystal, and what they may miss.

Bands are stationary where symmetry leaves their gradient no direction: at Gamma, at the centres of the
zone's faces, at K, W, P, ... That is where edges usually lie. A mesh of odd divisions, or one that is
shifted off Gamma, holds none or few of them; what it misses is estimated by the smoothest bands through
the energies that are known. How well such bands foretell an energy is measured by leaving known ones out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from surfalign.physics.checks import Check, within

Array = NDArray[np.float64]

#: An edge may be off by so much before a result is flagged, eV.
TOLERANCE = 0.1
#: k-points nearer than this are one (reduced coordinates).
_SAME_POINT = 1e-4
_SYMPREC = 1e-3
#: Stationary points have coordinates that are multiples of 1/12: halves, thirds, quarters.
_DENOMINATOR = 12
#: Fewest stars of k-points through which bands are laid: two energies show no curvature.
_FEWEST_STARS = 3
#: Most k-points through which bands are laid, the nearest ones: the work grows with their cube.
_MOST_POINTS = 300
#: Stars near each edge that are left out, one by one, to measure the error of the interpolation.
_LEFT_OUT = 3
#: Waves for each k-point of the interpolation; it is the smoothest one of them.
_WAVES_PER_POINT = 4


@dataclass(frozen=True)
class EdgeSampling:
    """What the k-points of a calculation may miss of the band edges.

    Parameters
    ----------
    missing
        Stationary points (reduced) that are not sampled, one of each star.
    valence, conduction
        How far the VBM lies above, and the CBM below, those of the k-points, eV; zero where the estimate
        does not exceed its own error, NaN where the k-points are too few to tell.
    possible
        How far an edge may lie off within the error of the estimate, eV.
    """

    missing: list[tuple[float, ...]]
    valence: float
    conduction: float
    possible: float = 0.0

    def check(self) -> Check:
        """Return this as a check of a calculation."""
        off = max(self.valence, self.conduction, key=lambda value: (np.isnan(value), value))
        reason = "band edges at points of symmetry that the k-points do not hold"
        named = f"{reason} ({self._names})" if self.missing else reason
        return within("edge_sampling", off, TOLERANCE, "eV", named)

    @property
    def notes(self) -> list[str]:
        """What is to be said where the check passes and yet an edge may be missed."""
        if not self.check().passed or self.possible <= TOLERANCE:
            return []
        return [
            f"edge_sampling_uncertain: no k-point at {self._names}; an edge there may lie up to "
            f"{self.possible:.2f} eV beyond those of the mesh (a band structure would tell)"
        ]

    @property
    def _names(self) -> str:
        return "; ".join(", ".join(f"{x:.3g}" for x in point) for point in self.missing[:4])


def edge_sampling(
    structure: Structure,
    mesh: ArrayLike,
    valence: ArrayLike,
    conduction: ArrayLike,
    further: ArrayLike = (),
    edges: tuple[float, float] | None = None,
) -> EdgeSampling:
    """Return what a mesh may miss of the band edges.

    Parameters
    ----------
    structure
        The cell.
    mesh
        k-points of the density, reduced, up to symmetry, shape (n_points, 3).
    valence, conduction
        Highest filled and lowest empty level at each of them, eV, shape (n_points,).
    further, edges
        k-points whose levels are known besides, shape (n_further, 3); VBM and CBM over all, eV.
    """
    points = np.asarray(mesh, dtype=float).reshape(-1, 3)
    known = np.concatenate([points, np.asarray(further, dtype=float).reshape(-1, 3)])
    operations = _operations(structure)
    missing = [p for p in stationary_points(operations) if not _holds(known, p, operations)]
    if not missing:
        return EdgeSampling([], 0.0, 0.0)
    levels = np.stack([np.asarray(valence, dtype=float), -np.asarray(conduction, dtype=float)])
    guessed = _interpolated(structure, operations, points, levels, np.array(missing))
    best = levels.max(axis=1)
    if edges is not None:
        best = np.maximum(best, [edges[0], -edges[1]])
    above = guessed.max(axis=1) - best
    error = _errors(structure, operations, points, levels)
    sure = np.where(np.isnan(above) | (above > np.maximum(error, 0.0)), np.maximum(above, 0.0), 0.0)
    sure = np.where(np.isnan(above), np.nan, sure)
    possible = float(np.nan_to_num(np.maximum(above + error, 0.0)).max())
    named = [tuple(map(float, p)) for p in missing]
    return EdgeSampling(named, float(sure[0]), float(sure[1]), possible)


def holds(structure: Structure, points: ArrayLike, point: ArrayLike) -> bool:
    """Return whether some of the points (reduced) is equivalent to a point by symmetry."""
    known = np.asarray(points, dtype=float).reshape(-1, 3)
    return _holds(known, np.asarray(point, dtype=float), _operations(structure))


def stationary_points(operations: NDArray[np.int64]) -> list[Array]:
    """Return the k-points at which symmetry makes bands stationary, one of each star.

    Parameters
    ----------
    operations
        Rotations of reduced k-points (rows), shape (n, 3, 3), inversion among them.
    """
    return _stationary_points(operations.tobytes())


@lru_cache(maxsize=64)
def _stationary_points(packed: bytes) -> list[Array]:
    operations = np.frombuffer(packed, dtype=np.int64).reshape(-1, 3, 3)
    grid = np.array(list(product(range(_DENOMINATOR), repeat=3))) / _DENOMINATOR
    fixed = _is_lattice_vector(_stars(grid, operations) - grid[:, None])
    mean = np.einsum("kn,nij->kij", fixed, operations) / fixed.sum(axis=1)[:, None, None]
    return _different(grid[np.abs(mean).max(axis=(1, 2)) < 1e-9], operations)


def _operations(structure: Structure) -> NDArray[np.int64]:
    """The point group of the bands: the crystal's, and inversion (time reversal)."""
    found = SpacegroupAnalyzer(structure, symprec=_SYMPREC).get_symmetry_dataset()
    rotations = np.asarray(found.rotations, dtype=np.int64)
    return np.unique(np.concatenate([rotations, -rotations]), axis=0)


def _different(points: Array, operations: NDArray[np.int64], most: int = 1000) -> list[Array]:
    """One point of each star, of as many stars at most."""
    found: list[Array] = []
    for point in points:
        if not found or not _holds(np.array(found), point, operations):
            found.append(point)
        if len(found) == most:
            break
    return found


def _holds(points: Array, point: Array, operations: NDArray[np.int64]) -> bool:
    """Whether some of the points is one of a star."""
    star = _stars(point[None, :], operations)[0]
    return bool(_is_lattice_vector(star[:, None] - points[None, :]).any())


def _stars(points: Array, operations: NDArray[np.int64]) -> Array:
    """All images of k-points, shape (n_points, n_operations, 3)."""
    return np.asarray(np.einsum("ki,nij->knj", points, operations))


def _is_lattice_vector(differences: Array) -> NDArray[np.bool_]:
    return np.asarray((np.abs(differences - np.rint(differences)) < _SAME_POINT).all(axis=-1))


def _interpolated(
    structure: Structure,
    operations: NDArray[np.int64],
    points: Array,
    levels: Array,
    targets: Array,
) -> Array:
    """Levels (n_levels, n_targets) of the smoothest bands through those of the whole zone's points.

    Waves of the lattice are weighted by their roughness, as by Koelling and Wood (doi
    10.1016/0021-9991(86)90261-5).
    """
    stars = _stars(points, operations).reshape(-1, 3)
    owners = np.repeat(np.arange(len(points)), len(operations))
    folded = np.round(stars - np.floor(stars + 1e-7), 5)
    opposite = np.round(-stars - np.floor(-stars + 1e-7), 5)
    both = np.where((folded[:, :1] <= opposite[:, :1]), folded, opposite)
    _, first = np.unique(both, axis=0, return_index=True)
    if len(_different(points, operations, _FEWEST_STARS)) < _FEWEST_STARS:
        return np.full((len(levels), len(targets)), np.nan)
    if len(first) > _MOST_POINTS:
        first = first[_nearest(structure, stars[first], targets)]
    whole, energies = stars[first], levels[:, owners[first]]
    waves = _waves(structure, _WAVES_PER_POINT * len(first))
    squares = ((waves @ structure.lattice.matrix) ** 2).sum(axis=1)
    scaled = squares / squares[0]
    smoothness = 1.0 / ((1 - 0.25 * scaled) ** 2 + 0.75 * scaled**3)
    start = np.cos(2 * np.pi * waves @ whole[0])
    known = np.cos(2 * np.pi * whole[1:] @ waves.T) - start
    matrix = (known * smoothness) @ known.T
    matrix += 1e-9 * np.trace(matrix) / len(matrix) * np.eye(len(matrix))
    weights = np.linalg.solve(matrix, (energies[:, 1:] - energies[:, :1]).T)
    there = np.cos(2 * np.pi * targets @ waves.T) - start
    result: Array = energies[:, :1] + ((there * smoothness) @ known.T @ weights).T
    return result


def _errors(
    structure: Structure, operations: NDArray[np.int64], points: Array, levels: Array
) -> Array:
    """Largest error (n_levels,) with which the levels near each edge follow from all other k-points."""
    stars = _different(points, operations)
    rows = [next(i for i, p in enumerate(points) if np.array_equal(p, s)) for s in stars]
    errors = np.zeros(len(levels))
    for level, energies in enumerate(levels[:, rows]):
        for row in np.argsort(-energies)[:_LEFT_OUT]:
            others = [i for i in rows if i != rows[row]]
            target = points[rows[row]][None, :]
            found = _interpolated(
                structure, operations, points[others], levels[level : level + 1, others], target
            )
            apart = abs(float(found[0, 0]) - energies[row])
            errors[level] = max(errors[level], 0.0 if np.isnan(apart) else apart)
    return errors


def _nearest(structure: Structure, points: Array, targets: Array) -> NDArray[np.int64]:
    """Which points, or their opposites, lie nearest to some target, as many as are used."""
    apart = np.stack([points[:, None] - targets, -points[:, None] - targets])
    apart = (apart - np.rint(apart)) @ structure.lattice.reciprocal_lattice.matrix
    distances = np.linalg.norm(apart, axis=-1).min(axis=(0, 2))
    return np.asarray(np.argsort(distances, kind="stable")[:_MOST_POINTS])


def _waves(structure: Structure, number: int) -> Array:
    """The shortest lattice vectors (whole numbers), one of each pair, without the zero vector."""
    reach = int(np.ceil((2 * number + 1) ** (1 / 3))) + 1
    vectors = np.array(list(product(range(-reach, reach + 1), repeat=3)), dtype=float)
    vectors = vectors[len(vectors) // 2 + 1 :]  # in this order the opposites stand before zero
    lengths = np.linalg.norm(vectors @ structure.lattice.matrix, axis=1)
    order = np.argsort(lengths, kind="stable")[:number]
    return np.asarray(vectors[order])
