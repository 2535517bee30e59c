"""Tables of structures with numbers, as users keep them: CSV, JSON lists, extXYZ.

==========  ===================================================================================================
CSV, TSV    a column ``structure`` with structure files (their place relative to the table) or names of the
            built-in library, or a column ``formula``; numbers in the other columns
JSON        a list of objects with pymatgen's dictionary under ``structure`` (``structure_pbesol``, ``initial``),
            or with a ``formula``; numbers under their names
extXYZ      structures with numbers among the words of their second line, and those of atoms in columns
==========  ===================================================================================================

Numbers of atoms are lists of a JSON table, or columns of an extXYZ file: one for each atom, in the order of the structure,
and null or NaN where an atom has none.

The unit of a number may stand behind the name of its column, ``gap (eV)``, in a column ``gap_unit``, or, in JSON,
under ``units``. A column ``name`` (or ``id``, ``mp_id``, ...) names the rows.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure

from surfalign.crystals.files import read_structure
from surfalign.crystals.library import find_entry
from surfalign.crystals.lists import NAME_KEYS, STRUCTURE_KEYS, read_json
from surfalign.errors import (
    DamagedFileError,
    EmptyDatasetError,
    InvalidStructureError,
    MissingStructureError,
    MixedUnitsError,
)
from surfalign.files import require_file
from surfalign.ml.properties.rows import Row

#: Columns of a CSV file that hold structure files or names of the library, and formulas.
STRUCTURE_COLUMNS = ("structure", "structure_file", "file", "path", "cif", "crystal", "slab")
FORMULA_COLUMNS = ("formula", "composition")
_HEADING = re.compile(r"\s*(.*?)\s*(?:\(([^()]*)\)|\[([^\[\]]*)\])?\s*")


def read_rows(path: Path) -> list[Row]:
    """Read a table with its structures.

    Raises
    ------
    MissingFileError
        When there is no such file.
    DamagedFileError
        When it cannot be read.
    EmptyDatasetError
        When it holds no row.
    MissingStructureError
        When rows have neither a structure that can be read nor a formula.
    MixedUnitsError
        When a column stands twice, with two units.
    """
    require_file(path)
    name = path.name.removesuffix(".gz").lower()
    if name.endswith((".csv", ".tsv")):
        rows = list(_csv_rows(path, "\t" if name.endswith(".tsv") else ","))
    elif name.endswith((".xyz", ".extxyz")):
        rows = list(_xyz_rows(path))
    elif name.endswith(".json"):
        rows = list(_json_rows(path))
    else:
        raise DamagedFileError(
            f"{path} is no table that can be read",
            "a file named *.csv, *.tsv, *.json, *.json.gz, *.xyz or *.extxyz",
            "write the table in one of these formats",
        )
    if not rows:
        raise EmptyDatasetError(f"{path} holds no row", "at least one", "name another file")
    return rows


def _csv_rows(path: Path, delimiter: str) -> Iterator[Row]:
    opened = gzip.open if path.name.endswith(".gz") else open
    try:
        with opened(path, "rt", newline="", encoding="utf-8-sig") as file:
            heading, *lines = csv.reader(file, delimiter=delimiter)
    except (OSError, EOFError, UnicodeDecodeError, ValueError, csv.Error, zlib.error) as error:
        raise DamagedFileError(
            f"{path} cannot be read: {error}", "a CSV file with a line of headings", "correct it"
        ) from error
    columns, units = _headings(heading, path)
    kinds = {name.lower(): name for name in reversed(columns)}
    holder = next((kinds[one] for one in STRUCTURE_COLUMNS if one in kinds), None)
    formula = next((kinds[one] for one in FORMULA_COLUMNS if one in kinds), None)
    if holder is None and formula is None:
        raise MissingStructureError(
            f"{path} has no column of structures (its columns: {', '.join(columns)})",
            f"a column {', '.join(STRUCTURE_COLUMNS)} or {', '.join(FORMULA_COLUMNS)}",
            "add the names of structure files, or formulas",
        )
    for number, line in enumerate(lines, 2):
        if not any(cell.strip() for cell in line):
            continue
        facts = dict(zip(columns, (cell.strip() for cell in line), strict=False))
        place = f"row {number} of {path.name}"
        wanted = facts.get(holder or "", "")
        bare = facts.get(formula or "", "")
        structure = _structure(wanted, path.parent, place) if wanted else None
        if structure is None and not bare:
            raise MissingStructureError(
                f"{place} has no structure",
                "a structure file, a name of the library, or a formula",
                "complete the row, or leave it out",
            )
        name = _name(facts) or wanted or f"{bare} {number}"
        yield Row(name, place, facts, _units(facts, units), structure, bare)


def _headings(heading: list[str], path: Path) -> tuple[list[str], dict[str, str]]:
    """Return the names of the columns, and the units that stand behind them."""
    columns: list[str] = []
    units: dict[str, str] = {}
    for cell in heading:
        match = _HEADING.fullmatch(cell)
        assert match is not None  # the pattern matches any text
        name, unit = match[1], match[2] or match[3]
        if name in columns:
            raise MixedUnitsError(
                f"{path} has two columns {name} ({units.get(name)} and {unit})",
                "one column for each property, in one unit",
                "leave one of them out",
            )
        columns.append(name)
        if unit:
            units[name] = unit.strip()
    return columns, units


def _structure(wanted: str, folder: Path, place: str) -> Structure:
    """Return the structure of a file, or that of a name of the library."""
    path = folder / wanted
    if path.is_file():
        try:
            return read_structure(path)
        except InvalidStructureError as error:
            raise MissingStructureError(
                f"{place}: {error.found}", error.expected, "correct the file, or leave the row out"
            ) from error
    entry = find_entry(wanted)
    if entry is None:
        raise MissingStructureError(
            f"{place} names {wanted!r}, which is no file in {folder} and no crystal of the library",
            "a structure file, its place relative to the table, or a name of `surfalign oxides`",
            "correct the row, or leave it out",
        )
    return entry.conventional_structure()


def _json_rows(path: Path) -> Iterator[Row]:
    try:
        content = read_json(path)
    except InvalidStructureError as error:
        raise DamagedFileError(error.found, error.expected, error.remedy) from error
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise DamagedFileError(f"{path} is no list of objects", "a JSON list of objects")
    for number, entry in enumerate(content, 1):
        place = f"entry {number} of {path.name}"
        plain = next((entry[key] for key in STRUCTURE_KEYS if entry.get(key)), None)
        bare = str(entry.get("formula", ""))
        if plain is None and not bare:
            raise MissingStructureError(
                f"{place} has no structure",
                f"pymatgen's dictionary under {', '.join(STRUCTURE_KEYS)}, or a formula",
                "complete the entry, or leave it out",
            )
        structure = None if plain is None else _from_dict(plain, place)
        stated = entry.get("units") or {}
        yield Row(_name(entry) or str(number), place, entry, _units(entry, stated), structure, bare)


def _from_dict(plain: Any, place: str) -> Structure:
    try:
        structure: Structure = Structure.from_dict(plain)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise MissingStructureError(
            f"{place} has no readable structure: {error}", "pymatgen's dictionary", "correct it"
        ) from error
    return structure


def _xyz_rows(path: Path) -> Iterator[Row]:
    from ase.io import iread
    from pymatgen.io.ase import AseAtomsAdaptor

    try:
        for number, atoms in enumerate(iread(path, format="extxyz"), 1):
            place = f"structure {number} of {path.name}"
            if not atoms.cell.rank == 3:
                raise MissingStructureError(
                    f"{place} has no cell", 'Lattice="..." in its second line', "add it"
                )
            # ASE takes numbers that it knows, such as the energy, out of the words.
            results = atoms.calc.results if atoms.calc is not None else {}
            columns = {
                name: column
                for name, column in atoms.arrays.items()
                if name not in ("numbers", "positions")
            }
            facts = columns | results | atoms.info
            structure = AseAtomsAdaptor.get_structure(atoms)
            structure = Structure(structure.lattice, structure.species, structure.frac_coords)
            yield Row(_name(facts) or str(number), place, facts, _units(facts, {}), structure)
    except (OSError, ValueError, KeyError, IndexError, StopIteration) as error:
        if isinstance(error, MissingStructureError):
            raise
        raise DamagedFileError(
            f"{path} cannot be read: {error}", "an extXYZ file", "correct it"
        ) from error


def _name(facts: dict[str, Any]) -> str:
    named = (facts[key] for key in NAME_KEYS if key in facts and not np.ndim(facts[key]))
    return str(next((one for one in named if one), ""))


def _units(facts: dict[str, Any], stated: dict[str, str]) -> dict[str, str]:
    """Return the units of a row: those of the headings, and those of columns ``..._unit``."""
    own = {
        column.removesuffix("_unit"): str(content).strip()
        for column, content in facts.items()
        if column.endswith("_unit") and not np.ndim(content) and content
    }
    for column in own.keys() & stated.keys():
        if own[column] != stated[column]:
            raise MixedUnitsError(
                f"{column} is given in {stated[column]!r} and in {own[column]!r}",
                "one unit for each property",
                f"leave the column {column}_unit out",
            )
    return {**stated, **own}
