"""The equilibrium shape of a crystal from its stored results, and what it says of powders."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from surfalign.errors import ShapeError
from surfalign.physics.lattice.orientations import (
    MillerIndex,
    Orientation,
    canonical_miller_index,
    format_miller_index,
    interplanar_spacing,
    nonpolar_orientations,
    primitive_normal,
    unique_orientations,
)
from surfalign.physics.lattice.symmetry import SymmetricCrystal
from surfalign.physics.shapes.weights import thermal_weights
from surfalign.physics.shapes.wulff import EquilibriumShape, encloses_volume, equilibrium_shape
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.shapes.selection import Selection, method_of

#: Temperature of the weights that documents store, K.
ROOM_TEMPERATURE = 300.0
#: Up to this index orientations are looked for that would close a shape.
_LARGEST_ADVISED = 2


@dataclass(frozen=True)
class Termination:
    """One termination of an orientation.

    Attributes
    ----------
    document
        Its result.
    miller_index
        The representative of its orientation.
    surface_energy
        J/m^2.
    area_fraction
        Share in the area of the shape: of the most stable termination that of its orientation, else 0.
    weight
        Share in its orientation at the temperature, at most (:func:`~.weights.thermal_weights`).
    """

    document: SurfaceLevelsDocument
    miller_index: MillerIndex
    surface_energy: float
    area_fraction: float
    weight: float


@dataclass(frozen=True)
class MissingOrientation:
    """An orientation without a result.

    Attributes
    ----------
    orientation
        Which; polar ones have no slab with two equal faces, and so no surface energy.
    shows_below
        It would show on the shape if its surface energy were lower than this, J/m^2.
    """

    orientation: Orientation
    shows_below: float


@dataclass(frozen=True)
class Average:
    """Mean over the area of the shape, and the standard deviation over it, eV."""

    mean: float
    spread: float


@dataclass(frozen=True)
class CrystalShape:
    """The shape with its terminations.

    Attributes
    ----------
    selection
        The results that it is made of, and those that were left out.
    shape
        The faces.
    terminations
        The largest share first, then the most stable.
    missing
        Orientations up to an index without a result, that of the largest ``shows_below`` first.
    temperature
        Of the weights, K.
    """

    selection: Selection
    shape: EquilibriumShape
    terminations: list[Termination]
    missing: list[MissingOrientation]
    temperature: float

    @cached_property
    def ionization_potential(self) -> Average | None:
        """Mean and spread of the IP over the area."""
        return _average(
            (t.document.ionization_potential, t.area_fraction) for t in self.terminations
        )

    @cached_property
    def electron_affinity(self) -> Average | None:
        """Mean and spread of the EA over the area."""
        return _average((t.document.electron_affinity, t.area_fraction) for t in self.terminations)


def crystal_shape(
    selection: Selection, *, max_index: int = 1, temperature: float = ROOM_TEMPERATURE
) -> CrystalShape:
    """Put the stored surfaces of a crystal together.

    Slabs with more or less oxygen than the crystal have no surface energy of their own, and do not count.

    Parameters
    ----------
    selection
        The results.
    max_index
        Orientations up to this index are looked for among the missing ones.
    temperature
        Of the weights of terminations, K.

    Raises
    ------
    ShapeError
        The orientations enclose no volume, or a surface energy is not positive.
    """
    crystal, groups = selection.crystal, terminations_by_orientation(selection)
    candidates = [
        o for o in unique_orientations(crystal, max_index) if o.miller_index not in groups
    ]
    try:
        shape = equilibrium_shape(crystal, {i: _energy(group[0]) for i, group in groups.items()})
    except ShapeError as error:
        wrong = [d for group in groups.values() for d in group if not _energy(d) > 0]
        raise (
            _unphysical(wrong[0]) if wrong else _explained(error, crystal, groups, candidates)
        ) from error
    shares = shape.area_fractions
    terminations = [
        Termination(document, index, _energy(document), 0.0 if i else shares[index], weight)
        for index, group in groups.items()
        for i, (document, weight) in enumerate(
            zip(group, weights(crystal, index, group, temperature), strict=True)
        )
    ]
    missing = [MissingOrientation(o, shape.shows_below(o.miller_index)) for o in candidates]
    used = [document for group in groups.values() for document in group]
    methods = sorted({method_of(document) for document in used})
    return CrystalShape(
        replace(selection, documents=used, methods=methods),
        shape,
        sorted(terminations, key=lambda t: (-t.area_fraction, t.surface_energy)),
        sorted(missing, key=lambda m: -m.shows_below),
        temperature,
    )


def terminations_by_orientation(
    selection: Selection,
) -> dict[MillerIndex, list[SurfaceLevelsDocument]]:
    """Return the stoichiometric results by representative index, the most stable first."""
    groups: dict[MillerIndex, list[SurfaceLevelsDocument]] = {}
    for document in sorted(selection.documents, key=lambda d: (_energy(d), d.surface_name)):
        if document.excess_oxygen or document.surface_energy is None or not document.miller_index:
            continue
        index = canonical_miller_index(selection.crystal, document.miller_index)
        groups.setdefault(index, []).append(document)
    return groups


def weights(
    crystal: SymmetricCrystal,
    index: MillerIndex,
    group: Sequence[SurfaceLevelsDocument],
    temperature: float = ROOM_TEMPERATURE,
) -> list[float]:
    """Return what each termination covers of its orientation, at most."""
    area = crystal.volume / interplanar_spacing(crystal, primitive_normal(crystal, index))
    found: list[float] = thermal_weights(
        [_energy(document) for document in group], area, temperature
    ).tolist()
    return found


def _energy(document: SurfaceLevelsDocument) -> float:
    return document.surface_energy if document.surface_energy is not None else math.inf


def _average(levels: Iterable[tuple[float | None, float]]) -> Average | None:
    """Average over the area; None where a level of a face that shows is not known."""
    shown = [(level, share) for level, share in levels if share > 0]
    if any(level is None for level, _ in shown):
        return None
    pairs = [(level, share) for level, share in shown if level is not None]
    mean = sum(level * share for level, share in pairs)
    return Average(mean, math.sqrt(sum(share * (level - mean) ** 2 for level, share in pairs)))


def _unphysical(document: SurfaceLevelsDocument) -> ShapeError:
    """Name the result whose surface energy cannot be."""
    return ShapeError(
        f"the surface energy of {document.surface_name} is {_energy(document):.3g} J/m^2 "
        f"({document.identifier})",
        "positive ones: with others a crystal would fall apart",
        f"surfalign show {document.identifier}; leave it out by --where 'surface_energy > 0'",
    )


def _explained(
    error: ShapeError,
    crystal: SymmetricCrystal,
    known: Collection[MillerIndex],
    candidates: Sequence[Orientation],
) -> ShapeError:
    """Say which orientations could close the shape, and which never can."""
    nonpolar = [o.miller_index for o in candidates if o.nonpolar]
    polar = [format_miller_index(o.miller_index) for o in candidates if not o.nonpolar]
    found = error.found
    if polar:
        found += f"; without a nonpolar slab, and so without a surface energy: {', '.join(polar)}"
    return ShapeError(found, error.expected, _what_closes(crystal, known, nonpolar))


def _what_closes(
    crystal: SymmetricCrystal, known: Collection[MillerIndex], nonpolar: Sequence[MillerIndex]
) -> str:
    """Return what closes a shape: these orientations, those of a larger index, or none that has an energy."""
    if encloses_volume(crystal, [*known, *nonpolar]):
        return f"compute what is missing: {', '.join(map(format_miller_index, nonpolar))}"
    more = [o.miller_index for o in nonpolar_orientations(crystal, _LARGEST_ADVISED)]
    if encloses_volume(crystal, [*known, *more]):
        return f"compute orientations of larger indices: surfalign run ... --max-index {_LARGEST_ADVISED}"
    return (
        "no further result closes it: this crystal has nonpolar slabs in too few directions. Read their "
        "surface energies one by one: surfalign query"
    )
