"""Lists of crystals in one JSON file: what an entry is called, and which structure of it is meant.

One rule for every command. A file, plain or compressed, holds

* a list of entries: pymatgen structures, or objects with a structure and whatever else is known;
* a dictionary from names to such entries; or
* one entry, which is then called after the file.

An entry's name is the first of its keys :data:`NAME_KEYS`, else its place in the list, counted from
1. Its structure is the entry itself, or the first of :data:`STRUCTURE_KEYS`, or of its other keys
``structure_*`` in alphabetical order. PBEsol comes first, because bulk crystals and slabs are relaxed
with it here, and references in such lists belong to that structure.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surfalign.errors import InvalidStructureError

if TYPE_CHECKING:
    from pymatgen.core import Structure

NAME_KEYS = ("mp_id", "material_id", "identifier", "id", "name", "task_id", "jid")
STRUCTURE_KEYS = ("structure_pbesol", "structure", "initial")

#: How compressed files begin.
_COMPRESSED = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ": lzma.decompress,
}


@dataclass(frozen=True)
class Record:
    """An entry of a list.

    Attributes
    ----------
    name
        What the entry is called.
    source
        File and name, e.g. ``oxides:mp-1265``; ``file:mgo.json`` for a file with one entry.
    structure
        pymatgen's dictionary, not yet read; empty where the entry holds none.
    facts
        All keys of the entry; empty for a bare structure.
    """

    name: str
    source: str
    structure: dict[str, Any]
    facts: dict[str, Any]

    def read_structure(self) -> Structure:
        """Return the structure.

        Raises
        ------
        InvalidStructureError
            When the entry holds none that can be read; the message names the entry.
        """
        from pymatgen.core import Structure

        try:
            structure: Structure = Structure.from_dict(self.structure)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise InvalidStructureError(
                f"the entry {self.name} ({self.source}) has no readable structure",
                f"a pymatgen structure, or one under {', '.join(STRUCTURE_KEYS)}",
                "correct the file, or leave the entry out",
            ) from error
        return structure


def read_records(path: Path) -> list[Record]:
    """Read the entries of a file; their structures are not read yet.

    Raises
    ------
    InvalidStructureError
        When the file cannot be read, or no entry of it holds a structure.
    """
    content = read_json(path)
    stem = path.name.split(".json")[0]
    if _structure_of(content):
        records = [_record(content, stem, f"file:{path.name}")]
    else:
        entries: Iterable[tuple[str, Any]] = ()
        if isinstance(content, list):
            entries = ((_name(entry, place), entry) for place, entry in enumerate(content, 1))
        elif isinstance(content, dict):
            entries = content.items()
        records = [_record(entry, name, f"{stem}:{name}") for name, entry in entries]
    if not any(record.structure for record in records):
        names = ", ".join(record.name for record in records[:5]) or "none"
        raise InvalidStructureError(
            f"{path} holds no structure (its entries: {names})",
            f"pymatgen structures, or objects with one of {', '.join(STRUCTURE_KEYS)}",
            "check how the list was written",
        )
    return records


def read_json(path: Path) -> Any:
    """Read a JSON file, plain or compressed by gzip, bzip2 or xz, whatever its name.

    Raises
    ------
    InvalidStructureError
        When the file is absent, truncated or no JSON.
    """
    try:
        content = path.read_bytes()
        for beginning, decompress in _COMPRESSED.items():
            if content.startswith(beginning):
                content = decompress(content)
        return json.loads(content)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise InvalidStructureError(
            f"{path} cannot be read: {type(error).__name__}: {error}",
            "whole JSON, plain or gzipped",
            "correct the path or copy the file again",
        ) from error


def _record(entry: Any, name: str, source: str) -> Record:
    bare = _is_structure(entry)
    facts = entry if isinstance(entry, dict) and not bare else {}
    return Record(name, source, _structure_of(entry), facts)


def _name(entry: Any, place: int) -> str:
    stated = entry if isinstance(entry, dict) and not _is_structure(entry) else {}
    return str(next((stated[key] for key in NAME_KEYS if stated.get(key)), place))


def _structure_of(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        return {}
    if _is_structure(entry):
        return entry
    others = sorted(key for key in entry if key.startswith("structure_"))
    for key in (*STRUCTURE_KEYS, *others):
        stored = entry.get(key)
        if isinstance(stored, str):  # pymatgen's JSON as a text
            try:
                stored = json.loads(stored)
            except ValueError:
                continue
        if isinstance(stored, dict) and _is_structure(stored):
            return stored
    return {}


def _is_structure(entry: Any) -> bool:
    return isinstance(entry, dict) and "lattice" in entry and "sites" in entry
