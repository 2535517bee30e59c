"""Large arrays under their checksums, in a folder and in the database."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surfalign.errors import DocumentNotFoundError
from surfalign.stores.blobs import (
    BlobStore,
    DatabaseBlobs,
    FolderBlobs,
    load_array,
    open_blobs,
    store_array,
)
from surfalign.stores.database import Database

GRID = np.random.default_rng(1).normal(size=(4, 5, 300)).astype(np.float32)


@pytest.fixture(params=["files", pytest.param("database", marks=pytest.mark.mongo)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "files":
        return FolderBlobs(tmp_path / "blobs")
    return DatabaseBlobs(request.getfixturevalue("database"))


def test_an_array_comes_back_as_it_was(store: BlobStore) -> None:
    reference = store_array(store, GRID, "electrostatic_potential", "eV")
    assert (reference.shape, reference.dtype, reference.unit) == ([4, 5, 300], "float32", "eV")
    again = load_array(reference, store)
    assert again.dtype == GRID.dtype
    assert np.array_equal(again, GRID)


def test_the_same_array_is_stored_once(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path)
    first = store_array(store, GRID, "a", "eV")
    assert store_array(store, np.asfortranarray(GRID), "b", "eV").sha256 == first.sha256
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 1


def test_the_same_array_is_stored_once_in_the_database(database: Database) -> None:
    store = DatabaseBlobs(database)
    for name in "ab":
        store_array(store, GRID, name, "eV")
    files = database.surface_levels._collection.database["arrays.files"]
    assert files.count_documents({}) == 1


def test_missing_and_damaged_arrays_are_named(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path)
    reference = store_array(store, GRID, "electrostatic_potential", "eV")
    (path,) = [p for p in tmp_path.rglob("*") if p.is_file()]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DocumentNotFoundError, match="is damaged"):
        load_array(reference, store)
    path.unlink()
    with pytest.raises(DocumentNotFoundError, match="does not hold the array"):
        load_array(reference, store)


def test_the_settings_name_the_store(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURFALIGN_ARCHIVE_DIRECTORY", str(tmp_path))
    with open_blobs() as store:
        reference = store_array(store, GRID, "a", "eV")
    assert len(list((tmp_path / "arrays").rglob("*.npy.z"))) == 1
    monkeypatch.setenv("SURFALIGN_BLOB_STORE", "database")
    with open_blobs() as store:
        with pytest.raises(DocumentNotFoundError, match="does not hold"):
            load_array(reference, store)
        store_array(store, GRID, "a", "eV")
    with open_blobs() as store:
        assert np.array_equal(load_array(reference, store), GRID)
