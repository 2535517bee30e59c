"""Numbers that set the levels of a surface, each with a name and a unit.

A learner of a few hundred slabs cannot find the physics of an IP by itself: the ions' energies in vacuum,
the potential at their sites, the bonds that the surface cuts. Here they are written down. All are
intensive, and invariant to rotation, order of atoms, lateral supercells and thickness (beyond some 20
angstrom; a polar slab's potentials grow with its thickness, as they do in nature).

Without formal charges (see :mod:`~.formal_charges`) the inputs of the groups ``electrostatics`` and ``ionic
levels`` are NaN; who learns from them has to say what it does then. The anions are the ions of negative
charge, or, where no ion has one, the atoms of the most electronegative element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element, Structure

from surfalign.ml.descriptors.element_properties import PROPERTIES, element_properties
from surfalign.ml.descriptors.physical.formal_charges import Ions, formal_charges
from surfalign.ml.descriptors.physical.ionisation_levels import addition_energy, removal_energy
from surfalign.ml.descriptors.physical.site_potentials import (
    COULOMB,
    planar_potential,
    slab_site_potentials,
)
from surfalign.ml.descriptors.physical.surface_geometry import (
    BULK_ZONE,
    SurfaceGeometry,
    surface_geometry,
)
from surfalign.ml.descriptors.slab_geometry import zone_shares

Array = NDArray[np.float64]

_TOLD_OF_ELEMENTS = ("Pauling electronegativity", "electron affinity", "atomic radius")
_PLANES = 201


@dataclass(frozen=True)
class PhysicalInput:
    """One number.

    Attributes
    ----------
    name
        For instance ``potential of bulk anions``.
    unit
        Its unit; empty where it has none.
    group
        Which of ``GROUPS`` it belongs to.
    """

    name: str
    unit: str
    group: str


ELEMENTS, GEOMETRY, ELECTROSTATICS, LEVELS = (
    "elements",
    "geometry",
    "electrostatics",
    "ionic levels",
)
GROUPS = (ELEMENTS, GEOMETRY, ELECTROSTATICS, LEVELS)

INPUTS: tuple[PhysicalInput, ...] = (
    *(
        PhysicalInput(f"{name} of {ions}", "standard deviations of the elements", ELEMENTS)
        for name in _TOLD_OF_ELEMENTS
        for ions in ("anions", "cations")
    ),
    # Butler and Ginley, J. Electrochem. Soc. 125, 228 (1978), doi 10.1149/1.2131419.
    PhysicalInput("Mulliken electronegativity, geometric mean", "eV", ELEMENTS),
    PhysicalInput("hardness, geometric mean", "eV", ELEMENTS),
    PhysicalInput("mean ionization energy of the atoms", "eV", ELEMENTS),
    PhysicalInput("mean electron affinity of the atoms", "eV", ELEMENTS),
    PhysicalInput("largest ionization energy of the cations' atoms", "eV", ELEMENTS),
    PhysicalInput("largest electron affinity of the cations' atoms", "eV", ELEMENTS),
    PhysicalInput("largest electronegativity of the cations", "Pauling", ELEMENTS),
    PhysicalInput("smallest electronegativity of the cations", "Pauling", ELEMENTS),
    PhysicalInput("smallest electronegativity of the anions", "Pauling", ELEMENTS),
    PhysicalInput("smallest ionization energy of the anions' atoms", "eV", ELEMENTS),
    PhysicalInput("spread of the electronegativity", "Pauling", ELEMENTS),
    PhysicalInput("share of anions", "", ELEMENTS),
    PhysicalInput("Mulliken electronegativity of the surface", "eV", ELEMENTS),
    PhysicalInput("share of anions in the surface", "", ELEMENTS),
    PhysicalInput("share of anions in the outermost plane", "", ELEMENTS),
    PhysicalInput("excess of electronegativity in the surface", "Pauling", ELEMENTS),
    PhysicalInput("atoms of a face", "1/angstrom^2", GEOMETRY),
    PhysicalInput("atoms of the bulk", "1/angstrom^3", GEOMETRY),
    PhysicalInput("depth that holds the atoms of a face", "angstrom", GEOMETRY),
    PhysicalInput("corrugation", "angstrom", GEOMETRY),
    *(
        PhysicalInput(f"{what} of {zone} {ions}", "", GEOMETRY)
        for zone in ("surface", "bulk")
        for ions in ("anions", "cations")
        for what in ("coordination", "coordination by other elements")
    ),
    PhysicalInput("bond length in the surface", "sums of the atomic radii", GEOMETRY),
    PhysicalInput("bond length in the bulk", "sums of the atomic radii", GEOMETRY),
    PhysicalInput("coordination kept at the surface", "", GEOMETRY),
    PhysicalInput("charge of the anions", "e", ELECTROSTATICS),
    PhysicalInput("charge of the cations", "e", ELECTROSTATICS),
    *(
        PhysicalInput(f"potential of {zone} {ions}", "V", ELECTROSTATICS)
        for zone in ("surface", "bulk")
        for ions in ("anions", "cations")
    ),
    PhysicalInput("potential of the outermost anions", "V", ELECTROSTATICS),
    PhysicalInput("smallest potential of an anion", "V", ELECTROSTATICS),
    PhysicalInput("largest potential of a cation", "V", ELECTROSTATICS),
    PhysicalInput("step from the vacuum to the mean potential inside", "V", ELECTROSTATICS),
    PhysicalInput("field of the slab's dipole", "V/angstrom", ELECTROSTATICS),
    *(
        PhysicalInput(f"{level} of {zone} {ions}", "eV", LEVELS)
        for zone in ("surface", "bulk")
        for level, ions in (
            ("removal energy", "anions"),
            ("removal energy", "cations"),
            ("addition energy", "cations"),
        )
    ),
    *(
        PhysicalInput(f"{level} of the {zone}", "eV", LEVELS)
        for zone in ("surface", "bulk")
        for level in ("lowest removal energy", "highest addition energy")
    ),
    PhysicalInput("gap of the ionic levels", "eV", LEVELS),
)
"""All inputs, in the order of :func:`physical_inputs`."""


def physical_inputs(structure: Structure) -> Array:
    """Return the inputs of a slab, shape (n_inputs,), in the order of ``INPUTS``.

    NaN in the groups ``electrostatics`` and ``ionic levels`` where formal charges cannot be had, and where
    no table holds the energy of an ion.

    Raises
    ------
    SurfaceError
        If the structure has no vacuum.
    """
    slab = surface_geometry(structure)
    charges = formal_charges(structure)
    ions = Ions.of(structure, charges)
    values = [*_elements(ions, slab), *_geometry(ions, slab)]
    if charges is None:
        values += [np.nan] * (len(INPUTS) - len(values))
    else:
        potentials = slab_site_potentials(charges, slab.positions, slab.lateral)
        values += _electrostatics(ions, slab, charges, potentials)
        values += _levels(ions, slab, charges, potentials)
    return np.array(values)


def physical_table(structures: Sequence[Structure]) -> Array:
    """Return the inputs of many slabs, shape (n_slabs, n_inputs).

    A slab that was described before in this process is not described again: the members of an ensemble
    share most of their slabs.

    Raises
    ------
    SurfaceError
        If a structure has no vacuum.
    """
    return described_once(structures, physical_inputs, len(INPUTS))


def described_once(
    structures: Sequence[Structure], describe: Callable[[Structure], Array], n_inputs: int
) -> Array:
    """Return a row for each structure, shape (n, n_inputs); equal ones are described once in a process."""
    rows = []
    for structure in structures:
        key = (
            structure.lattice.matrix.tobytes()
            + structure.frac_coords.tobytes()
            + repr(structure.species).encode()
            + describe.__name__.encode()
        )
        if key not in _described:
            if len(_described) >= _REMEMBERED:
                _described.clear()
            _described[key] = describe(structure)
        rows.append(_described[key])
    return np.array(rows).reshape(len(rows), n_inputs)


_REMEMBERED = 20_000
_described: dict[bytes, Array] = {}


def _elements(ions: Ions, slab: SurfaceGeometry) -> list[float]:
    """Return what the elements are, of the slab and of its surface."""
    numbers = [Element(symbol).Z for symbol in ions.symbols]
    table = element_properties()[numbers]
    told = [table[:, PROPERTIES.index(name)] for name in _TOLD_OF_ELEMENTS]
    ionization = np.array([removal_energy(symbol, 0) for symbol in ions.symbols])
    affinity = np.array([removal_energy(symbol, -1) for symbol in ions.symbols])
    mulliken = np.log(0.5 * (ionization + affinity))
    hardness = np.log(np.maximum(ionization - affinity, 0.1))
    own, anions, cations = ions.electronegativity, ions.anions, ions.cations
    return [
        *(float(column[side].mean()) for column in told for side in (anions, cations)),
        float(np.exp(mulliken.mean())),
        float(np.exp(hardness.mean())),
        float(ionization.mean()),
        float(affinity.mean()),
        float(ionization[cations].max()),
        float(affinity[cations].max()),
        float(own[cations].max()),
        float(own[cations].min()),
        float(own[anions].min()),
        float(ionization[anions].min()),
        float(own.std()),
        float(anions.mean()),
        float(np.exp(slab.surface @ mulliken)),
        float(slab.surface @ anions),
        float(slab.outer @ anions),
        float(slab.surface @ own - own.mean()),
    ]


def _geometry(ions: Ions, slab: SurfaceGeometry) -> list[float]:
    kept = float(slab.surface @ slab.coordination) / max(float(slab.bulk @ slab.coordination), 1e-6)
    return [
        slab.surface_density,
        slab.bulk_density,
        slab.surface_density / slab.bulk_density,
        float(np.sqrt(slab.outer @ slab.depths**2)),
        *(
            _mean(numbers, zone * side)
            for zone in (slab.surface, slab.bulk)
            for side in (ions.anions, ions.cations)
            for numbers in (slab.coordination, slab.unlike_coordination)
        ),
        float(slab.surface @ slab.bond_length),
        float(slab.bulk @ slab.bond_length),
        kept,
    ]


def _electrostatics(
    ions: Ions, slab: SurfaceGeometry, charges: Array, potentials: Array
) -> list[float]:
    sides = (ions.anions, ions.cations)
    reach = min(BULK_ZONE, max(float(slab.heights.max()), 0.1))
    planes = np.linspace(-reach, reach, _PLANES)
    inside = planar_potential(charges, slab.heights, slab.area, planes)
    volume = len(charges) / slab.bulk_density
    return [
        *(float(charges[side].mean()) for side in sides),
        *(_mean(potentials, zone * side) for zone in (slab.surface, slab.bulk) for side in sides),
        _mean(potentials, slab.outer * ions.anions),
        float(potentials[ions.anions].min()),
        float(potentials[ions.cations].max()),
        _mean(inside, zone_shares(np.abs(planes), reach)),
        4.0 * np.pi * COULOMB * abs(float(charges @ slab.heights)) / volume,
    ]


def _levels(ions: Ions, slab: SurfaceGeometry, charges: Array, potentials: Array) -> list[float]:
    """Return the energies to take an electron from an ion in its site, and to give it one."""
    pairs = list(zip(ions.symbols, charges, strict=True))
    removal = np.array([removal_energy(*pair) for pair in pairs]) + potentials
    addition = np.array([addition_energy(*pair) for pair in pairs]) + potentials
    zones = (slab.surface, slab.bulk)
    everywhere = np.ones(len(charges), dtype=bool)
    extremes: list[float] = []
    for zone in zones:
        # A hole may go to any ion (Sn2+, Cu+); an electron goes to a cation.
        extremes.append(float(np.fmin.reduce(_by_element(ions, removal, zone, everywhere))))
        extremes.append(float(np.fmax.reduce(_by_element(ions, addition, zone, ions.cations))))
    return [
        *(
            _mean(energy, zone * side)
            for zone in zones
            for energy, side in (
                (removal, ions.anions),
                (removal, ions.cations),
                (addition, ions.cations),
            )
        ),
        *extremes,
        extremes[2] - extremes[3],
    ]


def _by_element(ions: Ions, values: Array, zone: Array, side: NDArray[np.bool_]) -> list[float]:
    """Return the mean of each element of one side in a zone; NaN where the zone holds none."""
    return [
        _mean(values, zone * (ions.symbols == symbol)) for symbol in np.unique(ions.symbols[side])
    ]


def _mean(values: Array, weights: Array) -> float:
    """Return a weighted mean; where the weights are all zero, that of a zone without such ions, NaN."""
    total = float(weights.sum())
    return float(values @ weights) / total if total > 1e-9 else float("nan")
