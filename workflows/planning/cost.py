"""What a surface will cost, before anything is computed: one ground state by GPAW at ``standard``."""

from __future__ import annotations

import numpy as np
from pymatgen.core import Composition, Structure

from surfalign.workflows.engines.gpaw.cost import slab_time
from surfalign.workflows.engines.gpaw.settings import STANDARD
from surfalign.workflows.planning.survey import PlannedSurface


def slab_cpu_time(slab: Structure) -> float:
    """Estimate the CPU seconds of one ground state of a slab, its normal along c."""
    a, b, _ = slab.lattice.matrix
    area = float(np.linalg.norm(np.cross(a, b)))
    return slab_time(slab.composition, area, slab.volume / area, STANDARD)


def planned_cpu_time(surface: PlannedSurface, vacuum_thickness: float = 15.0) -> float:
    """Estimate the CPU seconds of one ground state of a surface of a plan.

    Parameters
    ----------
    surface
        Of the plan, which holds no slab.
    vacuum_thickness
        Of the plan, angstrom.
    """
    unit = Composition(surface.formula)
    slab = unit * (surface.n_atoms / unit.num_atoms)
    return slab_time(slab, surface.area, surface.slab_thickness + vacuum_thickness, STANDARD)
