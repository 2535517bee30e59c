"""How near the atoms of a crystal are, in units of their covalent radii."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pymatgen.core import Structure

#: Atoms closer than this fraction of the sum of their covalent radii overlap. The tightest bonds of
#: oxides (uranyl, O-O) lie at 0.67 and above.
OVERLAP_FRACTION = 0.6


@dataclass(frozen=True)
class Contact:
    """Two atoms, or an atom and its own periodic image.

    Attributes
    ----------
    sites
        Their places in the structure.
    distance
        angstrom.
    fraction
        The distance in units of the sum of their covalent radii.
    """

    sites: tuple[int, int]
    distance: float
    fraction: float


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
    fractions = distances / (radii[first] + radii[second])
    worst = int(np.argmin(fractions))
    low, high = sorted((int(first[worst]), int(second[worst])))
    return Contact((low, high), float(distances[worst]), float(fractions[worst]))
