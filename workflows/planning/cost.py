"""What a surface and its crystal will cost, before anything is computed: as GPAW would take.

For other engines the numbers serve in relation to each other.
"""

from __future__ import annotations

import numpy as np
from pymatgen.core import Composition, Structure

from surfalign.stores.vocabulary import Functional, Quality
from surfalign.workflows.engines.gpaw.cost import crystal_time, slab_time
from surfalign.workflows.engines.gpaw.settings import STANDARD, preset
from surfalign.workflows.planning.survey import PlannedSurface


def slab_cpu_time(slab: Structure) -> float:
    """Estimate the CPU seconds of one ground state of a slab at ``standard``, its normal along c."""
    a, b, _ = slab.lattice.matrix
    area = float(np.linalg.norm(np.cross(a, b)))
    return slab_time(slab.composition, area, slab.volume / area, STANDARD)


def planned_cpu_time(
    surface: PlannedSurface,
    vacuum_thickness: float = 15.0,
    quality: Quality = Quality.STANDARD,
    *,
    relaxed: bool = False,
) -> float:
    """Estimate the CPU seconds of a surface of a plan, without what it shares with others of its crystal.

    Parameters
    ----------
    surface
        Of the plan, which holds no slab.
    vacuum_thickness
        Of the plan, angstrom.
    quality
        Preset.
    relaxed
        Whether the slab is relaxed; else one ground state is computed.
    """
    unit = Composition(surface.formula)
    slab = unit * (surface.n_atoms / unit.num_atoms)
    height = surface.slab_thickness + vacuum_thickness
    return slab_time(slab, surface.area, height, preset(quality), relaxed=relaxed)


def crystal_cpu_time(structure: Structure, quality: Quality, functional: Functional) -> float:
    """Estimate the CPU seconds of the bulk steps of a crystal, which its surfaces share.

    Parameters
    ----------
    structure
        Primitive cell.
    quality
        Preset.
    functional
        Of the band edges.
    """
    return crystal_time(structure, preset(quality), functional)
