"""Backups: all that was acknowledged, while jobs write, and its way back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bson
import numpy as np
import pytest
from stored_results import flagged_result, job_output, passed_result, store

from surfalign.errors import (
    DamagedArchiveError,
    FilledStoreError,
    MissingFileError,
    UnwritableFileError,
)
from surfalign.launchers.campaign.results import bring_up_to_date
from surfalign.launchers.database import server_process
from surfalign.launchers.database.backup import backup, check, restore
from surfalign.launchers.database.server import LocalServer
from surfalign.settings import load_settings
from surfalign.stores.blobs import DatabaseBlobs, FolderBlobs, load_array, store_array
from surfalign.stores.database import BUILDS, CHANGED_OUTPUTS, Database, connect

pytestmark = pytest.mark.mongo

DOUBLES = Path(__file__).parents[2] / "doubles"
GRID = np.random.default_rng(2).normal(size=(40, 50, 60)).astype(np.float32)


def silent(title: str, done: int, total: int) -> None:
    """Show no progress."""


@contextmanager
def empty_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("SURFALIGN_DATABASE_NAME", f"test_{uuid.uuid4().hex[:12]}")
    with connect(load_settings()) as opened:
        yield opened


def documents(database: Database, name: str) -> list[dict[str, Any]]:
    return sorted(database.collection(name).find(), key=lambda document: str(document["_id"]))


def fill(database: Database, number: int = 3) -> None:
    results = [passed_result(f"mgo-{i}") for i in range(number)]
    database.jobs.update([job_output(r, r.identifier, "2026-01-01T00:00:00") for r in results])
    store(database, *results)


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "arrays")


def test_a_backup_comes_back_document_for_document_with_indexes_and_arrays(
    database: Database, blobs: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database)
    strange = {"_id": {"a": 1}, "number": bson.Int64(7), "bytes": b"\0\1", "when": None}
    database.collection("fireworks").insert_one(strange)
    database.collection("fireworks").create_index("number", unique=True)
    in_folder = store_array(blobs, GRID, "electrostatic_potential", "eV")
    in_database = store_array(DatabaseBlobs(database), GRID + 1, "electrostatic_potential", "eV")
    path = tmp_path / "oxides.backup"
    told = []
    manifest = backup(database, path, blobs, lambda *line: told.append(line))

    assert manifest.collections["jobs"].documents == 3
    assert manifest.arrays == 1
    assert ("jobs", 3, 3) in told
    assert path.stat().st_mode & 0o077 == 0
    elsewhere = FolderBlobs(tmp_path / "elsewhere")
    with empty_database(monkeypatch) as restored:
        written = restore(restored, path, elsewhere, silent)
        assert written["surface_levels"] == 3
        for name in manifest.collections:
            assert documents(restored, name) == documents(database, name)
        assert restored.collection("fireworks").index_information()["number_1"]["unique"]
        assert np.array_equal(load_array(in_folder, elsewhere), GRID)
        assert np.array_equal(load_array(in_database, DatabaseBlobs(restored)), GRID + 1)


def test_mongorestore_finds_its_own_form_in_the_file(
    database: Database, blobs: FolderBlobs, tmp_path: Path
) -> None:
    fill(database)
    backup(database, tmp_path / "b", blobs, silent)
    with zipfile.ZipFile(tmp_path / "b") as archive:
        found = bson.decode_all(archive.read("database/jobs.bson"))
        assert {document["uuid"] for document in found} == {"mgo-0", "mgo-1", "mgo-2"}
        assert '"uuid"' in archive.read("database/jobs.metadata.json").decode()


def test_a_filled_database_is_refused_and_merged_into_on_request(
    database: Database, blobs: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database)
    path = tmp_path / "b"
    backup(database, path, blobs, silent)
    with pytest.raises(FilledStoreError, match=r"holds documents \(surface_levels: 3, jobs: 3\)"):
        restore(database, path, blobs, silent)
    with empty_database(monkeypatch) as other:
        own = flagged_result("mgo-1")  # by another _id, the same identifier
        store(other, own)
        written = restore(other, path, blobs, silent, merge=True)
        assert written == {"surface_levels": 2, "jobs": 3, **dict.fromkeys(empty(written), 0)}
        [kept] = other.collection("surface_levels").find({"identifier": "mgo-1"})
        assert kept["formula"] == "CaO"
        assert set(restore(other, path, blobs, silent, merge=True).values()) == {0}


def empty(written: dict[str, int]) -> set[str]:
    """Return the other collections, which hold nothing."""
    return set(written) - {"surface_levels", "jobs"}


def test_the_build_after_a_restore_looks_at_all_jobs(
    database: Database, blobs: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = passed_result("mgo")
    database.jobs.update([job_output(result, "job", "2026-01-01T00:00:00")])
    bring_up_to_date(database)
    assert documents(database, BUILDS)
    manifest = backup(database, tmp_path / "b", blobs, silent)
    assert {BUILDS, CHANGED_OUTPUTS}.isdisjoint(manifest.collections)
    with empty_database(monkeypatch) as restored:
        restore(restored, tmp_path / "b", blobs, silent)
        restored.collection("surface_levels").delete_many({})
        bring_up_to_date(restored)
        assert [d["identifier"] for d in documents(restored, "surface_levels")] == ["mgo"]


@pytest.mark.parametrize(
    "damage", ["truncated", "changed document", "changed array", "missing document", "other file"]
)
def test_a_damaged_file_is_refused_before_anything_is_written(
    database: Database,
    blobs: FolderBlobs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: str,
) -> None:
    fill(database)
    store_array(blobs, GRID, "electrostatic_potential", "eV")
    whole, path = tmp_path / "whole", tmp_path / damage
    backup(database, whole, blobs, silent)
    assert check(whole, silent).documents == 6
    if damage == "truncated":
        path.write_bytes(whole.read_bytes()[:-100])
    elif damage == "other file":
        path.write_text("{}")
    else:
        rewrite(whole, path, "database/jobs.bson" if "document" in damage else "arrays/")
    for attempt in (check, restore_into_empty(monkeypatch, blobs)):
        with pytest.raises(DamagedArchiveError, match="is no whole backup"):
            attempt(path, silent)


def rewrite(whole: Path, path: Path, changed: str) -> None:
    """Copy an archive with valid checksums of its own, and one member changed."""
    with zipfile.ZipFile(whole) as before, zipfile.ZipFile(path, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name.startswith(changed) and "missing" in path.name:
                continue
            if name.startswith(changed):
                content = content.replace(b"MgO", b"MgX") if "bson" in name else content[:-9]
            after.writestr(name, content)


def restore_into_empty(monkeypatch: pytest.MonkeyPatch, blobs: FolderBlobs) -> Any:
    def attempt(path: Path, on_progress: Any) -> None:
        with empty_database(monkeypatch) as other:
            try:
                restore(other, path, blobs, on_progress)
            finally:
                assert not documents(other, "jobs")

    return attempt


def test_a_file_that_is_not_there_or_cannot_be_written_is_named(
    database: Database, blobs: FolderBlobs, tmp_path: Path
) -> None:
    with pytest.raises(MissingFileError, match="does not exist"):
        check(tmp_path / "none", silent)
    with pytest.raises(UnwritableFileError, match="cannot be written"):
        backup(database, tmp_path / "none" / "b", blobs, silent)


@pytest.mark.processes
def test_a_backup_killed_at_any_point_leaves_the_earlier_file(
    database: Database, blobs: FolderBlobs, tmp_path: Path
) -> None:
    path = tmp_path / "b"
    fill(database)
    backup(database, path, blobs, silent)
    before = path.read_bytes()
    fill(database, number=4)
    kills = 0
    while run_double("killed_backup.py", str(path), str(kills + 1)) == -signal.SIGKILL:
        kills += 1
        assert path.read_bytes() == before
    assert kills >= 2
    assert check(path, silent).collections["jobs"].documents == 4


def run_double(*arguments: str) -> int:
    process = subprocess.run([sys.executable, str(DOUBLES / arguments[0]), *arguments[1:]])
    return process.returncode


@contextmanager
def campaign(uri: str, workers: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Run workers that write to a server until the block ends."""
    environment = os.environ | {"SURFALIGN_DATABASE_URI": uri, "SURFALIGN_DATABASE_NAME": "oxides"}
    command = [sys.executable, str(DOUBLES / "writing_campaign.py")]
    running = [
        subprocess.Popen(
            [*command, f"worker{number}"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for number in range(workers)
    ]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.communicate()


def acknowledged(process: subprocess.Popen[str], number: int | None = None) -> set[str]:
    """Return so many of the uuids that a worker has printed, or all until its end."""
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    found = [next(lines) for _ in range(number)] if number else list(lines)
    return {line.strip() for line in found if line.endswith("\n")}


@pytest.mark.processes
def test_all_that_was_acknowledged_is_in_the_backup_and_outlives_the_server(
    database: Database, blobs: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = LocalServer(tmp_path / "database")
    uri = server.start()
    settings = load_settings(database_uri=uri, database_name="oxides")
    with campaign(uri, workers=2) as running:
        before = set().union(*(acknowledged(process, 30) for process in running))
        with connect(settings) as busy:
            manifest = backup(busy, tmp_path / "b", blobs, silent)
        meanwhile = set().union(*(acknowledged(process, 5) for process in running))
        server_process.end(server.status().pid or 0, by_force=True)
        after = set().union(*(acknowledged(process) for process in running))

    restore(database, tmp_path / "b", blobs, silent)
    for name, field in (("jobs", "uuid"), ("surface_levels", "identifier")):
        restored = {document[field] for document in documents(database, name)}
        assert before <= restored
        assert len(restored) == manifest.collections[name].documents
    try:
        server.start()
        with connect(settings) as again:
            kept = {document["uuid"] for document in documents(again, "jobs")}
        assert before | meanwhile | after <= kept
    finally:
        server_process.end(server.status().pid or 0, by_force=True)
