"""The stable terminations of one orientation against the chemical potential of oxygen, and their levels."""

from __future__ import annotations

from dataclasses import dataclass, replace

from surfalign.errors import DocumentNotFoundError
from surfalign.physics.lattice.orientations import (
    MillerIndex,
    canonical_miller_index,
    format_miller_index,
)
from surfalign.physics.phases.stability import EnergyLine, StableRange, energy_line, stable_ranges
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.shapes.selection import Selection

#: Default range of the potential, eV: from hard vacuum at 1,500 K to the oxygen-rich limit.
LOWEST, HIGHEST = -4.0, 0.0


@dataclass(frozen=True)
class OxygenPhases:
    """The surfaces of one orientation in oxygen gas.

    Attributes
    ----------
    selection
        The results of the orientation.
    miller_index
        The orientation.
    documents, lines
        Each result, and its surface energy against the potential; the least oxygen first.
    ranges
        Which is stable where.
    correction
        What was added to the stored energy of the oxygen atom, eV.
    """

    selection: Selection
    miller_index: MillerIndex
    documents: list[SurfaceLevelsDocument]
    lines: list[EnergyLine]
    ranges: list[StableRange]
    correction: float

    @property
    def reference(self) -> str:
        """How the energy of the oxygen atom was found; empty where no slab needs it."""
        return ", ".join(sorted({d.oxygen_reference for d in self.documents if d.excess_oxygen}))


def oxygen_phases(
    selection: Selection,
    miller_index: MillerIndex,
    *,
    correction: float = 0.0,
    low: float = LOWEST,
    high: float = HIGHEST,
) -> OxygenPhases:
    """Compare the terminations of one orientation, with and without a change of oxygen.

    Parameters
    ----------
    selection
        The results of the crystal.
    miller_index
        The orientation, in the standard conventional cell.
    correction
        What is added to the stored energy of the oxygen atom, eV: of another reference, or of the error
        that a functional makes in it.
    low, high
        Range of the chemical potential, eV.

    Raises
    ------
    DocumentNotFoundError
        No result of the orientation.
    PhysicsInputError
        The range is empty.
    """
    index = canonical_miller_index(selection.crystal, miller_index)
    found: list[tuple[SurfaceLevelsDocument, EnergyLine]] = []
    for document in sorted(selection.documents, key=lambda d: (d.excess_oxygen, d.surface_name)):
        energy = document.surface_energy_oxygen_rich
        energy = document.surface_energy if energy is None else energy
        if document.miller_index is None or document.area is None or energy is None:
            continue
        if canonical_miller_index(selection.crystal, document.miller_index) == index:
            line = energy_line(energy, document.excess_oxygen, document.area, correction)
            found.append((document, line))
    if not found:
        raise DocumentNotFoundError(
            f"no result of {selection.crystal.text} is of the orientation {format_miller_index(index)}",
            "results of this orientation, best with --oxygen",
            "compute them: surfalign run ... --hkl H,K,L --oxygen",
        )
    documents, lines = [document for document, _ in found], [line for _, line in found]
    return OxygenPhases(
        replace(selection, documents=documents),
        index,
        documents,
        lines,
        stable_ranges(lines, low, high),
        correction,
    )
