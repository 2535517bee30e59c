"""The fields of documents: dotted path, kind, unit and meaning, read off the pydantic models.

The query language, the exports and the reference page all use this one description, so that a new field
of a document is queryable, exported and documented without further work.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pymatgen.core import Structure

from surfalign.stores import documents
from surfalign.stores.documents import Document


class Kind(StrEnum):
    """What a field holds."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TEXT = "text"
    CHOICE = "choice"
    TIME = "time"
    VECTOR = "vector"
    MAPPING = "mapping"
    STRUCTURE = "structure"
    RECORD = "record"


#: Kinds of plain Python types. bool comes before int, of which it is a subclass.
_KINDS = {
    bool: Kind.BOOLEAN,
    int: Kind.INTEGER,
    float: Kind.NUMBER,
    str: Kind.TEXT,
    datetime: Kind.TIME,
    Structure: Kind.STRUCTURE,
}

#: The unit of a number that stands beside a field ``unit`` of the same record.
UNIT_IN_RECORD = "see unit"


@dataclass(frozen=True)
class FieldDescription:
    """One field of a document, or of a record inside it.

    Parameters
    ----------
    path
        Name, dotted below the top level.
    kind
        What it holds; the kind of the items where ``repeated``.
    unit
        Unit of a number; None where it has none or is not declared.
    description
        Meaning.
    repeated
        Whether it, or a record around it, is a list.
    choices
        Allowed values of a choice.
    default
        Value of a choice that stands where a document, as one of an earlier version, has none.
    """

    path: str
    kind: Kind
    unit: str | None
    description: str
    repeated: bool = False
    choices: tuple[str, ...] = ()
    default: str | None = None


@cache
def describe(model: type[Document]) -> dict[str, FieldDescription]:
    """Return all fields of a document by dotted path, records before what they hold."""
    return {field.path: field for field in _walk(model, prefix="", repeated=False)}


def all_documents() -> list[type[Document]]:
    """Return every document class, in the order of their definition."""
    return [
        value
        for value in vars(documents).values()
        if isinstance(value, type) and issubclass(value, Document) and value is not Document
    ]


def large_fields(model: type[Document]) -> list[str]:
    """Return the top-level fields that hold structures or long curves, not plain values."""
    described = describe(model)
    large = {
        field.path.partition(".")[0]
        for field in described.values()
        if field.kind is Kind.STRUCTURE
        or (field.kind is Kind.NUMBER and _is_curve(field, described))
    }
    return [path for path in described if path in large]


def _is_curve(field: FieldDescription, described: dict[str, FieldDescription]) -> bool:
    """Tell a list of numbers from a number in a list of records."""
    parent = described.get(field.path.rpartition(".")[0])
    return field.repeated and not (parent is not None and parent.repeated)


def _walk(model: type, prefix: str, repeated: bool) -> Iterator[FieldDescription]:
    for name, annotation, info in _own_fields(model):
        inner, is_list = _unwrapped(annotation)
        description = FieldDescription(
            path=prefix + name,
            kind=_kind(inner),
            unit=_unit(info),
            description=_meaning(info),
            repeated=repeated or is_list,
            choices=_choices(inner),
            default=info.default.value if info and isinstance(info.default, Enum) else None,
        )
        yield description
        if description.kind is Kind.RECORD:
            yield from _walk(inner, f"{prefix}{name}.", description.repeated)


def _own_fields(model: type) -> Iterator[tuple[str, Any, FieldInfo | None]]:
    """Yield name, type and declaration of the fields of a pydantic model or a dataclass."""
    if issubclass(model, BaseModel):
        for name, info in model.model_fields.items():
            yield name, info.annotation, info
        return
    hints = get_type_hints(model)
    has_unit = hints.get("unit") is str
    for name, hint in hints.items():
        yield name, hint, _declaration(UNIT_IN_RECORD if has_unit and hint is float else None)


def _declaration(unit: str | None) -> FieldInfo | None:
    return None if unit is None else FieldInfo(json_schema_extra={"unit": unit})


def _unwrapped(annotation: Any) -> tuple[Any, bool]:
    """Return the type inside ``X | None`` and ``list[X]``, and whether it was in a list."""
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(item for item in get_args(annotation) if item is not type(None))
    if get_origin(annotation) is list:
        return get_args(annotation)[0], True
    return annotation, False


def _kind(inner: Any) -> Kind:
    if get_origin(inner) is tuple:
        return Kind.VECTOR
    if get_origin(inner) is dict:
        return Kind.MAPPING
    if issubclass(inner, Enum):
        return Kind.CHOICE
    if issubclass(inner, BaseModel) or dataclasses.is_dataclass(inner):
        return Kind.RECORD
    return _KINDS[inner]


def _unit(info: FieldInfo | None) -> str | None:
    extra = info.json_schema_extra if info is not None else None
    unit = extra.get("unit") if isinstance(extra, dict) else None
    return str(unit) if unit is not None else None


def _meaning(info: FieldInfo | None) -> str:
    """Return the description without the unit that ends it."""
    text = (info.description if info is not None else None) or ""
    return text.removesuffix(f" ({_unit(info)})")


def _choices(inner: Any) -> tuple[str, ...]:
    if isinstance(inner, type) and issubclass(inner, Enum):
        return tuple(str(item.value) for item in inner)
    return ()
