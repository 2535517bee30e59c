"""Potentials of point charges in a slab, against closed forms and against pymatgen's bulk sum."""

from __future__ import annotations

import numpy as np
import pytest
from model_contract import rocksalt_slab, rough_slab
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Lattice, Structure

from surfalign.ml.descriptors.physical.formal_charges import formal_charges
from surfalign.ml.descriptors.physical.site_potentials import (
    COULOMB,
    planar_potential,
    slab_site_potentials,
)
from surfalign.ml.descriptors.slab_geometry import slab_geometry

MADELUNG_ROCKSALT = 1.7475645946331822
#: Of an ion in the outermost plane of rocksalt (100), Mackenzie, J. Chem. Phys. 27, 1359 (1957).
MADELUNG_FACE = 1.68155


def potentials(slab: Structure) -> tuple[np.ndarray, np.ndarray]:
    geometry = slab_geometry(slab.frac_coords, slab.lattice.matrix)
    charges = formal_charges(slab)
    assert charges is not None
    lateral = np.delete(slab.lattice.matrix, geometry.axis, axis=0)
    return slab_site_potentials(charges, geometry.positions, lateral), charges


def test_the_middle_of_mgo_has_the_madelung_potential_and_the_face_that_of_a_face() -> None:
    values, charges = potentials(rocksalt_slab(12))
    distance = 4.21 / 2.0
    bulk = -charges * MADELUNG_ROCKSALT * COULOMB / distance
    assert values[10:14] == pytest.approx(bulk[10:14], abs=1e-4)
    face = -charges * MADELUNG_FACE * COULOMB / distance
    assert values[:2] == pytest.approx(face[:2], abs=1e-3)


def test_site_potentials_differ_from_those_of_the_bulk_crystal_by_the_vacuum_step() -> None:
    """Fluorite (110): pymatgen's bulk sum has the mean potential zero, the slab the vacuum."""
    edge = 5.07
    bulk = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(edge), ["Zr", "O"], [[0, 0, 0], [0.25, 0.25, 0.25]]
    )
    bulk.add_oxidation_state_by_element({"Zr": 4, "O": -2})
    ewald = EwaldSummation(bulk, acc_factor=14.0)
    expected = [
        2.0 * ewald.get_site_energy(k) / bulk[k].specie.oxi_state for k in (0, len(bulk) - 1)
    ]
    # Planes of one formula unit, edge / sqrt(8) apart, each shifted by half of the cell.
    step, a, b = edge / np.sqrt(8.0), edge / np.sqrt(2.0), edge
    sites, kinds = [], []
    for plane in range(12):
        x, y = 0.5 * a * (plane % 2), 0.5 * b * (plane % 2)
        sites.append([x, y, plane * step])
        sites += [[x + 0.5 * a, y + q * b, plane * step] for q in (0.25, 0.75)]
        kinds += ["Zr", "O", "O"]
    slab = Structure(
        Lattice.orthorhombic(a, b, 11 * step + 15.0), kinds, sites, coords_are_cartesian=True
    )
    values, charges = potentials(slab)
    middle = slice(15, 18)
    heights = slab.cart_coords[:, 2]
    planes = np.linspace(5.0 * step, 6.0 * step, 400, endpoint=False)
    inside = planar_potential(charges, heights, a * b, planes).mean()
    assert values[middle] == pytest.approx(
        np.array([expected[0], expected[1], expected[1]]) + inside, abs=2e-3
    )


def test_a_dipole_layer_has_a_step_of_its_own_size() -> None:
    """Two charged planes: the potential of a capacitor, half of its step on either side of zero."""
    area, width = 9.0, 2.0
    charges, heights = np.array([1.0, -1.0]), np.array([0.0, width])
    step = 4.0 * np.pi * COULOMB * width / area
    far = planar_potential(charges, heights, area, np.array([-50.0, 50.0]))
    assert far == pytest.approx([0.5 * step, -0.5 * step])


def test_what_repeats_sideways_and_how_the_slab_is_turned_do_not_matter() -> None:
    slab = rough_slab()
    values, _ = potentials(slab)
    larger = slab.copy()
    larger.make_supercell([2, 3, 1])
    assert potentials(larger)[0][::6] == pytest.approx(values, abs=1e-5)
    order = np.random.default_rng(0).permutation(len(slab))
    assert potentials(Structure.from_sites([slab[k] for k in order]))[0] == pytest.approx(
        values[order]
    )


def test_a_charged_slab_is_refused() -> None:
    with pytest.raises(ValueError, match="sum to 1 e"):
        slab_site_potentials(np.array([1.0]), np.zeros((1, 3)), np.eye(3)[:2] * 4.0)
