"""The dielectric tensor: which directions symmetry leaves, and values of the real engine."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from bulk_crystals import COARSE, MGO

from surfalign.workflows.engines.gpaw.engine_process import EngineProcess

dielectric = pytest.importorskip("surfalign.workflows.engines.gpaw.child.dielectric")

CELLS = {
    "cubic": (np.eye(3) * 4.0, 1),
    "tetragonal": (np.diag([4.0, 4.0, 5.0]), 2),
    "hexagonal": (np.array([[4, 0, 0], [-2, 2 * np.sqrt(3), 0], [0, 0, 6]]), 2),
    "orthorhombic": (np.diag([4.0, 4.5, 5.0]), 3),
    "monoclinic": (np.array([[4, 0, 0], [0, 4.5, 0], [0.7, 0, 5]]), 4),
    "triclinic": (np.array([[4, 0, 0], [0.4, 4.5, 0], [0.7, 0.3, 5]]), 6),
}


@pytest.mark.parametrize("system", CELLS)
def test_an_invariant_tensor_is_found_from_the_fewest_directions(system: str) -> None:
    cell, expected = CELLS[system]
    basis = dielectric.invariant_tensors(Atoms("Ne", cell=cell, pbc=True))
    directions = dielectric.probing_directions(basis)
    assert len(basis) == len(directions) == expected
    tensor = np.einsum("n,nij->ij", np.linspace(1.0, 2.0, expected), basis)
    constants = np.array([d @ tensor @ d for d in directions])
    assert dielectric.tensor_from_directions(basis, directions, constants) == pytest.approx(tensor)


def test_the_unique_axis_is_kept_whatever_its_direction() -> None:
    rotation = np.linalg.qr(np.array([[1.0, 2, 3], [0, 1, 4], [5, 6, 0]]))[0]
    basis = dielectric.invariant_tensors(
        Atoms("Ne", cell=np.diag([4.0, 4.0, 5.0]) @ rotation, pbc=True)
    )
    assert len(basis) == 2
    axis = rotation[2]
    for tensor in basis:
        assert tensor @ axis == pytest.approx((axis @ tensor @ axis) * axis)


def test_the_mesh_is_even_and_shifted() -> None:
    mesh = dielectric.response_mesh(np.array(MGO["cell"]), 0.7)
    assert mesh == {"size": [4, 4, 4]}


def test_bands_grow_with_volume_and_energy() -> None:
    assert dielectric.count_bands(8, 18.7, 60.0) == 28
    assert dielectric.count_bands(8, 37.4, 60.0) == 48


def test_an_unstable_kernel_is_recognised() -> None:
    assert dielectric.kernel_is_sound(np.array([3.11, 3.62]), np.array([3.16, 3.82]))
    assert not dielectric.kernel_is_sound(np.array([2.0, 2.0]), np.array([2.05, 2.3]))
    assert not dielectric.kernel_is_sound(np.array([2.0, 2.0]), np.array([1.85, 2.05]))


def constant(processes: int) -> dict[str, Any]:
    with EngineProcess(processes) as engine:
        return engine.call("dielectric", atoms=MGO, settings=COARSE)


@pytest.fixture(scope="module")
def mgo() -> dict[str, Any]:
    return constant(1)


@pytest.mark.dft
def test_dielectric_constant_of_mgo(mgo: dict[str, Any]) -> None:
    """3.157: density-functional perturbation theory with PBEsol."""
    assert mgo["dielectric_constant"] == pytest.approx(3.157, rel=0.04)
    assert mgo["dielectric_constant_no_local_fields"] > mgo["dielectric_constant"] + 0.03
    tensor = np.array(mgo["dielectric_tensor"])
    assert tensor == pytest.approx(np.eye(3) * mgo["dielectric_constant"], abs=1e-6)
    assert mgo["n_directions"] == 1
    assert all(check["passed"] for check in mgo["checks"])


@pytest.mark.dft
@pytest.mark.skipif(shutil.which("mpirun") is None, reason="no mpirun")
def test_two_processes_give_what_one_gives(mgo: dict[str, Any]) -> None:
    assert constant(2)["dielectric_constant"] == pytest.approx(mgo["dielectric_constant"], abs=1e-4)
