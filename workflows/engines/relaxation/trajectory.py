"""What a finished relaxation by another optimiser leaves of the level, from its own steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Structure

from surfalign.workflows.engines.relaxation.level_response import LevelResponse
from surfalign.workflows.engines.relaxation.model_hessian import model_hessian
from surfalign.workflows.engines.relaxation.quasi_newton import Hessian
from surfalign.workflows.engines.relaxation.symmetric_space import symmetric_space

FloatArray = NDArray[np.float64]


def level_error(slab: Structure, positions: ArrayLike, forces: ArrayLike, free: ArrayLike) -> float:
    """Return how far the level of the last geometry may be from that of the minimum, eV.

    The steps of the optimiser teach a Hessian; it turns the last forces into the displacement that is
    left, and the guessed response of screened formal charges turns that into a level.

    Parameters
    ----------
    slab
        As it was cut: its symmetry says which displacements count.
    positions, forces
        Of each step, shape ``(n_steps, n_atoms, 3)``, angstrom and eV/angstrom, atoms in the slab's order.
    free
        Which atoms were free to move, shape ``(n_atoms,)``.
    """
    space = symmetric_space(slab).holding(~np.asarray(free, dtype=bool))
    places = np.asarray(positions, dtype=float)
    pulls = np.array([space.reduce(step) for step in np.asarray(forces, dtype=float)])
    hessian = Hessian(model_hessian(slab, space), scalable=True)
    for moved, change in zip(np.diff(places, axis=0), np.diff(pulls, axis=0), strict=True):
        hessian.learn(space.reduce(moved), change)
    response = LevelResponse.guessed(slab, space)
    return response.change(hessian.matrix, hessian.newton_step(pulls[-1]))
