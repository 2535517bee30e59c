"""Keeping the raw files of a finished step: compressed, with checksums; and clearing the rest away.

POTCAR is never copied (its licence does not allow it; title and hash are in the record). WAVECAR and the
charge densities are removed: their only use is the next calculation of the same step. The grid of LOCPOT
goes into the blob store as an array, which is smaller and quicker than the text.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar, cast
from uuid import uuid4

import numpy as np

from surfalign.hashing import sha256_of
from surfalign.stores.blobs import BlobStore, archive_root, open_blobs, store_array
from surfalign.stores.documents import (
    ArchivedFile,
    ArrayReference,
    BandEdgesDocument,
    BulkDocument,
    DielectricDocument,
    RawArchive,
    SlabPotentialDocument,
    SlabRelaxationDocument,
)
from surfalign.workflows.engines.vasp.outputs.calculation import Calculation
from surfalign.workflows.engines.vasp.outputs.files import find_file
from surfalign.workflows.engines.vasp.outputs.step_context import StepContext

AnyStep = (
    BulkDocument
    | DielectricDocument
    | BandEdgesDocument
    | SlabRelaxationDocument
    | SlabPotentialDocument
)
StepDocument = TypeVar("StepDocument", bound=AnyStep)

#: Beginnings of the names of files that are not kept.
NOT_KEPT = (
    "WAVECAR", "CHGCAR", "CHG", "AECCAR", "LOCPOT", "WAVEDER", "TMPCAR", "PROCAR", "DOSCAR",
    "vaspwave.h5", "vaspout.h5", "STOPCAR", "core.",
)  # fmt: skip


def archive_step(document: StepDocument, context: StepContext) -> StepDocument:
    """Move the raw files of a step into the archive; return the document that names them.

    A step whose number is good must not be lost to a full disk of the archive: then the files stay where
    they are, and the document's warnings say so.

    Parameters
    ----------
    document
        What was read from the files.
    context
        Names the folders.
    """
    record = document.calculation
    folders = {stage: Path(folder) for stage, folder in context.folders.items()}
    try:
        with open_blobs() as store:
            arrays = large_arrays(document, folders, store)
        kept = archive(folders, archive_root() / context.step)
    except OSError as error:
        where = ", ".join(str(folder) for folder in folders.values())
        note = f"not_archived: the raw files stay in {where} ({error.strerror or error})"
        changed = record.model_copy(update={"warnings": [*record.warnings, note]})
    else:
        for folder in folders.values():
            shutil.rmtree(folder, ignore_errors=True)
        changed = record.model_copy(update={"archive": kept, "arrays": arrays})
    return cast("StepDocument", document.model_copy(update={"calculation": changed}))


def large_arrays(
    document: AnyStep, folders: Mapping[str, Path], store: BlobStore
) -> list[ArrayReference]:
    """Store the arrays of a step that its document does not hold.

    The potential of a slab (eV, shape of the grid), and the eigenvalues of the band edges (eV, shape
    ``(n_spins, n_k, n_bands)``) with their k-points (reduced, shape ``(n_k, 3)``). Single precision:
    VASP prints fewer digits.
    """
    if isinstance(document, SlabPotentialDocument):
        written = [f for f in folders.values() if find_file(f, "LOCPOT") is not None]
        grid = Calculation(written[-1]).potential().astype(np.float32)
        return [store_array(store, grid, "electrostatic_potential", "eV")]
    if isinstance(document, BandEdgesDocument):
        vasprun = Calculation(list(folders.values())[-1]).vasprun
        spins = (vasprun.eigenvalues or {}).values()
        values = np.stack([np.asarray(spin)[..., 0] for spin in spins])
        points = np.asarray(vasprun.actual_kpoints, dtype=float)
        return [
            store_array(store, values.astype(np.float32), "eigenvalues", "eV"),
            store_array(store, points, "k_points", "1"),
        ]
    return []


def archive(folders: Mapping[str, Path], root: Path) -> RawArchive:
    """Copy the raw files of some folders, compressed, to a new folder below ``root``.

    The folder is named by the checksums of what it holds: a repeated step finds its files there already.
    It appears whole or not at all.

    Parameters
    ----------
    folders
        Stage to folder; the archive has a folder for each stage.
    root
        Where the folder is made.

    Raises
    ------
    OSError
        When the files cannot be written.
    """
    files = [
        (Path(stage) / path.name, path)
        for stage, folder in folders.items()
        for path in _kept(folder)
    ]
    entries = [
        ArchivedFile(
            name=str(name) + ("" if _compressed(path) else ".gz"),
            sha256=sha256_of(path),
            n_bytes=path.stat().st_size,
        )
        for name, path in files
    ]
    digest = hashlib.sha256("".join(f"{e.name}{e.sha256}" for e in entries).encode()).hexdigest()
    target = root.resolve() / digest[:2] / digest[:16]
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        writing = target.parent / f".writing-{uuid4().hex}"
        try:
            for entry, (_, path) in zip(entries, files, strict=True):
                _copy(path, writing / entry.name)
            writing.mkdir(exist_ok=True)
            writing.rename(target)
        except OSError:
            shutil.rmtree(writing, ignore_errors=True)
            if not target.is_dir():  # else another process was faster
                raise
    return RawArchive(path=str(target), files=entries)


def _kept(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        potcar = path.name.startswith("POTCAR") and ".spec" not in path.name
        if path.is_file() and not potcar and not path.name.startswith(NOT_KEPT):
            yield path


def _compressed(path: Path) -> bool:
    return path.suffix in (".gz", ".bz2", ".xz")


def _copy(source: Path, target: Path) -> None:
    """Copy a file, compressed where the target's name says so and the source is not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if _compressed(source):
        shutil.copyfile(source, target)
        return
    with (
        source.open("rb") as plain,
        target.open("wb") as raw,
        # No time stamp: the same file gives the same bytes.
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as compressed,
    ):
        shutil.copyfileobj(plain, compressed)
