"""Shares of equilibrium shapes in the stored results, renewed whenever a result of the crystal is.

A share belongs to one result but depends on all results of its crystal: a later one can take area from it. It
is therefore written after the results themselves, and beside each share stands a hash of what it was made
of. A pass compares the hashes and makes only those shapes anew that have changed; a result that was
rewritten has lost its hash. That way shares can be asked for, sorted by and exported like any field.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from maggma.core import Store
from pymongo import UpdateOne

from surfalign.batches import batches
from surfalign.errors import SurfalignError
from surfalign.hashing import hash_of
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.stores.builders import Renew, SurfaceLevelsBuilder
from surfalign.stores.database import Database
from surfalign.stores.documents import ResultState, SurfaceLevelsDocument
from surfalign.stores.query.summaries import summaries_kept
from surfalign.stores.shapes.selection import Selection, youngest
from surfalign.stores.shapes.shape import crystal_shape, terminations_by_orientation, weights
from surfalign.stores.sharing.register import SharingRegister

#: Where a result keeps the hash of what its share was made of.
SHAPE_OF = "shape_of"
#: Raised when shares are computed otherwise.
_VERSION = 1
_BATCH_SIZE = 100
#: What makes results those of one crystal and of energies that compare.
_SAME = ("engine", "semilocal_functional", "quality", "relaxed")
_READ = (
    "identifier", "state", "formula", "functional", "surface_name", "miller_index", "surface_energy",
    "excess_oxygen", "created_at", "provenance.bulk", SHAPE_OF, *_SAME,
)  # fmt: skip

Record = dict[str, Any]


def build_results(
    database: Database,
    renew: Renew,
    *,
    recompute_all: bool = False,
    compare_all: bool = False,
) -> int:
    """Bring the results up to date, and the shares with them; return how many results were written.

    Parameters as for :class:`~surfalign.stores.builders.SurfaceLevelsBuilder`.
    """
    builder = SurfaceLevelsBuilder(
        database.jobs,
        database.surface_levels,
        recompute_all=recompute_all,
        compare_all=compare_all,
        renew=renew,
    )
    written = builder.run()
    SharingRegister(database).repair()
    if written or compare_all:
        build_shapes(database.surface_levels)
    return written


def build_shapes(surface_levels: Store) -> int:
    """Write the shares of all crystals whose results have changed; return how many crystals."""
    collection = surface_levels._collection
    groups: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    passed = {"state": ResultState.PASSED.value, "provenance.bulk": {"$exists": True}}
    for record in collection.find(passed, {"_id": 0} | dict.fromkeys(_READ, 1)):
        groups[_key(record)].append(record)
    stale = [(group, mark) for group in groups.values() if (mark := _stale_mark(group))]
    for batch in batches(stale, _BATCH_SIZE):
        changes = {
            identifier: UpdateOne({"identifier": identifier}, {"$set": values | {SHAPE_OF: mark}})
            for group, mark in batch
            for identifier, values in _shares(collection, group).items()
        }
        with summaries_kept(collection, changes):
            collection.bulk_write(list(changes.values()), ordered=False)
    return len(stale)


def _key(record: Mapping[str, Any]) -> tuple[Any, ...]:
    return (record["provenance"]["bulk"], *(record.get(name) for name in _SAME))


def _stale_mark(group: Sequence[Mapping[str, Any]]) -> str:
    """Return the hash of what the shares of a crystal are made of; empty where all have it already."""
    facts = sorted((r["identifier"], str(r.get("surface_energy"))) for r in group)
    mark = hash_of({"version": _VERSION, "facts": facts})[:16]
    return "" if all(record.get(SHAPE_OF) == mark for record in group) else mark


def _shares(collection: Any, group: Sequence[Record]) -> dict[str, dict[str, float | None]]:
    """Return the share and weight of each result; None where there is no closed shape."""
    documents = [SurfaceLevelsDocument.model_validate(record) for record in group]
    first = collection.find_one({"identifier": group[0]["identifier"]}, {"bulk_structure": 1})
    bulk = SurfaceLevelsDocument.model_validate(group[0] | (first or {})).bulk_structure
    covered: dict[str, float] = {}
    areas: dict[str, float] = {}
    # A crystal of which nothing can be made must not stop the build of the others.
    with suppress(SurfalignError):
        if bulk is not None:
            selection = Selection(symmetrize(bulk), youngest(documents), [])
            for index, terminations in terminations_by_orientation(selection).items():
                shown = weights(selection.crystal, index, terminations)
                covered |= {d.surface_name: w for d, w in zip(terminations, shown, strict=True)}
            made = crystal_shape(selection)
            areas = {t.document.surface_name: t.area_fraction for t in made.terminations}
    # Results of one surface by several functionals share its energy, and so its shares.
    return {
        document.identifier: {
            "area_fraction": areas.get(document.surface_name),
            "termination_weight": covered.get(document.surface_name),
        }
        for document in documents
    }
