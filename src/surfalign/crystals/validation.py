"""What a crystal must be before anything is computed: an ordered, nonmagnetic oxide crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from surfalign.crystals.distances import (
    LARGEST_COORDINATE,
    OVERLAP_FRACTION,
    cell_heights,
    closest_contact,
)
from surfalign.crystals.oxidation import Assignment, assign_oxidation_states, known_states
from surfalign.errors import (
    InvalidStructureError,
    MagneticIonError,
    OverlappingAtomsError,
    PartialOccupancyError,
)

if TYPE_CHECKING:
    from pymatgen.core import Structure

#: Volumes of an atom, angstrom^3, and the least distance of opposite faces of a cell, angstrom, between
#: which a cell can be one of atoms; outside, a search for neighbours needs all memory there is.
SMALLEST_VOLUME, LARGEST_VOLUME, SMALLEST_HEIGHT = 1.0, 1e4, 0.2
#: Two oxygen atoms closer than this are bonded: a peroxide (1.45-1.55) or superoxide (1.28-1.35).
PEROXIDE_BOND = 1.70
SUPEROXIDE_BOND = 1.40
#: A primitive cell larger than this gives slabs of several hundred atoms.
LARGE_CELL = 40


def validate(structure: Structure) -> tuple[str, ...]:
    """Check that a structure is a crystal that the method can treat.

    Returns
    -------
    tuple of str
        Warnings: what is unusual but not wrong (a large cell, a peroxide, unknown valences).

    Raises
    ------
    InvalidStructureError
        No atoms, no volume, coordinates that are no numbers, no oxygen, or nothing but oxygen.
    PartialOccupancyError
        A site is partially occupied or shared.
    OverlappingAtomsError
        Two atoms are closer than any bond.
    MagneticIonError
        An ion has an open d or f shell, or the crystal is a superoxide.
    """
    _check_cell(structure)
    _check_occupancies(structure)
    _check_elements(structure)
    _check_distances(structure)
    return (*_check_magnetism(structure), *_large_cell_warning(structure))


def oxidation_states(structure: Structure) -> Assignment:
    """Assign oxidation states by charge balance, peroxide bonds considered."""
    charge, _, _ = _oxygen_charge(structure)
    divisor = int(np.gcd.reduce([*_amounts(structure).values(), abs(charge)]))
    amounts = {element: n // divisor for element, n in _amounts(structure).items()}
    return assign_oxidation_states(amounts, charge // divisor)


def _check_cell(structure: Structure) -> None:
    if len(structure) == 0:
        raise InvalidStructureError(
            "the structure has no atoms", "a crystal with at least one cation and oxygen"
        )
    lattice = structure.lattice.matrix
    if not (np.isfinite(lattice).all() and np.isfinite(structure.frac_coords).all()):
        raise InvalidStructureError(
            "the lattice or the coordinates hold values that are not numbers",
            "finite numbers",
            "check the structure file",
        )
    farthest = float(np.abs(structure.frac_coords).max())
    if farthest > LARGEST_COORDINATE:
        raise InvalidStructureError(
            f"a fractional coordinate is {farthest:.3g}",
            f"numbers of at most {LARGEST_COORDINATE:g}, most of them between 0 and 1",
            "check whether the coordinates are Cartesian, or lack a decimal point",
        )
    height = float(cell_heights(lattice).min())
    per_atom = structure.volume / len(structure)
    if not SMALLEST_VOLUME <= per_atom <= LARGEST_VOLUME or height < SMALLEST_HEIGHT:
        raise InvalidStructureError(
            f"the cell has {structure.volume:.2f} angstrom^3 for {len(structure)} atoms, "
            f"and is {height:.2g} angstrom thin",
            f"a three-dimensional cell of {SMALLEST_VOLUME:g} to {LARGEST_VOLUME:g} angstrom^3 per atom",
            "check the lattice vectors and their unit (angstrom)",
        )


def _check_occupancies(structure: Structure) -> None:
    for site in structure:
        if not site.is_ordered:
            raise PartialOccupancyError(
                f"site {site.species_string} at {np.round(site.frac_coords, 4).tolist()} "
                "is partially occupied",
                "one whole atom on every site",
                "choose an ordered phase or an ordered approximant (for example pymatgen's "
                "OrderDisorderedStructureTransformation)",
            )
    from pymatgen.core import DummySpecies

    for site in structure:
        if isinstance(site.specie, DummySpecies):
            raise InvalidStructureError(
                f"site {site.species_string} is not a chemical element",
                "element symbols",
                "check the species in the structure file",
            )


def _check_elements(structure: Structure) -> None:
    elements = {site.specie.symbol for site in structure}
    if strange := sorted(element for element in elements - {"O"} if not known_states(element)):
        raise InvalidStructureError(
            f"the structure holds {', '.join(strange)}, of which no oxidation state is known",
            "elements that form oxides",
            "check the names of the elements in the structure file",
        )
    formula = structure.composition.reduced_formula
    if "O" not in elements:
        raise InvalidStructureError(
            f"{formula} holds no oxygen",
            "an oxide",
            "surfalign's methods are tested on oxides only",
        )
    if elements == {"O"}:
        raise InvalidStructureError(
            "the structure holds nothing but oxygen", "an oxide of a cation"
        )


def _check_distances(structure: Structure) -> None:
    """Compare every pair, periodic images of the same atom included, with its covalent radii."""
    worst = closest_contact(structure, OVERLAP_FRACTION)
    if worst is not None and worst.fraction < OVERLAP_FRACTION:
        names = [f"{structure[i].specie.symbol} (site {i + 1})" for i in worst.sites]
        raise OverlappingAtomsError(
            f"{names[0]} and {names[1]} are {worst.distance:.2f} angstrom apart",
            f"at least {worst.bond * OVERLAP_FRACTION:.2f} angstrom",
            "check for duplicate sites, a wrong origin choice or a wrong lattice unit",
        )


def _check_magnetism(structure: Structure) -> tuple[str, ...]:
    formula = structure.composition.reduced_formula
    _, peroxides, superoxides = _oxygen_charge(structure)
    if superoxides:
        raise MagneticIonError(
            f"{formula} holds superoxide ions O2-, which carry a magnetic moment",
            "closed-shell oxide ions",
            "surfalign treats nonmagnetic oxides only",
        )
    assignment = oxidation_states(structure)
    if assignment.magnetic_ions:
        ions = ", ".join(f"{ion} ({ion.shell})" for ion in assignment.magnetic_ions)
        raise MagneticIonError(
            f"{formula} holds ions with open shells: {ions}",
            "closed shells (d0, d10, lone pairs, f0, f14)",
            "surfalign treats nonmagnetic oxides only",
        )
    warnings = []
    if peroxides:
        warnings.append(f"{formula} is a peroxide: {peroxides} O-O bonds in its cell")
    if low_spin := [f"{ion} ({ion.shell})" for ion in assignment.ions if ion.is_low_spin]:
        warnings.append(f"{', '.join(low_spin)} is taken as low-spin, without a moment")
    if not assignment.states:
        warnings.append(f"the oxidation states of {formula} do not balance; it may be a metal")
    return tuple(warnings)


def _large_cell_warning(structure: Structure) -> tuple[str, ...]:
    if len(structure) > LARGE_CELL:
        return (f"the cell has {len(structure)} atoms: its slabs will be large",)
    return ()


def _amounts(structure: Structure) -> dict[str, int]:
    """Count the atoms of each element but oxygen."""
    amounts: dict[str, int] = {}
    for site in structure:
        symbol = site.specie.symbol
        if symbol != "O":
            amounts[symbol] = amounts.get(symbol, 0) + 1
    return amounts


def _oxygen_charge(structure: Structure) -> tuple[int, int, int]:
    """Return the charge of all oxygen, and the numbers of peroxide and superoxide bonds."""
    oxygen = [index for index, site in enumerate(structure) if site.specie.symbol == "O"]
    first, second, _, distances = structure.get_neighbor_list(PEROXIDE_BOND, exclude_self=True)
    pairs = np.isin(first, oxygen) & np.isin(second, oxygen)
    # Every bond is listed from both of its ends.
    superoxides = int(np.count_nonzero(pairs & (distances < SUPEROXIDE_BOND))) // 2
    peroxides = int(np.count_nonzero(pairs & (distances >= SUPEROXIDE_BOND))) // 2
    return -2 * len(oxygen) + 2 * peroxides + 3 * superoxides, peroxides, superoxides
