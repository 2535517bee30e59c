"""Slabs are the thinnest that are thick enough, upright, centred, and reduced in the plane."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Structure

from surfalign.physics.lattice.orientations import nonpolar_orientations
from surfalign.physics.lattice.oriented import orient
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.physics.slabs.corrugation import stripe_patterns
from surfalign.physics.slabs.slab_builder import SlabBuilder
from surfalign.physics.slabs.surface_slab import reduced_cell
from surfalign.physics.slabs.terminations import Termination, TerminationClass, find_terminations

MakeCrystal = Callable[[str], Structure]


def planar_cuts(structure: Structure) -> list[Termination]:
    crystal = symmetrize(structure)
    cuts = [
        termination
        for orientation in nonpolar_orientations(crystal, 1)
        for termination in find_terminations(orient(crystal, orientation.miller_index))[0]
    ]
    return [cut for cut in cuts if cut.termination_class is not TerminationClass.C]


@pytest.mark.parametrize("wanted", [0.5, 7.3, 12.0])
def test_a_slab_is_the_thinnest_that_reaches_its_thickness(
    any_crystal: Structure, wanted: float
) -> None:
    for cut in planar_cuts(any_crystal)[:4]:
        slab = SlabBuilder(cut, wanted, 15.0).build("name")
        assert slab.slab_thickness >= wanted - 2e-3
        assert slab.n_atoms > 0
        assert slab.slab_thickness - slab.bulk_repeat < wanted - 1e-3
        heights = np.sort(slab.positions[:, 2])
        assert heights + heights[::-1] == pytest.approx(np.zeros(slab.n_atoms), abs=1e-4)


def test_a_round_number_of_layers_survives_noise(crystal: MakeCrystal) -> None:
    (cut,) = planar_cuts(crystal("rocksalt"))[:1]
    for wanted, layers in ((2 * 4.21, 5), (2 * 4.21 + 0.0005, 5), (2 * 4.21 + 0.002, 6)):
        slab = SlabBuilder(cut, wanted, 15.0).build("name")
        assert slab.slab_thickness == pytest.approx((layers - 1) * 4.21 / 2)


def test_name_and_vacuum_are_those_that_were_given(crystal: MakeCrystal) -> None:
    (cut,) = planar_cuts(crystal("rocksalt"))[:1]
    slab = SlabBuilder(cut, 8.0, 12.5).build("MgO(100)-A")
    assert (slab.name, slab.vacuum_thickness, slab.pattern) == ("MgO(100)-A", 12.5, None)
    assert slab.slab.lattice.c == pytest.approx(slab.slab_thickness + 12.5)
    fractional = slab.slab.frac_coords
    assert ((fractional > -1e-6) & (fractional < 1 - 1e-10)).all()
    assert fractional[:, 2].mean() == pytest.approx(0.5)
    assert repr(slab).startswith("SurfaceSlab('MgO(100)-A', n_atoms=10, identifier=")


def test_what_a_slab_is_goes_by_the_names_of_the_documents(crystal: MakeCrystal) -> None:
    (cut,) = planar_cuts(crystal("rocksalt"))[:1]
    slab = SlabBuilder(cut, 8.0, 12.5).build("MgO(100)-A")
    assert slab.identity == {
        "formula": "MgO", "space_group_symbol": "Fm-3m", "space_group_number": 225,
        "miller_index": (1, 0, 0), "termination": "A", "termination_label": "MgO", "n_atoms": 10,
        "area": pytest.approx(4.21**2 / 2), "slab_thickness": pytest.approx(2 * 4.21),
        "vacuum_thickness": 12.5, "bulk_repeat": pytest.approx(4.21 / 2), "excess_oxygen": 0,
    }  # fmt: skip
    assert slab.numbers.tolist() == [site.specie.Z for site in slab.slab]


def test_both_faces_of_a_striped_slab_lose_the_same_atoms(crystal: MakeCrystal) -> None:
    for name, index in (("perovskite", (1, 0, 0)), ("rocksalt", (1, 1, 1)), ("spinel", (1, 0, 0))):
        found, _ = find_terminations(orient(symmetrize(crystal(name)), index))
        for cut in found:
            if cut.termination_class is not TerminationClass.C:
                continue
            builder = SlabBuilder(cut, 9.0, 15.0)
            for pattern in stripe_patterns(cut)[:3]:
                slab = builder.build("name", pattern)
                heights = slab.positions[:, 2]
                top = np.sort(slab.numbers[heights > heights.max() - 2.0])
                bottom = np.sort(slab.numbers[heights < heights.min() + 2.0])
                assert top.tolist() == bottom.tolist()
                assert heights.max() == pytest.approx(-heights.min())
                assert slab.slab.composition.reduced_formula == slab.formula
                assert slab.slab_thickness >= 9.0 - 1e-3
                bulk = slab.oriented_bulk
                assert bulk.lattice.matrix[:2] == pytest.approx(slab.slab.lattice.matrix[:2])


lengths = st.floats(2.0, 9.0)


@given(a=lengths, b=lengths, angle=st.floats(20, 160), turn=st.floats(0, 360), i=st.integers(-3, 3))
def test_a_plane_cell_is_reduced_and_only_turned(
    a: float, b: float, angle: float, turn: float, i: int
) -> None:
    first, second = np.radians(turn), np.radians(turn + angle)
    rows = np.array(
        [[a * np.cos(first), a * np.sin(first)], [b * np.cos(second), b * np.sin(second)]]
    )
    rows = np.array([[1, i], [0, 1]]) @ rows
    cell, rotation = reduced_cell(rows)
    assert rotation @ rotation.T == pytest.approx(np.eye(2))
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    steps = cell @ np.linalg.inv(rows @ rotation)
    assert steps == pytest.approx(np.rint(steps), abs=1e-6)
    assert np.linalg.det(cell) == pytest.approx(abs(np.linalg.det(rows)))
    assert cell[0, 1] == 0.0
    assert cell[0, 0] > 0
    assert cell[1, 1] > 0
    assert cell[0] @ cell[0] <= cell[1] @ cell[1] * (1 + 1e-6)
    assert abs(cell[0] @ cell[1]) <= cell[0] @ cell[0] / 2 * (1 + 1e-6)


def test_a_hexagonal_net_gets_120_degrees_whatever_is_given() -> None:
    for rows in ([[3, 0], [1.5, 1.5 * 3**0.5]], [[3, 0], [4.5, 1.5 * 3**0.5]]):
        cell, _ = reduced_cell(np.array(rows))
        assert cell == pytest.approx(np.array([[3, 0], [-1.5, 1.5 * 3**0.5]]))
