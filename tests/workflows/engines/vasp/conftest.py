"""Crystals, and a stand-in for VASP that fixtures run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymatgen.core import Structure
from stub_vasp_calculations import STUB, run_stub

from surfalign.crystals.sources import load_crystal
from surfalign.stores.documents import SurfaceDescription
from surfalign.workflows.surface_jobs import describe_surfaces


@pytest.fixture(scope="session")
def mgo() -> Structure:
    return load_crystal("MgO").structure


@pytest.fixture(scope="session")
def mgo_surface(mgo: Structure) -> SurfaceDescription:
    (surface,) = describe_surfaces(
        mgo, source="test", miller_indices=[(1, 0, 0)], max_index=None,
        slab_thickness=12.0, vacuum_thickness=15.0,
    )  # fmt: skip
    return surface


@pytest.fixture
def stub(tmp_path: Path) -> Callable[..., Path]:
    """``stub(name, kind, structure, mesh, **tags)`` runs a calculation in a folder of this test."""

    def run(
        name: str, kind: str, structure: Structure, mesh: tuple[int, int, int], **tags: Any
    ) -> Path:
        return run_stub(tmp_path / name, kind, structure, mesh, **tags)

    return run


@pytest.fixture
def stub_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the engine run the stand-in for VASP; return the folder of the failures it is to have."""
    command = f"{sys.executable} {STUB}"
    failures = tmp_path / "failures"
    failures.mkdir()
    for name, value in {
        "ATOMATE2_VASP_CMD": command,
        "ATOMATE2_VASP_GAMMA_CMD": command,
        "ATOMATE2_VASP_NCL_CMD": command,
        "SURFALIGN_VASP_POTCAR_SPEC": "1",
        "SURFALIGN_VASP_POLLING_TIME": "0.1",
        "SURFALIGN_VASP_MONITOR_TIME": "0.2",
        "SURFALIGN_CORES": "4",
        "SURFALIGN_START_POTENTIAL": "none",
        "SURFALIGN_ARCHIVE_DIRECTORY": str(tmp_path / "archive"),
        "STUB_VASP_FAILURES": str(failures),
    }.items():
        monkeypatch.setenv(name, value)
    return failures
