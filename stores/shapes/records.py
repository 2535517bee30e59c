"""Equilibrium shapes, and terminations in oxygen gas, as plain values: for scripts and other programs."""

from __future__ import annotations

from typing import Any

from surfalign.stores.shapes.oxygen_phases import OxygenPhases
from surfalign.stores.shapes.shape import Average, CrystalShape


def shape_record(made: CrystalShape) -> dict[str, Any]:
    """Return the shape for scripts; surface energies and corners in J/m^2, levels in eV."""
    crystal = made.selection.crystal
    return {
        "formula": crystal.formula,
        "space_group_number": crystal.space_group_number,
        "methods": made.selection.methods,
        "mean_surface_energy": made.shape.mean_surface_energy,
        "ionization_potential": _average(made.ionization_potential),
        "electron_affinity": _average(made.electron_affinity),
        "temperature": made.temperature,
        "terminations": [
            {
                "identifier": t.document.identifier,
                "surface_name": t.document.surface_name,
                "state": t.document.state.value,
                "miller_index": list(t.miller_index),
                "surface_energy": t.surface_energy,
                "area_fraction": t.area_fraction,
                "termination_weight": t.weight,
                "ionization_potential": t.document.ionization_potential,
                "electron_affinity": t.document.electron_affinity,
            }
            for t in made.terminations
        ],
        "missing": [
            {
                "miller_index": list(m.orientation.miller_index),
                "nonpolar": m.orientation.nonpolar,
                "shows_below": m.shows_below,
            }
            for m in made.missing
        ],
        "left_out": made.selection.left_out,
        "faces": [
            {
                "miller_index": list(face.miller_index),
                "normal": face.normal.tolist(),
                "vertices": face.vertices.tolist(),
            }
            for face in made.shape.faces
        ],
    }


def phases_record(made: OxygenPhases) -> dict[str, Any]:
    """Return the diagram for scripts; energies in J/m^2, potentials and levels in eV."""
    return {
        "formula": made.selection.crystal.formula,
        "miller_index": list(made.miller_index),
        "methods": made.selection.methods,
        "oxygen_reference": made.reference,
        "oxygen_correction": made.correction,
        "surfaces": [
            {
                "identifier": document.identifier,
                "surface_name": document.surface_name,
                "state": document.state.value,
                "excess_oxygen": document.excess_oxygen,
                "area": document.area,
                "surface_energy_at_zero": line.at_zero,
                "slope": line.slope,
                "ionization_potential": document.ionization_potential,
                "electron_affinity": document.electron_affinity,
            }
            for document, line in zip(made.documents, made.lines, strict=True)
        ],
        "stable": [
            {
                "from": found.low,
                "to": found.high,
                "surface_name": made.documents[found.number].surface_name,
                "ionization_potential": made.documents[found.number].ionization_potential,
            }
            for found in made.ranges
        ],
        "left_out": made.selection.left_out,
    }


def _average(average: Average | None) -> dict[str, float] | None:
    return None if average is None else {"mean": average.mean, "spread": average.spread}
