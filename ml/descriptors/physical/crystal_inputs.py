"""Numbers that set the properties of a crystal without a surface, each with a name and a unit.

What a gap, a dielectric constant or an elastic constant follows from: the elements, how densely and how
regularly the atoms are packed, the potential of the formal charges at their sites, and the energies of the
ions there. All are means over the atoms or ratios, so that supercells, rotations and the order of atoms
change none of them.

Without formal charges (see :mod:`~.formal_charges`) the inputs of the groups ``electrostatics`` and ``ionic
levels`` are NaN; who learns from them has to say what it does then.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from surfalign.ml.descriptors.composition import (
    PROPERTIES,
    composition_features,
    element_vector,
    feature_names,
)
from surfalign.ml.descriptors.element_properties import atomic_radius
from surfalign.ml.descriptors.physical.formal_charges import Ions, formal_charges
from surfalign.ml.descriptors.physical.ionisation_levels import addition_energy, removal_energy
from surfalign.ml.descriptors.physical.physical_inputs import (
    ELECTROSTATICS,
    ELEMENTS,
    GEOMETRY,
    LEVELS,
    PhysicalInput,
    described_once,
)
from surfalign.ml.descriptors.physical.site_potentials import crystal_site_potentials
from surfalign.ml.descriptors.physical.surface_geometry import bonds

Array = NDArray[np.float64]

_SIDES = ("anions", "cations")

CRYSTAL_INPUTS: tuple[PhysicalInput, ...] = (
    *(PhysicalInput(name.replace("_", " "), "", ELEMENTS) for name in feature_names()),
    PhysicalInput("volume of an atom", "angstrom^3", GEOMETRY),
    PhysicalInput("volume of an anion and its share of cations", "angstrom^3", GEOMETRY),
    PhysicalInput("volume filled by atoms of their atomic radii", "", GEOMETRY),
    PhysicalInput("density of the outermost s and p electrons", "1/angstrom^3", GEOMETRY),
    *(
        PhysicalInput(f"{what} of {ions}", "", GEOMETRY)
        for ions in _SIDES
        for what in ("coordination", "coordination by other elements", "spread of the coordination")
    ),
    PhysicalInput("bond length", "sums of the atomic radii", GEOMETRY),
    PhysicalInput("spread of the bond lengths", "sums of the atomic radii", GEOMETRY),
    *(PhysicalInput(f"charge of the {ions}", "e", ELECTROSTATICS) for ions in _SIDES),
    *(PhysicalInput(f"potential of {ions}", "V", ELECTROSTATICS) for ions in _SIDES),
    PhysicalInput("smallest potential of an anion", "V", ELECTROSTATICS),
    PhysicalInput("largest potential of a cation", "V", ELECTROSTATICS),
    PhysicalInput("lattice energy of an atom", "eV", ELECTROSTATICS),
    PhysicalInput("removal energy of anions", "eV", LEVELS),
    PhysicalInput("addition energy of cations", "eV", LEVELS),
    PhysicalInput("lowest removal energy", "eV", LEVELS),
    PhysicalInput("highest addition energy", "eV", LEVELS),
    PhysicalInput("gap of the mean ionic levels", "eV", LEVELS),
    PhysicalInput("gap of the ionic levels", "eV", LEVELS),
)
"""All inputs, in the order of :func:`crystal_inputs`."""

_N_CHARGED = sum(one.group in (ELECTROSTATICS, LEVELS) for one in CRYSTAL_INPUTS)


def crystal_inputs(structure: Structure) -> Array:
    """Return the inputs of a crystal, shape (n_inputs,), in the order of ``CRYSTAL_INPUTS``."""
    charges = formal_charges(structure)
    ions = Ions.of(structure, charges)
    values = [*composition_features(structure.composition), *_geometry(structure, ions)]
    if charges is None:
        return np.array([*values, *[np.nan] * _N_CHARGED])
    potentials = crystal_site_potentials(charges, structure.cart_coords, structure.lattice.matrix)
    return np.array(
        [*values, *_electrostatics(ions, charges, potentials), *_levels(ions, charges, potentials)]
    )


def crystal_table(structures: Sequence[Structure]) -> Array:
    """Return the inputs of many crystals, shape (n_crystals, n_inputs); each is described once."""
    return described_once(structures, crystal_inputs, len(CRYSTAL_INPUTS))


def _geometry(structure: Structure, ions: Ions) -> list[float]:
    coordination, unlike, lengths, _ = bonds(structure, structure.cart_coords, (True, True, True))
    radii = np.array([atomic_radius(symbol) for symbol in ions.symbols])
    volume, n = float(structure.volume), len(structure)
    valence = _valence_electrons(structure)
    return [
        volume / n,
        volume / max(int(ions.anions.sum()), 1),
        float(4.0 / 3.0 * np.pi * (radii**3).sum()) / volume,
        valence / volume,
        *(
            number
            for side in (ions.anions, ions.cations)
            for number in (
                float(coordination[side].mean()),
                float(unlike[side].mean()),
                float(coordination[side].std()),
            )
        ),
        float(lengths.mean()),
        float(lengths.std()),
    ]


def _valence_electrons(structure: Structure) -> float:
    """Return the s and p electrons outside the cores of all atoms of the cell."""
    columns = [PROPERTIES.index(f"{shell}_valence") for shell in "sp"]
    return float(sum(element_vector(site.specie.symbol)[columns].sum() for site in structure))


def _electrostatics(ions: Ions, charges: Array, potentials: Array) -> list[float]:
    sides = (ions.anions, ions.cations)
    return [
        *(float(charges[side].mean()) for side in sides),
        *(float(potentials[side].mean()) for side in sides),
        float(potentials[ions.anions].min()),
        float(potentials[ions.cations].max()),
        float(0.5 * np.mean(charges * potentials)),
    ]


def _levels(ions: Ions, charges: Array, potentials: Array) -> list[float]:
    """Return the energies to take an electron from an ion in its site, and to give it one."""
    pairs = list(zip(ions.symbols, charges, strict=True))
    removal = np.array([removal_energy(*pair) for pair in pairs]) + potentials
    addition = np.array([addition_energy(*pair) for pair in pairs]) + potentials
    mean_removal = float(removal[ions.anions].mean())
    mean_addition = float(addition[ions.cations].mean())
    # A hole may go to any ion (Sn2+, Cu+); an electron goes to a cation.
    lowest, highest = float(np.fmin.reduce(removal)), float(np.fmax.reduce(addition[ions.cations]))
    return [
        mean_removal,
        mean_addition,
        lowest,
        highest,
        mean_removal - mean_addition,
        lowest - highest,
    ]
