"""How the vacuum level of a slab answers to the displacement of its ions, learnt while they relax."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Structure

from surfalign.errors import SurfalignError
from surfalign.physics.levels.response import level_response
from surfalign.workflows.engines.relaxation.symmetric_space import SymmetricSpace

FloatArray = NDArray[np.float64]

#: An ion moves the level like this share of its formal charge: its dynamic charge less what the
#: electrons screen. Measured: 0.27 (SrO); only the first guess.
_SCREENED_SHARE = 0.27
#: Displacements far above this (angstrom, norm of all coordinates) replace the guess along them.
_TRUST = 0.02


class LevelResponse:
    """The derivative of the level with respect to the coordinates of a relaxation.

    Parameters
    ----------
    gradient
        First guess, shape ``(n,)``, eV/angstrom.
    """

    def __init__(self, gradient: ArrayLike) -> None:
        self.gradient = np.asarray(gradient, dtype=float)

    @classmethod
    def guessed(cls, slab: Structure, space: SymmetricSpace) -> LevelResponse:
        """Guess the response of a slab from formal charges; zero where these are not known."""
        charges = _formal_charges(slab) * _SCREENED_SHARE
        area = slab.volume / slab.lattice.c
        return cls(space.reduce(level_response(charges, slab.cart_coords[:, 2], area)))

    def learn(self, displacement: FloatArray, level_change: float) -> None:
        """Take in how much a step changed the level (eV): the least change that explains it (Broyden).

        Parameters
        ----------
        displacement
            Shape ``(n,)``, angstrom.
        level_change
            EV.
        """
        surprise = level_change - float(self.gradient @ displacement)
        weight = float(displacement @ displacement) + _TRUST**2
        self.gradient = self.gradient + surprise * displacement / weight

    def change(self, hessian: ArrayLike, step: FloatArray) -> float:
        """Return how much the level would change in a step, eV.

        The parts of the step along the modes of the Hessian might cancel by chance: the answer is the
        larger one of their sum and of the root of the sum of their squares.

        Parameters
        ----------
        hessian
            Shape ``(n, n)``.
        step
            Shape ``(n,)``, angstrom.
        """
        if not step.size:
            return 0.0
        _, modes = np.linalg.eigh(np.asarray(hessian, dtype=float))
        parts = (modes.T @ self.gradient) * (modes.T @ step)
        return float(max(abs(parts.sum()), np.linalg.norm(parts)))


def _formal_charges(slab: Structure) -> FloatArray:
    """Return the formal charge of each ion, or zeros where the composition does not tell."""
    try:
        guess = slab.composition.reduced_composition.oxi_state_guesses()[0]
    except (IndexError, ValueError, SurfalignError):
        return np.zeros(len(slab))
    return np.array([float(guess[site.specie.symbol]) for site in slab])
