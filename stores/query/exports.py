"""Export of results to files: CSV, JSON, Parquet and extended XYZ.

Results stream through, so that memory does not grow with their number, and a file appears under its
name only when it is complete.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from surfalign.errors import MissingDependencyError
from surfalign.files import whole_file
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.query.fields import FieldDescription, Kind, describe
from surfalign.stores.query.results import json_record

#: Rows of one Parquet row group.
BATCH_SIZE = 1000


class ExportFormat(StrEnum):
    """Formats of files of results."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    EXTXYZ = "extxyz"

    @property
    def needs_structures(self) -> bool:
        """Whether the format holds what a lean query leaves out."""
        return self in (ExportFormat.JSON, ExportFormat.EXTXYZ)


def export(documents: Iterable[SurfaceLevelsDocument], path: Path, format: ExportFormat) -> int:
    """Write results to a file; an existing one is replaced. Return how many were written.

    Parameters
    ----------
    documents
        Results, with their structures where the format needs them.
    path
        The file.
    format
        Its format. CSV and Parquet hold one row a result, with the plain fields of the document; JSON
        holds everything; extended XYZ holds the slabs, with the plain fields beside each.

    Raises
    ------
    MissingDependencyError
        When Parquet is asked for and pyarrow is absent.
    ConfigurationError
        When the file cannot be written.
    """
    writers = {
        ExportFormat.CSV: _write_csv,
        ExportFormat.JSON: write_json,
        ExportFormat.PARQUET: _write_parquet,
        ExportFormat.EXTXYZ: _write_extxyz,
    }
    with whole_file(path, binary=format is ExportFormat.PARQUET) as file:
        return writers[format](documents, file)


def write_json_file(
    documents: Iterable[SurfaceLevelsDocument], path: Path, full: bool = True
) -> int:
    """Write a JSON list to a file; see :func:`write_json`."""
    with whole_file(path) as file:
        return write_json(documents, file, full)


def write_json(documents: Iterable[SurfaceLevelsDocument], file: IO[Any], full: bool = True) -> int:
    """Write a JSON list, one object a result, one line an object; return how many were written."""
    written = 0
    file.write("[")
    for document in documents:
        file.write(",\n" if written else "\n")
        file.write(json.dumps(json_record(document, full), allow_nan=False, ensure_ascii=False))
        written += 1
    file.write("\n]\n" if written else "]\n")
    return written


def plain_fields() -> dict[str, FieldDescription]:
    """Return the fields of a result that are columns of a table: numbers, texts and lists of texts."""
    fields = describe(SurfaceLevelsDocument)
    return {
        path: fields[path]
        for path in dict.fromkeys(("identifier", "state", *fields))
        if fields[path].kind not in (Kind.MAPPING, Kind.RECORD, Kind.STRUCTURE)
        and (path.startswith(("error.", "registration.")) or "." not in path)
    }


def plain_values(document: SurfaceLevelsDocument) -> dict[str, Any]:
    """Return the values of the plain fields; those of records under their dotted names."""
    record = json_record(document, full=False)
    return {path: _at(record, path) for path in plain_fields()}


def _at(record: dict[str, Any], path: str) -> Any:
    head, _, rest = path.partition(".")
    return (record[head] or {}).get(rest) if rest else record[head]


def _write_csv(documents: Iterable[SurfaceLevelsDocument], file: IO[Any]) -> int:
    """Write one row a result; vectors and lists are separated by blanks, a missing value is empty."""
    writer = csv.DictWriter(file, list(plain_fields()), lineterminator="\n")
    writer.writeheader()
    written = 0
    for document in documents:
        values = plain_values(document)
        writer.writerow({path: _cell(value) for path, value in values.items()})
        written += 1
    return written


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join(str(item) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    return value


def _write_parquet(documents: Iterable[SurfaceLevelsDocument], file: IO[Any]) -> int:
    """Write one row a result; each column carries unit and description in its metadata."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingDependencyError(
            "Parquet needs pyarrow, which is not installed",
            "the optional packages of surfalign[parquet]",
            f"{sys.executable} -m pip install 'surfalign[parquet]', or export as csv",
        ) from error
    types = {
        Kind.NUMBER: pa.float64(),
        Kind.INTEGER: pa.int64(),
        Kind.BOOLEAN: pa.bool_(),
        Kind.VECTOR: pa.list_(pa.int64()),
    }
    columns = [
        pa.field(
            path,
            pa.list_(pa.string()) if field.repeated else types.get(field.kind, pa.string()),
            metadata={"unit": field.unit or "", "description": field.description},
        )
        for path, field in plain_fields().items()
    ]
    schema = pa.schema(columns)
    written = 0
    rows = map(plain_values, documents)
    with pq.ParquetWriter(file, schema) as writer:
        while batch := list(islice(rows, BATCH_SIZE)):
            writer.write_table(pa.Table.from_pylist(batch, schema))
            written += len(batch)
    return written


def _write_extxyz(documents: Iterable[SurfaceLevelsDocument], file: IO[Any]) -> int:
    """Write the slab of each result that has one, with the plain fields in its comment line."""
    from ase.io.extxyz import write_extxyz
    from pymatgen.io.ase import AseAtomsAdaptor

    written = 0
    for document in documents:
        if document.slab_structure is None:
            continue
        atoms = AseAtomsAdaptor.get_atoms(document.slab_structure, msonable=False)
        values = plain_values(document)
        atoms.info = {path: _info(v) for path, v in values.items() if v not in (None, "", [])}
        atoms.calc = None
        write_extxyz(file, [atoms])
        written += 1
    return written


def _info(value: Any) -> Any:
    """Return a value that ASE writes plainly: joined texts, arrays of numbers."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        return "; ".join(value)
    return np.array(value) if isinstance(value, list) else value
