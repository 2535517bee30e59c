"""The energy of the oxygen atom from two molecules."""

from __future__ import annotations

import pytest

from surfalign.physics.phases.oxygen_reference import (
    WATER_FORMATION_ENERGY,
    oxygen_energy,
    reference_molecules,
)
from surfalign.physics.slabs.faces import faces_are_equivalent

#: Atomisation energies at rest, without zero-point energy, eV: of H2, O2 and H2O (232.6 kcal/mol), as they
#: are used to judge functionals (e.g. S. Kurth et al., Int. J. Quantum Chem. 75, 889 (1999): 109.5, 120.5).
H2, O2, H2O = 4.75, 5.23, 10.09


def test_measured_energies_of_atomisation_give_half_an_oxygen_molecule() -> None:
    assert oxygen_energy(-H2O, -H2) == pytest.approx(-O2 / 2, abs=0.03)
    assert pytest.approx(2.73, abs=0.01) == WATER_FORMATION_ENERGY


def test_the_molecules_have_their_measured_shape_and_two_equal_faces() -> None:
    molecules = reference_molecules()
    water, hydrogen = molecules["water molecule"], molecules["hydrogen molecule"]

    assert water.composition.reduced_formula == "H2O"
    assert (
        water.get_distance(0, 1) == pytest.approx(water.get_distance(0, 2)) == pytest.approx(0.9572)
    )
    assert water.get_angle(1, 0, 2) == pytest.approx(104.52)
    assert hydrogen.get_distance(0, 1) == pytest.approx(0.7414)
    assert all(faces_are_equivalent(molecule) for molecule in molecules.values())
