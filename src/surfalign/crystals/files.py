"""Reading structure files, with the readers' many complaints turned into one clear error."""

from __future__ import annotations

import logging
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from surfalign.crystals.lists import read_records
from surfalign.errors import InvalidStructureError

if TYPE_CHECKING:
    from pymatgen.core import Structure

_log = logging.getLogger(__name__)

#: What the readers of pymatgen and their dependencies raise on files that they cannot read.
_READER_ERRORS = (
    ValueError,  # includes UnicodeDecodeError and JSONDecodeError
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    OSError,
    EOFError,
)


def read_structure(path: Path) -> Structure:
    """Read one crystal structure from a CIF, POSCAR or pymatgen JSON file (also compressed).

    Raises
    ------
    InvalidStructureError
        The file is empty, corrupt, of an unknown format, or holds no single structure.
    """
    if path.stat().st_size == 0:
        raise InvalidStructureError(
            f"{path} is empty", "a CIF, POSCAR or pymatgen JSON file", "check how it was written"
        )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            structure = _read(path)
        except InvalidStructureError:
            raise
        except _READER_ERRORS as error:
            raise InvalidStructureError(
                f"{path} cannot be read: {_first_line(error)}{_complaints(caught)}",
                "a CIF, POSCAR or pymatgen JSON file with one crystal structure",
                "open it in a structure viewer and save it again",
            ) from error
    for item in caught:
        _log.info("%s: %s", path.name, item.message)
    return structure


def _read(path: Path) -> Structure:
    from pymatgen.core import Structure
    from pymatgen.io.cif import CifParser

    name = re.sub(r"\.(gz|bz2|xz)$", "", path.name.lower())
    if name.endswith(".json"):
        return _read_json(path)
    if name.endswith((".cif", ".mcif")):
        # Occupancies slightly above one are rounding; larger ones are an error that we report.
        structures = CifParser(path, occupancy_tolerance=1.02).parse_structures(
            primitive=False, on_error="raise"
        )
        if len(structures) != 1:
            raise InvalidStructureError(
                f"{path} holds {len(structures)} structures", "one structure", "split the file"
            )
        return structures[0]
    if name.endswith((".vasp", ".poscar")):
        from pymatgen.io.vasp import Poscar

        return Poscar.from_file(path, check_for_potcar=False).structure
    return Structure.from_file(path)


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
    texts = list(dict.fromkeys(str(item.message).splitlines()[0].rstrip(".") for item in caught))
    return f" ({'; '.join(texts[:3])})" if texts else ""
