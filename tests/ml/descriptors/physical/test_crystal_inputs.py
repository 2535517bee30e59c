"""Inputs of crystals: known values, invariances, and what is missing."""

from __future__ import annotations

import numpy as np
import pytest
from learning_data import rocksalt_crystal
from pymatgen.core import Lattice, Structure
from scipy.spatial.transform import Rotation

from surfalign.ml.descriptors.physical.crystal_inputs import (
    CRYSTAL_INPUTS,
    crystal_inputs,
    crystal_table,
)
from surfalign.ml.descriptors.physical.physical_inputs import ELECTROSTATICS, GROUPS, LEVELS

NAMES = [one.name for one in CRYSTAL_INPUTS]
MADELUNG = 1.7475645946 * 14.399645478


def magnesia() -> Structure:
    lattice = Lattice([[0, 2.105, 2.105], [2.105, 0, 2.105], [2.105, 2.105, 0]])
    return Structure(lattice, ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def rutile() -> Structure:
    lattice, u = Lattice.tetragonal(4.594, 2.959), 0.305
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [u, u, 0], [-u, -u, 0]]
    sites += [[0.5 + u, 0.5 - u, 0.5], [0.5 - u, 0.5 + u, 0.5]]
    return Structure(lattice, ["Ti", "Ti", "O", "O", "O", "O"], sites)


def named(crystal: Structure) -> dict[str, float]:
    return dict(zip(NAMES, crystal_inputs(crystal), strict=True))


def test_names_are_unique_and_groups_stand_in_order() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert list(dict.fromkeys(one.group for one in CRYSTAL_INPUTS)) == list(GROUPS)


def test_magnesia_by_hand() -> None:
    values = named(magnesia())
    potential = 2.0 * MADELUNG / 2.105
    assert values["potential of anions"] == pytest.approx(potential, abs=1e-3)
    assert values["potential of cations"] == pytest.approx(-potential, abs=1e-3)
    assert values["lattice energy of an atom"] == pytest.approx(-potential, abs=1e-3)
    assert values["volume of an atom"] == pytest.approx(2.105**3)
    # Six neighbours, each counted by a smooth function of its distance.
    for ions in ("anions", "cations"):
        assert 4.0 < values[f"coordination by other elements of {ions}"] < 6.0
    assert values["spread of the coordination of cations"] == pytest.approx(0.0, abs=1e-9)
    assert values["gap of the ionic levels"] > 0.0


@pytest.mark.parametrize("crystal", [magnesia(), rutile()], ids=["rocksalt", "rutile"])
def test_nothing_depends_on_how_the_crystal_is_written(crystal: Structure) -> None:
    expected = crystal_inputs(crystal)

    def same(other: Structure) -> None:
        np.testing.assert_allclose(crystal_inputs(other), expected, atol=1e-4)

    rotation = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix()
    same(
        Structure(
            Lattice(crystal.lattice.matrix @ rotation.T), crystal.species, crystal.frac_coords
        )
    )
    moved = crystal.copy()
    moved.translate_sites(range(len(crystal)), [0.37, 0.21, 0.83], to_unit_cell=True)
    same(moved)
    same(Structure.from_sites(list(reversed(crystal))))
    larger = crystal.copy()
    larger.make_supercell([[1, 1, 0], [0, 2, 0], [0, 0, 1]])
    same(larger)


def test_without_formal_charges_the_electrostatics_are_missing_not_zero() -> None:
    missing = np.array([one.group in (ELECTROSTATICS, LEVELS) for one in CRYSTAL_INPUTS])
    alloy, oxide = crystal_table([rocksalt_crystal("Ti", "Al"), rocksalt_crystal("Mg", "O")])
    assert np.isnan(alloy[missing]).all()
    assert np.isfinite(alloy[~missing]).all()
    assert np.isfinite(oxide).all()
