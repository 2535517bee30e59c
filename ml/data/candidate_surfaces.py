"""Surfaces that a label may belong to: the enumerated slabs of crystals of a folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pymatgen.core import Structure

from surfalign.crystals.files import read_structure
from surfalign.crystals.lists import read_records
from surfalign.errors import EmptyDatasetError, InvalidStructureError, SurfaceError
from surfalign.ml.data.records import SurfaceRecord, surface_record
from surfalign.physics.lattice.symmetry import SymmetricCrystal, symmetrize
from surfalign.physics.slabs.enumeration import survey_orientation

#: Least thickness of slabs to learn from, angstrom: enough for a bulk-like middle, not for DFT.
SLAB_THICKNESS = 12.0
VACUUM_THICKNESS = 15.0
#: Names of structure files.
PATTERNS = ("*.cif", "*.vasp", "POSCAR*", "*.json", "*.json.gz")
UNREADABLE = "unreadable crystal file"


@dataclass(frozen=True, eq=False)
class CandidateCrystal:
    """A crystal whose surfaces can be enumerated.

    Attributes
    ----------
    structure
        Any cell.
    source
        Where it comes from, e.g. ``file:mgo.cif``.
    """

    structure: Structure
    source: str

    @property
    def formula(self) -> str:
        """Reduced formula."""
        return str(self.structure.composition.element_composition.reduced_formula)

    @cached_property
    def symmetric(self) -> SymmetricCrystal:
        """Idealised crystal with its space group."""
        return symmetrize(self.structure)

    def slabs(
        self, miller_index: tuple[int, int, int], thickness: float = SLAB_THICKNESS
    ) -> list[SurfaceRecord]:
        """Return the unlabelled slabs of an orientation; none where it has none."""
        crystal = self.symmetric
        try:
            survey = survey_orientation(
                crystal,
                miller_index,
                slab_thickness=thickness,
                vacuum_thickness=VACUUM_THICKNESS,
            )
        except SurfaceError:
            return []
        return [
            surface_record(
                f"{slab.name} {slab.identifier}",
                slab.slab,
                self.source,
                miller_index=slab.miller_index,
                space_group_number=slab.space_group_number,
            )
            for slab in survey.slabs
        ]


def read_crystals(folder: Path) -> tuple[list[CandidateCrystal], dict[str, list[str]]]:
    """Read all crystals of a folder; also return reason to what was not read.

    A file is a CIF or POSCAR file, or a list of :mod:`surfalign.crystals.lists`, of which one entry
    that cannot be read does not hide the others.

    Raises
    ------
    EmptyDatasetError
        When the folder has none.
    """
    paths = sorted({path for pattern in PATTERNS for path in folder.rglob(pattern)})
    crystals: list[CandidateCrystal] = []
    unreadable: list[str] = []
    for path in paths:
        try:
            if not path.name.endswith((".json", ".json.gz")):
                crystals.append(CandidateCrystal(read_structure(path), f"file:{path.name}"))
                continue
            records = read_records(path)
        except InvalidStructureError as error:
            unreadable.append(f"{path.name}: {error.found}")
            continue
        for record in records:
            try:
                crystals.append(CandidateCrystal(record.read_structure(), record.source))
            except InvalidStructureError as error:
                unreadable.append(f"{path.name}: {error.found}")
    if not crystals:
        raise EmptyDatasetError(
            f"{folder} holds no crystal that can be read",
            f"files named {', '.join(PATTERNS)}",
            "name the folder of the crystals",
        )
    return crystals, {UNREADABLE: unreadable} if unreadable else {}
