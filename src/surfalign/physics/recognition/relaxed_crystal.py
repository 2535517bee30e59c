"""Which surface of a relaxed crystal is which surface of the crystal as it was given.

A surface is named by its outermost planes and, where these do not tell surfaces apart, by a number that
follows from the widths of the gaps. Relaxing the bulk may split a plane in two, merge two planes or
exchange the order of two gaps: the same surface then has another name, and its old name may be that of
another surface. People ask for the surfaces of the crystal that they gave, so the slabs of the relaxed
crystal keep those names.

A surface is recognised by its atoms: which sites they are, and how deep below the face. Sites that are
equal by symmetry, before or after, count as one. The half of a slab above its symmetry centre tells all
of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from surfalign.physics.lattice.orientations import convert_miller_index, coprime_index
from surfalign.physics.lattice.symmetry import SymmetricCrystal
from surfalign.physics.slabs.enumeration import survey_orientation
from surfalign.physics.slabs.surface_slab import SurfaceSlab

#: Atoms of the same surface keep their depths within this, half of the range of their shifts, angstrom.
#: In 43 relaxed bulks they keep them within 0.11; the two (100) surfaces of wurtzite crystals differ by 0.45 and more.
_LARGEST_SHIFT = 0.4
_NO_MATCH = 1e3


def after_relaxation(
    slabs: Sequence[SurfaceSlab],
    relaxed: SymmetricCrystal,
    *,
    slab_thickness: float,
    vacuum_thickness: float,
) -> dict[str, SurfaceSlab]:
    """Cut the same surfaces from the relaxed crystal.

    Parameters
    ----------
    slabs
        Surfaces of one orientation of the crystal as it was given.
    relaxed
        The crystal after relaxation, its sites in the same order.
    slab_thickness, vacuum_thickness
        Of the new slabs, angstrom; as for :func:`~.enumeration.enumerate_slabs`.

    Returns
    -------
    dict
        Slabs of the relaxed crystal, under their own names, by the names of the given ones. A surface is missing
        where relaxation left no cut between the same atoms.
    """
    if not slabs:
        return {}
    crystal = slabs[0].crystal
    # Relaxation may also change which of its axes a crystal calls a: the planes stay.
    in_input_cell = coprime_index(np.asarray(slabs[0].miller_index) @ crystal.input_to_standard)
    index = convert_miller_index(relaxed, in_input_cell)
    found = survey_orientation(
        relaxed,
        index,
        slab_thickness=slab_thickness,
        vacuum_thickness=vacuum_thickness,
        corrugated=any(slab.pattern is not None for slab in slabs),
    ).slabs
    pairs = zip(slabs, counterparts(slabs, found), strict=True)
    return {slab.name: other for slab, other in pairs if other is not None}


def counterparts(
    given: Sequence[SurfaceSlab], relaxed: Sequence[SurfaceSlab]
) -> list[SurfaceSlab | None]:
    """Find the surfaces of a crystal among those of the same crystal after relaxation.

    Parameters
    ----------
    given
        Surfaces of the crystal as it was given.
    relaxed
        Surfaces of the relaxed crystal, whose sites are in the same order; of the same orientations.

    Returns
    -------
    list of SurfaceSlab or None
        For each given surface the slab of the relaxed crystal, each at most once; None where no slab has
        the same atoms at about the same depths.
    """
    if not given or not relaxed:
        return [None] * len(given)
    groups = _common_groups(given[0].crystal, relaxed[0].crystal)
    shifts = np.array([[_shift(one, other, groups) for other in relaxed] for one in given])
    # Surfaces of one cut with other stripes have the same depths: their order, from the least disturbed on, is kept.
    rows, columns = np.indices(shifts.shape)
    costs = shifts + 1e-6 * (rows - columns) ** 2
    found: list[SurfaceSlab | None] = [None] * len(given)
    for row, column in zip(*linear_sum_assignment(costs), strict=True):
        if shifts[row, column] <= _LARGEST_SHIFT:
            found[row] = relaxed[column]
    return found


def _common_groups(one: SymmetricCrystal, other: SymmetricCrystal) -> NDArray[np.int64]:
    """Return a number for each input site, the same for sites that are equal in either crystal."""
    pairs = np.array(
        [
            (crystal.input_sites[orbit[0]], crystal.input_sites[site])
            for crystal in (one, other)
            for orbit in crystal.orbits
            for site in orbit
        ]
    )
    size = int(pairs.max()) + 1
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(size, size))
    groups: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return groups


def _shift(one: SurfaceSlab, other: SurfaceSlab, groups: NDArray[np.int64]) -> float:
    """Return half of the range of the changes in depth of the upper atoms, angstrom."""
    # Cells may change by some percent, stripes double them.
    if (one.pattern is None) != (other.pattern is None) or not 0.8 < other.area / one.area < 1.25:
        return _NO_MATCH
    stretch = one.termination.oriented.spacing / other.termination.oriented.spacing
    depths, others = _depths(one, groups, 1.0), _depths(other, groups, stretch)
    if depths.keys() != others.keys():
        return _NO_MATCH
    changes = []
    for group, mine in depths.items():
        theirs = others[group]
        n = (min(len(mine), len(theirs)) + 1) // 2
        changes.append(mine[:n] - theirs[:n])
    return 0.5 * float(np.ptp(np.concatenate(changes)))


def _depths(
    slab: SurfaceSlab, groups: NDArray[np.int64], stretch: float
) -> dict[int, NDArray[np.float64]]:
    """Return the depths of the atoms of each group below the highest atom, ascending, angstrom."""
    depths = stretch * (slab.positions[:, 2].max() - slab.positions[:, 2])
    members = groups[slab.crystal.input_sites[slab.sites]]
    return {int(group): np.sort(depths[members == group]) for group in np.unique(members)}
