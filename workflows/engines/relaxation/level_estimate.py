"""The level at the minimum, told before the minimum is reached, and how far that may be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surfalign.workflows.engines.relaxation.level_response import LevelResponse
from surfalign.workflows.engines.relaxation.quasi_newton import Hessian

FloatArray = NDArray[np.float64]

#: How wrong a predicted change may be, as a share of it: along directions in which no step was made yet,
#: and along those in which one was. Measured on MgO, CaO, SrO and BaO(100), 10 to 21 angstrom: all of
#: eleven second evaluations lie within.
_UNSEEN_SHARE, _SEEN_SHARE = 0.5, 0.05


@dataclass(frozen=True)
class LevelEstimate:
    """What the level is expected to do.

    Parameters
    ----------
    change
        Level at the minimum minus level here, eV.
    error
        How far ``change`` may be wrong, eV.
    """

    change: float
    error: float


def estimate_level(
    hessian: Hessian, response: LevelResponse, forces: FloatArray, moves: Sequence[FloatArray]
) -> LevelEstimate:
    """Estimate the level at the minimum from the forces here, to first order.

    Parameters
    ----------
    hessian, response
        As they were learnt up to here, in ``n`` coordinates.
    forces
        Shape ``(n,)``, eV/angstrom.
    moves
        Displacements between the evaluations so far, each of shape ``(n,)``, angstrom: along them energy
        and level were seen, and the step there is as good as a secant. The rest of the step rests on the
        start Hessian and the first response.
    """
    step = hessian.newton_step(forces)
    seen = _seen_part(hessian.matrix, step, moves)
    error = _UNSEEN_SHARE * response.change(hessian.matrix, step - seen)
    error += _SEEN_SHARE * abs(float(response.gradient @ seen))
    return LevelEstimate(float(response.gradient @ step), error)


def level_per_force(hessian: Hessian, response: LevelResponse) -> float:
    """Return how an error of the forces shows in the level at the minimum, eV per eV/angstrom.

    Forces that err by as much in each coordinate, independently, displace the minimum by ``H^-1`` of them
    and the level by the norm of ``response H^-1`` times their error. No further step removes it: where modes
    are soft and ions charged (LiF, Li2O, rutile: about 2), it is what limits the level.

    Parameters
    ----------
    hessian, response
        As they were learnt, in the same coordinates.
    """
    if not response.gradient.size:
        return 0.0
    return float(np.linalg.norm(np.linalg.solve(hessian.matrix, response.gradient)))


def _seen_part(matrix: FloatArray, step: FloatArray, moves: Sequence[FloatArray]) -> FloatArray:
    """Return the part of a step along earlier moves; the rest is conjugate to them."""
    if not moves or not step.size:
        return np.zeros_like(step)
    along = np.array(moves).T
    product = along.T @ matrix
    shares, *_ = np.linalg.lstsq(product @ along, product @ step, rcond=1e-6)
    return np.asarray(along @ shares)
