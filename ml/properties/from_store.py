"""Data sets of declared properties from the results of the store."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from surfalign.errors import EmptyDatasetError, MixedLevelsError, UnknownPropertyError
from surfalign.ml.data.datasets import FrozenDataset, freeze
from surfalign.ml.data.from_results import FLAGGED_WEIGHT, freeze_results
from surfalign.ml.data.records import Label, SurfaceRecord, surface_record
from surfalign.ml.properties.declarations import Declarations, Declared
from surfalign.ml.properties.property import Level
from surfalign.ml.properties.units import factor
from surfalign.stores.documents import ResultState, SurfaceLevelsDocument
from surfalign.stores.query.fields import Kind, describe

NO_NUMBER = "no number in the fields of the properties"
SAME_CRYSTAL = "a crystal that another result has named"


def freeze_fields(
    documents: Iterable[SurfaceLevelsDocument],
    declarations: Declarations,
    *,
    flagged: bool = False,
    mixed: bool = False,
) -> FrozenDataset:
    """Freeze fields of results as declared properties: of their slabs, or of their crystals.

    Which results count, and of which method, is as for
    :func:`~surfalign.ml.data.from_results.freeze_results`. A crystal counts once, whatever its surfaces.

    Parameters
    ----------
    documents
        Results with their structures.
    declarations
        Properties; ``column`` is the field of a result, e.g. ``dielectric_constant``.
    flagged, mixed
        Whether results with failed checks, and of several methods, are kept.

    Raises
    ------
    MixedLevelsError
        When the properties are of atoms.
    UnknownPropertyError
        When a result has no such field, or one that is no number.
    MixedUnitsError
        When a field is declared with a unit of another kind.
    LearnerError
        As :func:`~surfalign.ml.data.from_results.freeze_results`.
    """
    if declarations.level is Level.ATOM:
        raise MixedLevelsError(
            "properties of atoms are declared, and results of the store hold none",
            "properties of slabs or crystals",
            "bring numbers of atoms in a table: --table FILE",
        )
    factors = {one.column: _factor(one) for one in declarations.properties}
    documents = list(documents)
    results = freeze_results(documents, flagged=flagged, mixed=mixed)
    by_source = {f"store:{document.identifier}": document for document in documents}
    left_out: dict[str, list[str]] = defaultdict(
        list, {k: list(v) for k, v in results.left_out.items()}
    )
    records: dict[str, SurfaceRecord] = {}
    for record in results.records:
        document = by_source[record.source]
        labels = _labels(document, record, declarations, factors)
        found = _structure(document, record, declarations.level, labels)
        if not labels or found is None:
            left_out[NO_NUMBER].append(record.name)
        elif found.name in records:
            left_out[SAME_CRYSTAL].append(record.name)
        else:
            records[found.name] = found
    if not records:
        raise EmptyDatasetError(
            f"no result has a number in {', '.join(factors)}",
            "results that have one",
            "compute some",
        )
    used = {label.fidelity for record in records.values() for label in record.labels}
    return freeze(
        "store",
        list(records.values()),
        fidelities=[one for key, one in results.fidelities.items() if key in used],
        left_out=left_out,
        declared=[one.property for one in declarations.properties],
        description="fields of results of the store",
    )


def _factor(declared: Declared) -> float:
    """Return what a field of a result is multiplied by to be in the unit of its property."""
    fields = describe(SurfaceLevelsDocument)
    field = fields.get(declared.column)
    if field is None or field.kind is not Kind.NUMBER or field.repeated or "." in field.path:
        numbers = [f.path for f in fields.values() if f.kind is Kind.NUMBER and "." not in f.path]
        raise UnknownPropertyError(
            f"results have no number {declared.column!r} for {declared.property.name}",
            f"one of {', '.join(numbers)}",
            "name the field in the file of properties: column: ...",
        )
    return factor(field.unit or "1", declared.property.unit, declared.property.name)


def _labels(
    document: SurfaceLevelsDocument,
    record: SurfaceRecord,
    declarations: Declarations,
    factors: dict[str, float],
) -> list[Label]:
    """Return the declared numbers of a result, of the method of its levels."""
    weight = FLAGGED_WEIGHT if document.state is ResultState.FLAGGED else 1.0
    labels = []
    for declared in declarations.properties:
        value = getattr(document, declared.column)
        if value is None or not math.isfinite(value):
            continue
        value *= factors[declared.column]
        declared.property.check(value, record.name)
        labels.append(
            Label(
                name=declared.property.name,
                value=value,
                unit=declared.property.unit,
                fidelity=record.labels[0].fidelity,
                weight=weight,
            )
        )
    return labels


def _structure(
    document: SurfaceLevelsDocument, record: SurfaceRecord, level: Level, labels: list[Label]
) -> SurfaceRecord | None:
    """Return the slab, or the crystal that it was cut from; None where the result holds none."""
    if level is Level.SLAB:
        return replace(record, labels=tuple(labels))
    if document.bulk_structure is None:
        return None
    return surface_record(
        f"{document.formula} {document.source}",
        document.bulk_structure,
        record.source,
        labels=labels,
        space_group_number=record.space_group_number,
        level=level,
    )
