"""What a crystal must be before anything is computed: ordered, nonmagnetic, with a known anion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from surfalign.crystals.chemistry.anions import Anions, find_anions
from surfalign.crystals.chemistry.closed_shells import check_closed_shells, stated_states
from surfalign.crystals.chemistry.ions import known_states
from surfalign.crystals.distances import (
    LARGEST_COORDINATE,
    OVERLAP_FRACTION,
    cell_heights,
    closest_contact,
)
from surfalign.errors import (
    InvalidStructureError,
    OverlappingAtomsError,
    PartialOccupancyError,
)

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from surfalign.crystals.chemistry.oxidation import States

#: Volumes of an atom, angstrom^3, and the least distance of opposite faces of a cell, angstrom, between
#: which a cell can be one of atoms; outside, a search for neighbours needs all memory there is.
SMALLEST_VOLUME, LARGEST_VOLUME, SMALLEST_HEIGHT = 1.0, 1e4, 0.2
#: A primitive cell larger than this gives slabs of several hundred atoms.
LARGE_CELL = 40


def validate(structure: Structure, stated: States | None = None) -> tuple[str, ...]:
    """Check that a structure is a crystal that the method can treat.

    Parameters
    ----------
    structure
        Any cell of the crystal.
    stated
        Oxidation states, by element, to be taken where the composition leaves them open; those of the
        structure's own species where None.

    Returns
    -------
    tuple of str
        Warnings: what is unusual but not wrong (a large cell, a peroxide, unknown valences).

    Raises
    ------
    InvalidStructureError
        No atoms, no volume, coordinates that are no numbers, an element, or metals only.
    UnknownAnionError
        The anion is one without rules.
    PartialOccupancyError
        A site is partially occupied or shared.
    OverlappingAtomsError
        Two atoms are closer than any bond.
    OxidationStateError
        The oxidation states do not balance, and the structure states none.
    MagneticIonError
        An ion has an open d or f shell, or the crystal is a superoxide.
    """
    _check_cell(structure)
    _check_occupancies(structure)
    anions = _check_elements(structure)
    _check_distances(structure)
    stated = stated_states(structure) if stated is None else stated
    return (*check_closed_shells(structure, anions, stated), *_large_cell_warning(structure))


def _check_cell(structure: Structure) -> None:
    if len(structure) == 0:
        raise InvalidStructureError(
            "the structure has no atoms", "a crystal with at least one cation and one anion"
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


def _check_elements(structure: Structure) -> Anions:
    elements = {site.specie.symbol for site in structure}
    if strange := sorted(element for element in elements if not known_states(element)):
        raise InvalidStructureError(
            f"the structure holds {', '.join(strange)}, of which no oxidation state is known",
            "elements that form ionic or covalent compounds",
            "check the names of the elements in the structure file",
        )
    return find_anions(structure)


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


def _large_cell_warning(structure: Structure) -> tuple[str, ...]:
    if len(structure) > LARGE_CELL:
        return (f"the cell has {len(structure)} atoms: its slabs will be large",)
    return ()
