"""Reading structure files, with the readers' many complaints turned into one clear error, or into notes."""

from __future__ import annotations

import lzma
import re
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from surfalign.crystals.lists import read_records
from surfalign.errors import ContradictoryFileError, InvalidStructureError

if TYPE_CHECKING:
    from pymatgen.core import Structure

#: What the readers of pymatgen and their dependencies raise on files that they cannot read.
_READER_ERRORS = (
    ValueError,  # includes UnicodeDecodeError and JSONDecodeError
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    OSError,
    EOFError,
    SyntaxError,  # of XML
    zlib.error,
    lzma.LZMAError,
    Warning,  # pymatgen raises one for a line of coordinates that it cannot read
)
#: Warnings of a library about itself, not about the file.
_ABOUT_THE_LIBRARY = (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ResourceWarning)


@dataclass(frozen=True, eq=False)
class StructureFile:
    """What a file holds.

    Attributes
    ----------
    structure
        The crystal.
    notes
        What was unusual about the file, each a sentence without its full stop.
    """

    structure: Structure
    notes: tuple[str, ...]


def read_structure(path: Path) -> Structure:
    """Read one crystal structure; see :func:`read_structure_file`, whose notes it leaves out."""
    return read_structure_file(path).structure


def read_structure_file(path: Path) -> StructureFile:
    """Read one crystal structure from a CIF, POSCAR or pymatgen JSON file (also compressed).

    Raises
    ------
    InvalidStructureError
        The file is empty, corrupt, of an unknown format, or holds no single structure.
    ContradictoryFileError
        It says two things of its crystal that cannot both be true.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            structure, notes = _read(path)
        except InvalidStructureError as error:
            if str(path) in error.found:
                raise
            fault = (
                "contradicts itself"
                if isinstance(error, ContradictoryFileError)
                else "cannot be read"
            )
            raise type(error)(
                f"{path} {fault}: {error.found}", error.expected, error.remedy
            ) from error
        except _READER_ERRORS as error:
            raise InvalidStructureError(
                f"{path} cannot be read: {_first_line(error)}{_complaints(caught)}",
                "a CIF, POSCAR or pymatgen JSON file with one crystal structure",
                "open it in a structure viewer and save it again",
            ) from error
    told = [_sentence(w) for w in caught if not issubclass(w.category, _ABOUT_THE_LIBRARY)]
    return StructureFile(structure, tuple(dict.fromkeys((*notes, *told))))


def _read(path: Path) -> tuple[Structure, tuple[str, ...]]:
    if path.stat().st_size == 0:
        raise InvalidStructureError(
            f"{path} is empty", "a CIF, POSCAR or pymatgen JSON file", "check how it was written"
        )
    name = re.sub(r"\.(gz|bz2|xz)$", "", path.name.lower())
    if name.endswith(".json"):
        return _read_json(path), ()
    if name.endswith((".cif", ".mcif")):
        from surfalign.crystals.cif.reading import read_cif

        return read_cif(path)
    if name.endswith((".vasp", ".poscar")) or "poscar" in name or "contcar" in name:
        from surfalign.crystals.poscar import read_poscar

        return read_poscar(path), ()
    from pymatgen.core import Structure

    return Structure.from_file(path), ()


def _read_json(path: Path) -> Structure:
    records = read_records(path)
    if len(records) != 1:
        raise InvalidStructureError(
            f"{path} holds {len(records)} structures", "one structure", "split the file"
        )
    return records[0].read_structure()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def _complaints(caught: list[warnings.WarningMessage]) -> str:
    texts = list(dict.fromkeys(map(_sentence, caught)))
    return f" ({'; '.join(texts[:3])})" if texts else ""


def _sentence(warning: warnings.WarningMessage) -> str:
    return (str(warning.message).splitlines() or [warning.category.__name__])[0].rstrip(".")
