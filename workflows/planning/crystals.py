"""Where the crystals of a plan come from: directories, lists of records, the library, single names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from surfalign.crystals.files import read_structure
from surfalign.crystals.lists import read_records
from surfalign.crystals.sources import load_crystal

#: Suffixes of structure files that are looked for in a directory.
STRUCTURE_SUFFIXES = (".cif", ".vasp", ".poscar", ".json", ".json.gz")


@dataclass(frozen=True)
class Candidate:
    """A crystal as it was found.

    Attributes
    ----------
    source
        Where it came from: file name, or record of a list.
    structure
        pymatgen's dictionary; empty where the record holds none.
    facts
        What the source states: band gap (eV), energy above the hull (eV/atom), magnetic moment.
    """

    source: str
    structure: dict[str, Any]
    facts: dict[str, float] = field(default_factory=dict)


def find_candidates(targets: Iterable[str]) -> Iterator[Candidate]:
    """Read crystals from directories, lists of records, ``library``, or single targets.

    A JSON list (``.json``, ``.json.gz``) is read as :mod:`surfalign.crystals.lists` says; what its
    entries state as ``gap*``/``band_gap*``, ``ehull*``/``e_hull*`` and ``max_magmom*`` are facts.

    Raises
    ------
    InvalidStructureError
        A file cannot be read.
    UnknownMaterialError
        A target is neither a path nor a known name.
    """
    for target in targets:
        path = Path(target)
        if path.is_dir():
            files = sorted(p for p in path.iterdir() if p.name.lower().endswith(STRUCTURE_SUFFIXES))
            for file in files:
                yield from _from_file(file)
        elif path.is_file():
            yield from _from_file(path)
        elif target == "library":
            from surfalign.crystals.library import library

            for name in library():
                crystal = load_crystal(f"library:{name}")
                yield Candidate(crystal.source, crystal.structure.as_dict())
        else:
            crystal = load_crystal(target)
            yield Candidate(crystal.source, crystal.structure.as_dict())


def _from_file(path: Path) -> Iterator[Candidate]:
    if not path.name.lower().endswith((".json", ".json.gz")):
        yield Candidate(f"file:{path.name}", read_structure(path).as_dict())
        return
    for record in read_records(path):
        yield Candidate(record.source, record.structure, _facts(record.facts))


def _facts(record: dict[str, Any]) -> dict[str, float]:
    """Read what a record states of its crystal, by the beginnings of the names."""
    beginnings = {"gap": "band_gap", "band_gap": "band_gap", "ehull": "hull_energy",
                  "e_hull": "hull_energy", "max_magmom": "magnetic_moment"}  # fmt: skip
    facts: dict[str, float] = {}
    for name in sorted(record):
        for beginning, fact in beginnings.items():
            if name.startswith(beginning) and isinstance(record[name], (int, float)):
                facts.setdefault(fact, float(record[name]))
    return facts
