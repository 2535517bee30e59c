"""The description of a data set for machine learning: Croissant, read by its libraries without further code."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import mlcroissant as mlc

from surfalign.errors import PublicationError
from surfalign.stores.publication.datacite import SUBJECTS
from surfalign.stores.publication.description import UNKNOWN, Description
from surfalign.stores.query.exports import plain_fields
from surfalign.stores.query.fields import FieldDescription, Kind

_TYPES = {
    Kind.NUMBER: mlc.DataType.FLOAT,
    Kind.INTEGER: mlc.DataType.INTEGER,
    Kind.BOOLEAN: mlc.DataType.BOOL,
    Kind.VECTOR: mlc.DataType.INTEGER,
}
TABLE = "surfaces.parquet"


def croissant_record(description: Description, table: Path, sha256: str) -> dict[str, Any]:
    """Return the record of the table of plain values; the library has checked it.

    Parameters
    ----------
    description
        What people say of the data set.
    table
        The Parquet file, relative to the folder of the data set.
    sha256
        Its checksum.

    Raises
    ------
    PublicationError
        When Croissant's own checks find a fault.
    """
    people = [mlc.Person(name=name) for name in description.creators if name != UNKNOWN]
    fields = [_field(path, known) for path, known in plain_fields().items()]
    try:
        metadata = mlc.Metadata(
            name=_plain_name(description.title),
            description=description.text,
            cite_as=description.citation,
            creators=people or [mlc.Organization(name="surfalign")],
            date_published=datetime.combine(description.published, datetime.min.time()),
            keywords=list(SUBJECTS),
            license=[description.licence_address],
            url=f"https://doi.org/{description.doi or 'unassigned'}",
            version=_version(description.version),
            distribution=[
                mlc.FileObject(
                    id=TABLE,
                    name=TABLE,
                    description="Numbers and texts of all results, one row each",
                    content_url=table.as_posix(),
                    encoding_formats=[mlc.EncodingFormat.PARQUET],
                    sha256=sha256,
                )
            ],
            record_sets=[
                mlc.RecordSet(
                    id="surfaces", name="surfaces", description="Levels of surfaces", fields=fields
                )
            ],
        )
    except mlc.ValidationError as error:
        raise PublicationError(
            f"the description of the data set is refused by Croissant: {error}",
            "title, text, creators and version that it takes",
            "correct what it names",
        ) from error
    record: dict[str, Any] = json.loads(json.dumps(metadata.to_json(), default=str))
    return record


def _field(path: str, known: FieldDescription) -> mlc.Field:
    is_list = known.repeated or known.kind is Kind.VECTOR
    return mlc.Field(
        id=f"surfaces/{path}",
        name=path,
        description=known.description + (f" ({known.unit})" if known.unit else ""),
        data_types=[_TYPES.get(known.kind, mlc.DataType.TEXT)],
        is_array=True if is_list else None,
        array_shape="-1" if is_list else None,
        source=mlc.Source(file_object=TABLE, extract=mlc.Extract(column=path)),
    )


def _plain_name(title: str) -> str:
    """Return a title with what Croissant lets stand in a name."""
    return " ".join("".join(c if c.isalnum() or c in " -_" else " " for c in title).split())


def _version(text: str) -> str:
    """Return a version in three numbers, which Croissant wants; others stand as they are."""
    parts = text.split(".")
    return ".".join([*parts, "0", "0"][:3]) if all(part.isdigit() for part in parts) else text
