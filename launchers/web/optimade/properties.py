"""The properties of entries: those of the specification that we serve, and our own, with units."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from optimade.models import ReferenceResource, StructureResource
from pydantic import BaseModel

from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.query.fields import FieldDescription, Kind, describe

#: Prefix of our own properties.
OWN_PREFIX = "_surfalign_"
#: Types of the standard properties that we serve; lists with the type of their items.
STANDARD_TYPES = {
    "structures": {
        "id": "string", "type": "string", "last_modified": "timestamp",
        "elements": "list of string", "nelements": "integer", "elements_ratios": "list of float",
        "chemical_formula_descriptive": "string", "chemical_formula_reduced": "string",
        "chemical_formula_anonymous": "string", "dimension_types": "list of integer",
        "nperiodic_dimensions": "integer", "lattice_vectors": "list of list",
        "cartesian_site_positions": "list of list", "nsites": "integer",
        "species": "list of dictionary", "species_at_sites": "list of string",
        "space_group_it_number": "integer", "structure_features": "list of string",
    },
    "references": {
        "id": "string", "type": "string", "last_modified": "timestamp",
        "authors": "list of dictionary", "title": "string", "journal": "string", "volume": "string",
        "pages": "string", "year": "string", "doi": "string", "url": "string", "bib_type": "string",
    },
}  # fmt: skip
#: Standard properties that are in an answer only when they are asked for.
ON_REQUEST = frozenset({"space_group_it_number"})
#: Standard properties that cannot be searched or sorted by: whole cells, read for the entries of a page alone.
OF_CELLS = frozenset({"lattice_vectors", "cartesian_site_positions", "species", "species_at_sites"})
_MODELS: dict[str, type[BaseModel]] = {
    "structures": StructureResource,
    "references": ReferenceResource,
}
_OWN_TYPES = {
    Kind.NUMBER: "float",
    Kind.INTEGER: "integer",
    Kind.BOOLEAN: "boolean",
    Kind.TEXT: "string",
    Kind.CHOICE: "string",
}
#: Units as UCUM writes them.
_UCUM = {"angstrom": "Ao", "angstrom^2": "Ao2", "J/m^2": "J/m2"}
#: Fields of results that are no property, because a standard one says the same.
_SAID_ELSEWHERE = frozenset({"created_at"})


@dataclass(frozen=True)
class Property:
    """A property of entries of one type.

    Parameters
    ----------
    name
        With its prefix.
    type
        One of the specification: string, integer, float, boolean, timestamp, list or dictionary.
    description
        What it means.
    unit
        UCUM unit; None where it has none.
    items
        Type of the items of a list.
    """

    name: str
    type: str
    description: str
    unit: str | None = None
    items: str | None = None

    @property
    def is_searchable(self) -> bool:
        """Whether filters may name it."""
        return self.name not in OF_CELLS and self.type != "dictionary" and not self.is_nested

    @property
    def is_nested(self) -> bool:
        """Whether it is a list of lists or dictionaries."""
        return self.items in ("list", "dictionary")

    @property
    def is_sortable(self) -> bool:
        """Whether entries can be sorted by it."""
        return self.is_searchable and self.type != "list"

    def definition(self) -> dict[str, Any]:
        """Return how ``/info`` describes it."""
        said: dict[str, Any] = {
            "description": self.description,
            "type": self.type,
            "sortable": self.is_sortable,
            "x-optimade-type": self.type,
            "x-optimade-implementation": {
                "sortable": self.is_sortable,
                "query-support": "all optional" if self.is_searchable else "none",
            },
        }
        return said if self.unit is None else said | {"unit": self.unit}


@dataclass(frozen=True)
class Vocabulary:
    """What can be asked of entries of one type.

    Attributes
    ----------
    properties
        By name.
    standard
        All names that the specification gives to properties of the type, served or not.
    """

    properties: dict[str, Property]
    standard: frozenset[str]


@cache
def vocabulary_of(entry_type: str) -> Vocabulary:
    """Return what can be asked of structures or of references."""
    found = _standard(entry_type)
    if entry_type == "structures":
        found |= _own()
    attributes: Any = _MODELS[entry_type].model_fields["attributes"].annotation
    return Vocabulary(found, frozenset({"id", "type", *attributes.model_fields}))


def _standard(entry_type: str) -> dict[str, Property]:
    model = _MODELS[entry_type]
    attributes: Any = model.model_fields["attributes"].annotation
    described = attributes.model_fields | {
        name: model.model_fields[name] for name in ("id", "type")
    }
    found = {}
    for name, type_ in STANDARD_TYPES[entry_type].items():
        outer, _, items = type_.partition(" of ")
        field = described[name]
        unit = (field.json_schema_extra or {}).get("x-optimade-unit")
        found[name] = Property(
            name, outer, field.description or "", "Ao" if unit == "Å" else unit, items or None
        )
    return found


def _own() -> dict[str, Property]:
    own = [
        Property(f"{OWN_PREFIX}kind", "string", "'slab' or 'bulk': what the structure is"),
        Property(
            f"{OWN_PREFIX}miller_index", "list", "Orientation h, k, l in the conventional cell",
            items="integer",
        ),
        Property(f"{OWN_PREFIX}checks_passed", "boolean", "Whether all checks of the result passed"),
    ]  # fmt: skip
    for path, field in describe(SurfaceLevelsDocument).items():
        if "." not in path and field.kind in _OWN_TYPES and path not in _SAID_ELSEWHERE:
            own.append(_of_field(path, field))
    return {one.name: one for one in own}


def _of_field(path: str, field: FieldDescription) -> Property:
    type_ = _OWN_TYPES[field.kind]
    meaning = field.description
    if field.choices:
        meaning += f". One of {', '.join(field.choices)}"
    unit = None if field.unit is None else _UCUM.get(field.unit, field.unit)
    if field.repeated:
        return Property(OWN_PREFIX + path, "list", meaning, unit, items=type_)
    return Property(OWN_PREFIX + path, type_, meaning, unit)
