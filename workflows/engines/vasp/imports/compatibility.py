"""Whether two calculations belong together: basis, potentials, functional, crystal."""

from __future__ import annotations

from typing import Any

import numpy as np
from pymatgen.analysis.structure_matcher import StructureMatcher

from surfalign.workflows.engines.vasp.outputs.calculation import Calculation
from surfalign.workflows.engines.vasp.outputs.method import semilocal_functional
from surfalign.workflows.engines.vasp.outputs.provenance import potentials
from surfalign.workflows.engines.vasp.outputs.reading import matching_sites

#: Cut-offs that differ by less are equal, eV.
_CUTOFF_TOLERANCE = 0.5
#: Volumes per atom that differ by less (relative) are equal.
_VOLUME_TOLERANCE = 0.003
#: Potentials at the cores that differ by less are one potential, eV: OUTCAR has four digits.
_SAME_POTENTIAL = 0.02

_SAME_CRYSTAL = StructureMatcher(
    ltol=0.01, stol=0.03, angle_tol=0.5, primitive_cell=True, scale=False
)


def disagreements(one: Calculation, other: Calculation, *, functional: bool = True) -> list[str]:
    """Return why potentials and eigenvalues of two calculations cannot be put on one scale.

    Parameters
    ----------
    one, other
        The calculations.
    functional
        Whether the semilocal functional must be the same too; between a hybrid and the semilocal
        calculation before it, it need not.

    Returns
    -------
    list of str
        Reasons; empty where they fit together.
    """
    reasons = []
    cutoffs = [float(run.parameters.get("ENMAX", run.parameters.get("ENCUT", 0)))
               for run in (one, other)]  # fmt: skip
    if abs(cutoffs[0] - cutoffs[1]) > _CUTOFF_TOLERANCE:
        reasons.append(f"the cut-offs differ: {cutoffs[0]:g} and {cutoffs[1]:g} eV")
    reasons += _different_potentials(potentials(one), potentials(other))
    if functional:
        names = [semilocal_functional(run) for run in (one, other)]
        if names[0] != names[1]:
            reasons.append(f"the functionals differ: {_name(names[0])} and {_name(names[1])}")
    return reasons


def same_crystal(one: Calculation, other: Calculation) -> bool:
    """Return whether two bulk calculations are of the same crystal at the same lattice parameters."""
    structures = [run.structure for run in (one, other)]
    volumes = [s.volume / len(s) for s in structures]
    if abs(volumes[0] / volumes[1] - 1) > _VOLUME_TOLERANCE:
        return False
    return bool(_SAME_CRYSTAL.fit(structures[0], structures[1]))


def same_cell(one: Any, other: Any, tolerance: float = 0.02) -> bool:
    """Return whether two structures are the same atoms at the same places (angstrom), in any order."""
    if one.composition != other.composition:
        return False
    if np.abs(one.lattice.matrix - other.lattice.matrix).max() > tolerance:
        return False
    distances = one.lattice.get_all_distances(one.frac_coords, other.frac_coords)
    different = np.array([[a.specie != b.specie for b in other] for a in one])
    return bool(np.where(different, np.inf, distances).min(axis=1).max() < tolerance)


def different_potentials_of_one_cell(one: Calculation, other: Calculation) -> list[str]:
    """Return why eigenvalues at further k-points of one calculation are not those of another.

    The same atoms in the same cell, the same spins, and the same electrostatic potential at the cores.
    """
    if not same_cell(one.structure, other.structure):
        return ["another cell"]
    if len(one.vasprun.eigenvalues or {}) != len(other.vasprun.eigenvalues or {}):
        return ["another number of spins"]
    order = matching_sites(other.structure, one.structure)
    apart = float(np.abs(one.site_potentials - other.site_potentials[order]).max())
    if apart > _SAME_POTENTIAL:
        return [f"the potentials at the cores differ by up to {apart:.3f} eV"]
    return []


def _different_potentials(one: dict[str, str], other: dict[str, str]) -> list[str]:
    reasons = []
    for element in sorted(set(one) & set(other)):
        (first, _, hash_one), (second, _, hash_two) = (
            text.partition(" sha256:") for text in (one[element], other[element])
        )
        if first != second:
            reasons.append(f"the potentials of {element} differ: {first} and {second}")
        elif hash_one and hash_two and hash_one != hash_two:
            reasons.append(f"the POTCARs of {element} differ although both are called {first}")
    return reasons


def _name(functional: dict[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in functional.items())
