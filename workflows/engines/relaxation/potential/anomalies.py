"""Reasons not to start from a potential's geometry: each names what was found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pymatgen.core import Structure

from surfalign.workflows.engines.relaxation.potential.process import PotentialAnswer

#: A potential whose own bulk differs more than this from the given one does not know the crystal.
_MAX_STRAIN = 0.06
#: Displacements beyond it are a reconstruction, or nonsense, angstrom.
_MAX_DISPLACEMENT = 1.0
#: Atoms closer than this share of the slab's shortest distance have collapsed onto one another.
_MIN_DISTANCE_SHARE = 0.75
#: Displacements of an atom by two potentials that count as the same, angstrom.
_MAX_DISAGREEMENT = 0.15
#: Forces left at the end of the potential's own relaxation, eV/angstrom.
_MAX_FORCE = 0.1


def anomalies(slab: Structure, answer: PotentialAnswer) -> list[str]:
    """Return what is wrong with a potential's answer; empty where nothing is.

    Parameters
    ----------
    slab
        The slab as cut.
    answer
        What the potential said.
    """
    found = []
    strain = float(np.abs(answer.strain).max())
    if strain > _MAX_STRAIN:
        found.append(f"its own bulk differs by {strain:.1%} from the given one")
    largest = float(np.linalg.norm(answer.displacements, axis=1).max())
    if largest > _MAX_DISPLACEMENT:
        found.append(f"it moves an atom by {largest:.2f} angstrom")
    moved = Structure(
        slab.lattice,
        slab.species,
        slab.cart_coords + answer.displacements,
        coords_are_cartesian=True,
    )
    share = _shortest_distance(moved) / _shortest_distance(slab)
    if share < _MIN_DISTANCE_SHARE:
        found.append(f"atoms come as close as {share:.0%} of the shortest distance")
    if answer.largest_force > _MAX_FORCE:
        found.append(
            f"it did not find its own minimum ({answer.largest_force:.2f} eV/angstrom left)"
        )
    if answer.energy_gain < 0:
        found.append(f"its energy rose by {-answer.energy_gain:.3f} eV")
    return found


def disagreement(answers: Sequence[PotentialAnswer]) -> str:
    """Return how far potentials are apart where that is too far; empty where they agree.

    Parameters
    ----------
    answers
        Of one slab.
    """
    apart = max(
        float(np.linalg.norm(answer.displacements - answers[0].displacements, axis=1).max())
        for answer in answers
    )
    return f"they disagree by {apart:.2f} angstrom" if apart > _MAX_DISAGREEMENT else ""


def _shortest_distance(structure: Structure) -> float:
    distances = structure.get_neighbor_list(4.0)[3]
    return float(distances.min()) if distances.size else 4.0
