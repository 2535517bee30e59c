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

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from surfalign.physics.lattice.neighbours import CUTOFF
from surfalign.physics.lattice.ordering import Criterion, settled_order
from surfalign.physics.lattice.oriented import Operation, OrientedCrystal
from surfalign.physics.slabs.disturbance import FAR, SAME_SUM, removal_sums
from surfalign.physics.slabs.stripes import (
    CELLS,
    SAME_WIDTH,
    BoundaryLayer,
    Wavevector,
    boundary_layer,
    doubling_wavevectors,
    stripes,
    supercell_of,
)
from surfalign.physics.slabs.terminations import Termination

#: Patterns kept for each wavevector, before those of equal width.
PATTERNS_PER_WAVEVECTOR = 8
#: Patterns made at a time; more are rarely looked at.
_BLOCK = 16


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


def is_corrugated(name: str) -> bool:
    """Ask whether the name of a surface is that of one of type C."""
    return ")-C-" in name


def stripe_patterns(termination: Termination) -> list[StripePattern]:
    """Return the inequivalent minimal patterns of a type C termination that can be symmetric.

    Patterns in the primitive in-plane cell where there are any, otherwise those in cells twice as
    large. Of each wavevector the :data:`PATTERNS_PER_WAVEVECTOR` patterns are kept whose stripes end
    in the widest gaps between rows of atoms (more where gaps are equal). Those that break the fewest
    bonds come first. Empty where no operation that turns the slab upside down respects any pattern.
    """
    layer = boundary_layer(termination)
    oriented = termination.oriented
    symmetries = _half_crystal_permutations(oriented, layer)
    turning = _Reversal(oriented, layer)
    doubling = doubling_wavevectors(oriented)
    primitive = [(2 * q[0], 2 * q[1]) for q in doubling]
    for wavevectors in (primitive, doubling):
        found: dict[bytes, StripePattern] = {}
        for wavevector in wavevectors:
            accepted, last = 0, np.inf
            supercell = supercell_of(wavevector)
            for width, removed, key in _candidates(termination, layer, wavevector, symmetries):
                if accepted >= PATTERNS_PER_WAVEVECTOR and width < last - SAME_WIDTH:
                    break
                if key not in found:
                    operations = turning.operations(supercell, removed)
                    if not operations:
                        continue
                    found[key] = StripePattern(supercell, removed, wavevector, operations)
                accepted, last = accepted + 1, width
        if found:
            return _ordered(termination, layer, list(found.values()))
    return []


def _candidates(
    termination: Termination,
    layer: BoundaryLayer,
    wavevector: Wavevector,
    symmetries: NDArray[np.int64],
) -> Iterator[tuple[float, NDArray[np.bool_], bytes]]:
    """Yield the removals of a wavevector: width, atoms that go, and a key that equal ones share."""
    found = stripes(termination.oriented, layer, wavevector)
    planes = np.equal.outer(layer.planes, np.arange(termination.n_boundary)).astype(np.int64)
    for start in range(0, len(found.widths), _BLOCK):
        block = slice(start, start + _BLOCK)
        removed = found.removed(block)
        kept = np.arange(len(removed))
        # A whole plane removed would be another planar cut: halve every plane of the layer.
        if termination.n_boundary > 1:
            gone = removed.sum(axis=(2, 3)) @ planes
            kept = np.flatnonzero((gone == 2 * planes.sum(axis=0)).all(axis=1))
        images = np.packbits(
            removed[kept].reshape(len(kept), symmetries.shape[1])[:, symmetries], axis=2
        )
        texts = images.view(f"V{images.shape[2]}")[..., 0].tolist()
        for number, equal in zip(kept, texts, strict=True):
            yield float(found.widths[block][number]), removed[number], min(equal)


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
        self._squares: dict[tuple[object, ...], NDArray[np.int64] | None] = {}
        self._kept: dict[bytes, list[tuple[int, list[Operation], NDArray[np.int64]]]] = {}

    def operations(
        self, supercell: NDArray[np.int64], removed: NDArray[np.bool_]
    ) -> dict[int, Operation]:
        """Return one operation for each added number of periods that respects the pattern.

        That is, an operation z -> height - z that keeps the pattern when applied twice.
        """
        key = supercell.tobytes()
        if key not in self._kept:
            self._kept[key] = list(self._keeping(supercell))
        flat = removed.ravel()
        found: dict[int, Operation] = {}
        for added, operations, permutations in self._kept[key]:
            respecting = (flat[permutations] == flat).all(axis=1)
            first = int(respecting.argmax())
            if respecting[first]:
                rotation, shift = operations[first // len(CELLS)]
                cell = CELLS[first % len(CELLS)]
                found[added] = rotation, np.array([*(shift[:2] + cell), shift[2]])
        return found

    def _keeping(
        self, supercell: NDArray[np.int64]
    ) -> Iterator[tuple[int, list[Operation], NDArray[np.int64]]]:
        """Yield the operations that keep the supercell, the preferred first, for each added number.

        With how each, moved by one cell after the other and applied twice, permutes the boundary atoms
        of the 2 x 2 cell, shape (4 n_operations, 4 n).
        """
        inverse = np.linalg.inv(supercell)
        for added, operations, permutations in self._choices:
            rotations = np.array([rotation[:2, :2] for rotation, _ in operations])
            images = (rotations @ supercell.T).transpose(0, 2, 1) @ inverse
            keeping = np.flatnonzero((np.abs(images - np.rint(images)) < 1e-6).all(axis=(1, 2)))
            if len(keeping):
                yield (
                    added,
                    [operations[i] for i in keeping],
                    permutations[keeping].reshape(-1, permutations.shape[-1]),
                )

    @cached_property
    def _choices(self) -> list[tuple[int, list[Operation], NDArray[np.int64]]]:
        """As :meth:`_keeping`, for all supercells; permutations of shape (n_operations, 4, 4 n)."""
        n_periods = self._oriented.n_periods
        found = []
        for added in range(2 * n_periods):
            height = 2 * (self._oriented.center or 0.0) - added / n_periods
            operations: list[Operation] = []
            permutations: list[NDArray[np.int64]] = []
            for rotation, translation in self._oriented.reversing_operations:
                if abs((translation[2] - height + 0.5) % 1.0 - 0.5) > 1e-6:
                    continue
                shift = np.array([translation[0], translation[1], height])
                square = self._square(rotation, shift)
                if square is not None:
                    operations.append((rotation, shift))
                    permutations.append(_moved(square, CELLS @ rotation[:2, :2].T + CELLS))
            if operations:
                found.append((added, operations, np.array(permutations)))
        return found

    def _square(
        self, rotation: NDArray[np.int64], shift: NDArray[np.float64]
    ) -> NDArray[np.int64] | None:
        """Return how the operation, applied twice, permutes the boundary atoms of the 2 x 2 cell."""
        square, twice = rotation @ rotation, rotation @ shift + shift
        key = (square.tobytes(), *(np.round(twice[:2], 4) % 2.0).tolist())
        if key not in self._squares:
            self._squares[key] = _permutation(self._layer, square, twice)
        return self._squares[key]


@cache
def _cells(supercell: bytes) -> NDArray[np.int64]:
    rows = np.frombuffer(supercell, dtype=np.int64).reshape(2, 2)
    n = round(abs(float(np.linalg.det(rows))))
    steps = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), axis=-1).reshape(-1, 2)
    fractional = np.round(steps @ np.linalg.inv(rows) % 1.0, 6) % 1.0
    _, first = np.unique(fractional, axis=0, return_index=True)
    cells = np.asarray(steps[np.sort(first)])
    cells.flags.writeable = False
    return cells


def supercell_cells(supercell: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return one primitive in-plane cell from each class modulo the supercell, shape (n, 2)."""
    return _cells(supercell.astype(np.int64).tobytes())


def _half_crystal_permutations(
    oriented: OrientedCrystal, layer: BoundaryLayer
) -> NDArray[np.int64]:
    """Return how the isometries of the half-crystal permute the boundary atoms of the 2 x 2 cell.

    Shape (n_isometries, 4 n).
    """
    found = []
    for rotation, translation in oriented.keeping_operations():
        shift = np.array([translation[0], translation[1], 0.0])
        permutation = _permutation(layer, rotation, shift)
        if permutation is not None:
            found.append(_moved(permutation, CELLS))
    return np.concatenate(found)


def _moved(permutation: NDArray[np.int64], cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a permutation followed by each of some shifts by whole cells, shape (n_cells, 4 n)."""
    # The cell, modulo 2, is in the last two bits of the number of an atom of the 2 x 2 cell.
    return np.asarray(permutation ^ (cells % 2 @ np.array([2, 1]))[:, None])


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
