"""Nonpolar, stoichiometric, symmetric slabs of a crystal.

The functions that others call::

    nonpolar_orientations(structure, max_index=1) -> list[Orientation]
    survey_orientation(structure, miller_index, ...) -> OrientationSurvey
    enumerate_slabs(
        structure, miller_index, *, slab_thickness=20.0, vacuum_thickness=15.0, symprec=0.01
    ) -> list[SurfaceSlab]

``structure`` is a pymatgen Structure in any cell, a crystal that holds one, or a
:class:`~.symmetry.SymmetricCrystal` (from :func:`~.symmetry.symmetrize`) where many orientations share
the symmetry search. ``miller_index``
refers to the standard conventional cell of spglib (see :func:`~.orientations.standard_cell`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import PolarSurfaceError, SurfaceError, TerminationError
from surfalign.physics.lattice.ordering import Criterion, ranks, settled_order
from surfalign.physics.lattice.orientations import (
    MillerIndex,
    canonical_miller_index,
    format_miller_index,
    is_nonpolar,
    nonpolar_orientations,
)
from surfalign.physics.lattice.oriented import PLANE_TOLERANCE, orient
from surfalign.physics.lattice.symmetry import SYMPREC, AnyCrystal, SymmetricCrystal, symmetrize
from surfalign.physics.slabs.corrugation import StripePattern, stripe_patterns
from surfalign.physics.slabs.disturbance import SAME_SUM, cut_sums
from surfalign.physics.slabs.slab_builder import SlabBuilder
from surfalign.physics.slabs.surface_slab import SurfaceSlab
from surfalign.physics.slabs.terminations import (
    RejectedCut,
    RejectionReason,
    Termination,
    TerminationClass,
    find_terminations,
)

__all__ = [
    "OrientationSurvey",
    "SurfaceSlab",
    "enumerate_slabs",
    "nonpolar_orientations",
    "survey_orientation",
]


#: Difference of gaps and depths that counts where surfaces are ordered, angstrom.
_SAME_LENGTH = 1e-3


@dataclass(frozen=True, eq=False)
class OrientationSurvey:
    """All surfaces of one orientation, and the cuts that give none.

    Attributes
    ----------
    miller_index
        In the standard conventional cell; the representative of its symmetry class.
    nonpolar
        Whether the orientation can carry a nonpolar slab at all.
    slabs
        Slabs of types A, B and C, in this order; within a type the widest gap first, of one cut the
        least disturbed surface.
    rejected
        Cuts without a slab.
    """

    miller_index: MillerIndex
    nonpolar: bool
    slabs: list[SurfaceSlab]
    rejected: list[RejectedCut]


def enumerate_slabs(
    structure: AnyCrystal,
    miller_index: MillerIndex,
    *,
    slab_thickness: float = 20.0,
    vacuum_thickness: float = 15.0,
    symprec: float = SYMPREC,
    plane_tolerance: float = PLANE_TOLERANCE,
    corrugated: bool = False,
) -> list[SurfaceSlab]:
    """Build the nonpolar, stoichiometric, symmetric slabs of an orientation.

    Where planar cuts (types A and B) give slabs, these; otherwise, or with ``corrugated``, the corrugated ones
    (type C) too. :func:`survey_orientation` also gives the cuts without a slab.

    Parameters
    ----------
    structure
        Any cell of the crystal.
    miller_index
        In the standard conventional cell; equivalent indices give the same slabs.
    slab_thickness
        Least distance of the outermost atoms, angstrom; rounded up to whole bulk repeats.
    vacuum_thickness
        Height without atoms, angstrom; half of it on each side.
    symprec
        Tolerance of the symmetry search, angstrom.
    plane_tolerance
        Gaps between atoms narrower than this are never cut, angstrom.
    corrugated
        Whether slabs of type C are wanted also where there are others.

    Returns
    -------
    list of SurfaceSlab
        One for each inequivalent surface, widest gap first.

    Raises
    ------
    PolarSurfaceError
        No point operation reverses the normal; lists the possible orientations.
    TerminationError
        No cut gives a slab; lists the reasons and the possible orientations.
    SurfaceError
        A thickness is not positive.
    """
    crystal = symmetrize(structure, symprec)
    for with_corrugated in (True,) if corrugated else (False, True):
        survey = survey_orientation(
            crystal,
            miller_index,
            slab_thickness=slab_thickness,
            vacuum_thickness=vacuum_thickness,
            plane_tolerance=plane_tolerance,
            corrugated=with_corrugated,
        )
        if survey.slabs or not survey.nonpolar:
            break
    if not survey.nonpolar:
        raise PolarSurfaceError(
            f"The orientation {format_miller_index(survey.miller_index)} of "
            f"{crystal.text} is polar: no point operation reverses its normal",
            f"a nonpolar orientation, e.g. {_possible_orientations(crystal)}",
            "Choose one of these (indices of the standard conventional cell)",
        )
    if not survey.slabs:
        raise _no_termination(crystal, survey)
    return survey.slabs


def survey_orientation(
    structure: AnyCrystal,
    miller_index: MillerIndex,
    *,
    slab_thickness: float = 20.0,
    vacuum_thickness: float = 15.0,
    symprec: float = SYMPREC,
    plane_tolerance: float = PLANE_TOLERANCE,
    corrugated: bool = True,
) -> OrientationSurvey:
    """Find everything about one orientation: slabs of types A, B and C, and rejected cuts.

    Parameters as for :func:`enumerate_slabs`; ``corrugated=False`` leaves out type C. A polar
    orientation, or one without a slab, is no error here.

    Raises
    ------
    SurfaceError
        A thickness is not positive.
    """
    if not (slab_thickness > 0 and vacuum_thickness > 0):
        raise SurfaceError(
            f"Slab thickness {slab_thickness} and vacuum thickness {vacuum_thickness} angstrom",
            "two positive lengths",
            "Give thicknesses in angstrom",
        )
    crystal = symmetrize(structure, symprec)
    normal = canonical_miller_index(crystal, miller_index)
    terminations, rejected = find_terminations(orient(crystal, normal), None, plane_tolerance)
    surfaces: list[tuple[Termination, StripePattern | None]] = []
    for termination in _ordered(terminations):
        if termination.termination_class is not TerminationClass.C:
            surfaces.append((termination, None))
        elif corrugated:
            patterns = stripe_patterns(termination)
            surfaces += [(termination, pattern) for pattern in patterns]
            if not patterns:
                rejected.append(_without_pattern(termination))
    slabs: list[SurfaceSlab] = []
    builder: SlabBuilder | None = None
    for (termination, pattern), name in zip(
        surfaces, _names(crystal, normal, surfaces), strict=True
    ):
        # All patterns of a cut are cut from the same atoms.
        if builder is None or builder.termination is not termination:
            builder = SlabBuilder(termination, slab_thickness, vacuum_thickness)
        slabs.append(builder.build(name, pattern))
    return OrientationSurvey(normal, is_nonpolar(crystal, normal), slabs, rejected)


def _ordered(terminations: list[Termination]) -> list[Termination]:
    """Order cuts by what no choice of cell changes: A before B before C, the widest gap first.

    Among equal gaps by the outermost planes, then by all planes below them and their depths, then by
    how much the cut disturbs.
    """

    @cache
    def below(member: int) -> list[tuple[str, float]]:
        return terminations[member].planes_below

    def texts(members: NDArray[np.int64]) -> NDArray[np.float64]:
        return ranks([" ".join(text for text, _ in below(int(i))) for i in members])

    def depth(number: int) -> Criterion:
        return lambda members: [below(int(i))[number][1] for i in members], _SAME_LENGTH

    @cache
    def sums() -> NDArray[np.float64]:
        return np.log1p([cut_sums(termination) for termination in terminations])

    def disturbance(power: int) -> Criterion:
        return lambda members: sums()[members, power], SAME_SUM

    criteria: list[Criterion] = [
        (lambda members: ranks([terminations[i].termination_class for i in members]), 0.5),
        (lambda members: [-terminations[i].gap for i in members], _SAME_LENGTH),
        (lambda members: ranks([terminations[i].label for i in members]), 0.5),
        (texts, 0.5),
        *(depth(number) for number in range(len(terminations[0].planes) if terminations else 0)),
        *(disturbance(power) for power in range(3)),
    ]
    return [terminations[i] for i in settled_order(len(terminations), criteria)]


def _names(
    crystal: SymmetricCrystal,
    normal: MillerIndex,
    surfaces: list[tuple[Termination, StripePattern | None]],
) -> list[str]:
    """Name the surfaces: crystal, orientation, class, outermost planes (B, C), number.

    The number follows where the rest does not tell surfaces apart, and always for striped ones.
    """
    crystal_name = f"{crystal.formula}{format_miller_index(normal)}"
    stems = [f"{crystal_name}-{termination.termination_class}" for termination, _ in surfaces]
    stems = [
        stem
        if termination.termination_class is TerminationClass.A
        else f"{stem}-{termination.label}"
        for stem, (termination, _) in zip(stems, surfaces, strict=True)
    ]
    total, seen = Counter(stems), Counter[str]()
    names = []
    for stem, (_, pattern) in zip(stems, surfaces, strict=True):
        seen[stem] += 1
        numbered = total[stem] > 1 or pattern is not None
        names.append(f"{stem}-{seen[stem]}" if numbered else stem)
    return names


def _without_pattern(termination: Termination) -> RejectedCut:
    return RejectedCut(
        termination.label,
        termination.cut_height,
        RejectionReason.NO_SYMMETRIC_PATTERN,
        "Half of the outermost plane would have to go, but no striped removal in a cell of at most "
        "twice the primitive area keeps an operation that reverses the normal",
    )


def _possible_orientations(crystal: SymmetricCrystal) -> str:
    """List the orientations up to index 1 that have a slab, for error messages."""
    found = []
    for orientation in nonpolar_orientations(crystal, 1):
        terminations, _ = find_terminations(orient(crystal, orientation.miller_index))
        if any(
            t.termination_class is not TerminationClass.C or stripe_patterns(t)
            for t in terminations
        ):
            found.append(orientation.label)
    return ", ".join(found) or "none up to index 1"


def _no_termination(crystal: SymmetricCrystal, survey: OrientationSurvey) -> TerminationError:
    reasons = "; ".join(f"{cut.label}: {cut.reason.value}" for cut in survey.rejected)
    return TerminationError(
        f"No cut of {crystal.text} along {format_miller_index(survey.miller_index)} gives "
        f"a symmetric stoichiometric slab ({reasons})",
        f"an orientation that has one, e.g. {_possible_orientations(crystal)}",
        "Choose one of these (indices of the standard conventional cell)",
    )
