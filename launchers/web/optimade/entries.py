"""The entries: slabs and bulk crystals of the results, and the references that they rest on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache, reduce
from math import gcd
from operator import itemgetter
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from surfalign.launchers.web.optimade.properties import OWN_PREFIX, vocabulary_of

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from surfalign.stores.documents import SurfaceLevelsDocument

#: The method behind all levels.
METHOD = {
    "id": "doi:10.1021/jacs.3c13574",
    "type": "references",
    "last_modified": datetime(2024, 4, 1, tzinfo=UTC),
    "bib_type": "article",
    "authors": [
        {"name": name, "firstname": name.split()[0], "lastname": name.split()[1]}
        for name in ("Shin Kiyohara", "Yoyo Hinuma", "Fumiyasu Oba")
    ],
    "title": "Band Alignment of Oxides by Learnable Structural-Descriptor-Aided Neural Network and Transfer "
    "Learning",
    "journal": "Journal of the American Chemical Society",
    "volume": "146",
    "pages": "9697",
    "year": "2024",
    "doi": "10.1021/jacs.3c13574",
    "url": "https://doi.org/10.1021/jacs.3c13574",
}
#: Fields of a result that belong to its bulk crystal, too; the others are of the surface.
_OF_BULK = frozenset(
    [
        "formula",
        "space_group_symbol",
        "space_group_number",
        "source",
        "crystal_notes",
        "functional",
        "semilocal_functional",
        "quality",
        "band_gap",
        "semilocal_band_gap",
        "dielectric_constant",
        "exchange_fraction",
        "engine",
        "engine_version",
    ]
)


#: Elements in alphabetical order, each with its number of atoms.
Composition = tuple[tuple[str, int], ...]
#: Fields of results that entries keep.
_KEPT = (
    "identifier",
    "created_at",
    *(
        name.removeprefix(OWN_PREFIX)
        for name in vocabulary_of("structures").properties
        if name.startswith(OWN_PREFIX)
    ),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A structure with what can be searched of it; its sites are read when it is shown.

    Parameters
    ----------
    id
        Of the entry.
    kind
        'slab' or 'bulk'.
    result
        Fields of the result that it is from; of those with the same bulk crystal the first.
    composition
        Elements in alphabetical order, each with its number of atoms.
    related
        Entries of its bulk crystal, or of the slabs of it.
    """

    id: str
    kind: str
    result: Mapping[str, Any]
    composition: Composition
    related: tuple[str, ...]

    def value(self, name: str) -> Any:
        """Return the value of a property; None where it is unknown."""
        if name.startswith(OWN_PREFIX):
            return self._own(name.removeprefix(OWN_PREFIX))
        if name in _STANDARD:
            return _STANDARD[name](self)
        return _of_composition(self.composition).get(name)

    def _own(self, field: str) -> Any:
        if field == "kind":
            return self.kind
        if self.kind == "bulk" and field not in _OF_BULK:
            return None
        if field == "checks_passed":
            return self.result.get("state") == "passed"
        value = self.result.get(field)
        # An empty text, and the space group 0, stand for what is not known.
        return None if value == "" or (field == "space_group_number" and value == 0) else value


def _space_group(entry: Entry) -> int | None:
    """Return the space group of a bulk crystal; that of a slab is not asked for by the specification."""
    return (entry.result.get("space_group_number") or None) if entry.kind == "bulk" else None


def _usual_formula(entry: Entry) -> str | None:
    """Return the formula as chemists write it; of a slab with oxygen too much or too little, its own."""
    if entry.kind == "slab" and entry.result.get("excess_oxygen"):
        return str(entry.value("chemical_formula_reduced"))
    return entry.result.get("formula") or None


_STANDARD: dict[str, Callable[[Entry], Any]] = {
    "id": lambda entry: entry.id,
    "type": lambda entry: "structures",
    "last_modified": lambda entry: as_time(entry.result["created_at"]),
    "chemical_formula_descriptive": _usual_formula,
    "dimension_types": lambda entry: [1, 1, int(entry.kind == "bulk")],
    "nperiodic_dimensions": lambda entry: 3 if entry.kind == "bulk" else 2,
    "structure_features": lambda entry: [],
    "space_group_it_number": _space_group,
    "structures.id": lambda entry: list(entry.related),
    "references.id": lambda entry: [METHOD["id"]],
}


@dataclass(frozen=True)
class Reference:
    """A publication."""

    content: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Its identifier."""
        return str(self.content["id"])

    def value(self, name: str) -> Any:
        """Return the value of a property; None where it is unknown."""
        return self.content.get(name)


def entries(summaries: Iterable[Mapping[str, Any]]) -> list[Entry]:
    """Return the entries of results, in the order of their identifiers.

    A bulk crystal is one entry for each method and quality, however many surfaces were cut from it.
    """
    shared = _Shared()
    found: list[Entry] = []
    cut: dict[str, list[str]] = {}
    # Each summary is made small before the next one is read.
    rows = [(str(one["identifier"]), *_small(one, shared)) for one in summaries]
    for identifier, fields, slab, bulk, bulk_id in sorted(rows, key=itemgetter(0)):
        if bulk_id is not None and bulk is not None and bulk_id not in cut:
            cut[bulk_id] = []
            # Its slabs are known when all results are: the tuple is made below.
            found.append(Entry(bulk_id, "bulk", fields, bulk, ()))
        if slab is not None:
            related = () if bulk_id is None else (bulk_id,)
            found.append(Entry(identifier, "slab", fields, slab, related))
            if bulk_id is not None:
                cut[bulk_id].append(identifier)
    whole = (
        replace(entry, related=tuple(cut[entry.id])) if entry.kind == "bulk" else entry
        for entry in found
    )
    return sorted(whole, key=lambda entry: entry.id)


def sites(structure: Structure) -> dict[str, Any]:
    """Return the cell and the sites of a structure as the specification writes them."""
    elements = sorted({site.specie.symbol for site in structure})
    return {
        "lattice_vectors": structure.lattice.matrix.tolist(),
        "cartesian_site_positions": structure.cart_coords.tolist(),
        "species": [
            {"name": name, "chemical_symbols": [name], "concentration": [1.0]} for name in elements
        ],
        "species_at_sites": [site.specie.symbol for site in structure],
    }


def structure_of(entry: Entry, document: SurfaceLevelsDocument) -> Structure | None:
    """Return the structure of an entry from its whole result."""
    return document.slab_structure if entry.kind == "slab" else document.bulk_structure


def relationships(entry: Entry | Reference) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the types of related entries with their links."""
    if isinstance(entry, Reference):
        return
    if entry.related:
        said = "bulk crystal of the slab" if entry.kind == "slab" else "slab cut from the crystal"
        yield (
            "structures",
            [
                {"type": "structures", "id": id_, "meta": {"description": said}}
                for id_ in entry.related
            ],
        )
    yield (
        "references",
        [
            {
                "type": "references",
                "id": METHOD["id"],
                "meta": {"description": "method of the levels"},
            }
        ],
    )


def as_time(value: Any) -> datetime:
    """Return a time as it was stored, in UTC."""
    time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _small(
    one: Mapping[str, Any], shared: _Shared
) -> tuple[Mapping[str, Any], Composition | None, Composition | None, str | None]:
    """Return what entries keep of a summary: fields, composition of slab and of bulk, bulk crystal."""
    fields = {name: shared(one[name]) for name in _KEPT if one.get(name) not in (None, "")}
    slab, bulk = shared.composition(one["slab_cell"]), shared.composition(one["bulk_cell"])
    return fields, slab, bulk, shared(_bulk_id(one))


class _Shared:
    """Equal texts and compositions once in memory, for there are tens of thousands of entries."""

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    def __call__(self, value: Any) -> Any:
        if isinstance(value, str | tuple):
            return self._known.setdefault(value, value)
        return value

    def composition(self, cell: Mapping[str, Any] | None) -> Composition | None:
        if cell is None:
            return None
        found: Composition = self(tuple(sorted(cell["composition"].items())))
        return found


def _bulk_id(result: Mapping[str, Any]) -> str | None:
    cell = result["bulk_cell"]
    if cell is None:
        return None
    return "-".join(
        ["bulk", cell["key"], str(result.get("functional")), str(result.get("quality"))]
    )


@lru_cache(maxsize=10_000)
def _of_composition(composition: Composition) -> dict[str, Any]:
    """Return what elements and their numbers in the cell say."""
    total = sum(number for _, number in composition)
    divisor = reduce(gcd, (number for _, number in composition))
    smallest = {element: number // divisor for element, number in composition}
    return {
        "elements": [element for element, _ in composition],
        "nelements": len(composition),
        "elements_ratios": [number / total for _, number in composition],
        "nsites": total,
        "chemical_formula_reduced": _formula(smallest.items()),
        "chemical_formula_anonymous": _formula(
            zip(ascii_uppercase, sorted(smallest.values(), reverse=True), strict=False)
        ),
    }


def _formula(parts: Iterable[tuple[str, int]]) -> str:
    return "".join(f"{name}{number if number > 1 else ''}" for name, number in parts)
