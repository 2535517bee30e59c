"""The surfaces of the orientations of one crystal, as many as are found within a time limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pymatgen.core import Structure

from surfalign.errors import TimeLimitError
from surfalign.physics.lattice.orientations import MillerIndex, unique_orientations
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.coordination import SurfaceCoordination, surface_coordination
from surfalign.physics.slabs.enumeration import OrientationSurvey, SurfaceSlab, survey_orientation
from surfalign.physics.slabs.oxygen import with_oxygen_variants
from surfalign.workflows.planning.time_limit import time_limit


@dataclass(frozen=True)
class SurveyedOrientation:
    """One orientation.

    Attributes
    ----------
    survey
        Its slabs, and the cuts that were rejected.
    losses
        What the atoms of each slab's surface have lost.
    records
        Each slab as it was described, where that was asked for.
    """

    survey: OrientationSurvey
    losses: list[SurfaceCoordination]
    records: list[dict[str, Any]]


def survey_orientations(
    structure: Structure,
    miller_indices: Sequence[MillerIndex] = (),
    *,
    max_index: int = 1,
    slab_thickness: float = 20.0,
    vacuum_thickness: float = 15.0,
    max_area_ratio: float = math.inf,
    seconds: float = math.inf,
    oxygen: bool = False,
    describe: Callable[[SurfaceSlab, SurfaceCoordination], dict[str, Any]] | None = None,
) -> tuple[list[SurveyedOrientation], list[MillerIndex]]:
    """Survey orientations of a crystal, polar ones included.

    Parameters
    ----------
    structure
        Any cell of the crystal.
    miller_indices
        Orientations; none for all up to ``max_index`` whose in-plane cell is at most
        ``max_area_ratio`` times the smallest.
    slab_thickness, vacuum_thickness
        Least thickness of the slabs, and vacuum between their images, angstrom.
    seconds
        Wall-clock time that all of it may take.
    oxygen
        Whether the reduced and oxidised forms of the slabs are wanted too.
    describe
        Makes a record of a slab, within the time limit too.

    Returns
    -------
    found, left
        What was found in time, and the orientations that were not searched to the end.

    Raises
    ------
    TimeLimitError
        Not even the orientations were found in time.
    """
    found: list[SurveyedOrientation] = []
    left = list(miller_indices)
    try:
        with time_limit(seconds, structure.composition.reduced_formula):
            crystal = symmetrize(structure)
            if not left:
                orientations = unique_orientations(crystal, max_index)
                largest = max_area_ratio * min(o.area for o in orientations) * (1 + 1e-6)
                left = [o.miller_index for o in orientations if o.area <= largest]
            for index in tuple(left):
                one = survey_orientation(
                    crystal, index, slab_thickness=slab_thickness, vacuum_thickness=vacuum_thickness
                )
                if oxygen:
                    one = replace(one, slabs=with_oxygen_variants(one.slabs))
                losses = [surface_coordination(slab) for slab in one.slabs]
                pairs = zip(one.slabs, losses, strict=True)
                records = [describe(*pair) for pair in pairs] if describe is not None else []
                found, left = [*found, SurveyedOrientation(one, losses, records)], left[1:]
    except TimeLimitError:
        if not left:
            raise
    return found, left
