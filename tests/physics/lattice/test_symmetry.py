"""Idealised crystals: the same crystal as the input, with operations that are exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from surfalign.errors import InvalidStructureError, PartialOccupancyError
from surfalign.physics.lattice.symmetry import SymmetricCrystal, symmetrize

MakeCrystal = Callable[[str], Structure]

#: Order of the point group, and lattice points of the conventional cell.
KNOWN = {
    "rocksalt": (48, 4), "rutile": (16, 1), "corundum": (12, 3), "wurtzite": (12, 1),
    "quartz": (6, 1), "zincblende": (24, 4), "perovskite": (48, 1), "gallia": (4, 2),
}  # fmt: skip
CELLS = {
    "as it is": lambda s: s,
    "primitive": lambda s: s.get_primitive_structure(),
    "larger": lambda s: s.copy().make_supercell([[1, 1, 0], [-1, 1, 0], [0, 0, 1]]),
}


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_point_groups_and_centrings_of_textbook_crystals(crystal: MakeCrystal, name: str) -> None:
    found = symmetrize(crystal(name))
    order, points = KNOWN[name]
    assert len(found.point_operations) == len(found.rotations) == order
    assert np.linalg.det(found.primitive_rows) == pytest.approx(1 / points)
    assert found.volume * points == pytest.approx(crystal(name).volume)
    assert len(found.conventional_structure()) == points * len(found.numbers)


def test_point_operations_keep_both_metrics_and_are_a_group(any_crystal: Structure) -> None:
    found = symmetrize(any_crystal)
    for operations, lattice in (
        (found.point_operations, found.lattice),
        (found.conventional_point_operations, found.conventional_lattice),
    ):
        metric = lattice @ lattice.T
        assert operations.transpose(0, 2, 1) @ metric @ operations == pytest.approx(
            np.broadcast_to(metric, operations.shape), abs=1e-6
        )
        known = {w.tobytes() for w in operations}
        assert len(known) == len(operations)
        assert {(a @ b).tobytes() for a in operations for b in operations} == known


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_the_idealised_cells_are_the_input_in_other_axes(any_crystal: Structure, cell: str) -> None:
    given = CELLS[cell](any_crystal)
    found = symmetrize(given)
    for structure in (found.primitive_structure(), found.conventional_structure()):
        assert structure.density == pytest.approx(given.density, rel=1e-6)
        assert structure.composition.reduced_formula == found.formula
        nearest = structure.distance_matrix + 9 * np.eye(len(structure))
        assert nearest.min() > 1.0
        # x_standard = P x_input + p up to lattice translations: one p for all atoms.
        to_conventional = structure.lattice.matrix @ np.linalg.inv(found.conventional_lattice)
        standard = structure.frac_coords @ to_conventional
        sites = structure.site_properties["bulk_site"]
        shifts = standard - given.frac_coords[sites] @ found.input_to_standard.T
        lattice_points = (shifts - shifts[0]) @ np.linalg.inv(found.primitive_rows)
        assert lattice_points == pytest.approx(np.rint(lattice_points), abs=1e-4)
        assert [given[i].specie for i in sites] == structure.species
    assert Counter(found.numbers) == Counter(s.specie.Z for s in found.primitive_structure())


def test_the_conventional_cell_of_a_rhombohedral_crystal_is_hexagonal(crystal: MakeCrystal) -> None:
    found = symmetrize(crystal("corundum").get_primitive_structure())
    cell = found.conventional_structure()
    assert cell.lattice.abc == pytest.approx((4.76, 4.76, 12.99))
    assert cell.lattice.angles == pytest.approx((90, 90, 120))


def test_elements_are_counted_by_number_and_named_from_cation_to_anion(
    crystal: MakeCrystal,
) -> None:
    found = symmetrize(crystal("perovskite"))
    assert found.elements.tolist() == [8, 22, 38]
    assert found.symbols == [(2, "Sr"), (1, "Ti"), (0, "O")]
    assert found.species_counts.sum(axis=0).tolist() == [3, 1, 1]
    assert (found.elements[found.species_counts.argmax(axis=1)] == found.numbers).all()
    assert (found.formula, found.text) == ("SrTiO3", "SrTiO3 (Pm-3m, No. 221)")


def test_a_symmetric_crystal_or_its_holder_is_taken_as_it_is(crystal: MakeCrystal) -> None:
    found = symmetrize(crystal("rutile"))
    assert symmetrize(found) is found

    class Holder:
        structure = crystal("rutile")

    assert symmetrize(Holder()).space_group_number == 136


def test_the_tolerance_decides_what_is_symmetric(crystal: MakeCrystal) -> None:
    disturbed = crystal("rocksalt")
    disturbed.translate_sites([0], [0.005, 0, 0])  # 0.02 angstrom
    assert symmetrize(disturbed, 0.1).space_group_number == 225
    assert symmetrize(disturbed, 0.1).symprec == 0.1
    strict: SymmetricCrystal = symmetrize(disturbed)
    assert strict.space_group_number != 225
    assert strict.symprec == 0.01


def test_what_is_no_ordered_crystal_is_refused(crystal: MakeCrystal) -> None:
    cell = Lattice.cubic(4.2)
    mixed = Structure(cell, [{"Mg": 0.5, "Ca": 0.5}, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(PartialOccupancyError, match="partially occupied"):
        symmetrize(mixed)
    with pytest.raises(InvalidStructureError, match="no atoms"):
        symmetrize(Structure(cell, [], []))
    with pytest.raises(InvalidStructureError, match="'MgO' is no crystal"):
        symmetrize("MgO")  # type: ignore[arg-type]
    together = Structure(cell, ["O", "O"], [[0, 0, 0], [0, 0, 1e-5]])
    with pytest.raises(InvalidStructureError, match="No space group was found for O2"):
        symmetrize(together)
