"""Symmetric, stoichiometric terminations of an orientation by the symmetry-centre construction.

A slab that some isometry of the bulk turns upside down is bounded by two images of one cut, at equal
distances from a symmetry centre. Within one period p of the planes every gap between atomic planes is
one cut, and no two of them are equivalent: isometries that keep the normal only add multiples of p.
Duplicates are therefore never made, and nothing has to be compared afterwards. Adding p to the
thickness adds one stoichiometric period and moves the centre by p/2, so each cut is judged once, for
all thicknesses:

- the atoms between the cut and its image have the bulk composition: type A where each atomic plane
  has it too, otherwise type B (Tasker's classes 1 and 2);
- they have it once one of the two boundary planes is taken away: type C (Tasker 3), to be repaired by
  removing half of both boundary planes;
- otherwise the cut is rejected.

Construction after Hinuma et al., Comput. Mater. Sci. 113, 221 (2016),
doi:10.1016/j.commatsci.2015.11.042; they try the cuts at multiples of p/4 from a centre, here every
gap is tried, which also finds the cuts of layered crystals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from surfalign.physics.lattice.oriented import (
    PLANE_TOLERANCE,
    AtomicPlane,
    OrientedCrystal,
    atomic_planes,
)

#: Planes within this height may be halved together, as one rumpled layer, angstrom.
LAYER_THICKNESS = 1.0


class TerminationClass(StrEnum):
    """Polarity class of a termination."""

    A = "A"  # every atomic plane has the bulk composition
    B = "B"  # charged planes in a symmetric, stoichiometric sequence
    C = "C"  # stoichiometric only with half of the boundary planes removed


class RejectionReason(StrEnum):
    """Why a cut gives no slab."""

    POLAR = "polar_orientation"
    NOT_STOICHIOMETRIC = "not_stoichiometric"
    NO_SYMMETRIC_PATTERN = "no_symmetric_pattern"


@dataclass(frozen=True, eq=False)
class Termination:
    """One cut of an orientation that gives a symmetric stoichiometric slab.

    Attributes
    ----------
    oriented
        The crystal seen along the normal.
    planes
        The atomic planes of one spacing, upwards from the symmetry centre.
    outermost
        Index in ``planes`` of the outermost plane below the cut.
    termination_class
        Class A, B or C.
    label
        Composition of the outermost planes from the surface down, e.g. ``O/Ti2O2``; only one where
        all planes are alike. In-plane primitive cell, common factors of all planes divided out.
    n_boundary
        Type C: number of outermost planes, together one rumpled layer, to be halved; otherwise 0.
    """

    oriented: OrientedCrystal
    planes: list[AtomicPlane]
    outermost: int
    termination_class: TerminationClass
    label: str
    n_boundary: int

    @property
    def boundary_planes(self) -> list[AtomicPlane]:
        """The planes that a type C repair halves, outermost first."""
        return [_plane_below(self.planes, self.outermost, i) for i in range(self.n_boundary)]

    @property
    def planes_below(self) -> list[tuple[str, float]]:
        """Composition of each plane of one spacing, and its depth below the cut (angstrom)."""
        found = []
        for steps in range(len(self.planes)):
            plane = _plane_below(self.planes, self.outermost, steps)
            depth = (self.plane.top - plane.height) * self.oriented.spacing
            found.append((composition_text(self.oriented, plane.counts), depth))
        return found

    @property
    def gap(self) -> float:
        """Width of the gap that the cut opens, angstrom."""
        above = _bottom_above(self.planes, self.outermost)
        return (above - self.plane.top) * self.oriented.spacing

    @property
    def cut_height(self) -> float:
        """Height of the cut above the symmetry centre, angstrom."""
        return self.plane.top * self.oriented.spacing + 0.5 * self.gap

    @property
    def plane(self) -> AtomicPlane:
        """The outermost atomic plane."""
        return self.planes[self.outermost]


@dataclass(frozen=True)
class RejectedCut:
    """A cut without a slab.

    Attributes
    ----------
    label
        Composition of the outermost planes, as for :class:`Termination`.
    height
        Height of the cut above the symmetry centre, angstrom.
    reason
        Stable name of the reason.
    explanation
        One sentence with the numbers.
    """

    label: str
    height: float
    reason: RejectionReason
    explanation: str


def find_terminations(
    oriented: OrientedCrystal,
    planes: list[AtomicPlane] | None = None,
    tolerance: float = PLANE_TOLERANCE,
) -> tuple[list[Termination], list[RejectedCut]]:
    """Judge every cut of an orientation.

    Parameters
    ----------
    oriented
        The crystal seen along the normal.
    planes
        Its atomic planes, where they are known already.
    tolerance
        Gaps narrower than this are never cut, angstrom.

    Returns
    -------
    terminations, rejected
        In the order of the cuts, upwards from the symmetry centre. In a polar orientation every cut
        is rejected.
    """
    planes = atomic_planes(oriented, tolerance) if planes is None else planes
    n_cuts = len(planes) // oriented.n_periods
    bulk = np.sum([plane.counts for plane in planes[:n_cuts]], axis=0)
    uniform = all(_same_composition(plane.counts, bulk) for plane in planes)
    enclosed = _enclosed_counts(planes)
    divisor = math.gcd(*(int(n) for plane in planes for n in plane.counts))
    terminations: list[Termination] = []
    rejected: list[RejectedCut] = []
    for index in range(n_cuts):
        verdict = _judge(oriented, planes, index, enclosed[index], bulk, uniform)
        n_boundary = 1 if isinstance(verdict, RejectionReason) else max(verdict[1], 1)
        label = _label(oriented, planes, index, n_boundary, uniform, divisor)
        if isinstance(verdict, RejectionReason):
            height = 0.5 * (planes[index].top + _bottom_above(planes, index))
            text = _explain(oriented, verdict, enclosed[index], bulk)
            rejected.append(RejectedCut(label, height * oriented.spacing, verdict, text))
        else:
            terminations.append(Termination(oriented, planes, index, verdict[0], label, verdict[1]))
    return terminations, rejected


def _judge(
    oriented: OrientedCrystal,
    planes: list[AtomicPlane],
    index: int,
    counts: NDArray[np.int64],
    bulk: NDArray[np.int64],
    uniform: bool,
) -> tuple[TerminationClass, int] | RejectionReason:
    """Return the class of a cut and its number of boundary planes to halve, or the rejection."""
    if oriented.center is None:
        return RejectionReason.POLAR
    if _same_composition(counts, bulk):
        return (TerminationClass.A if uniform else TerminationClass.B), 0
    sizes = _layer_sizes(oriented, planes, index)
    for n_boundary in range(1, sizes[-1] + 1):
        layer = [_plane_below(planes, index, i) for i in range(n_boundary)]
        boundary = np.sum([plane.counts for plane in layer], axis=0)
        if n_boundary in sizes and _same_composition(counts - boundary, bulk):
            return TerminationClass.C, n_boundary
        # A cut inside the layer that is stoichiometric already needs no repair.
        if _same_composition(counts - 2 * boundary, bulk):
            break
    return RejectionReason.NOT_STOICHIOMETRIC


def _layer_sizes(oriented: OrientedCrystal, planes: list[AtomicPlane], index: int) -> list[int]:
    """Return how many outermost planes may be taken as one (rumpled) layer: 1 always, then more.

    Several planes form one layer when together they are thinner than :data:`LAYER_THICKNESS` and the
    gap below is wider than those between them.
    """
    sizes, widest = [1], 0.0
    for size in range(2, min(len(planes), 6) + 1):
        above, plane = (_plane_below(planes, index, size - i) for i in (2, 1))
        below = _plane_below(planes, index, size)
        widest = max(widest, above.bottom - plane.top)
        if (planes[index].top - plane.bottom) * oriented.spacing > LAYER_THICKNESS:
            break
        if plane.bottom - below.top > widest + 1e-6:
            sizes.append(size)
    return sizes


def _enclosed_counts(planes: list[AtomicPlane]) -> NDArray[np.int64]:
    """Count the atoms between the cut above each plane and its image, shape (n_planes, n_elements).

    Planes above the centre count twice (with their images); the one at the centre counts once.
    """
    counts = 2 * np.cumsum([plane.counts for plane in planes], axis=0)
    if abs(planes[0].height) < 1e-6:
        counts -= planes[0].counts
    return np.asarray(counts, dtype=np.int64)


def composition_text(oriented: OrientedCrystal, counts: NDArray[np.int64], divisor: int = 1) -> str:
    """Write counts as a formula, the least electronegative element first."""
    return "".join(
        f"{symbol}{n if n > 1 else ''}"
        for index, symbol in oriented.crystal.symbols
        if (n := int(counts[index]) // divisor)
    )


def _same_composition(counts: NDArray[np.int64], reference: NDArray[np.int64]) -> bool:
    """Whether two counts are proportional (an empty count is proportional to any)."""
    return bool((counts * reference.sum() == reference * counts.sum()).all())


def _label(
    oriented: OrientedCrystal,
    planes: list[AtomicPlane],
    index: int,
    n_boundary: int,
    uniform: bool,
    divisor: int,
) -> str:
    """Write the composition of the outermost layer and of the plane below it."""
    layer = np.sum([_plane_below(planes, index, i).counts for i in range(n_boundary)], axis=0)
    top = composition_text(oriented, layer, divisor)
    if uniform or len(planes) == 1:
        return top
    below = _plane_below(planes, index, n_boundary)
    return f"{top}/{composition_text(oriented, below.counts, divisor)}"


def _plane_below(planes: list[AtomicPlane], index: int, steps: int) -> AtomicPlane:
    """Return the plane ``steps`` below another, also across the symmetry centre."""
    position = index - steps
    return planes[position] if position >= 0 else planes[position].lowered()


def _bottom_above(planes: list[AtomicPlane], index: int) -> float:
    """Return the height of the lowest atom above a plane, units of d above the centre."""
    return planes[index + 1].bottom if index + 1 < len(planes) else planes[0].bottom + 1.0


def _explain(
    oriented: OrientedCrystal,
    reason: RejectionReason,
    counts: NDArray[np.int64],
    bulk: NDArray[np.int64],
) -> str:
    """Say in one sentence why a cut is rejected."""
    if reason is RejectionReason.POLAR:
        return "No point operation of the crystal reverses the normal"
    return (
        f"The symmetric slab holds {composition_text(oriented, counts)} per in-plane cell besides "
        f"whole periods of {composition_text(oriented, bulk)}; dropping a boundary plane does not "
        "make it stoichiometric"
    )
