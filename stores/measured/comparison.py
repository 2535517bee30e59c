"""Stored levels beside measured ones, surface by surface.

A measurement is compared with one stored surface of the same formula and polymorph. Where planes were measured,
the surface is one of them (up to the symmetry of the space group); where only films were, any. Of several
terminations the one of lowest surface energy is taken; of several results of one surface the relaxed one of the
best preset, and the newest of these. Reduced and oxidised surfaces are compared with slabs that lack oxygen
or have more of it, surfaces that air has touched with none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

import numpy as np
import spglib
from numpy.typing import NDArray

from surfalign.errors import MixedMethodsError
from surfalign.physics.lattice.orientations import MillerIndex
from surfalign.physics.lattice.same_crystal import same_space_group
from surfalign.stores.documents import ResultState, SurfaceLevelsDocument
from surfalign.stores.measured.measured_levels import Face, Grade, MeasuredLevels
from surfalign.stores.method_names import of_one_table
from surfalign.stores.vocabulary import Origin, Quality

#: Property of a document, and the fields of a measurement that hold its value and error.
LEVELS = {
    "ionization_potential": ("ip", "ip_error"),
    "electron_affinity": ("ea", "ea_error"),
}
_PRESETS = list(Quality)
#: Sign of the excess oxygen of the slabs that stand for a face.
_OXYGEN = {Face.REDUCED: -1, Face.STOICHIOMETRIC: 0, Face.OXIDISED: 1}


@dataclass(frozen=True)
class Comparison:
    """One measurement with its stored surface."""

    measured: MeasuredLevels
    result: SurfaceLevelsDocument

    def difference(self, level: str) -> float | None:
        """Return computed minus measured, eV; None where one of them is missing.

        Parameters
        ----------
        level
            ``ionization_potential`` or ``electron_affinity``.
        """
        measured = getattr(self.measured, LEVELS[level][0])
        computed = getattr(self.result, level)
        return None if measured is None or computed is None else float(computed - measured)


@dataclass(frozen=True)
class Summary:
    """Errors of one level over some comparisons, eV."""

    number: int
    mean_absolute_error: float
    bias: float
    largest: float


@dataclass
class ComparisonReport:
    """What was compared, and what was not and why.

    Attributes
    ----------
    methods
        Methods of the results that were compared.
    compared
        In the order of the table.
    without_result
        Measurements without a stored surface, each with the reason.
    without_measurement
        Names of the stored surfaces that nothing was compared with.
    """

    methods: list[str] = field(default_factory=list)
    compared: list[Comparison] = field(default_factory=list)
    without_result: list[tuple[MeasuredLevels, str]] = field(default_factory=list)
    without_measurement: list[str] = field(default_factory=list)

    def summary(self, level: str, grades: Sequence[Grade] = tuple(Grade)) -> Summary | None:
        """Return the errors of one level; None where nothing was compared."""
        found = [c.difference(level) for c in self.compared if c.measured.grade in grades]
        errors = np.array([error for error in found if error is not None])
        if not len(errors):
            return None
        sizes = np.abs(errors)
        return Summary(len(errors), float(sizes.mean()), float(errors.mean()), float(sizes.max()))


def compare(
    measurements: Iterable[MeasuredLevels],
    results: Iterable[SurfaceLevelsDocument],
    *,
    flagged: bool = False,
    mixed: bool = False,
) -> ComparisonReport:
    """Put the measurements beside the stored results.

    Parameters
    ----------
    measurements
        The rows of a table.
    results
        Stored results; failed ones are passed over.
    flagged
        Whether results with a failed check are compared, too.
    mixed
        Whether results of several methods may be compared.

    Raises
    ------
    MixedMethodsError
        When the results that would be compared are of several methods.
    """
    computed = [r for r in results if r.origin is Origin.COMPUTED]
    numbers = [r for r in computed if r.ionization_potential is not None]
    usable = [r for r in numbers if _is_usable(r, flagged)]
    report = ComparisonReport()
    for measured in measurements:
        matching = _matching(measured, numbers)
        partner = _partner(matching, flagged=flagged)
        if partner is None:
            report.without_result.append((measured, _reason(measured, numbers, matching)))
        else:
            report.compared.append(Comparison(measured, partner))
    names = of_one_table(comparison.result.functional for comparison in report.compared)
    report.methods = sorted(set(names.values()))
    if len(report.methods) > 1 and not mixed:
        raise MixedMethodsError(
            f"surfaces of {len(report.methods)} methods: {', '.join(report.methods)}",
            "levels of one method, for others do not compare",
            f"select one, --where 'functional = \"{report.methods[0]}\"', or allow it with --mixed",
        )
    taken = {comparison.result.identifier for comparison in report.compared}
    report.without_measurement = sorted(
        {r.surface_name or r.formula for r in usable if r.identifier not in taken}
    )
    return report


def _is_usable(result: SurfaceLevelsDocument, flagged: bool) -> bool:
    return flagged or result.state is ResultState.PASSED


def _partner(
    matching: Sequence[SurfaceLevelsDocument], *, flagged: bool
) -> SurfaceLevelsDocument | None:
    """Return the result that a measurement is compared with, of those that match it.

    It is one of the surface of lowest energy, or none: the next surface is not what was measured.
    """
    if not matching:
        return None
    name = _lowest(matching).surface_name
    own = [r for r in matching if r.surface_name == name and _is_usable(r, flagged)]
    return max(own, key=_trust, default=None)


def _matching(
    measured: MeasuredLevels, results: Sequence[SurfaceLevelsDocument]
) -> list[SurfaceLevelsDocument]:
    same = (_same_crystal, _same_plane, _same_face)
    return [result for result in results if all(alike(measured, result) for alike in same)]


def _lowest(results: Sequence[SurfaceLevelsDocument]) -> SurfaceLevelsDocument:
    """Return the surface of lowest energy, by the best result of each; there is at least one."""
    best: dict[str, SurfaceLevelsDocument] = {}
    for result in results:
        best[result.surface_name] = max(best.get(result.surface_name, result), result, key=_trust)
    return min(best.values(), key=_energy)


def _trust(result: SurfaceLevelsDocument) -> tuple[Any, ...]:
    known = result.quality in _PRESETS
    preset = _PRESETS.index(Quality(result.quality)) if known else -1
    return result.relaxed, preset, result.created_at


def _energy(result: SurfaceLevelsDocument) -> tuple[float, str]:
    energy = result.surface_energy
    return (math.inf if energy is None else energy), result.identifier


def _same_crystal(measured: MeasuredLevels, result: SurfaceLevelsDocument) -> bool:
    return (
        result.formula == measured.formula
        and measured.space_group is not None
        and same_space_group(result.space_group_number, measured.space_group)
    )


def _same_plane(measured: MeasuredLevels, result: SurfaceLevelsDocument) -> bool:
    if not measured.orientations:
        return True
    return result.miller_index is not None and any(
        result.miller_index in _family(result.space_group_number, index)
        for index in measured.orientations
    )


def _same_face(measured: MeasuredLevels, result: SurfaceLevelsDocument) -> bool:
    return bool(_OXYGEN.get(measured.face) == np.sign(result.excess_oxygen))


@cache
def _family(space_group_number: int, index: MillerIndex) -> frozenset[MillerIndex]:
    """Return all planes that the point group makes of one, and their opposites."""
    images = np.asarray(index) @ _rotations(space_group_number)
    return frozenset(tuple(int(x) for x in s * row) for row in images for s in (1, -1))  # type: ignore[misc]


@cache
def _rotations(space_group_number: int) -> NDArray[np.int64]:
    """Return the rotations of a space group in its standard setting, shape (n, 3, 3)."""
    for hall_number in range(1, 531):
        kind: Any = spglib.get_spacegroup_type(hall_number)
        if kind.number == space_group_number:
            operations: Any = spglib.get_symmetry_from_database(hall_number)
            return np.asarray(operations["rotations"], dtype=np.int64)
    return np.eye(3, dtype=np.int64)[None]


def _reason(
    measured: MeasuredLevels,
    results: Sequence[SurfaceLevelsDocument],
    matching: Sequence[SurfaceLevelsDocument],
) -> str:
    """Say why a measurement has no partner."""
    if measured.face is Face.EXPOSED:
        return "the surface was exposed to air"
    if measured.space_group is None:
        return "the phase of the film is not known"
    if not any(result.formula == measured.formula for result in results):
        return f"no result of {measured.formula}"
    crystals = [result for result in results if _same_crystal(measured, result)]
    if not crystals:
        return f"no result of this polymorph (space group {measured.space_group})"
    if not any(_same_plane(measured, result) for result in crystals):
        return "no result of this orientation"
    if not matching:
        return f"no result of a slab whose face is {measured.face}"
    name = _lowest(matching).surface_name
    return f"{name}, the surface of lowest energy, failed a check; --flagged compares it"


def as_dict(report: ComparisonReport) -> dict[str, Any]:
    """Return a report as plain JSON values; energies in eV."""
    return {
        "methods": report.methods,
        "compared": [
            {
                "surface": comparison.result.surface_name,
                "identifier": comparison.result.identifier,
                "state": comparison.result.state.value,
                "convergence_error": comparison.result.convergence_error,
                "measured": comparison.measured.model_dump(mode="json"),
                "source": comparison.measured.source,
                **{level: getattr(comparison.result, level) for level in LEVELS},
                "differences": {level: comparison.difference(level) for level in LEVELS},
            }
            for comparison in report.compared
        ],
        "without_result": [
            {"measured": measured.model_dump(mode="json"), "reason": reason}
            for measured, reason in report.without_result
        ],
        "without_measurement": report.without_measurement,
        "summary": {level: asdict(s) if (s := report.summary(level)) else None for level in LEVELS},
    }
