"""One crystal in many cells is one; two patterns of tilts are two."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from surfalign.physics.lattice.same_crystal import same_crystal, same_space_group
from surfalign.physics.lattice.symmetry import symmetrize

#: CaTiO3 (Pnma), Liu and Liebermann, Phys. Chem. Minerals 20, 171 (1993): how far the atoms are from those
#: of the cubic perovskite.
IDEAL = np.array([[0, 0.25, 0], [0, 0, 0.5], [0.5, 0.25, 0], [0.25, 0, 0.75]])
TILTED = np.array([[0.036, 0.25, 0.993], [0, 0, 0.5], [0.484, 0.25, 0.071], [0.289, 0.037, 0.711]])


def perovskite(tilt: float, scale: float = 1.0) -> Structure:
    """CaTiO3 with its tilts, 1, or less of them; one space group from 0 (excluded) on."""
    shift = TILTED - IDEAL
    positions = IDEAL + tilt * (shift - np.rint(shift))
    lattice = Lattice.orthorhombic(5.381, 7.645, 5.443).scale(scale**3 * 223.9)
    return Structure.from_spacegroup(62, lattice, ["Ca", "Ti", "O", "O"], positions)


def quartz() -> Structure:
    return Structure.from_spacegroup(
        152,
        Lattice.hexagonal(4.916, 5.405),
        ["Si", "O"],
        [[0.4697, 0, 1 / 3], [0.4135, 0.2669, 0.4524]],
    )


def rewritten(structure: Structure, seed: int, mirrored: bool = False) -> Structure:
    """Other axes, origin, order of the atoms and orientation in space."""
    generator = np.random.default_rng(seed)
    basis = np.array([[1, 0, 0], [1, 1, 0], [-1, 0, 1]])[generator.permutation(3)]
    rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    rotation *= np.sign(np.linalg.det(rotation)) * (-1 if mirrored else 1)
    lattice = basis @ structure.lattice.matrix
    positions = structure.cart_coords + generator.uniform(-5, 5, 3)
    order = generator.permutation(len(structure))
    return Structure(
        lattice @ rotation,
        [structure[i].specie for i in order],
        positions[order] @ rotation,
        coords_are_cartesian=True,
        to_unit_cell=True,
    )


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_axes_origin_order_and_orientation_do_not_matter(seed: int, mirrored: bool) -> None:
    for crystal in (perovskite(1.0), quartz()):
        assert same_crystal(crystal, rewritten(crystal, seed, mirrored))


def test_the_lattice_and_the_small_shifts_of_another_functional_do_not_matter() -> None:
    assert same_crystal(perovskite(1.0), perovskite(0.9, scale=1.015))


def test_a_crystal_under_pressure_is_the_same_crystal() -> None:
    assert same_crystal(perovskite(1.0), perovskite(1.0, scale=0.93))


def test_a_cell_sheared_by_more_than_its_bound_is_another_crystal() -> None:
    monoclinic = Lattice.monoclinic(4.0, 4.2, 4.4, 93.6)
    upright = Lattice.orthorhombic(4.0, 4.2, 4.4)
    positions = [[0, 0, 0], [0.5, 0.5, 0.5]]
    first, second = (
        Structure(lattice, ["Mg", "O"], positions) for lattice in (upright, monoclinic)
    )
    assert not same_crystal(first, second)


def test_written_oxidation_states_do_not_matter() -> None:
    decorated = perovskite(1.0)
    decorated.add_oxidation_state_by_element({"Ca": 2, "Ti": 4, "O": -2})
    assert same_crystal(decorated, perovskite(1.0))


@pytest.mark.parametrize("tilt", [1e-3, 0.3, 0.6])
def test_smaller_tilts_are_another_crystal(tilt: float) -> None:
    assert not same_crystal(perovskite(1.0), perovskite(tilt))


def test_another_shape_of_the_cell_is_another_crystal() -> None:
    rutile = Structure.from_spacegroup(
        136, Lattice.tetragonal(4.594, 2.959), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]
    )
    longer = Structure(
        Lattice.tetragonal(4.40, 3.23), rutile.species, [site.frac_coords for site in rutile]
    )
    assert abs(longer.volume / rutile.volume - 1) < 0.01
    assert not same_crystal(rutile, longer)


def test_an_ordering_of_two_metals_is_not_another_one() -> None:
    lattice = Lattice.tetragonal(4.0, 8.0)
    oxygen = [[0.5, 0, 0], [0, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    metals = [[0, 0, 0], [0, 0, 0.5], [0.5, 0.5, 0], [0.5, 0.5, 0.5]]
    layers = Structure(lattice, ["Mg", "Ca", "Mg", "Ca", *"OOOO"], metals + oxygen)
    columns = Structure(lattice, ["Mg", "Mg", "Ca", "Ca", *"OOOO"], metals + oxygen)
    assert not same_crystal(layers, columns)


def test_mirror_images_have_one_space_group() -> None:
    mirrored = symmetrize(rewritten(quartz(), 1, mirrored=True))
    assert mirrored.space_group_number == 154
    assert same_space_group(152, 154)
    assert not same_space_group(152, 153)


#: International Tables A: the eleven pairs of space groups that are mirror images.
ENANTIOMORPHS = ((76, 78), (91, 95), (92, 96), (144, 145), (151, 153), (152, 154), (169, 170),
                 (171, 172), (178, 179), (180, 181), (212, 213))  # fmt: skip


def test_the_eleven_pairs_of_mirror_images_are_one_and_no_others() -> None:
    for first in range(1, 231):
        for second in range(first, 231):
            expected = first == second or (first, second) in ENANTIOMORPHS
            assert same_space_group(first, second) is expected, (first, second)
            assert same_space_group(second, first) is expected, (second, first)


def test_one_atom_far_away_among_many_that_agree_is_another_crystal() -> None:
    unit = (4.212**3 / 8) ** (1 / 3)  # cube root of the volume per atom of MgO, angstrom
    rock = Structure.from_spacegroup(
        225, Lattice.cubic(4.212), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    ).make_supercell([2, 1, 1])
    for distance, same in ((0.05, True), (0.09, True), (0.13, False)):
        moved = rock.copy()
        moved.translate_sites([0], [distance * unit, 0, 0], frac_coords=False)
        assert same_crystal(rock, moved) is same, distance


def test_a_cell_with_other_numbers_of_atoms_is_another_crystal() -> None:
    assert not same_crystal(quartz(), quartz().make_supercell([2, 1, 1]))
