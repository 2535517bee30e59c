"""Newton steps with a Hessian that learns from the steps (BFGS), guarded against noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

#: Eigenvalues of a start Hessian are raised to this, eV/angstrom^2: where a potential is too soft, the
#: first step overshoots (SrO, ZnO).
START_FLOOR = 2.0
#: No learnt mode is taken for softer than this, eV/angstrom^2.
_FLOOR = 0.1
#: Lessons of steps shorter than this (norm of all coordinates, angstrom) are mostly noise of the forces.
_NOISE_LENGTH = 0.01
#: One lesson makes a mode at most this much softer (Powell's damping).
_DAMPING = 0.2


def with_floor(hessian: ArrayLike, floor: float) -> FloatArray:
    """Return a symmetric matrix with its eigenvalues raised to at least ``floor``."""
    matrix = np.asarray(hessian, dtype=float)
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return np.asarray((vectors * np.maximum(values, floor)) @ vectors.T)


class Hessian:
    """Second derivatives of the energy, improved by each pair of points (damped BFGS update).

    J. Nocedal, S. J. Wright, Numerical Optimization (Springer, 2006), doi:10.1007/978-0-387-40065-5,
    chapters 6 and 18.

    Parameters
    ----------
    matrix
        Start, shape ``(n, n)``, eV/angstrom^2.
    scalable
        Whether only the shape of the start is trusted: the first lesson then scales the whole of it.
    """

    def __init__(self, matrix: ArrayLike, *, scalable: bool = False) -> None:
        self.matrix = with_floor(matrix, _FLOOR)
        self._scalable = scalable

    def learn(self, displacement: FloatArray, force_change: FloatArray) -> None:
        """Take what a step showed into the matrix.

        Parameters
        ----------
        displacement
            Shape ``(n,)``, angstrom.
        force_change
            Forces after the step minus those before it, shape ``(n,)``, eV/angstrom.
        """
        product = self.matrix @ displacement
        expected = float(displacement @ product)
        length = float(np.linalg.norm(displacement))
        if length < 1e-6:
            return
        trust = length**2 / (length**2 + _NOISE_LENGTH**2)
        gradient_change = product + trust * (-force_change - product)
        gained = float(displacement @ gradient_change)
        if self._scalable:
            self._scalable = False
            factor = max(gained / expected, _DAMPING)
            self.matrix, product, expected = (
                self.matrix * factor, product * factor, expected * factor
            )  # fmt: skip
        if gained < _DAMPING * expected:
            share = (1 - _DAMPING) * expected / (expected - gained)
            gradient_change = share * gradient_change + (1 - share) * product
            gained = float(displacement @ gradient_change)
        self.matrix = with_floor(
            self.matrix
            + np.outer(gradient_change, gradient_change) / gained
            - np.outer(product, product) / expected,
            _FLOOR,
        )

    def newton_step(self, forces: FloatArray) -> FloatArray:
        """Return the step to the minimum of the quadratic model, shape ``(n,)``, angstrom."""
        return np.asarray(np.linalg.solve(self.matrix, forces))
