"""Band edges of the real engine: values, order of the functionals, MPI, and the choices before them."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
from bulk_crystals import COARSE, MGO

from surfalign.errors import ConfigurationError
from surfalign.workflows.engines.gpaw.engine_process import EngineProcess

hybrids = pytest.importorskip("surfalign.workflows.engines.gpaw.child.band_edges")


def test_even_meshes_hold_the_zone_boundary() -> None:
    mesh = hybrids.even_mesh(np.array(MGO["cell"]), 0.45)
    assert mesh == {"size": [6, 6, 6], "gamma": True}
    assert hybrids.even_mesh(np.diag([3.0, 5.0, 40.0]), 0.45)["size"] == [6, 4, 2]


def test_candidates_are_the_nearest_points_best_first() -> None:
    energies = np.array([1.0, 2.0, 1.9, 1.95, 0.0])
    assert hybrids.candidates(energies, 0.07, highest=True) == [1, 3]
    assert hybrids.candidates(energies, 0.5, highest=False) == [4]


def test_a_multiplet_costs_one_band() -> None:
    assert hybrids.count_bands_to_try(np.array([4.8, 4.8, 4.799, 2.0]), 0.2) == 1
    assert hybrids.count_bands_to_try(np.array([4.8, 4.8, 4.7, 2.0]), 0.2) == 3
    assert hybrids.count_bands_to_try(np.array([9.0, 12.0, 12.1]), 0.2) == 1


def test_each_functional_has_its_fraction() -> None:
    assert hybrids.libxc_hybrid("pbesol", None) is None
    assert hybrids.libxc_hybrid("pbe0", None).fraction == 0.25
    assert hybrids.libxc_hybrid("hse06", 0.25).screening == pytest.approx(0.11)
    assert hybrids.libxc_hybrid("ddh", 0.32).fraction == 0.32


@pytest.mark.parametrize("fraction", [None, 0.0, 1.2])
def test_ddh_needs_a_fraction(fraction: float | None) -> None:
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        hybrids.libxc_hybrid("ddh", fraction)


def test_an_unknown_functional_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="there is no functional 'b3lyp'"):
        hybrids.libxc_hybrid("b3lyp", 0.2)


def edges(functional: str, fraction: float | None, processes: int = 1) -> dict[str, Any]:
    with EngineProcess(processes) as engine:
        return engine.call(
            "band_edges", atoms=MGO, settings=COARSE, functional=functional,
            exchange_fraction=fraction,
        )  # fmt: skip


@pytest.fixture(scope="module")
def ddh() -> dict[str, Any]:
    return edges("ddh", 0.32)


@pytest.mark.dft
def test_one_shot_gap_of_mgo(ddh: dict[str, Any]) -> None:
    """7.90 eV with this protocol; the quick cut-off and mesh cost 0.15 eV."""
    assert ddh["band_gap"] == pytest.approx(7.90, abs=0.2)
    assert ddh["one_shot_band_gap"] == ddh["band_gap"]
    assert ddh["self_consistency_gap_correction"] is None
    assert ddh["is_direct"]
    assert ddh["valence_band_k_point"] == [0.0, 0.0, 0.0]


@pytest.mark.dft
def test_levels_are_against_the_average_potential(ddh: dict[str, Any]) -> None:
    assert ddh["semilocal_valence_band_maximum"] == pytest.approx(4.83, abs=0.06)
    assert ddh["valence_band_maximum"] < ddh["semilocal_valence_band_maximum"] - 1.5
    gap = ddh["conduction_band_minimum"] - ddh["valence_band_maximum"]
    assert gap == pytest.approx(ddh["band_gap"])
    magnesium, oxygen = ddh["site_potentials"]
    assert magnesium > oxygen + 50 or oxygen > magnesium + 50
    assert all(check["passed"] for check in ddh["checks"])


@pytest.mark.dft
def test_the_levels_of_the_whole_mesh_are_told(ddh: dict[str, Any]) -> None:
    """By them the parent knows what the mesh may miss."""
    points, tops, bottoms = (
        np.array(ddh[name]) for name in ("sampled_k_points", "highest_filled", "lowest_empty")
    )
    assert points.shape == (len(tops), 3) == (len(bottoms), 3)
    assert tops.argmax() == bottoms.argmin() == np.linalg.norm(points, axis=1).argmin()
    semilocal = ddh["semilocal_conduction_band_minimum"] - ddh["semilocal_valence_band_maximum"]
    assert bottoms.min() - tops.max() == pytest.approx(semilocal, abs=1e-6)


@pytest.mark.dft
@pytest.mark.skipif(shutil.which("mpirun") is None, reason="no mpirun")
def test_two_processes_give_what_one_gives(ddh: dict[str, Any]) -> None:
    parallel = edges("ddh", 0.32, processes=2)
    for name in ("valence_band_maximum", "band_gap", "semilocal_conduction_band_minimum"):
        assert parallel[name] == pytest.approx(ddh[name], abs=1e-4)
    assert parallel["site_potentials"] == pytest.approx(ddh["site_potentials"], abs=1e-3)


@pytest.mark.dft
def test_gaps_order_as_exchange_does(ddh: dict[str, Any]) -> None:
    gaps = {name: edges(name, None)["band_gap"] for name in ("pbesol", "hse06", "pbe0")}
    assert gaps["pbesol"] < gaps["hse06"] < gaps["pbe0"] < ddh["band_gap"]
    assert gaps["pbe0"] - gaps["hse06"] == pytest.approx(0.70, abs=0.1)
