"""What holding a slab's centre leaves out, to first order: how the level would answer to its release."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surfalign.workflows.engines.relaxation.level_response import LevelResponse
from surfalign.workflows.engines.relaxation.quasi_newton import Hessian, with_floor
from surfalign.workflows.engines.relaxation.symmetric_space import SymmetricSpace

FloatArray = NDArray[np.float64]

#: No mode of the whole slab is taken for softer than this, eV/angstrom^2.
_FLOOR = 0.3


@dataclass(frozen=True)
class HeldCentre:
    """A slab as if nothing were held.

    The forces on the held atoms say what a thicker slab, whose centre is farther from its faces, would
    do with them; springs say how far they would go, and the response how the level would follow.

    Parameters
    ----------
    space
        Symmetric displacements of all atoms.
    springs
        Shape of the Hessian in ``space``; its scale is learnt from the free atoms.
    response
        First guess in ``space``.
    """

    space: SymmetricSpace
    springs: FloatArray
    response: LevelResponse

    def change_on_release(
        self, free: SymmetricSpace, hessian: Hessian, response: LevelResponse, forces: FloatArray
    ) -> float:
        """Return the change of the level when the centre is released too, eV.

        Parameters
        ----------
        free
            Displacements of the free atoms.
        hessian, response
            What was learnt of them, in the coordinates of ``free``.
        forces
            On all atoms, shape ``(n_atoms, 3)``, eV/angstrom.
        """
        if not free.size or free.size == self.space.size:
            return 0.0
        into = self.space.basis.T @ free.basis  # orthonormal columns
        springs = into.T @ self.springs @ into
        scale = np.exp(np.mean(_log_eigenvalues(hessian.matrix) - _log_eigenvalues(springs)))
        whole = scale * self.springs
        whole = whole + into @ (hessian.matrix - scale * springs) @ into.T
        gradient = self.response.gradient + into @ (
            response.gradient - into.T @ self.response.gradient
        )
        step = np.linalg.solve(with_floor(whole, _FLOOR), self.space.reduce(forces))
        step_of_free = hessian.newton_step(free.reduce(forces))
        return float(gradient @ step - response.gradient @ step_of_free)


def _log_eigenvalues(matrix: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.linalg.eigvalsh(matrix)))
