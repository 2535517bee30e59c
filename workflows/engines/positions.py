"""Move the atoms of a structure and keep all that is known of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure


def with_positions(structure: Structure, positions: NDArray[np.float64]) -> Structure:
    """Return ``structure`` with other positions (angstrom), its site properties kept."""
    new = structure.copy()
    for index, position in enumerate(positions):
        new.replace(
            index,
            new[index].species,
            position,
            coords_are_cartesian=True,
            properties=new[index].properties,
        )
    return new
