"""Where the crystals of a plan come from: directories, lists of records, the library, single names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from surfalign.crystals.crystal import Crystal
from surfalign.crystals.files import read_structure_file
from surfalign.crystals.lists import read_records
from surfalign.crystals.sources import load_crystal
from surfalign.errors import InvalidStructureError
from surfalign.workflows.planning.stated_facts import read_facts

#: Suffixes of structure files that are looked for in a directory.
STRUCTURE_SUFFIXES = (".cif", ".vasp", ".poscar", ".json", ".json.gz")
#: Reason against a crystal whose structure cannot be read.
UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Candidate:
    """A crystal as it was found.

    Attributes
    ----------
    source
        Where it came from: file name, or record of a list.
    structure
        pymatgen's dictionary; empty where there is none that can be read.
    facts
        What the source states, see :func:`~.stated_facts.read_facts`.
    notes
        What was unusual about the file.
    reason, fault
        Why a file was not read: in one word, and in full; empty where it was.
    unused
        Numbers that a record holds and that a plan does not use.
    """

    source: str
    structure: dict[str, Any]
    facts: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reason: str = ""
    fault: str = ""
    unused: tuple[str, ...] = ()


def find_candidates(targets: Iterable[str]) -> Iterator[Candidate]:
    """Read crystals from directories, lists of records, ``library``, or single targets.

    A JSON list (``.json``, ``.json.gz``) is read as :mod:`surfalign.crystals.lists` says. A file that
    cannot be read is a candidate with a fault: it does not hide the others.

    Raises
    ------
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
                yield _of_crystal(load_crystal(f"library:{name}"))
        else:
            yield _of_crystal(load_crystal(target))


def _of_crystal(crystal: Crystal) -> Candidate:
    return Candidate(crystal.source, crystal.structure.as_dict(), notes=crystal.notes)


def _from_file(path: Path) -> Iterator[Candidate]:
    source = f"file:{path.name}"
    try:
        if not path.name.lower().endswith((".json", ".json.gz")):
            content = read_structure_file(path)
            yield Candidate(source, content.structure.as_dict(), notes=content.notes)
            return
        records = read_records(path)
    except InvalidStructureError as error:
        reason = UNREADABLE if type(error) is InvalidStructureError else type(error).__name__
        yield Candidate(source, {}, reason=reason, fault=str(error))
        return
    for record in records:
        facts, unused = read_facts(record.facts)
        yield Candidate(record.source, record.structure, facts, unused=unused)
