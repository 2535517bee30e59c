"""How far stored and predicted levels may be from measured ones: their distributions.

A computed IP errs by its own convergence and by its method, a computed EA by the gap's error as well. The two
errors of the method are taken as independent: on five surfaces no correlation shows. So the
covariance of IP and EA is the variance of IP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from surfalign.errors import PhysicsInputError
from surfalign.physics.levels.distribution import LevelDistribution
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.vocabulary import Quality


@dataclass(frozen=True, slots=True)
class StoredLevels:
    """What a screening needs of a stored result: the fields of the document of the same names.

    A stand-in for :class:`~surfalign.stores.documents.SurfaceLevelsDocument`, a hundred times faster to make.
    """

    identifier: str
    state: str
    formula: str
    functional: str
    surface_name: str = ""
    surface_identifier: str = ""
    source: str = ""
    ionization_potential: float | None = None
    electron_affinity: float | None = None
    dielectric_constant: float | None = None
    convergence_error: float | None = None
    failed_checks: Sequence[str] = ()
    warnings: Sequence[str] = ()
    error: Mapping[str, Any] | None = None
    area_fraction: float | None = None


@dataclass(frozen=True)
class MethodError:
    """Root-mean-square differences of a method from measurements, eV.

    Attributes
    ----------
    ionization_potential, band_gap
        Of IP and gap; the mean difference is part of them.
    source
        What was compared with what.
    """

    ionization_potential: float
    band_gap: float
    source: str


_FIVE = "IP: photoemission of MgO, BaO, ZnO, SnO2 and TiO2 (docs/results.md)"
_GAPS = "measured gaps by the benchmark of Borlido et al., J. Chem. Theory Comput. 15, 5069 (2019), doi:10.1021/acs.jctc.9b00322"
_DDH = MethodError(0.49, 0.76, f"{_FIVE}; gap: 22 oxides, {_GAPS}")
_SEMILOCAL = MethodError(
    1.48, 1.69, f"{_FIVE}, semilocal band edge; gap: PBE, 56 oxides without open d shells, {_GAPS}"
)
#: Method of the band edges to its error. Mean gap errors that these hold: ddh +0.24, hse06 -0.01, pbe -1.41 eV.
METHOD_ERRORS = {
    "ddh": _DDH,
    "hse06": MethodError(
        0.49, 0.87, f"IP: taken to be that of ddh; gap: 56 oxides without open d shells, {_GAPS}"
    ),
    "pbe0": MethodError(0.49, 0.87, "not measured: taken to be that of hse06"),
    "pbesol": _SEMILOCAL,
    "pbe": _SEMILOCAL,
}
#: What a one-shot gap errs by in addition, eV: root mean square of the self-consistency of 16 oxides
#: (docs/accuracy.md).
ONE_SHOT_GAP_ERROR = 0.37
#: Convergence error of a result that states none, eV: what `quick` promises.
UNSTATED_CONVERGENCE = Quality.QUICK.promised_error
#: Half width of a 90 % interval of the standard normal distribution.
_NINETY = 1.6449


def method_error(functional: str) -> MethodError:
    """Return the error of a method of band edges, whatever its density and U.

    Parameters
    ----------
    functional
        Name of the method, e.g. ``ddh`` or ``hse06@pbe+u-Ti3``.

    Raises
    ------
    PhysicsInputError
        When nothing is known of the method.
    """
    base = re.split(r"[@+]", functional)[0]
    if base not in METHOD_ERRORS:
        raise PhysicsInputError(
            f"levels by {functional!r}, of whose error nothing is known",
            f"one of {', '.join(METHOD_ERRORS)}",
            "select such results: --where 'functional = ddh'",
        )
    return METHOD_ERRORS[base]


def result_distribution(
    results: Sequence[SurfaceLevelsDocument | StoredLevels],
) -> LevelDistribution:
    """Return the distributions of stored levels.

    Parameters
    ----------
    results
        Each with IP and EA.

    Raises
    ------
    PhysicsInputError
        When a result has no levels, or nothing is known of its method.
    """
    errors = {name: method_error(name) for name in {r.functional for r in results}}
    table = np.empty((len(results), 4))
    for row, result in enumerate(results):
        ip, ea = result.ionization_potential, result.electron_affinity
        if ip is None or ea is None:
            raise PhysicsInputError(
                f"{result.surface_name or result.formula} without IP or EA",
                "results with both levels",
                "leave out failed results: --where 'ionization_potential != null'",
            )
        method = errors[result.functional]
        own = result.convergence_error
        converged = UNSTATED_CONVERGENCE if own is None else own
        one_shot = any(w.startswith("self_consistency_neglected") for w in result.warnings)
        table[row] = (
            ip,
            ea,
            converged**2 + method.ionization_potential**2,
            method.band_gap**2 + one_shot * ONE_SHOT_GAP_ERROR**2,
        )
    covariances = np.repeat(table[:, 2], 4).reshape(-1, 2, 2)
    covariances[:, 1, 1] += table[:, 3]
    return LevelDistribution.normal(table[:, :2], covariances)


def interval_distribution(
    values: ArrayLike, intervals_90: ArrayLike, correlation: float
) -> LevelDistribution:
    """Return the normal distributions that have given 90 % intervals.

    Parameters
    ----------
    values
        IP and EA, eV, shape (n, 2).
    intervals_90
        Their bounds, eV, shape (n, 2, 2): surface, level, low and high.
    correlation
        Of the errors of IP and EA, -1 to 1.
    """
    bounds = np.asarray(intervals_90, dtype=float)
    deviations = (bounds[:, :, 1] - bounds[:, :, 0]) / (2 * _NINETY)
    shape = np.array([[1.0, correlation], [correlation, 1.0]])
    return LevelDistribution.normal(values, deviations[:, :, None] * deviations[:, None, :] * shape)
