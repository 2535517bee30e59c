"""Records keep slabs as arrays, and give the slab that they were made with."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from learning_data import rocksalt_slab
from pymatgen.core import Lattice, Structure

from surfalign.ml.data.packed_structures import StructuresOf
from surfalign.ml.data.records import SurfaceRecord, surface_record


def plain_slab() -> Structure:
    slab = rocksalt_slab("Mg", "O")
    slab.perturb(0.1, seed=1)
    return slab


def odd_slabs() -> list[Structure]:
    slabs = [plain_slab() for _ in range(5)]
    slabs[0].add_oxidation_state_by_element({"Mg": 2, "O": -2})
    slabs[1].add_site_property("magmom", [0.5] * len(slabs[1]))
    slabs[2].set_charge(1)
    slabs[3].replace_species({"Mg": {"Mg": 0.5, "Ca": 0.5}})
    slabs[4].properties["origin"] = "somewhere"
    return slabs


def test_the_slab_comes_back_to_the_last_digit() -> None:
    slab = plain_slab()
    found = surface_record("MgO", slab, "test").structure
    assert found == slab
    np.testing.assert_array_equal(found.frac_coords, slab.frac_coords)
    np.testing.assert_array_equal(found.lattice.matrix, slab.lattice.matrix)
    assert found.labels == slab.labels


def test_a_supercell_of_a_file_is_packed_though_it_states_labels_and_a_charge_of_zero() -> None:
    slab = Structure.from_dict(plain_slab().as_dict())
    slab.make_supercell([2, 1, 1])  # numbers the labels of its sites
    record = surface_record("MgO", slab, "test")
    assert record.structure == slab
    assert record.structure is not record.structure


def test_a_cell_that_is_open_along_one_vector_stays_open() -> None:
    lattice = Lattice(np.diag([3.0, 3.0, 20.0]), pbc=(True, True, False))
    slab = Structure(lattice, ["Mg", "O"], [[0, 0, 0.4], [0.5, 0.5, 0.6]])
    assert surface_record("MgO", slab, "test").structure.lattice.pbc == (True, True, False)


@pytest.mark.filterwarnings("ignore:Structure charge")
@pytest.mark.parametrize("slab", odd_slabs())
def test_what_has_more_than_elements_is_kept_as_it_is(slab: Structure) -> None:
    found = surface_record("MgO", slab, "test").structure
    assert found.as_dict() == slab.as_dict()


def test_a_record_does_not_change_with_what_it_was_made_of_or_gave() -> None:
    slab = plain_slab()
    expected = slab.copy()
    record = surface_record("MgO", slab, "test")
    slab.perturb(0.2, seed=3)
    record.structure.perturb(0.2, seed=4)
    assert record.structure == expected


def test_records_are_copied_and_compared_by_their_slabs() -> None:
    record = surface_record("MgO", plain_slab(), "test")
    assert record == copy.deepcopy(record) == pickle.loads(pickle.dumps(record))
    assert record != surface_record("MgO", rocksalt_slab("Mg", "O"), "test")


def test_a_record_without_a_slab_is_refused() -> None:
    with pytest.raises(TypeError, match="structure"):
        SurfaceRecord(name="a", formula="MgO", chemical_system="Mg-O", source="test")  # type: ignore[call-arg]


def test_slabs_of_records_are_a_sequence() -> None:
    slabs = [rocksalt_slab("Mg", "O", n) for n in (3, 4, 5)]
    found = StructuresOf([surface_record(str(k), slab, "test") for k, slab in enumerate(slabs)])
    assert list(found) == slabs
    assert list(found[1:]) == slabs[1:]
    assert found[-1] == slabs[-1]
