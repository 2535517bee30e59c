"""Repair of type C terminations: half of the outermost plane is removed in stripes.

A polar sequence of planes becomes nonpolar and stoichiometric when half of both boundary planes is
taken away (Tasker's third class). The half is taken in stripes that run along a short lattice vector:
with the stripes' wavevector q, the atoms whose phase q.r lies in one half of the period go (Hinuma,
Kamachi, Hamamoto, Mater. Trans. 61, 78 (2020), doi:10.2320/matertrans.MT-M2019215). Where the plane
can be halved within the primitive in-plane cell that is done; otherwise the cell is doubled in one of
the three possible ways.

Patterns are compared before any slab is built: as subsets of the boundary atoms in the (2 x 2) cell,
which every pattern fits, under the permutations that the isometries of the half-crystal cause there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from surfalign.physics.disturbance import FAR, SAME_SUM, removal_sums
from surfalign.physics.neighbours import CUTOFF
from surfalign.physics.ordering import Criterion, settled_order
from surfalign.physics.oriented import OrientedCrystal
from surfalign.physics.stripes import (
    CELLS,
    SAME_WIDTH,
    BoundaryLayer,
    boundary_layer,
    doubling_wavevectors,
    stripes,
    supercell_of,
)
from surfalign.physics.terminations import Termination

#: Patterns kept for each wavevector, before those of equal width.
PATTERNS_PER_WAVEVECTOR = 8


Operation = tuple[NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class StripePattern:
    """Which boundary atoms are removed, and the operation that makes the lower face from the upper.

    Attributes
    ----------
    supercell
        Rows of the in-plane cell in the primitive in-plane basis, integer, shape (2, 2).
    removed
        Whether each boundary atom goes, by its cell modulo 2, shape (n_boundary, 2, 2).
    wavevector
        Wavevector of the stripes in the primitive in-plane reciprocal basis.
    operations
        Operations (W, t), in the oriented basis, that turn a striped slab upside down, by the number
        of periods that the slab is thicker than the thinnest one, modulo twice the number of periods
        in a spacing. (Modulo twice: w may lean by half of a doubled cell.)
    """

    supercell: NDArray[np.int64]
    removed: NDArray[np.bool_]
    wavevector: tuple[float, float]
    operations: dict[int, Operation]

    @property
    def n_cells(self) -> int:
        """Number of primitive in-plane cells in the pattern's cell."""
        return round(abs(float(np.linalg.det(self.supercell))))


def stripe_patterns(termination: Termination) -> list[StripePattern]:
    """Return the inequivalent minimal patterns of a type C termination that can be symmetric.

    Patterns in the primitive in-plane cell where there are any, otherwise those in cells twice as
    large. Of each wavevector the :data:`PATTERNS_PER_WAVEVECTOR` patterns are kept whose stripes end
    in the widest gaps between rows of atoms (more where gaps are equal). Those that break the fewest
    bonds come first. Empty where no operation that turns the slab upside down respects any pattern.
    """
    layer = boundary_layer(termination)
    oriented = termination.oriented
    symmetries = np.array(_half_crystal_permutations(oriented, layer))
    turning = _Reversal(oriented, layer)
    doubling = doubling_wavevectors(oriented)
    primitive = [(2 * q[0], 2 * q[1]) for q in doubling]
    for wavevectors in (primitive, doubling):
        found: dict[bytes, StripePattern] = {}
        for wavevector in wavevectors:
            accepted, last = 0, np.inf
            for width, removed in stripes(oriented, layer, wavevector):
                if accepted >= PATTERNS_PER_WAVEVECTOR and width < last - SAME_WIDTH:
                    break
                # A whole plane removed would be another planar cut: halve every plane of the layer.
                if termination.n_boundary > 1 and not _halves_each(removed, layer.planes):
                    continue
                images = np.packbits(removed.ravel()[symmetries], axis=1)
                key = min(image.tobytes() for image in images)
                if key not in found:
                    supercell = supercell_of(wavevector)
                    operations = turning.operations(supercell, removed)
                    if not operations:
                        continue
                    found[key] = StripePattern(supercell, removed, wavevector, operations)
                accepted, last = accepted + 1, width
        if found:
            return _ordered(termination, layer, list(found.values()))
    return []


def _ordered(
    termination: Termination, layer: BoundaryLayer, patterns: list[StripePattern]
) -> list[StripePattern]:
    """Order patterns by how much they disturb, whatever order they were found in."""
    removed = np.array([pattern.removed for pattern in patterns])

    @cache
    def sums(reach: float) -> NDArray[np.float64]:
        return removal_sums(termination, layer, removed, reach)

    def criterion(reach: float, power: int) -> Criterion:
        return lambda members: sums(reach)[members, power], SAME_SUM

    criteria = [criterion(reach, power) for reach in (CUTOFF, FAR) for power in range(3)]
    return [patterns[i] for i in settled_order(len(patterns), criteria)]


class _Reversal:
    """The operations that turn slabs of one termination upside down, tried on stripe patterns."""

    def __init__(self, oriented: OrientedCrystal, layer: BoundaryLayer) -> None:
        self._oriented = oriented
        self._layer = layer
        self._permutations: dict[tuple[object, ...], NDArray[np.int64] | None] = {}
        # Inversion is preferred, then a mirror, then rotations.
        self._candidates = sorted(
            oriented.reversing_operations(), key=lambda operation: _complexity(operation[0])
        )

    def operations(
        self, supercell: NDArray[np.int64], removed: NDArray[np.bool_]
    ) -> dict[int, Operation]:
        """Return one operation for each added number of periods that respects the pattern."""
        fitting = [o for o in self._candidates if _keeps_lattice(o[0][:2, :2], supercell)]
        found: dict[int, Operation] = {}
        n_periods = self._oriented.n_periods
        for added in range(2 * n_periods):
            height = 2 * (self._oriented.center or 0.0) - added / n_periods
            operation = self._respecting(fitting, removed.ravel(), height)
            if operation is not None:
                found[added] = operation
        return found

    def _respecting(
        self, candidates: list[Operation], removed: NDArray[np.bool_], height: float
    ) -> Operation | None:
        """Return an operation z -> height - z that keeps the pattern when applied twice."""
        for rotation, translation in candidates:
            if abs((translation[2] - height + 0.5) % 1.0 - 0.5) > 1e-6:
                continue
            for cell in CELLS:
                shift = np.array([*(translation[:2] + cell), height])
                permutation = self._twice(rotation, shift)
                if permutation is not None and (removed[permutation] == removed).all():
                    return rotation, shift
        return None

    def _twice(
        self, rotation: NDArray[np.int64], shift: NDArray[np.float64]
    ) -> NDArray[np.int64] | None:
        """Return how the operation, applied twice, permutes the boundary atoms of the 2 x 2 cell."""
        square, twice = rotation @ rotation, rotation @ shift + shift
        key = (square.tobytes(), *(np.round(twice[:2], 4) % 2.0).tolist())
        if key not in self._permutations:
            self._permutations[key] = _permutation(self._layer, square, twice)
        return self._permutations[key]


def supercell_cells(supercell: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return one primitive in-plane cell from each class modulo the supercell, shape (n, 2)."""
    n = round(abs(float(np.linalg.det(supercell))))
    steps = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), axis=-1).reshape(-1, 2)
    fractional = np.round(steps @ np.linalg.inv(supercell), 6) % 1.0
    _, first = np.unique(fractional, axis=0, return_index=True)
    return np.asarray(steps[np.sort(first)])


def _halves_each(removed: NDArray[np.bool_], planes: NDArray[np.int64]) -> bool:
    """Whether half of the atoms of every plane are removed."""
    return all(removed[planes == plane].mean() == 0.5 for plane in np.unique(planes))


def _keeps_lattice(rotation: NDArray[np.int64], supercell: NDArray[np.int64]) -> bool:
    """Whether an in-plane operation maps the supercell's lattice to itself."""
    images = (rotation @ supercell.T).T @ np.linalg.inv(supercell)
    return bool(np.abs(images - np.rint(images)).max() < 1e-6)


def _half_crystal_permutations(
    oriented: OrientedCrystal, layer: BoundaryLayer
) -> list[NDArray[np.int64]]:
    """Return how the isometries of the half-crystal permute the boundary atoms of the 2 x 2 cell."""
    found = []
    for rotation, translation in oriented.keeping_operations():
        for cell in CELLS:
            shift = np.array([translation[0] + cell[0], translation[1] + cell[1], 0.0])
            permutation = _permutation(layer, rotation, shift)
            if permutation is not None:
                found.append(permutation)
    return found


def _permutation(
    layer: BoundaryLayer, rotation: NDArray[np.int64], translation: NDArray[np.float64]
) -> NDArray[np.int64] | None:
    """Return the image number of each (atom, cell), shape (4 n,); None where atoms do not match."""
    n = len(layer.positions)
    images = layer.positions @ rotation.T + translation
    shift = images[:, None, :] - layer.positions[None, :, :]
    whole = np.rint(shift)
    close = (np.abs(shift - whole).max(axis=-1) < 1e-4) & (np.abs(whole[:, :, 2]) < 0.5)
    if not (close.sum(axis=1) == 1).all():
        return None
    target = close.argmax(axis=1)
    cells = whole[np.arange(n), target, :2].astype(np.int64)
    moved = (CELLS @ rotation[:2, :2].T)[None, :, :] + cells[:, None, :]
    number = moved[..., 0] % 2 * 2 + moved[..., 1] % 2
    return np.asarray((target[:, None] * 4 + number).ravel())


def _complexity(rotation: NDArray[np.int64]) -> int:
    """Order operations by preference: inversion, mirror, twofold axis, rotoinversions."""
    if (rotation == -np.eye(3, dtype=np.int64)).all():
        return 0
    determinant, trace = round(float(np.linalg.det(rotation))), int(np.trace(rotation))
    return {(-1, 1): 1, (1, -1): 2}.get((determinant, trace), 3)
