"""Crystals before and after their bulk was relaxed, whose surfaces change their names by it."""

from __future__ import annotations

from pymatgen.core import Lattice, Structure

_GALLIA = Lattice.from_parameters(12.2797, 3.0504, 5.8138, 90, 103.718, 90)
#: x and z of Ga, Ga, O, O, O (y is 0): Materials Project mp-886, and relaxed by PBEsol in this cell.
_GIVEN = [
    (0.34127, 0.68590),
    (0.90960, 0.20489),
    (0.50376, 0.74402),
    (0.82677, 0.43715),
    (0.16515, 0.10925),
]
_RELAXED = [
    (0.34004, 0.68486),
    (0.90708, 0.20260),
    (0.50279, 0.74791),
    (0.82769, 0.44396),
    (0.17379, 0.11187),
]


def gallia(*, relaxed: bool) -> Structure:
    """Beta-Ga2O3; the Ga and O of its outermost (100) plane move apart."""
    places = [(x, 0.0, z) for x, z in (_RELAXED if relaxed else _GIVEN)]
    elements = ["Ga", "Ga", "O", "O", "O"]
    crystal = Structure.from_spacegroup("C2/m", _GALLIA, elements, places)
    return crystal.get_primitive_structure(use_site_props=False)


def bilayers(height: float) -> Structure:
    """Pairs of MgO planes at +- height in a cell of 8 angstrom: one gap is wider below 0.25, the other above."""
    return Structure(
        Lattice.orthorhombic(3.0, 3.3, 8.0),
        ["Mg", "O", "Mg", "O"],
        [[0, 0, height], [0.5, 0.5, height], [0, 0, -height], [0.5, 0.5, -height]],
    )
