"""Junctions as plain values, for tables and JSON; energies in eV."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from surfalign.errors import PhysicsInputError
from surfalign.physics.contacts.anderson import (
    Junctions,
    JunctionType,
    all_junctions,
    set_junctions,
)
from surfalign.physics.contacts.schemes import Demands, Scheme, best_pairs
from surfalign.stores.contacts.refusals import refuse_metals
from surfalign.stores.contacts.surfaces import ContactSurfaces
from surfalign.stores.screening.candidates import Candidate

Record = dict[str, Any]

#: Decimals of energies and probabilities in JSON.
_DECIMALS = 4
#: Surfaces of which all pairs are worked out at once: 300 MB.
LARGEST_SET = 2000
_WITHOUT_METALS = "leave metals out by the query: band_gap > 0 eV; and out of a file of predictions"


def junction_record(first: ContactSurfaces, second: ContactSurfaces, rule_error: float) -> Record:
    """Return the junction of two surfaces, the first of each list.

    Raises
    ------
    PhysicsInputError
        When both are results of one surface, or one has no gap.
    """
    one, other = first.surfaces[0], second.surfaces[0]
    if one.identifier == other.identifier or first.same_surface(second)[0, 0]:
        same = one.identifier == other.identifier
        raise PhysicsInputError(
            f"a junction of {one.identifier if same else one.name} with itself"
            + ("" if same else f": {one.identifier} and {other.identifier} are results of it"),
            "two surfaces",
            "name another one",
        )
    refuse_metals(first.joined(second), "name surfaces with a gap")
    return _record(_made(first, second, rule_error), 0, 0, one, other)


def partner_records(
    surfaces: ContactSurfaces,
    row: int,
    rule_error: float,
    wanted: JunctionType,
    limit: int | None = None,
) -> list[Record]:
    """Return the junctions of one surface with all others, the most probably of the wanted type first.

    Parameters
    ----------
    surfaces
        All of them.
    row
        Which one is the first side of each junction.
    rule_error
        Mean absolute error of Anderson's rule, eV.
    wanted
        Type that counts.
    limit
        Junctions to return at most; None for all.
    """
    own = surfaces.take([row])
    refuse_metals(own, "name a surface with a gap")
    refuse_metals(surfaces, _WITHOUT_METALS)
    made = _made(own, surfaces, rule_error)
    order = np.argsort(-made.probabilities[0, :, wanted - 1], kind="stable")
    others = order[~own.same_surface(surfaces)[0, order]]
    return [
        _record(made, 0, int(column), own.surfaces[0], surfaces.surfaces[int(column)])
        for column in others[:limit]
    ]


def matrix(surfaces: ContactSurfaces, rule_error: float) -> Junctions:
    """Return the junctions of all pairs of a list.

    Raises
    ------
    PhysicsInputError
        When the list is longer than :data:`LARGEST_SET`, or a surface has no gap.
    """
    _refuse_long(surfaces)
    refuse_metals(surfaces, _WITHOUT_METALS)
    same_surface = surfaces.same_surface(surfaces)
    return set_junctions(surfaces.levels, rule_error, surfaces.same_crystal(surfaces), same_surface)


def likeliest_pairs(
    surfaces: ContactSurfaces, made: Junctions, wanted: JunctionType, limit: int
) -> list[Record]:
    """Return the pairs of a matrix that are most probably of a type, each pair once."""
    probability = np.triu(np.nan_to_num(made.probabilities[:, :, wanted - 1]), 1)
    order = np.argsort(-probability, axis=None, kind="stable")[:limit]
    rows, columns = np.unravel_index(order[probability.ravel()[order] > 0], probability.shape)
    return [
        _record(made, int(i), int(j), surfaces.surfaces[int(i)], surfaces.surfaces[int(j)])
        for i, j in zip(rows, columns, strict=True)
    ]


def scheme_records(
    surfaces: ContactSurfaces,
    scheme: Scheme,
    demands: Demands,
    rule_error: float,
    limit: int,
    partner_of: int | None = None,
) -> list[Record]:
    """Return the pairs that meet the demands most probably; the first of each pair lies higher.

    Raises
    ------
    PhysicsInputError
        When the list is longer than :data:`LARGEST_SET`, or a surface has no gap.
    """
    _refuse_long(surfaces)
    refuse_metals(surfaces, _WITHOUT_METALS)
    same_surface = surfaces.same_surface(surfaces)
    upper, lower, probabilities = best_pairs(
        surfaces.levels, scheme, demands, rule_error, limit, partner_of, same_surface
    )
    records = []
    for i, j, probability in zip(upper, lower, probabilities, strict=True):
        one, other = (surfaces.take([k]) for k in (i, j))
        made = _made(one, other, rule_error)
        record = _record(made, 0, 0, one.surfaces[0], other.surfaces[0])
        records.append(
            record | {"scheme": scheme.value, "probability": round(float(probability), 3)}
        )
    return records


def write_matrix(
    surfaces: ContactSurfaces, made: Junctions, rule_error: float, file: IO[str]
) -> None:
    """Write all pairs as JSON, row by row, so that a million of them need no memory.

    The keys of an array hold a row for each surface, and in it a value for each partner; results of
    one surface have null.
    """
    head = {
        "rule_error": rule_error,
        "methods": surfaces.methods,
        "surfaces": [_side(surface) for surface in surfaces.surfaces],
    }
    file.write(json.dumps(head, ensure_ascii=False)[:-1])
    arrays: dict[str, NDArray[Any]] = {
        "valence_offset": made.valence_offsets,
        "conduction_offset": made.conduction_offsets,
        "type": made.types,
        **{
            f"probability_{JunctionType(k + 1).numeral}": made.probabilities[:, :, k]
            for k in range(3)
        },
    }
    for name, array in arrays.items():
        file.write(f',\n"{name}": [')
        file.write(",\n".join(_rows(name, array, made.types == JunctionType.NONE)))
        file.write("]")
    file.write("}\n")


def _refuse_long(surfaces: ContactSurfaces) -> None:
    if len(surfaces) > LARGEST_SET:
        raise PhysicsInputError(
            f"{len(surfaces)} surfaces, which make {len(surfaces) ** 2} pairs",
            f"at most {LARGEST_SET} surfaces",
            "narrow the query, e.g. 'surface_energy < 1 J/m^2 and band_gap < 4 eV'",
        )


def _rows(name: str, array: NDArray[Any], without: NDArray[np.bool_]) -> Iterator[str]:
    for row, own in zip(array, without, strict=True):
        if name == "type":
            values: list[Any] = [JunctionType(kind).numeral for kind in row]
        else:
            values = np.round(row, _DECIMALS).tolist()
        for column in np.flatnonzero(own):
            values[column] = None
        yield json.dumps(values, ensure_ascii=False)


def _made(first: ContactSurfaces, second: ContactSurfaces, rule_error: float) -> Junctions:
    return all_junctions(first.levels, second.levels, rule_error, first.same_crystal(second))


def _record(made: Junctions, i: int, j: int, one: Candidate, other: Candidate) -> Record:
    chances = made.probabilities[i, j]
    return {
        "first": _side(one),
        "second": _side(other),
        "type": JunctionType(int(made.types[i, j])).numeral,
        "valence_offset": round(float(made.valence_offsets[i, j]), _DECIMALS),
        "valence_offset_error": round(float(made.valence_deviations[i, j]), _DECIMALS),
        "conduction_offset": round(float(made.conduction_offsets[i, j]), _DECIMALS),
        "conduction_offset_error": round(float(made.conduction_deviations[i, j]), _DECIMALS),
        "probabilities": {
            JunctionType(k + 1).numeral: round(float(chances[k]), 3) for k in range(3)
        },
    }


def _side(surface: Candidate) -> Record:
    """Return which surface, how its levels were obtained, and what speaks against it."""
    return {
        "name": surface.name,
        "identifier": surface.identifier,
        "method": surface.method,
        "remarks": list(surface.remarks),
    }
