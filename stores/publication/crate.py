"""A data set as a folder that others can use: an RO-Crate with data, structures, checksums and descriptions.

It is written beside its place and takes its name when it is whole.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from rocrate.model.contextentity import ContextEntity
from rocrate.model.person import Person
from rocrate.rocrate import ROCrate

from surfalign.errors import PublicationError, UnwritableFileError
from surfalign.hashing import sha256_of
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.publication.card import card
from surfalign.stores.publication.croissant import croissant_record
from surfalign.stores.publication.datacite import SUBJECTS, datacite_record
from surfalign.stores.publication.description import Counts, Description, counts
from surfalign.stores.publication.layout import (
    CARD,
    CHECKSUMS,
    CIF,
    CROISSANT,
    DATA,
    DATACITE,
    FILES,
    SCHEMA,
    SLABS,
    TABLE,
    all_files,
    read_documents,
)
from surfalign.stores.publication.selection import Selection, documents, select
from surfalign.stores.query.exports import ExportFormat, export
from surfalign.stores.query.fields import large_fields
from surfalign.stores.query.results import json_line

if TYPE_CHECKING:
    from surfalign.stores.database import Database

#: Structures of a result, by the ending of their file names.
_STRUCTURES = {"slab": "slab_structure", "bulk": "bulk_structure"}
#: Told title, number done and number in all.
Progress = Callable[[str, int, int], None]


def publish(
    database: Database,
    query: str,
    out: Path,
    describe: Callable[[Selection], Description],
    on_progress: Progress,
    *,
    only_public: bool = False,
) -> Selection:
    """Write the results that a query matches as a data set.

    Parameters
    ----------
    database
        Where they are.
    query
        Text of the query language; an empty one matches all.
    out
        The folder; it must not exist, or be empty.
    describe
        Says what the data set is, of the results that were selected.
    on_progress
        Is told title, number done and number in all.
    only_public
        Whether results that not everybody may see are left out; otherwise they are an error.

    Raises
    ------
    PublicationError
        When nothing may be published, or something may not.
    UnwritableFileError
        When the folder cannot be written.
    """
    now = datetime.now(UTC)
    with _new_folder(out) as folder:
        selection = select(database, query, now, only_public=only_public)
        description = describe(selection)
        found = documents(database, query, now)
        written = _write_data(folder, _counted(found, selection.number, on_progress))
        if written != selection.number:
            raise PublicationError(
                f"{written} results are public now, and {selection.number} were a moment ago",
                "results that stay as they are while they are published",
                "publish again",
            )
        _write_rest(folder, description)
    return selection


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """Make a folder that takes its name when the block has ended well."""
    out = out.expanduser().absolute()
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise PublicationError(f"{out} is there already", "a new folder", "name another with --out")
    folder = out.with_name(f".{out.name}.{uuid4().hex[:12]}")
    try:
        folder.mkdir(parents=True)
        yield folder
        folder.rename(out)  # an empty folder gives way
    except OSError as error:
        raise UnwritableFileError(
            f"{out} cannot be written: {error.strerror or error}",
            "a folder in one that exists and may be written to",
            "name another, or make room",
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _counted(
    found: Iterable[SurfaceLevelsDocument], total: int, on_progress: Progress
) -> Iterator[SurfaceLevelsDocument]:
    for number, document in enumerate(found, start=1):
        yield document
        on_progress("results", number, max(number, total))


def _write_data(folder: Path, found: Iterable[SurfaceLevelsDocument]) -> int:
    """Write all results and their structures; return how many they are."""
    (folder / DATA).parent.mkdir()
    (folder / CIF).mkdir(parents=True)
    written = 0
    with (folder / DATA).open("w", encoding="utf-8") as lines:
        for document in found:
            lines.write(json_line(document) + "\n")
            stem = re.sub(r"[^A-Za-z0-9._-]", "_", document.identifier).lstrip(".")
            for ending, field in _STRUCTURES.items():
                structure = getattr(document, field)
                if structure is not None:
                    cif = structure.to(fmt="cif")
                    (folder / CIF / f"{stem}-{ending}.cif").write_text(cif, encoding="utf-8")
            written += 1
    return written


def _write_rest(folder: Path, description: Description) -> None:
    """Write what follows from the results."""
    large = set(large_fields(SurfaceLevelsDocument))
    held = counts(read_documents(folder, {*large, "settings"}))
    export(read_documents(folder, large), folder / TABLE, ExportFormat.PARQUET)
    export(read_documents(folder, large - {"slab_structure"}), folder / SLABS, ExportFormat.EXTXYZ)
    if not any((folder / CIF).iterdir()):
        (folder / CIF / "README.txt").write_text("No result of this data set holds a structure.\n")
    (folder / SCHEMA).parent.mkdir()
    _write_json(folder / SCHEMA, SurfaceLevelsDocument.model_json_schema(mode="serialization"))
    told = {name: text for name, (text, _) in FILES.items()}
    (folder / CARD).write_text(card(description, held, told), encoding="utf-8")
    table = croissant_record(description, Path(TABLE), sha256_of(folder / TABLE))
    _write_json(folder / CROISSANT, table)
    size = sum((folder / name).stat().st_size for name in all_files(folder))
    _write_json(folder / DATACITE, datacite_record(description, held, size))
    _write_crate(folder, description, held)
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in all_files(folder)]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")


def _write_crate(folder: Path, description: Description, held: Counts) -> None:
    """Write the description of the whole."""
    crate = ROCrate(version="1.2")
    crate.name, crate.description = description.title, description.text
    crate.keywords = list(SUBJECTS)
    crate.datePublished = datetime.combine(description.published, datetime.min.time(), UTC)
    crate.license = crate.add(
        ContextEntity(
            crate,
            description.licence_address,
            properties={
                "@type": "CreativeWork",
                "name": description.licence,
                "description": f"Licence {description.licence}",
            },
        )
    )
    root = crate.root_dataset
    root["version"] = description.version
    root["creditText"] = description.citation
    root["size"] = f"{held.number} results"
    if description.doi:
        root["identifier"] = f"https://doi.org/{description.doi}"
    crate.creator = [
        crate.add(Person(crate, f"#creator-{number}", properties={"name": name}))
        for number, name in enumerate(description.creators, start=1)
    ]
    for name, (text, media) in FILES.items():
        told = {"name": name, "description": text, "encodingFormat": media}
        if name.endswith("/"):
            crate.add_directory(folder / name, name, properties=told)
        elif name == CHECKSUMS:
            crate.add_file(None, name, properties=told)  # is written last
        elif name != "ro-crate-metadata.json":
            path = folder / name
            sized = {"contentSize": str(path.stat().st_size), "sha256": sha256_of(path)}
            crate.add_file(path, name, properties=told | sized)
    crate.metadata.write(folder)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
