"""Results of the faces of one crystal, to store: surface energies as given, a real bulk cell."""

from __future__ import annotations

from typing import Any

from stored_results import passed_result

from surfalign.crystals.sources import load_crystal
from surfalign.physics.lattice.orientations import format_miller_index
from surfalign.physics.lattice.symmetry import symmetrize
from surfalign.stores.documents import SurfaceLevelsDocument

Index = tuple[int, int, int]
#: Rutile SnO2: surface energy (J/m^2) and IP (eV).
RUTILE: dict[Index, tuple[float, float]] = {
    (1, 1, 0): (1.04, 9.0), (1, 0, 0): (1.14, 8.6), (1, 0, 1): (1.33, 8.0), (0, 0, 1): (1.72, 8.2),
}  # fmt: skip


def face(name: str, index: Index, energy: float, **fields: Any) -> SurfaceLevelsDocument:
    """Return a result of a face of a library crystal; ``fields`` replace the defaults."""
    crystal = load_crystal(name)
    surface = f"{crystal.formula}{format_miller_index(index)}-{fields.pop('ending', 'B')}"
    defaults: dict[str, Any] = {
        "formula": crystal.formula,
        "space_group_number": symmetrize(crystal.structure).space_group_number,
        "source": f"library:{name}",
        "surface_name": surface,
        "miller_index": index,
        "surface_energy": energy,
        "area": 20.0,
        "engine": "toy",
        "bulk_structure": crystal.structure,
        "provenance": {"bulk": f"bulk of {name}"},
    }
    return passed_result(fields.pop("identifier", f"{name} {surface}"), **(defaults | fields))


def rutile(**fields: Any) -> list[SurfaceLevelsDocument]:
    """Return the four faces of SnO2."""
    return [
        face("SnO2", index, energy, ionization_potential=ip, electron_affinity=ip - 3.6, **fields)
        for index, (energy, ip) in RUTILE.items()
    ]
