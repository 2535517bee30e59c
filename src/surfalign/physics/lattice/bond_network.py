"""The network of bonds of a crystal: discrete facts that no setting, origin or small strain changes.

Each atom is bonded to more electronegative anions. How far they reach is decided for each element at
once: of all distances, in units of each atom's shortest, the widest gap ends the bonds (after G. O.
Brunner, Acta Cryst. A 33, 226 (1977), doi:10.1107/S0567739477000461, with 1/d^3 for 1/d). A strain or
noise changes the network only where two gaps are as wide as each other, to within the disturbance.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element

from surfalign.physics.lattice.neighbours import neighbour_pairs
from surfalign.physics.lattice.symmetry import SymmetricCrystal

#: Elements that take the part of the anion against a less electronegative one.
ANIONS = frozenset({"N", "O", "F", "P", "S", "Cl", "As", "Se", "Br", "Te", "I"})
#: Distance within which bonds are looked for, angstrom, and in units of the shortest bond.
_REACH, _FARTHEST = 5.0, 2.0
#: Shells of a coordination sequence. Of 2,347 pairs of oxides with equal formula, space group and
#: number of atoms, 83, 79 and 79 have the same sequences to 5, 6 and 8 shells.
_SHELLS = 6

#: Element, multiplicity in the primitive cell, and the atoms of each shell by element.
SiteSequence = tuple[int, int, tuple[tuple[tuple[int, int], ...], ...]]
_Neighbour = tuple[int, int, int, int]


def coordination_sequences(crystal: SymmetricCrystal) -> tuple[SiteSequence, ...]:
    """Return the coordination sequence of each kind of site, sorted.

    The first shell holds the atoms that are bonded to the site, the next those that are bonded to these
    and were not met before, and so on.
    """
    neighbours = _neighbours(crystal)
    return tuple(
        sorted(
            (int(crystal.numbers[orbit[0]]), len(orbit), _shells(crystal, neighbours, orbit[0]))
            for orbit in crystal.orbits
        )
    )


def bonds(crystal: SymmetricCrystal) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the bonds of the primitive cell, each once.

    Returns
    -------
    sites, cells
        Sites of the less and of the more electronegative atom, shape (n_bonds, 2); primitive cell of
        the latter as seen from the former, shape (n_bonds, 3).
    """
    positions = crystal.positions @ crystal.lattice
    vectors, origins, distances, targets = neighbour_pairs(crystal.lattice, positions, _REACH)
    chosen = _can_bond(crystal, origins, targets)
    vectors, distances = vectors[chosen], distances[chosen]
    origins, targets = origins[chosen], targets[chosen]
    shortest = np.full(len(positions), np.inf)
    np.minimum.at(shortest, origins, distances)
    closeness = (shortest[origins] / distances) ** 3
    bonded = np.zeros(len(origins), dtype=bool)
    for element in np.unique(crystal.numbers[origins]):
        own = crystal.numbers[origins] == element
        bonded |= own & (closeness > _end_of_bonds(closeness[own]))
    cells = (vectors + positions[origins] - positions[targets]) @ np.linalg.inv(crystal.lattice)
    sites = np.stack([origins, targets], axis=1)
    return sites[bonded], np.rint(cells[bonded]).astype(np.int64)


def _can_bond(
    crystal: SymmetricCrystal, origins: NDArray[np.int64], targets: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Ask which pairs are an atom and a more electronegative anion; all where there is no such pair."""
    elements = {int(z): Element.from_Z(int(z)) for z in crystal.elements}
    # pymatgen warns where an element (a noble gas) has no electronegativity.
    strength = {z: element.data.get("X") or 0.0 for z, element in elements.items()}
    values = np.array([strength[int(z)] for z in crystal.numbers])
    anion = np.array([elements[int(z)].symbol in ANIONS for z in crystal.numbers])
    can = anion[targets] & (values[targets] > values[origins])
    return np.asarray(can if can.any() else np.ones_like(can))


def _end_of_bonds(closeness: NDArray[np.float64]) -> float:
    """Return the middle of the widest gap between values in (0, 1], from above."""
    end = _FARTHEST**-3
    values = np.append(np.sort(closeness[closeness > end])[::-1], end)
    widest = int(np.argmax(values[:-1] - values[1:]))
    return float(0.5 * (values[widest] + values[widest + 1]))


def _neighbours(crystal: SymmetricCrystal) -> dict[int, list[_Neighbour]]:
    """Return the bonded neighbours of each site: site and primitive cell."""
    neighbours: dict[int, list[_Neighbour]] = defaultdict(list)
    for (first, second), (x, y, z) in zip(
        *(array.tolist() for array in bonds(crystal)), strict=True
    ):
        neighbours[first].append((second, x, y, z))
        neighbours[second].append((first, -x, -y, -z))
    return neighbours


def _shells(
    crystal: SymmetricCrystal, neighbours: dict[int, list[_Neighbour]], site: int
) -> tuple[tuple[tuple[int, int], ...], ...]:
    elements = crystal.numbers.tolist()
    shell = {(site, 0, 0, 0)}
    # A bond leads to the shell before, to the same or to the next.
    before: set[_Neighbour] = set()
    counts = []
    for _ in range(_SHELLS):
        reached = {
            (other, x + u, y + v, z + w)
            for atom, x, y, z in shell
            for other, u, v, w in neighbours[atom]
        }
        before, shell = shell, reached - shell - before
        counts.append(tuple(sorted(Counter(elements[atom] for atom, *_ in shell).items())))
    return tuple(counts)
