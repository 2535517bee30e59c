"""Crystals, and a stand-in for VASP that fixtures run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymatgen.core import Structure
from stub_vasp_calculations import run_stub

from surfalign.crystals.sources import load_crystal
from surfalign.stores.documents import SurfaceDescription
from surfalign.workflows.jobs import describe_surfaces


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
