"""What is small of a result, for lists and searches among tens of thousands.

A stored result is some 40 kB, of which structures, curves and settings are nearly all. Its summary holds the
rest, and of its cells what they are made of.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.query.fields import large_fields
from surfalign.stores.query.language import Filter
from surfalign.stores.query.matching import holds
from surfalign.stores.query.results import collection_of

if TYPE_CHECKING:
    from surfalign.stores.database import Database

#: Fields of a result that its summary leaves out.
LEFT_OUT = frozenset(
    [*large_fields(SurfaceLevelsDocument), "_id", "settings", "checks", "timings", "corrections"]
)
#: Cells of a result, with the field of the summary that tells what they are made of.
CELLS = {"slab_structure": "slab_cell", "bulk_structure": "bulk_cell"}


def summary(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the summary of a stored result.

    Returns
    -------
    dict
        The fields of the result but for :data:`LEFT_OUT`, and for each of its cells ``composition`` (element
        to number of atoms) and ``key`` (equal for equal cells); None where it has no such cell.
    """
    kept = {name: value for name, value in record.items() if name not in LEFT_OUT}
    return kept | {name: _cell(record.get(field)) for field, name in CELLS.items()}


def summaries(database: Database, *, within: Filter | None = None) -> Iterator[dict[str, Any]]:
    """Yield the summaries of all results that may be seen.

    Parameters
    ----------
    database
        Where they are.
    within
        MongoDB's filter of the results that may be seen; None lets all be seen.
    """
    read = ["potential", "unrelaxed_slab_structure", "settings", "checks", "timings"]
    with database.errors_named():
        # What may be seen is asked here, as everywhere, and not of the database.
        for record in collection_of(database).find({}, dict.fromkeys(read, 0)):
            if holds(within or {}, record):
                yield summary(record)


def _cell(structure: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if structure is None:
        return None
    sites = [
        (site["species"][0]["element"], [round(x, 5) for x in site["abc"]])
        for site in structure["sites"]
    ]
    matrix = [[round(x, 5) for x in row] for row in structure["lattice"]["matrix"]]
    text = json.dumps([matrix, sites])
    return {
        "composition": dict(sorted(Counter(element for element, _ in sites).items())),
        "key": hashlib.sha256(text.encode()).hexdigest()[:16],
    }
