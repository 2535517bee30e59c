"""Inputs of single atoms, held against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from learning_data import rocksalt_crystal, rocksalt_slab
from pymatgen.core import Lattice, Structure

from surfalign.ml.descriptors.physical.atom_inputs import ATOM_INPUTS, atom_inputs
from surfalign.ml.descriptors.physical.site_potentials import COULOMB
from surfalign.ml.properties.atoms import beginning_with

PLACES = {one.name: k for k, one in enumerate(ATOM_INPUTS)}
MGO = rocksalt_crystal("Mg", "O")


def told(structure: Structure, name: str) -> float:
    return float(atom_inputs(structure)[PLACES[name]])


def test_the_potential_of_an_ion_of_rocksalt_is_that_of_madelung() -> None:
    neighbours = 0.5 * np.sqrt(2.0) * MGO.lattice.a
    expected = -2.0 * 1.747564594633 * COULOMB / neighbours
    assert told(MGO, "potential") == pytest.approx(expected, rel=1e-6)
    assert told(beginning_with(MGO, 1), "potential") == pytest.approx(-expected, rel=1e-6)
    charges = told(MGO, "charge"), told(MGO, "charge of its neighbours of other elements")
    assert charges == (2.0, pytest.approx(-2.0))
    assert told(MGO, "one-sidedness of the neighbours") == pytest.approx(0.0, abs=1e-9)


def test_supercells_and_the_order_of_the_other_atoms_change_nothing() -> None:
    larger = MGO * (2, 1, 1)
    for site in (0, 1):  # both are Mg
        np.testing.assert_allclose(
            atom_inputs(beginning_with(larger, site)), atom_inputs(MGO), atol=1e-8
        )


def test_atoms_of_a_slab_know_their_side_and_not_the_width_of_the_vacuum() -> None:
    slab = rocksalt_slab("Mg", "O")
    a, b, c = slab.lattice.abc
    wider = Structure(
        Lattice.orthorhombic(a, b, c + 7.0),
        slab.species,
        slab.cart_coords,
        coords_are_cartesian=True,
    )
    np.testing.assert_allclose(atom_inputs(wider), atom_inputs(slab), atol=1e-8)
    assert told(slab, "one-sidedness of the neighbours") > 0.1
    assert told(slab, "coordination") < told(MGO, "coordination")


def test_without_formal_charges_the_electrostatic_inputs_are_missing() -> None:
    alloy = Structure(Lattice.cubic(3.0), ["Cu", "Zn"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    missing = {name for name, place in PLACES.items() if np.isnan(atom_inputs(alloy)[place])}
    assert {"charge", "potential", "removal energy"} <= missing
    assert "coordination" not in missing
