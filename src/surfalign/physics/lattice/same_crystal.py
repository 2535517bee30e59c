"""Comparison of crystals: the same up to an isometry, their volumes, and small strains and displacements.

Two functionals give one phase lattices that differ by some per cent, and atoms that differ by less than a
tenth of an angstrom; polymorphs of one space group, such as two orderings or two patterns of tilts, are
farther apart. Of 146 pairs of oxides with one formula, space group and number of atoms, and volumes within
8 %, 30 differ by root mean squares up to 0.040 (unit: see SAME_DISPLACEMENT), one by 0.047, two phases of
WO3, and all others by 0.064 and more, or in the shape of the cell.
"""

from __future__ import annotations

from functools import cache

from pymatgen.analysis.structure_matcher import ElementComparator, StructureMatcher
from pymatgen.core import Structure

#: Lengths of the reduced cells of equal volume may differ by this fraction, their angles by this angle
#: (degrees).
SAME_LENGTHS, SAME_ANGLES = 0.05, 3.0
#: Root mean square, and largest, displacement of the atoms in units of the cube root of the volume per
#: atom, which is 2.2 to 2.6 angstrom in oxides.
SAME_DISPLACEMENT, LARGEST_DISPLACEMENT = 0.045, 0.1

#: Space groups that are mirror images of others, as a crystal may be of its copy.
_MIRRORED = {78: 76, 95: 91, 96: 92, 145: 144, 153: 151, 154: 152,
             170: 169, 172: 171, 179: 178, 181: 180, 213: 212}  # fmt: skip


def same_space_group(first: int, second: int) -> bool:
    """Ask whether two space-group numbers are equal, or those of mirror images."""
    return _MIRRORED.get(first, first) == _MIRRORED.get(second, second)


def same_crystal(first: Structure, second: Structure) -> bool:
    """Compare two primitive cells; origin, axes, orientation, order of the atoms do not matter.

    Parameters
    ----------
    first, second
        Primitive cells of one formula.
    """
    if len(first) != len(second):
        return False
    displacements = _matcher().get_rms_dist(first, second)
    if displacements is None:
        return False
    mean_square_root, largest = displacements
    return bool(mean_square_root < SAME_DISPLACEMENT and largest < LARGEST_DISPLACEMENT)


@cache
def _matcher() -> StructureMatcher:
    return StructureMatcher(
        ltol=SAME_LENGTHS,
        stol=2 * SAME_DISPLACEMENT,
        angle_tol=SAME_ANGLES,
        primitive_cell=False,
        scale=True,
        comparator=ElementComparator(),
    )
