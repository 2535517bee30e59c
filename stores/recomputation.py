"""The levels of a stored result, computed again from the stored documents of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monty.json import jsanitize

from surfalign.errors import SurfalignError
from surfalign.physics.lattice.identifiers import earlier_surface_identifier, surface_identifier
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.stores.documents import (
    BandEdgesDocument,
    BulkDocument,
    DielectricDocument,
    Document,
    ErrorRecord,
    ResultState,
    SlabPotentialDocument,
    SlabRelaxationDocument,
    SurfaceDescription,
    SurfaceIdentity,
    SurfaceLevelsDocument,
)
from surfalign.stores.levels import SurfaceSteps, surface_levels

_DOCUMENTS: dict[str, type[Document]] = {
    "bulk": BulkDocument,
    "dielectric": DielectricDocument,
    "band_edges": BandEdgesDocument,
    "oriented_bulk": BulkDocument,
    "slab_relaxation": SlabRelaxationDocument,
    "slab_potential": SlabPotentialDocument,
    "hydrogen_molecule": SlabPotentialDocument,
    "water_molecule": SlabPotentialDocument,
}
_REQUIRED = frozenset({"bulk", "band_edges", "oriented_bulk", "slab_potential"})


def can_recompute(result: Mapping[str, Any], steps: Mapping[str, Any]) -> bool:
    """Ask whether all is there that the levels are computed from.

    Parameters
    ----------
    result
        A result as it is stored.
    steps
        Stored outputs of its steps by name.
    """
    needed = (_REQUIRED | set(result.get("provenance") or {})) - _held(steps)
    # Results of the first version lack the period.
    return needed <= set(steps) and result.get("bulk_repeat") is not None


def recompute(result: Mapping[str, Any], steps: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result with levels by today's formulas, as it is to be stored.

    Identifier, provenance and time of creation stay; a surface identifier of version 0.1 becomes
    today's. Where today's formulas refuse the documents, the
    result is a failed one with the reason.

    Parameters
    ----------
    result
        A result as it is stored, with numbers.
    steps
        Stored outputs of its steps by name (:func:`can_recompute`).
    """
    documents: dict[str, Any] = {
        step: _DOCUMENTS[step].model_validate(output)
        for step, output in steps.items()
        if step in _DOCUMENTS
    }
    if "slab_potential" not in documents:
        documents["slab_potential"] = documents["slab_relaxation"].potential
    surface = SurfaceDescription(
        identifier=_surface_identifier(result, documents["bulk"]),
        name=result["surface_name"],
        slab=result["unrelaxed_slab_structure"],
        oriented_bulk=documents["oriented_bulk"].structure,
        **{name: result[name] for name in SurfaceIdentity.model_fields if name in result},
    )
    try:
        levels = surface_levels(
            SurfaceSteps(surface=surface, **documents), result["identifier"], result["provenance"]
        )
    except SurfalignError as error:
        levels = _refused(result, error)
    plain: dict[str, Any] = jsanitize(levels, strict=True, enum_values=True, allow_bson=True)
    return plain | {"created_at": result["created_at"]}


def _held(steps: Mapping[str, Any]) -> set[str]:
    """Return the steps whose document another step holds."""
    relaxation = steps.get("slab_relaxation") or {}
    return {"slab_potential"} if relaxation.get("potential") else set()


def _surface_identifier(result: Mapping[str, Any], bulk: BulkDocument) -> str:
    """Return today's identifier of a surface; that of an imported slab which we do not cut stays."""
    stored: str = result["surface_identifier"]
    crystal = symmetrize(bulk.structure)
    surface = (crystal, result["surface_name"], result["n_atoms"])
    is_earlier = stored == earlier_surface_identifier(*surface)
    return surface_identifier(*surface) if is_earlier else stored


def _refused(result: Mapping[str, Any], error: SurfalignError) -> SurfaceLevelsDocument:
    kept = (*SurfaceIdentity.model_fields, "identifier", "surface_name", "surface_identifier",
            "functional", "quality", "relaxed", "engine", "provenance")  # fmt: skip
    return SurfaceLevelsDocument(
        state=ResultState.FAILED,
        error=ErrorRecord(error=type(error).__name__, message=str(error), step="alignment"),
        **{name: result[name] for name in kept if name in result},
    )
