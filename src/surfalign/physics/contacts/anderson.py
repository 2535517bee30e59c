"""Band offsets of two surfaces in contact by Anderson's rule, and how probable each type is.

The rule lets the two vacuum levels coincide (R. L. Anderson, Solid-State Electron. 5, 341 (1962),
doi:10.1016/0038-1101(62)90115-6). For the second surface B against the first one A:

    valence offset    = VBM(B) - VBM(A) = IP(A) - IP(B)
    conduction offset = CBM(B) - CBM(A) = EA(A) - EA(B)

Type I (straddling): one gap lies inside of the other, the offsets differ in sign. Type II (staggered): both
edges of one side lie lower, and the gaps overlap. Type III (broken gap): they do not.

What the contact itself does (bonds, charge transfer, strain) adds a dipole that moves both offsets alike. Its
size is the error of the rule; IP and EA of the two surfaces err independently of it and of each other, which
overstates the error where both come from one method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from surfalign.errors import PhysicsInputError
from surfalign.physics.levels.distribution import LevelDistribution, probability_of_both

Array = NDArray[np.float64]

#: Mean absolute error of valence offsets from separate surfaces against measured junctions of semiconductors,
#: eV; 0.22 eV with the interface computed: K. Choudhary and K. F. Garrity, Digital Discovery 3, 1365 (2024),
#: doi:10.1039/D4DD00031E, arXiv:2401.02021. Oxides on nitrides and on silicon can be far worse
#: (docs/explanation/junctions.md).
RULE_ERROR = 0.45
#: No dipole of a contact is larger, eV.
LARGEST_RULE_ERROR = 10.0
#: Standard deviation of a normal error over its mean absolute value.
_DEVIATION = math.sqrt(math.pi / 2)
#: Pairs that are worked on at a time: some tens of megabytes.
_AT_A_TIME = 100_000
#: A deviation that is none, eV.
_TINY = 1e-9


class JunctionType(IntEnum):
    """How two gaps lie to each other; NONE where a surface would meet itself."""

    NONE = 0
    STRADDLING = 1
    STAGGERED = 2
    BROKEN = 3

    @property
    def numeral(self) -> str:
        """The Roman number that the literature uses."""
        return ("–", "I", "II", "III")[self]


@dataclass(frozen=True)
class Junctions:
    """Every surface of one list on every surface of another.

    Attributes
    ----------
    valence_offsets, conduction_offsets
        Edge of the second surface minus that of the first, eV, shape (n, m).
    valence_deviations, conduction_deviations
        Their standard deviations, the rule's error included, eV, shape (n, m).
    probabilities
        Of the types I, II and III, shape (n, m, 3); nan where a surface would meet itself.
    types
        :class:`JunctionType` of the offsets as they are, shape (n, m).
    """

    valence_offsets: Array
    conduction_offsets: Array
    valence_deviations: Array
    conduction_deviations: Array
    probabilities: Array
    types: NDArray[np.int8]


def dipole_deviation(rule_error: float) -> float:
    """Return the standard deviation of the dipole of a contact, eV.

    Parameters
    ----------
    rule_error
        Mean absolute error of Anderson's rule, eV.

    Raises
    ------
    PhysicsInputError
        When it is negative, above :data:`LARGEST_RULE_ERROR`, or no number.
    """
    if not 0 <= rule_error <= LARGEST_RULE_ERROR:
        raise PhysicsInputError(
            f"an error of Anderson's rule of {rule_error} eV",
            f"a number from 0 to {LARGEST_RULE_ERROR:g}",
            f"leave --rule-error out: {RULE_ERROR} eV",
        )
    return _DEVIATION * rule_error


def all_junctions(
    first: LevelDistribution,
    second: LevelDistribution,
    rule_error: float = RULE_ERROR,
    same_crystal: NDArray[np.bool_] | None = None,
) -> Junctions:
    """Return the junction of each surface of one list with each of another.

    Parameters
    ----------
    first, second
        IP and EA of n and of m surfaces; what is not normal counts by its covariance.
    rule_error
        Mean absolute error of Anderson's rule, eV.
    same_crystal
        Which pairs are two faces of one crystal, shape (n, m): the error of their gap is one and cancels.

    Raises
    ------
    PhysicsInputError
        When a surface has no positive gap, or the rule's error is negative.
    """
    dipole = dipole_deviation(rule_error)
    for levels in (first, second):
        _refuse_metals(levels)
    n, m = len(first), len(second)
    valence, conduction, spread_v, spread_c = np.empty((4, n, m))
    made = Junctions(
        valence, conduction, spread_v, spread_c, np.empty((n, m, 3)), np.empty((n, m), np.int8)
    )
    one, other = (np.column_stack([d.means, _variances(d)]) for d in (first, second))
    step = max(1, _AT_A_TIME // max(m, 1))
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        own = None if same_crystal is None else same_crystal[rows, :, None]
        _fill(made, rows, one[rows, None, :], other[None, :, :], dipole, own)
    return made


def set_junctions(
    levels: LevelDistribution,
    rule_error: float = RULE_ERROR,
    same_crystal: NDArray[np.bool_] | None = None,
    same_surface: NDArray[np.bool_] | None = None,
) -> Junctions:
    """Return the junctions of all pairs of one list; a surface with itself has none.

    Parameters and errors as for :func:`all_junctions`; ``same_surface`` says which pairs are two results of
    one surface, shape (n, n).
    """
    made = all_junctions(levels, levels, rule_error, same_crystal)
    own = np.eye(len(levels), dtype=bool) if same_surface is None else same_surface
    made.probabilities[own] = np.nan
    made.types[own] = JunctionType.NONE
    return made


def _refuse_metals(levels: LevelDistribution) -> None:
    gaps = levels.means[:, 0] - levels.means[:, 1]
    if not (gaps > 0).all():
        raise PhysicsInputError(
            f"{int((~(gaps > 0)).sum())} surfaces without a positive gap",
            "IP > EA",
            "leave metals out",
        )


def _variances(levels: LevelDistribution) -> Array:
    """Return the variances of IP and EA and their covariance, eV^2, shape (n, 3)."""
    covariances = levels.covariances
    return np.column_stack([covariances[:, 0, 0], covariances[:, 1, 1], covariances[:, 0, 1]])


def _fill(
    made: Junctions, rows: slice, one: Array, other: Array, dipole: float,
    same_crystal: NDArray[np.bool_] | None,
) -> None:  # fmt: skip
    """Work out some rows; the last axis holds IP, EA, their variances and their covariance."""
    valence, conduction = one[..., 0] - other[..., 0], one[..., 1] - other[..., 1]
    variances = one[..., 2:] + other[..., 2:] + dipole**2
    if same_crystal is not None:  # both edges move together
        variances = np.where(same_crystal, variances[..., :1], variances)
    spread_v, spread_c = (np.sqrt(np.maximum(variances[..., k], _TINY**2)) for k in (0, 1))
    made.valence_offsets[rows], made.conduction_offsets[rows] = valence, conduction
    made.valence_deviations[rows], made.conduction_deviations[rows] = spread_v, spread_c

    v, c = -valence / spread_v, -conduction / spread_c  # bounds of "is negative"
    below = probability_of_both(v, c, variances[..., 2] / (spread_v * spread_c))
    straddling = np.clip(ndtr(v) + ndtr(c) - 2 * below, 0.0, 1.0)
    # The second conduction band below the first valence band, or the other way round.
    above, under = other[..., 1] - one[..., 0], one[..., 1] - other[..., 0]
    broken = ndtr(above / np.sqrt(np.maximum(other[..., 3] + one[..., 2] + dipole**2, _TINY**2)))
    broken += ndtr(under / np.sqrt(np.maximum(one[..., 3] + other[..., 2] + dipole**2, _TINY**2)))
    broken = np.minimum(broken, 1.0 - straddling)
    made.probabilities[rows] = np.stack([straddling, 1.0 - straddling - broken, broken], axis=-1)
    straddle = valence * conduction <= 0
    if (
        same_crystal is not None
    ):  # two gaps of one size never lie in each other, however they are rounded
        straddle &= ~same_crystal[..., 0]
    kinds = np.where(straddle, JunctionType.STRADDLING, JunctionType.STAGGERED)
    made.types[rows] = np.where(np.maximum(above, under) > 0, JunctionType.BROKEN, kinds)
