"""Surfaces that a label may belong to: the enumerated slabs of crystals of a folder."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pymatgen.core import Structure

from surfalign.crystals.files import read_structure
from surfalign.errors import EmptyDatasetError, InvalidStructureError, SurfaceError
from surfalign.ml.data.records import SurfaceRecord, surface_record
from surfalign.physics.slabs import survey_orientation
from surfalign.physics.symmetry import SymmetricCrystal, symmetrize

#: Least thickness of slabs to learn from, angstrom: enough for a bulk-like middle, not for DFT.
SLAB_THICKNESS = 12.0
VACUUM_THICKNESS = 15.0
#: Names of structure files.
PATTERNS = ("*.cif", "*.vasp", "POSCAR*", "*.json", "*.json.gz")
#: Keys of a list's objects that may hold the structure.
STRUCTURE_KEYS = ("structure", "structure_pbesol", "initial")


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
    """Read all crystals of a folder; also return reason to names of files that were not read.

    A file is a CIF, POSCAR or pymatgen JSON file, or a JSON list of objects with a structure.

    Raises
    ------
    EmptyDatasetError
        When the folder has none.
    """
    paths = sorted({path for pattern in PATTERNS for path in folder.rglob(pattern)})
    crystals: list[CandidateCrystal] = []
    unreadable: dict[str, list[str]] = {}
    for path in paths:
        try:
            crystals += list(_read(path))
        except InvalidStructureError as error:
            unreadable.setdefault("unreadable crystal file", []).append(
                f"{path.name}: {error.found}"
            )
    if not crystals:
        raise EmptyDatasetError(
            f"{folder} holds no crystal that can be read",
            f"files named {', '.join(PATTERNS)}",
            "name the folder of the crystals",
        )
    return crystals, unreadable


def _read(path: Path) -> Iterator[CandidateCrystal]:
    entries = _list_of(path)
    if entries is None:
        yield CandidateCrystal(read_structure(path), f"file:{path.name}")
        return
    for number, entry in enumerate(entries):
        found = next((entry[k] for k in STRUCTURE_KEYS if isinstance(entry.get(k), dict)), None)
        if found is None:
            raise InvalidStructureError(
                f"entry {number} of {path.name} has no structure", ", ".join(STRUCTURE_KEYS)
            )
        name = entry.get("mp_id") or entry.get("name") or number
        yield CandidateCrystal(Structure.from_dict(found), f"file:{path.name}#{name}")


def _list_of(path: Path) -> list[dict[str, Any]] | None:
    """Return the objects of a JSON list; None for anything else."""
    if not path.name.endswith((".json", ".json.gz")):
        return None
    try:
        content = path.read_bytes()
        text = gzip.decompress(content) if path.name.endswith(".gz") else content
        plain = json.loads(text)
    except (OSError, EOFError, ValueError) as error:
        raise InvalidStructureError(f"{path} cannot be read: {error}", "whole JSON") from error
    if isinstance(plain, list) and all(isinstance(entry, dict) for entry in plain):
        return plain
    return None
