"""How near the atoms of a crystal are, in units of their covalent radii."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pymatgen.core import Structure

#: Atoms closer than this fraction of the sum of their covalent radii overlap. The tightest bonds of
#: oxides (uranyl, O-O) lie at 0.67 and above.
OVERLAP_FRACTION = 0.6
#: Fractional coordinates beyond are slips, and a search for neighbours would take for ever.
LARGEST_COORDINATE = 100.0


@dataclass(frozen=True)
class Contact:
    """Two atoms, or an atom and its own periodic image.

    Attributes
    ----------
    sites
        Their places in the structure.
    distance
        angstrom.
    bond
        Sum of their covalent radii, angstrom.
    """

    sites: tuple[int, int]
    distance: float
    bond: float

    @property
    def fraction(self) -> float:
        """The distance in units of the sum of the radii."""
        return self.distance / self.bond


def cell_heights(lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances of opposite faces of a cell, angstrom, shape (3,); rows are the axes."""
    faces = np.cross(lattice[[1, 2, 0]], lattice[[2, 0, 1]])
    areas = np.maximum(np.linalg.norm(faces, axis=1), np.finfo(float).tiny)
    heights: NDArray[np.float64] = abs(np.linalg.det(lattice)) / areas
    return heights


def closest_contact(structure: Structure, searched: float) -> Contact | None:
    """Return the contact that is the shortest for its elements; None where no atoms are near.

    Radii: B. Cordero et al., Dalton Trans. 2832 (2008), doi:10.1039/b801115j.

    Parameters
    ----------
    structure
        Any cell.
    searched
        Contacts are looked for up to this fraction of the sum of the radii.
    """
    from ase.data import covalent_radii

    radii = np.array([covalent_radii[site.species.elements[0].Z] for site in structure])
    cutoff = 2.0 * searched * float(radii.max())
    first, second, _, distances = structure.get_neighbor_list(cutoff, exclude_self=True)
    if not distances.size:
        return None
    bonds = radii[first] + radii[second]
    worst = int(np.argmin(distances / bonds))
    low, high = sorted((int(first[worst]), int(second[worst])))
    return Contact((low, high), float(distances[worst]), float(bonds[worst]))
