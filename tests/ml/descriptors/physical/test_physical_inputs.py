"""Physical inputs: known values, invariances, and what is missing."""

from __future__ import annotations

import numpy as np
import pytest
from model_contract import rocksalt_slab, rough_slab
from numpy.typing import NDArray
from pymatgen.core import Element, Lattice, Structure
from scipy.spatial.transform import Rotation

from surfalign.errors import SurfaceError
from surfalign.ml.descriptors.physical.formal_charges import formal_charges
from surfalign.ml.descriptors.physical.ionisation_levels import addition_energy, removal_energy
from surfalign.ml.descriptors.physical.physical_inputs import (
    ELECTROSTATICS,
    GROUPS,
    INPUTS,
    LEVELS,
    physical_inputs,
    physical_table,
)

NAMES = [one.name for one in INPUTS]
TOLERANCE = 1e-4
"""Of the Ewald sums (V), far below what any input means for a level."""


def named(slab: Structure) -> dict[str, float]:
    return dict(zip(NAMES, physical_inputs(slab), strict=True))


def assert_same(one: Structure, other: Structure, tolerance: float = TOLERANCE) -> None:
    np.testing.assert_allclose(physical_inputs(one), physical_inputs(other), atol=tolerance)


@pytest.fixture(params=["symmetric", "rough"])
def slab(request: pytest.FixtureRequest) -> Structure:
    return rocksalt_slab(7) if request.param == "symmetric" else rough_slab()


def test_names_are_unique_and_every_group_has_inputs() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert [g for g in GROUPS if any(one.group == g for one in INPUTS)] == list(GROUPS)


def test_magnesia_by_hand() -> None:
    values = named(rocksalt_slab(11))
    madelung = 1.7475645946 * 14.399645478 * 2.0 / (4.21 / 2.0)
    assert values["potential of bulk anions"] == pytest.approx(madelung, abs=1e-3)
    assert values["charge of the cations"] == 2.0
    # Each plane is neutral: no step.
    assert values["step from the vacuum to the mean potential inside"] == pytest.approx(
        0.0, abs=1e-9
    )
    second, affinity = Element("Mg").ionization_energies[1], Element("O").electron_affinity
    assert values["addition energy of bulk cations"] == pytest.approx(second - madelung, abs=1e-3)
    first = Element("O").ionization_energies[0]
    oxide = affinity - (first - affinity)
    assert values["removal energy of bulk anions"] == pytest.approx(oxide + madelung, abs=1e-3)
    assert values["atoms of the bulk"] == pytest.approx(8.0 / 4.21**3, rel=0.01)


def test_energies_of_free_ions_are_tabulated_and_continued() -> None:
    assert removal_energy("O", 0) == pytest.approx(13.618, abs=1e-3)
    assert addition_energy("O", 0) == pytest.approx(1.461, abs=1e-3)
    assert addition_energy("Mg", 2) == removal_energy("Mg", 1)
    assert removal_energy("Fe", 2.5) == pytest.approx(
        0.5 * (removal_energy("Fe", 2) + removal_energy("Fe", 3))
    )
    assert np.isnan(removal_energy("H", 1))


def test_rotation_and_mirror_image(slab: Structure) -> None:
    rotation = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix()
    turned = Structure(Lattice(slab.lattice.matrix @ rotation.T), slab.species, slab.frac_coords)
    assert_same(slab, turned)
    assert_same(
        slab, Structure(Lattice(slab.lattice.matrix * [-1, 1, 1]), slab.species, slab.frac_coords)
    )


def test_translation_order_and_lattice_vectors(slab: Structure) -> None:
    shifted = slab.copy()
    shifted.translate_sites(range(len(slab)), [0.37, 0.21, 0.83], to_unit_cell=True)
    assert_same(slab, shifted)
    order = np.random.default_rng(1).permutation(len(slab))
    assert_same(slab, Structure.from_sites([slab[k] for k in order]))
    lattice = Lattice(slab.lattice.matrix[[2, 0, 1]])
    assert_same(slab, Structure(lattice, slab.species, slab.frac_coords[:, [2, 0, 1]]))


@pytest.mark.parametrize("scaling", [(2, 1, 1), (2, 3, 1), ([1, 1, 0], [-1, 1, 0], [0, 0, 1])])
def test_lateral_supercells(slab: Structure, scaling: object) -> None:
    larger = slab.copy()
    larger.make_supercell(scaling)
    assert_same(slab, larger)


def test_width_of_the_vacuum_and_thickness() -> None:
    assert_same(rocksalt_slab(7), rocksalt_slab(7, vacuum=27.0))
    # As the network: equal once the middle does not see the faces, and nearly so before.
    assert_same(rocksalt_slab(13), rocksalt_slab(17))
    assert_same(rocksalt_slab(9), rocksalt_slab(17), tolerance=0.01)


@pytest.mark.parametrize(
    ("symbols", "charges"),
    [
        (["Mg", "O"], {"Mg": 2.0, "O": -2.0}),
        (["Sn", "S"], {"Sn": 2.0, "S": -2.0}),
        (["Li", "Al", "Ge"], {"Li": 1.0, "Al": 3.0, "Ge": -4.0}),
        # Mixed valence: the mean of Pb2+ and Pb4+.
        (["Pb", "Pb", "Pb", "O", "O", "O", "O"], {"Pb": 8.0 / 3.0, "O": -2.0}),
    ],
)
def test_charges_balance(symbols: list[str], charges: dict[str, float]) -> None:
    sites = [[0.0, 0.0, 0.05 * k] for k in range(len(symbols))]
    found = formal_charges(Structure(Lattice.tetragonal(4.0, 60.0), symbols, sites))
    assert found is not None
    assert found.sum() == pytest.approx(0.0)
    assert dict(zip(symbols, found, strict=True)) == pytest.approx(charges)


def test_without_formal_charges_the_electrostatics_are_missing_not_zero() -> None:
    alloy = rocksalt_slab(7)
    alloy.replace_species({"Mg": "Ti", "O": "Al"})
    assert formal_charges(alloy) is None
    values = physical_inputs(alloy)
    missing = np.array([one.group in (ELECTROSTATICS, LEVELS) for one in INPUTS])
    assert np.isnan(values[missing]).all()
    assert np.isfinite(values[~missing]).all()


def test_an_elemental_solid_has_charges_of_zero() -> None:
    silicon = rocksalt_slab(7)
    silicon.replace_species({"Mg": "Si", "O": "Si"})
    values = named(silicon)
    assert values["potential of bulk anions"] == 0.0
    assert values["removal energy of bulk anions"] == pytest.approx(8.1517, abs=1e-3)


def test_a_bulk_crystal_is_refused_and_equal_slabs_are_described_once() -> None:
    with pytest.raises(SurfaceError, match="no vacuum"):
        physical_inputs(rocksalt_slab(4, vacuum=2.0))
    table: NDArray[np.float64] = physical_table([rocksalt_slab(5), rocksalt_slab(5)])
    assert table.shape == (2, len(INPUTS))
    assert (table[0] == table[1]).all()
    assert physical_table([]).shape == (0, len(INPUTS))
