"""Slabs are recognised from their atoms, whatever cell, rotation, order or relaxation they have."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.core.operations import SymmOp

from surfalign.crystals.sources import load_crystal
from surfalign.errors import SurfaceError
from surfalign.physics.lattice.orientations import canonical_miller_index
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.recognition.finished_slab import is_slab, recognise_slab
from surfalign.physics.slabs.enumeration import enumerate_slabs

SURFACES = [
    ("MgO", (1, 0, 0)),
    ("MgO", (1, 1, 0)),
    ("TiO2-rutile", (1, 1, 0)),
    ("TiO2-rutile", (1, 0, 1)),
    ("Al2O3", (1, -1, 2)),
    ("ZnO", (1, 0, 0)),
]


def crystal(name: str) -> Structure:
    return load_crystal(name).structure


def disturbed(slab: Structure, seed: int = 3) -> Structure:
    """Turned in space, doubled in the plane, shuffled, with relaxed faces and without properties."""
    random = np.random.default_rng(seed)
    plain = Structure(slab.lattice, slab.species, slab.frac_coords)
    plain.make_supercell([[2, 1, 0], [0, 1, 0], [0, 0, 1]])
    heights = plain.cart_coords[:, 2]
    middle = 0.5 * (heights.max() + heights.min())
    outer = np.abs(heights - middle) > 0.35 * np.ptp(heights)
    shifts = random.normal(scale=0.02, size=(len(plain), 3))
    shifts[outer, 2] += 0.1 * np.sign(heights[outer] - middle)
    order = random.permutation(len(plain))
    moved = Structure(
        plain.lattice,
        [plain[int(i)].specie for i in order],
        (plain.cart_coords + shifts)[order] + [0.0, 0.0, 9.0],
        coords_are_cartesian=True,
        to_unit_cell=True,
    )
    turn = SymmOp.from_axis_angle_and_translation([0.3, -0.2, 1.0], 37.0)
    return moved.apply_operation(turn)


@pytest.mark.parametrize(("name", "index"), SURFACES)
def test_orientation_and_sites_are_found(name: str, index: tuple[int, int, int]) -> None:
    bulk = crystal(name)
    slab = enumerate_slabs(bulk, index, slab_thickness=14.0, vacuum_thickness=15.0)[0].slab
    standard = symmetrize(bulk)
    found = recognise_slab(bulk, slab)
    assert canonical_miller_index(standard, found.miller_index) == canonical_miller_index(
        standard, index
    )
    assert found.deviation < 1e-3
    wanted = slab.site_properties["bulk_site"]
    # Up to a symmetry operation of the crystal, which permutes equivalent sites as a whole.
    assert len(set(zip(found.bulk_sites, wanted, strict=True))) == len(set(wanted))
    again = recognise_slab(bulk, disturbed(slab))
    assert canonical_miller_index(standard, again.miller_index) == canonical_miller_index(
        standard, index
    )
    assert again.deviation < 0.2


def test_the_cell_of_the_bulk_does_not_matter() -> None:
    bulk = crystal("TiO2-rutile")
    slab = enumerate_slabs(bulk, (1, 1, 0), slab_thickness=12.0)[0].slab
    supercell = bulk.copy().make_supercell([[1, 1, 0], [-1, 1, 0], [0, 0, 1]])
    assert canonical_miller_index(
        symmetrize(bulk), recognise_slab(supercell, slab).miller_index
    ) == canonical_miller_index(symmetrize(bulk), (1, 1, 0))


def test_strain_in_the_plane_is_measured() -> None:
    bulk = crystal("MgO")
    slab = enumerate_slabs(bulk, (1, 0, 0), slab_thickness=12.0)[0].slab
    assert recognise_slab(bulk, slab).strain < 1e-6
    assert recognise_slab(bulk.copy().apply_strain(0.02), slab).strain == pytest.approx(
        1 - 1 / 1.02, rel=1e-3
    )


def test_another_crystal_is_refused() -> None:
    slab = enumerate_slabs(crystal("MgO"), (1, 0, 0), slab_thickness=12.0)[0].slab
    zincblende = Structure.from_spacegroup(
        "F-43m", Lattice.cubic(4.6), ["Mg", "O"], [[0, 0, 0], [0.25, 0.25, 0.25]]
    )
    with pytest.raises(SurfaceError, match="no piece of the bulk"):
        recognise_slab(zincblende, slab)
    strained = crystal("MgO").copy().apply_strain(0.15)
    with pytest.raises(SurfaceError, match="no piece of the bulk"):
        recognise_slab(strained, slab)


def test_slabs_are_told_from_bulk_and_from_molecules() -> None:
    bulk = crystal("MgO")
    assert not is_slab(bulk)
    assert is_slab(enumerate_slabs(bulk, (1, 0, 0), slab_thickness=10.0)[0].slab)
    assert not is_slab(Structure(Lattice.cubic(15.0), ["O", "O"], [[0, 0, 0], [0, 0, 0.08]]))
