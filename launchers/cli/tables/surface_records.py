"""Surfaces as records for scripts, and what they will cost."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from surfalign.physics.lattice.orientations import MillerIndex
from surfalign.physics.slabs.cleavage import cuts_no_bond
from surfalign.physics.slabs.coordination import SurfaceCoordination
from surfalign.physics.slabs.enumeration import OrientationSurvey, SurfaceSlab
from surfalign.workflows.planning.cost import slab_cpu_time


def as_dict(surface: SurfaceSlab, loss: SurfaceCoordination, source: str) -> dict[str, Any]:
    """Return a surface for scripts; lengths in angstrom, names as in the stored documents."""
    return {
        "state": "slab",
        "identifier": surface.identifier,
        "name": surface.name,
        "source": source,
        **surface.identity,
        "miller_index": list(surface.miller_index),
        "gap": surface.termination.gap,
        "supercell": surface.pattern.supercell.tolist() if surface.pattern else [[1, 0], [0, 1]],
        "cuts_no_bond": cuts_no_bond(surface),
        "broken_bonds_per_area": loss.broken_bonds_per_area,
        "lowest_coordination_ratio": loss.lowest_ratio,
        "coordination": [asdict(atom) for atom in loss.atoms],
        "estimated_cpu_time": slab_cpu_time(surface.slab),
        "slab": surface.slab.as_dict(),
        "oriented_bulk": surface.oriented_bulk.as_dict(),
    }


def rejected_records(found: OrientationSurvey) -> list[dict[str, Any]]:
    """Return the rejected cuts of an orientation for scripts."""
    return [
        {
            "state": "rejected",
            "miller_index": list(found.miller_index),
            "termination_label": cut.label,
            "height": cut.height,
            "reason": cut.reason.value,
            "explanation": cut.explanation,
        }
        for cut in found.rejected
    ]


def left_record(index: MillerIndex, seconds: float) -> dict[str, Any]:
    """Return an orientation that was not searched, for scripts."""
    return {
        "state": "not_searched",
        "miller_index": list(index),
        "reason": "time_limit",
        "explanation": f"The search ended after {seconds:g} s",
    }
