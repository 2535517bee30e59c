"""The files of a published data set: their names, what they hold, and how they are read again."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path

from surfalign.stores.documents import SurfaceLevelsDocument

DATA = "data/surfaces.jsonl"
TABLE = "data/surfaces.parquet"
SLABS = "structures/slabs.extxyz"
CIF = "structures/cif/"
CARD, DATACITE, CROISSANT = "README.md", "datacite.json", "croissant.json"
SCHEMA = "schema/SurfaceLevelsDocument.json"
CHECKSUMS = "manifest-sha256.txt"
#: What is in each file, and its media type.
FILES = {
    DATA: ("all results with everything that is stored, one JSON object a line", "application/jsonlines"),
    TABLE: ("numbers and texts of all results as a table", "application/x-parquet"),
    SLABS: ("slabs as computed, with their levels", "chemical/x-extxyz"),
    CIF: ("slabs and bulk cells, one file each", "chemical/x-cif"),
    SCHEMA: ("every field with its unit, as JSON Schema", "application/schema+json"),
    CARD: ("this card", "text/markdown"),
    CROISSANT: ("description for machine learning (Croissant)", "application/ld+json"),
    DATACITE: ("description for a DOI (DataCite 4)", "application/json"),
    "ro-crate-metadata.json": ("description of the whole (RO-Crate 1.2)", "application/ld+json"),
    CHECKSUMS: ("SHA-256 of all other files", "text/plain"),
}  # fmt: skip


def read_documents(
    folder: Path, leave_out: Collection[str] = ()
) -> Iterator[SurfaceLevelsDocument]:
    """Yield the results of a data set.

    Parameters
    ----------
    folder
        The data set.
    leave_out
        Fields that are not read, which takes a fraction of the time where these are structures.
    """
    with (folder / DATA).open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            for name in leave_out:
                record.pop(name, None)
            yield SurfaceLevelsDocument.model_validate(record)


def all_files(folder: Path) -> list[str]:
    """Return the names of all files of a data set but that of the checksums, in order."""
    found = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())
    return sorted(name for name in found if name != CHECKSUMS)
