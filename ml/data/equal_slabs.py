"""Equal slabs under different names, and how far their labels are apart.

Two slabs are equal if a rotation, reflection or translation, another in-plane cell or more vacuum make
one of the other. What is compared does not change by any of these: atoms per area, and the mean distances
of every element's nearest neighbours (the average minimum distances of D. Widdowson et al., MATCH
Commun. Math. Comput. Chem. 87, 529 (2022), doi:10.46793/match.87-3.529W, here by element).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from surfalign.ml.data.records import SurfaceRecord
from surfalign.ml.properties.property import Level

#: Distances and atoms per area of equal slabs agree to this, angstrom and relative.
SAME_DISTANCES, SAME_DENSITY = 0.01, 0.005
#: Neighbours of each element that are compared, and how far they are looked for, angstrom.
_NEIGHBOURS, _REACH = 12, 7.0


@dataclass(frozen=True)
class EqualSlabs:
    """Slabs that are one.

    Attributes
    ----------
    names
        Of the records, sorted.
    spreads
        Property and fidelity to the largest difference of the labels, in the property's unit.
    """

    names: tuple[str, ...]
    spreads: dict[tuple[str, str], float]


def find_equal_slabs(records: Iterable[SurfaceRecord]) -> list[EqualSlabs]:
    """Return the groups of equal slabs among those with labels, the largest spread first; atoms are not compared."""
    groups = []
    alike: dict[str, list[tuple[float, SurfaceRecord]]] = defaultdict(list)
    for record in records:
        if record.labels and record.level is not Level.ATOM:
            alike[record.formula].append((_atoms_per_area(record.structure), record))
    for members in alike.values():
        members.sort(key=lambda member: (member[0], member[1].name))
        for run in _runs(members):
            groups += [_described(group) for group in _equal(run)]
    return sorted(groups, key=lambda g: (-max(g.spreads.values(), default=0.0), g.names))


def _runs(members: Sequence[tuple[float, SurfaceRecord]]) -> list[list[SurfaceRecord]]:
    """Part slabs of one formula where their atoms per area differ."""
    runs: list[list[SurfaceRecord]] = []
    before = -np.inf
    for density, record in members:
        if density > before * (1 + SAME_DENSITY):
            runs.append([])
        runs[-1].append(record)
        before = density
    return [run for run in runs if len(run) > 1]


def _equal(records: Sequence[SurfaceRecord]) -> list[list[SurfaceRecord]]:
    groups: list[tuple[NDArray[np.float64], list[SurfaceRecord]]] = []
    for record in records:
        distances = _mean_distances(record.structure)
        for known, group in groups:
            if np.abs(known - distances).max() < SAME_DISTANCES:
                group.append(record)
                break
        else:
            groups.append((distances, [record]))
    return [group for _, group in groups if len(group) > 1]


def _described(group: Sequence[SurfaceRecord]) -> EqualSlabs:
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for label in (label for record in group for label in record.labels):
        values[label.name, label.fidelity].append(label.value)
    spreads = {key: max(v) - min(v) for key, v in sorted(values.items()) if len(v) > 1}
    return EqualSlabs(tuple(sorted(record.name for record in group)), spreads)


def _atoms_per_area(structure: Structure) -> float:
    """Return atoms per angstrom^2 of the plane across which the cell is emptiest."""
    reciprocal = structure.lattice.reciprocal_lattice_crystallographic.matrix
    heights = 1.0 / np.linalg.norm(reciprocal, axis=1)
    places = np.sort(structure.frac_coords % 1.0, axis=0)
    gaps = np.diff(np.concatenate([places, places[:1] + 1.0]), axis=0).max(axis=0) * heights
    return float(len(structure) * heights[int(np.argmax(gaps))] / structure.volume)


def _mean_distances(structure: Structure) -> NDArray[np.float64]:
    """Return mean and root-mean-square distances of the nearest neighbours, by pair of elements.

    Shape (n_elements^2 * 2 * 12,), angstrom; the elements in the order of their numbers.
    """
    numbers = np.array([site.species.elements[0].Z for site in structure])
    first, second, _, distances = structure.get_neighbor_list(_REACH, exclude_self=True)
    rows = []
    for element in np.unique(numbers):
        chosen = numbers[second] == element
        nearest = np.full((len(structure), _NEIGHBOURS), _REACH)
        for site in range(len(structure)):
            found = np.sort(distances[chosen & (first == site)])[:_NEIGHBOURS]
            nearest[site, : len(found)] = found
        for centre in np.unique(numbers):
            members = nearest[numbers == centre]
            rows += [members.mean(axis=0), np.sqrt((members**2).mean(axis=0))]
    return np.concatenate(rows)
