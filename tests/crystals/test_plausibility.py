"""Notes on crystals that are read well, and may not be what was meant."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from surfalign.crystals.library import library
from surfalign.crystals.plausibility import EMPTY_LAYER, empty_layer_note
from surfalign.crystals.sources import load_crystal, make_crystal
from surfalign.errors import InvalidStructureError
from surfalign.physics.slabs.enumeration import enumerate_slabs


def magnesia_slab(vacuum: float) -> Structure:
    (slab,) = enumerate_slabs(
        load_crystal("MgO").structure, (1, 0, 0), slab_thickness=8.0, vacuum_thickness=vacuum
    )
    structure: Structure = slab.slab.remove_site_property("bulk_site")
    return structure


@pytest.mark.parametrize("vacuum", [15.0, 7.5])
@pytest.mark.parametrize("turn", [[0, 1, 2], [2, 0, 1]])
def test_a_slab_given_as_a_crystal_is_noted(vacuum: float, turn: list[int]) -> None:
    slab = magnesia_slab(vacuum)
    turned = Structure(slab.lattice.matrix[turn], slab.species, slab.frac_coords[:, turn])
    axis = "abc"[turn.index(2)]
    (note,) = [n for n in make_crystal(turned, "file:x").notes if "are empty" in n]
    assert f"angstrom along {axis} are empty: this looks like a slab" in note
    assert float(note.split()[0]) >= EMPTY_LAYER


def test_a_molecule_in_a_box_is_noted() -> None:
    water = Structure(
        Lattice.cubic(12), ["O", "H", "H"], [[6, 6, 6], [6.76, 6.59, 6], [5.24, 6.59, 6]],
        coords_are_cartesian=True,
    )  # fmt: skip
    assert "are empty" in empty_layer_note(water)[0]


def test_layered_and_open_crystals_of_the_library_are_not_noted() -> None:
    for entry in library().values():
        assert empty_layer_note(entry.conventional_structure()) == ()


def layered(z: float, digits: int) -> Structure:
    """Return brucite with numbers of so many digits."""
    structure = Structure.from_spacegroup(
        "P-3m1", Lattice.hexagonal(3.142, 4.766), ["Mg", "O", "H"],
        [[0, 0, 0], [1 / 3, 2 / 3, z], [1 / 3, 2 / 3, z + 0.21]],
    )  # fmt: skip
    return Structure(structure.lattice, structure.species, np.round(structure.frac_coords, digits))


@pytest.mark.parametrize(("strain", "noted"), [(0.0, False), (0.006, True), (0.05, False)])
def test_a_small_strain_is_noted_and_a_large_one_is_not(strain: float, noted: bool) -> None:
    salt = Structure.from_spacegroup(225, Lattice.cubic(4.21), ["Mg", "O"], [[0] * 3, [0.5] * 3])
    stretched = Structure(
        Lattice.tetragonal(4.21, 4.21 * (1 + strain)), salt.species, salt.frac_coords
    )
    notes = [n for n in make_crystal(stretched, "file:x").notes if "Fm-3m (225) within" in n]
    assert bool(notes) is noted


@pytest.mark.parametrize("digits", [2, 3])
def test_a_symmetry_that_two_digits_hide_is_noted(digits: int) -> None:
    crystal = make_crystal(layered(0.2203, digits), "file:x")
    notes = [note for note in crystal.notes if "within" in note]
    if digits == 3:
        assert (crystal.space_group_number, notes) == (164, [])
    else:
        assert crystal.space_group_symbol == "C2/m"
        assert "and would be P-3m1 (164) within 0.05" in notes[0]


@pytest.mark.parametrize(("species", "named"), [(["He", "O"], "He"), (["Ar", "O"], "Ar")])
def test_elements_without_oxidation_states_are_named(species: list[str], named: str) -> None:
    structure = Structure(Lattice.cubic(4.5), species, [[0, 0, 0], [0.5] * 3])
    with pytest.raises(InvalidStructureError, match=f"{named}, of which no oxidation state"):
        make_crystal(structure, "file:x")
