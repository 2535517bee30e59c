"""Predicted surfaces for a screening."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surfalign.ml.data.records import SurfaceRecord
from surfalign.ml.models.model_registry import ModelRegistry
from surfalign.ml.models.prediction import PredictedSurface, predict_distributions
from surfalign.stores.documents import ResultState
from surfalign.stores.query.matching import matches
from surfalign.stores.screening.candidates import Candidate, Candidates


def predicted_candidates(
    records: Sequence[SurfaceRecord],
    registry: ModelRegistry,
    *,
    model: str | None = None,
    version: str | None = None,
    query: str = "",
    flagged: bool = False,
) -> Candidates:
    """Predict slabs and return them as candidates.

    Parameters
    ----------
    records
        The slabs.
    registry, model, version
        What predicts; by default the champion of the model that was promoted last.
    query
        Text of the query language; predictions that it does not match are no candidates. They have name,
        formula, Miller index, space group, levels and gap, and the functional that the model learned.
    flagged
        Whether surfaces with elements that the model has never seen are used, and marked.

    Raises
    ------
    ModelNotFoundError
        When there is no such model or version.
    UncalibratedModelError
        When the model has no intervals of both levels.
    QuerySyntaxError
        When the query cannot be understood.
    """
    functional = registry.card(model or registry.latest(), version).fidelity.split("/")[1]
    predictions, distribution = predict_distributions(records, registry, model, version)
    kept, left_out = [], []
    for row, prediction in enumerate(predictions):
        if not matches(query, _as_result(prediction, functional)):
            continue
        unknown = ", ".join(prediction.estimate.unknown_elements)
        if unknown and not flagged:
            left_out.append(
                (prediction.name, f"the model has never seen {unknown} (--flagged uses it)")
            )
        else:
            kept.append(row)
    surfaces = tuple(
        Candidate(
            name=predictions[row].name,
            formula=predictions[row].record.formula,
            source="predicted",
            crystal=predictions[row].record.source,
            identifier=predictions[row].model,
            method=functional,
            remarks=() if predictions[row].estimate.in_domain else ("outside domain",),
        )
        for row in kept
    )
    parts = (distribution.take(np.array(kept)),) if kept else ()
    return Candidates(surfaces, parts, tuple(left_out))


def _as_result(prediction: PredictedSurface, functional: str) -> dict[str, object]:
    """Return the fields of a stored result that a prediction has."""
    ip, ea = prediction.ionization_potential, prediction.electron_affinity
    index = prediction.record.miller_index
    return {
        "surface_name": prediction.name,
        "formula": prediction.record.formula,
        "source": prediction.record.source,
        "miller_index": None if index is None else list(index),
        "space_group_number": prediction.record.space_group_number,
        "state": ResultState.PASSED,
        "functional": functional,
        "relaxed": True,
        "ionization_potential": ip,
        "electron_affinity": ea,
        "band_gap": None if ip is None or ea is None else ip - ea,
    }
