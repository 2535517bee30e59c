from __future__ import annotations

from pymatgen.core import Lattice, Structure

from surfalign.physics.slabs.faces import faces_are_equivalent

CELL = Lattice.orthorhombic(2.977, 2.977, 20.0)
LAYERS = (0.4, 0.5, 0.6)


def rocksalt_slab() -> Structure:
    coordinates = []
    for layer, z in enumerate(LAYERS):
        shift = 0.5 * (layer % 2)
        coordinates += [[shift, shift, z], [0.5 - shift, 0.5 - shift, z]]
    return Structure(CELL, ["Mg", "O"] * len(LAYERS), coordinates)


def test_a_symmetric_slab_has_equivalent_faces() -> None:
    assert faces_are_equivalent(rocksalt_slab())


def test_a_slab_with_another_top_has_not() -> None:
    slab = rocksalt_slab()
    slab.replace(4, "Ca")
    assert not faces_are_equivalent(slab)


def test_a_rumpled_top_counts() -> None:
    slab = rocksalt_slab()
    slab.translate_sites([4], [0, 0, 0.01])  # 0.2 angstrom
    assert not faces_are_equivalent(slab)


def test_a_slab_without_any_symmetry_that_spglib_finds_is_not_taken_for_symmetric() -> None:
    slab = rocksalt_slab()
    slab.append("O", slab[0].frac_coords, validate_proximity=False)
    slab.append("O", slab[0].frac_coords, validate_proximity=False)
    assert not faces_are_equivalent(slab)
