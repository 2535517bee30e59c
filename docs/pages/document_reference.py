"""The reference of all documents: a page of their fields, and the JSON schema of each.

``python docs/pages/document_reference.py docs/reference`` (``make schema``) writes them from the models.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

from surfalign.stores.documents import Document, SurfaceLevelsDocument
from surfalign.stores.query.fields import FieldDescription, Kind, all_documents, describe

_INTRODUCTION = """\
# Documents and units

Every record that surfalign stores is one of these pydantic models
(`surfalign.stores.documents`). They are the same for every engine. A field that holds a quantity
declares its unit; *see unit* means the unit stands beside the number in the same record, and 1 a
dimensionless number. Energies of electrons are electron potential energies: higher is less bound.

`SurfaceLevelsDocument` is the result: what {ref}`queries <query-language>` filter by, `--json`
writes, and exports hold. The others are the outputs of single steps, kept in the collection `jobs`.

`docs/reference/schema/` in the repository holds the same as JSON schema, one file a document, for programs
that read results without surfalign. A number that is not finite is written as null, which the schemas allow.
"""


def reference_page() -> str:
    """Return the page in Markdown: one table a document, the result first."""
    models = sorted(_documents(), key=lambda model: model is not SurfaceLevelsDocument)
    return "\n".join([_INTRODUCTION, *(_section(model) for model in models)])


def schemas() -> dict[str, str]:
    """Return the JSON schema of each document by the document's name; numbers have their ``unit``."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    found = {}
    for model in _documents():
        schema = model.model_json_schema()
        for part in schema["$defs"].values():
            # The whole docstring of a dataclass; pydantic below 2.12 leaves it out.
            if "\n" in part.get("description", ""):
                del part["description"]
        _allow_null(schema)
        found[model.__name__] = json.dumps(dialect | schema, indent=2) + "\n"
    return found


def _allow_null(schema: Any) -> None:
    """Let each number of a JSON schema be null as well: this is how one that is not finite is written."""
    if isinstance(schema, list):
        for part in schema:
            _allow_null(part)
    elif isinstance(schema, dict):
        choices = schema.get("anyOf", ())
        if schema.get("type") == "number":
            schema["type"] = ["number", "null"]
        for name, part in schema.items():
            # A choice that is null already stays as it is.
            if name != "anyOf" or {"type": "null"} not in choices:
                _allow_null(part)
            else:
                _allow_null([choice for choice in choices if choice.get("type") != "number"])


def write_reference(folder: Path) -> None:
    """Write the page and the schemas into the folder of the reference pages.

    Schemas of documents that exist no more are deleted.
    """
    (folder / "documents.md").write_text(reference_page())
    (folder / "schema").mkdir(exist_ok=True)
    for old in (folder / "schema").glob("*.json"):
        old.unlink()
    for name, text in schemas().items():
        (folder / "schema" / f"{name}.json").write_text(text)


def _documents() -> list[type[Document]]:
    """Return the documents without the records that only occur inside others."""
    return [model for model in all_documents() if model.__name__.endswith("Document")]


def _section(model: type[Document]) -> str:
    rows = "\n".join(_row(field) for field in describe(model).values())
    summary = inspect.cleandoc(model.__doc__ or "")
    return (
        f"## {model.__name__}\n\n{summary}\n\n"
        "| Field | Holds | Unit | Meaning |\n|---|---|---|---|\n"
        f"{rows}\n"
    )


def _row(field: FieldDescription) -> str:
    holds = f"{field.kind}: {', '.join(field.choices)}" if field.choices else str(field.kind)
    if field.repeated and field.kind is not Kind.MAPPING:
        holds = f"list of {holds}"
    unit = field.unit or ""
    meaning = field.description.replace("|", "\\|")
    return f"| `{field.path}` | {holds} | {unit} | {meaning} |"


if __name__ == "__main__":
    write_reference(Path(sys.argv[1]))
