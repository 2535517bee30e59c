"""Numbers that set what a single atom has, each with a name and a unit.

What a charge, a shift of a core level or a potential at an atom follows from: its element and those around it, how
they surround it, the potential of the formal charges at its site, and the energies of its ion there. The atom is
the first site of its structure, a crystal or a slab. Supercells, rotations and the order of the other atoms change
nothing. Potentials are against the mean of a crystal's, and against the vacuum of a slab's.

Without formal charges (see :mod:`~.formal_charges`) the inputs of the groups ``electrostatics`` and ``ionic
levels`` are NaN; who learns from them has to say what it does then.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from surfalign.ml.descriptors.element_properties import PROPERTIES, element_properties
from surfalign.ml.descriptors.physical.formal_charges import formal_charges
from surfalign.ml.descriptors.physical.ionisation_levels import addition_energy, removal_energy
from surfalign.ml.descriptors.physical.physical_inputs import (
    ELECTROSTATICS,
    ELEMENTS,
    GEOMETRY,
    LEVELS,
    PhysicalInput,
    described_once,
)
from surfalign.ml.descriptors.physical.site_potentials import (
    crystal_site_potentials,
    slab_site_potentials,
)
from surfalign.ml.descriptors.physical.surface_geometry import BondedPairs, bonded_pairs, bonds
from surfalign.ml.descriptors.slab_geometry import WIDEST_GAP_OF_A_CRYSTAL, slab_geometry, vacuum

Array = NDArray[np.float64]

ATOM_INPUTS: tuple[PhysicalInput, ...] = (
    *(
        PhysicalInput(f"{name} of {what}", "standard deviations of the elements", ELEMENTS)
        for what in ("the atom", "its neighbours of other elements")
        for name in PROPERTIES
    ),
    PhysicalInput("coordination", "", GEOMETRY),
    PhysicalInput("coordination by other elements", "", GEOMETRY),
    PhysicalInput("bond length", "sums of the atomic radii", GEOMETRY),
    PhysicalInput("shortest bond", "sums of the atomic radii", GEOMETRY),
    PhysicalInput("one-sidedness of the neighbours", "", GEOMETRY),
    PhysicalInput("density of atoms around", "1/angstrom^3", GEOMETRY),
    PhysicalInput("charge", "e", ELECTROSTATICS),
    PhysicalInput("charge of its neighbours of other elements", "e", ELECTROSTATICS),
    PhysicalInput("potential", "V", ELECTROSTATICS),
    PhysicalInput("removal energy of the free ion", "eV", LEVELS),
    PhysicalInput("addition energy of the free ion", "eV", LEVELS),
    PhysicalInput("removal energy", "eV", LEVELS),
    PhysicalInput("addition energy", "eV", LEVELS),
)
"""All inputs, in the order of :func:`atom_inputs`."""

#: The vacuum of a slab is wider than the reach of bonds, so it may repeat across it.
_PERIODIC = (True, True, True)
_N_CHARGED = sum(one.group in (ELECTROSTATICS, LEVELS) for one in ATOM_INPUTS)


def atom_inputs(structure: Structure) -> Array:
    """Return the inputs of the first atom, shape (n_inputs,), in the order of ``ATOM_INPUTS``."""
    pairs = bonded_pairs(structure, structure.cart_coords, _PERIODIC)
    table = element_properties()[np.array(structure.atomic_numbers)]
    others = _of_others(structure, pairs)
    values = [*table[0], *_around(pairs, others, table), *_geometry(structure, pairs)]
    charges = formal_charges(structure)
    if charges is None:
        return np.array([*values, *[np.nan] * _N_CHARGED])
    symbol, charge = structure[0].specie.symbol, float(charges[0])
    potential = _potential(structure, charges)
    removal, addition = removal_energy(symbol, charge), addition_energy(symbol, charge)
    levels = [removal, addition, removal + potential, addition + potential]
    return np.array(
        [*values, charge, *_around(pairs, others, charges[:, None]), potential, *levels]
    )


def atom_table(structures: Sequence[Structure]) -> Array:
    """Return the inputs of many atoms, shape (n_atoms, n_inputs); each is described once."""
    return described_once(structures, atom_inputs, len(ATOM_INPUTS))


def _of_others(structure: Structure, pairs: BondedPairs) -> NDArray[np.bool_]:
    """Tell which pairs join the first atom to one of another element; to any, where there is no other."""
    numbers = np.array(structure.atomic_numbers)
    mine = pairs.first == 0
    unlike = mine & (numbers[pairs.second] != numbers[0])
    return np.asarray(unlike if unlike.any() else mine)


def _around(pairs: BondedPairs, chosen: NDArray[np.bool_], table: Array) -> Array:
    """Return the mean of a table of all atoms over the neighbours of some pairs; zero where there are none."""
    weights = pairs.weights[chosen]
    return np.asarray(weights @ table[pairs.second[chosen]] / max(float(weights.sum()), 1e-9))


def _geometry(structure: Structure, pairs: BondedPairs) -> list[float]:
    measured = bonds(structure, structure.cart_coords, _PERIODIC)
    coordination, unlike, length, density = (float(one[0]) for one in measured)
    mine = pairs.first == 0
    weights, reduced = pairs.weights[mine], pairs.reduced[mine]
    sum_of_directions = (weights / pairs.distances[mine]) @ pairs.vectors[mine]
    return [
        coordination,
        unlike,
        length,
        float(reduced.min()) if len(reduced) else float("nan"),
        float(np.linalg.norm(sum_of_directions)) / max(float(weights.sum()), 1e-9),
        density,
    ]


def _potential(structure: Structure, charges: Array) -> float:
    """Return the potential of formal charges at the first atom, V."""
    cell = structure.lattice.matrix
    if vacuum(structure.frac_coords, cell) <= WIDEST_GAP_OF_A_CRYSTAL:
        return float(crystal_site_potentials(charges, structure.cart_coords, cell)[0])
    slab = slab_geometry(structure.frac_coords, cell)
    lateral = np.delete(cell, slab.axis, axis=0)
    return float(slab_site_potentials(charges, slab.positions, lateral)[0])
