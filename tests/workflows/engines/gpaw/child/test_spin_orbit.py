"""Spin-orbit coupling of the real engine, against known splittings of the valence band."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from bulk_crystals import COARSE

from surfalign.workflows.engines.gpaw.engine_process import EngineProcess

pytest.importorskip("surfalign.workflows.engines.gpaw.child.spin_orbit")


def edges(formula: str, a: float, **options: Any) -> dict[str, Any]:
    atoms = bulk(formula, "zincblende", a=a)
    cell = {
        "numbers": atoms.numbers.tolist(),
        "positions": atoms.positions.tolist(),
        "cell": np.asarray(atoms.cell).tolist(),
    }
    with EngineProcess(1) as engine:
        return engine.call(
            "band_edges", atoms=cell, settings=COARSE | {"hybrid_k_spacing": 1.2},
            functional="pbesol", exchange_fraction=None, **options,
        )  # fmt: skip


@pytest.mark.dft
@pytest.mark.parametrize(
    ("formula", "a", "known"),
    # Measured: I. Vurgaftman et al., J. Appl. Phys. 89, 5815 (2001). CdTe: FLAPW in second variation, as here
    # (P. Carrier and S.-H. Wei, Phys. Rev. B 70, 035212 (2004)); measured are 0.90 to 0.95 eV.
    [("GaAs", 5.653, 0.341), ("InP", 5.870, 0.108), ("CdTe", 6.480, 0.85)],
)
def test_splitting_of_the_valence_band_is_the_known_one(
    formula: str, a: float, known: float
) -> None:
    found = edges(formula, a, spin_orbit=True)
    assert found["spin_orbit"]
    assert found["spin_orbit_splitting"] == pytest.approx(known, abs=0.05)
    # Four of the six states of the multiplet rise by a third of the splitting.
    assert found["spin_orbit_valence_change"] == pytest.approx(known / 3, abs=0.02)
    assert found["spin_orbit_conduction_change"] == pytest.approx(0.0, abs=0.01)


@pytest.mark.dft
def test_coupling_is_added_to_the_edges() -> None:
    without, found = edges("ZnSe", 5.668), edges("ZnSe", 5.668, spin_orbit=True)
    change = found["valence_band_maximum"] - without["valence_band_maximum"]
    assert change == pytest.approx(found["spin_orbit_valence_change"], abs=1e-3)
    assert found["band_gap"] == pytest.approx(without["band_gap"] - change, abs=2e-3)
    assert "spin_orbit" not in without
