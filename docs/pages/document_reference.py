"""The reference page of all documents and their fields, written from the models themselves.

``python docs/pages/document_reference.py > docs/reference/documents.md`` remakes it.
"""

from __future__ import annotations

import inspect

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
"""


def reference_page() -> str:
    """Return the page in Markdown: one table a document, the result first."""
    models = [model for model in all_documents() if not _is_part(model)]
    models.sort(key=lambda model: model is not SurfaceLevelsDocument)
    return "\n".join([_INTRODUCTION, *(_section(model) for model in models)])


def _is_part(model: type[Document]) -> bool:
    """Whether the record only occurs inside others, whose tables list its fields."""
    return not model.__name__.endswith("Document")


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
    print(reference_page(), end="")
