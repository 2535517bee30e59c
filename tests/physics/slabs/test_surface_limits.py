"""Surfaces against another code, and of crystals at the edge of the method."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.core.surface import SlabGenerator

from surfalign.errors import InvalidStructureError, SurfaceError
from surfalign.physics.lattice.orientations import nonpolar_orientations
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.enumeration import survey_orientation

MakeCrystal = Callable[[str], Structure]


def _upright(slab: Structure) -> Structure:
    """The same slab in a cell with c along the normal and 10 angstrom of vacuum."""
    a, b, _ = slab.lattice.matrix
    normal = np.cross(a, b) / np.linalg.norm(np.cross(a, b))
    heights = slab.cart_coords @ normal
    lattice = Lattice([a, b, normal * (np.ptp(heights) + 10.0)])
    elements = [site.specie.symbol for site in slab]
    shift = normal * (5.0 - heights.min())
    return Structure(lattice, elements, slab.cart_coords + shift, coords_are_cartesian=True)


@pytest.mark.parametrize(
    ("name", "index", "states"),
    [
        ("rutile", (1, 1, 0), {"Ti": 4, "O": -2}),
        ("rutile", (1, 0, 1), {"Ti": 4, "O": -2}),
        ("wurtzite", (1, 0, 0), {"Zn": 2, "O": -2}),
        ("corundum", (0, 0, 1), {"Al": 3, "O": -2}),
        ("quartz", (1, 0, 0), {"Si": 4, "O": -2}),
    ],
)
def test_everything_that_slab_generator_finds_is_found(
    crystal: MakeCrystal, name: str, index: tuple[int, int, int], states: dict[str, float]
) -> None:
    structure = crystal(name)
    charged = structure.copy()
    charged.add_oxidation_state_by_element(states)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        slabs = SlabGenerator(
            charged, index, 9.0, 10.0, primitive=True, lll_reduce=True, center_slab=True
        ).get_slabs()
        accepted = [
            slab
            for slab in slabs
            if slab.composition.reduced_formula == structure.composition.reduced_formula
            and not slab.is_polar()
            and slab.is_symmetric()
        ]
    matcher = StructureMatcher(ltol=0.02, stol=0.05, angle_tol=1.0, scale=False)
    assert accepted
    for slab in accepted:
        target = _upright(slab)
        found = survey_orientation(
            structure, index, slab_thickness=target.lattice.c - 10.02, vacuum_thickness=10.0
        ).slabs
        assert any(matcher.fit(surface.slab, target) for surface in found)


EDGE_CASES = {
    "one atom": Structure(Lattice.cubic(3.3), ["Po"], [[0, 0, 0]]),
    "layered": Structure.from_spacegroup(
        129, Lattice.tetragonal(3.96, 5.02), ["Pb", "O"], [[0, 0.5, 0.24], [0, 0, 0]]
    ),
    "molecular": Structure.from_spacegroup(
        205, Lattice.cubic(5.62), ["C", "O"], [[0, 0, 0], [0.117, 0.117, 0.117]]
    ),
    "triclinic": Structure(
        Lattice.from_parameters(5.1, 6.3, 7.7, 83.0, 98.0, 106.0),
        ["Ca", "Ca", "Si", "Si", *["O"] * 6],
        [
            [0.21, 0.13, 0.32], [-0.21, -0.13, -0.32], [0.44, 0.61, 0.19], [-0.44, -0.61, -0.19],
            [0.11, 0.52, 0.07], [-0.11, -0.52, -0.07], [0.66, 0.41, 0.27], [-0.66, -0.41, -0.27],
            [0.33, 0.77, 0.41], [-0.33, -0.77, -0.41],
        ],
    ),
    "large": Structure.from_spacegroup(
        230, Lattice.cubic(11.46), ["Mg", "Al", "Si", "O"],
        [[0.125, 0, 0.25], [0, 0, 0], [0.375, 0, 0.25], [0.0329, 0.0502, 0.6534]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(EDGE_CASES))
def test_edge_cases_give_slabs_in_good_time(name: str) -> None:
    structure = EDGE_CASES[name]
    start = time.process_time()
    crystal = symmetrize(structure)
    slabs = [
        slab
        for orientation in nonpolar_orientations(crystal, 1)
        for slab in survey_orientation(crystal, orientation.miller_index, slab_thickness=8.0).slabs
    ]
    assert slabs
    for surface in slabs:
        assert surface.slab.composition.reduced_formula == surface.formula
    assert time.process_time() - start < 20.0


def test_layered_crystal_is_cut_between_its_layers() -> None:
    slabs = survey_orientation(EDGE_CASES["layered"], (0, 0, 1), slab_thickness=8.0).slabs
    # Litharge: Pb-O2-Pb layers, charged planes, cut in the wide gap between two lead planes.
    assert slabs[0].name == "PbO(001)-B-Pb/O2"
    assert slabs[0].termination.gap == pytest.approx((1 - 2 * 0.24) * 5.02, rel=1e-6)


def test_what_is_no_crystal_is_named() -> None:
    flat = Structure(Lattice([[3, 0, 0], [0, 3, 0], [0, 0, 1e-9]]), ["Mg"], [[0, 0, 0]])
    with pytest.raises((InvalidStructureError, SurfaceError), match="No space group"):
        nonpolar_orientations(flat, 1)
