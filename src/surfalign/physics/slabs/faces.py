"""Whether the two faces of a slab are equivalent."""

from __future__ import annotations

import numpy as np
import spglib
from pymatgen.core import Structure

from surfalign.physics.lattice.symmetry_search import ask_spglib

_SYMPREC = 0.01  # angstrom


def faces_are_equivalent(slab: Structure) -> bool:
    """Return whether some symmetry operation of the slab reverses its normal (the c axis).

    Such a slab has one vacuum level and no dipole along its normal; all others need a dipole
    correction.
    """
    numbers = [site.specie.Z for site in slab]
    cell = (slab.lattice.matrix.tolist(), slab.frac_coords.tolist(), numbers)
    symmetry = ask_spglib(spglib.get_symmetry, cell, _SYMPREC)
    if symmetry is None:
        return False
    normals = np.asarray(symmetry["rotations"])[:, 2, 2]
    return bool((normals == -1).any())
