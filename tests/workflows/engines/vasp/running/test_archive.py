"""Raw files are kept compressed and whole; what nobody needs is removed."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Structure

from surfalign.stores.blobs import load_array, open_blobs
from surfalign.stores.documents import SlabPotentialDocument, SurfaceDescription
from surfalign.workflows.engines.vasp.outputs.reading import read_slab_potential
from surfalign.workflows.engines.vasp.outputs.step_context import StepContext
from surfalign.workflows.engines.vasp.running.archive import archive, archive_step

Stub = Callable[..., Path]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def archive_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SURFALIGN_ARCHIVE_DIRECTORY", str(tmp_path / "archive"))
    return tmp_path / "archive"


def step_context(step: str, **folders: Path) -> StepContext:
    return StepContext(step, "standard", "", {}, NOW, 1, dict(folders))


def finished_step(stub: Stub, slab: Structure) -> tuple[SlabPotentialDocument, StepContext]:
    folder = stub("potential", "slab_potential", slab, (1, 1, 1), LWAVE=True, LCHARG=True)
    (folder / "POTCAR").write_text("TITEL = PAW_PBE Mg 01Jan2000\nEnd of Dataset\n")
    context = step_context("slab_potential", static=folder)
    return read_slab_potential(folder, slab, context, dipole_corrected=False), context


def test_a_step_leaves_an_archive_and_nothing_else(
    stub: Stub, mgo_surface: SurfaceDescription, archive_directory: Path
) -> None:
    document, context = finished_step(stub, mgo_surface.slab)
    folder = context.folders["static"]
    outcar = (folder / "OUTCAR").read_bytes()
    document = archive_step(document, context)
    kept = document.calculation.archive
    assert kept is not None
    names = {file.name for file in kept.files}
    assert {"static/OUTCAR.gz", "static/vasprun.xml.gz", "static/INCAR.gz"} <= names
    assert not [n for n in names if n.startswith(("static/WAVECAR", "static/CHG", "static/LOCPOT"))]
    assert "static/POTCAR.gz" not in names
    assert "static/POTCAR.spec.gz" in names
    (entry,) = [file for file in kept.files if file.name == "static/OUTCAR.gz"]
    assert gzip.decompress((Path(kept.path) / entry.name).read_bytes()) == outcar
    assert entry.sha256 == hashlib.sha256(outcar).hexdigest()
    assert entry.n_bytes == len(outcar)
    assert not folder.exists()
    assert archive_directory in Path(kept.path).parents


def test_the_potential_on_its_grid_is_kept_by_reference(
    stub: Stub, mgo_surface: SurfaceDescription, archive_directory: Path
) -> None:
    document, context = finished_step(stub, mgo_surface.slab)
    document = archive_step(document, context)
    (reference,) = document.calculation.arrays
    with open_blobs() as store:
        grid = load_array(reference, store)
    assert grid.mean(axis=(0, 1)) == pytest.approx(np.array(document.planar_average), abs=1e-4)
    assert grid.size == 36 * len(document.planar_average)
    assert reference.shape == list(grid.shape)


def test_a_repeated_step_is_archived_once(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "OUTCAR").write_text("text\n")
    first = archive({"static": folder}, tmp_path / "archive")
    assert archive({"static": folder}, tmp_path / "archive") == first
    assert len(list((tmp_path / "archive").rglob("OUTCAR.gz"))) == 1


def test_an_archive_that_cannot_be_written_costs_no_result(
    stub: Stub, mgo_surface: SurfaceDescription, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder\n")
    monkeypatch.setenv("SURFALIGN_ARCHIVE_DIRECTORY", str(tmp_path / "file"))
    document, context = finished_step(stub, mgo_surface.slab)
    document = archive_step(document, context)
    assert document.calculation.archive is None
    (note,) = document.calculation.warnings
    assert note.startswith("not_archived: the raw files stay in")
    assert (context.folders["static"] / "OUTCAR").is_file()
