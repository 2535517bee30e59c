"""The table of surfaces in the Supporting Information of J. Am. Chem. Soc. 146, 9697 (2024).

doi 10.1021/jacs.3c13574, file ja3c13574_si_002.xlsx: a title in row 1, the header in row 2, then one
surface a row: index, system, formula, space group, Miller index, surface energy, IP, EA, gap. The table
holds no structures; :mod:`~.from_jacs_table` finds them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import spglib
from pymatgen.core import Composition

from surfalign.errors import (
    DamagedFileError,
    EmptyDatasetError,
    InvalidLabelError,
    LearnerError,
    MissingDependencyError,
    SurfaceError,
    UnknownElementError,
)
from surfalign.files import require_file
from surfalign.ml.data.records import LABEL_UNITS, convert
from surfalign.physics.lattice.orientations import parse_miller_index

HEADER_ROW = 2

#: What a column's name begins with, or holds, in lower case without blanks; the order of the table.
_COLUMNS = {
    "index": ("index", "no", "#"),
    "system": ("system",),
    "formula": ("formula", "composition"),
    "space_group": ("spacegroup",),
    "miller_index": ("miller", "hkl", "orientation"),
    "surface_energy": ("surfaceenergy", "esurf"),
    "ionization_potential": ("ip", "ionizationpotential"),
    "electron_affinity": ("ea", "electronaffinity"),
    "band_gap": ("gap", "bandgap", "eg"),
}
_NEEDED = ("formula", "space_group", "miller_index", "ionization_potential")
#: Spellings of units.
_UNITS = {
    "ev": "eV",
    "mev": "meV",
    "j/m2": "J/m^2",
    "jm-2": "J/m^2",
    "mev/å2": "meV/angstrom^2",
    "mev/a2": "meV/angstrom^2",
    "meva-2": "meV/angstrom^2",
    "ev/å2": "eV/angstrom^2",
    "ev/a2": "eV/angstrom^2",
}


@dataclass(frozen=True)
class TableRow:
    """One surface of the table.

    Attributes
    ----------
    number
        Its index in the table, or the number of the row.
    formula
        Reduced formula.
    space_group_number
        Of the bulk.
    miller_index
        In the conventional cell.
    labels
        Property to value, in the property's unit.
    """

    number: str
    formula: str
    space_group_number: int
    miller_index: tuple[int, int, int]
    labels: dict[str, float]


def read_table(path: Path) -> list[TableRow]:
    """Read the rows of the table.

    Raises
    ------
    MissingFileError
        When there is no such file.
    DamagedFileError
        When the file cannot be read or lacks a column.
    EmptyDatasetError
        When it has no rows.
    InvalidLabelError
        When a cell that should hold a number does not.
    MixedUnitsError
        When a header names an unknown unit.
    """
    require_file(path)
    cells = _cells(path)
    header = cells[HEADER_ROW - 1] if len(cells) >= HEADER_ROW else ()
    columns, units = _header(header, path)
    rows = []
    for number, row in enumerate(cells[HEADER_ROW:], HEADER_ROW + 1):
        values = {name: row[i] if i < len(row) else None for name, i in columns.items()}
        if values["formula"] in (None, ""):
            continue
        rows.append(_row(values, units, number))
    if not rows:
        raise EmptyDatasetError(
            f"{path} has no row below its header", "one surface a row", "name another file"
        )
    return rows


def parse_space_group(value: Any) -> int:
    """Read a space group: its number, or its international symbol with or without underscores.

    Raises
    ------
    LearnerError
        When it cannot be read.
    """
    text = str(value).strip()
    if re.fullmatch(r"\d+(\.0)?", text):
        number = int(float(text))
        if 1 <= number <= 230:
            return number
    else:
        text = re.sub(r"\s+", "", text).replace("_", "")
        if text in _symbols():
            return _symbols()[text]
    raise LearnerError(f"{value!r} is no space group", "a number from 1 to 230, or a symbol")


@cache
def _symbols() -> dict[str, int]:
    """Return the number of each international short symbol, without underscores."""
    found: dict[str, int] = {}
    for hall_number in range(1, 531):
        kind = spglib.get_spacegroup_type(hall_number)
        if kind is None:  # cannot be: there are 530
            continue
        found.setdefault(kind.international_short.replace("_", ""), int(kind.number))
    return found


def _cells(path: Path) -> list[tuple[Any, ...]]:
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise MissingDependencyError(
            "tables need openpyxl, which is not installed",
            "the optional packages of surfalign[ml]",
            "pip install 'surfalign[ml]'",
        ) from error
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        workbook = load_workbook(path, read_only=True, data_only=True)
        try:
            return [tuple(row) for row in workbook.worksheets[0].iter_rows(values_only=True)]
        finally:
            workbook.close()
    except (OSError, BadZipFile, InvalidFileException, KeyError, ValueError, IndexError) as error:
        raise DamagedFileError(
            f"{path} cannot be read as a table: {type(error).__name__}: {error}",
            "the .xlsx file of the paper's Supporting Information",
            "download it again",
        ) from error


def _header(header: Sequence[Any], path: Path) -> tuple[dict[str, int], dict[str, str]]:
    """Return the index of each column, and the unit of each label as the header states it.

    A column whose name is not understood is taken by its place in the published order.
    """
    columns: dict[str, int] = {}
    for index, cell in enumerate(header):
        bare = re.sub(r"[\s_.\-]+", "", re.sub(r"[(\[].*?[)\]]", "", str(cell or ""))).lower()
        for name, spellings in _COLUMNS.items():
            if name not in columns and any(_means(bare, spelling) for spelling in spellings):
                columns[name] = index
                break
    for place, name in enumerate(_COLUMNS):
        free = place < len(header) and header[place] and place not in columns.values()
        if name not in columns and free:
            columns[name] = place
    units = {}
    for name in LABEL_UNITS:
        text = str(header[columns[name]] or "") if name in columns else ""
        stated = re.search(r"[(\[](.*?)[)\]]", text)
        if stated:
            written = re.sub(r"[\s^]+", "", stated[1]).replace("²", "2").replace("−", "-").lower()
            units[name] = _UNITS.get(written, stated[1])
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        raise DamagedFileError(
            f"row {HEADER_ROW} of {path} has no column for {', '.join(missing)} "
            f"(it reads {', '.join(repr(str(cell)) for cell in header) or 'nothing'})",
            f"columns {', '.join(_COLUMNS)}",
            "name the table of surfaces as published",
        )
    return columns, units


def _means(bare: str, spelling: str) -> bool:
    return bare == spelling or (len(spelling) > 4 and bare.startswith(spelling))


def _row(values: dict[str, Any], units: dict[str, str], number: int) -> TableRow:
    where = f"row {number}"
    try:
        formula = Composition(re.sub(r"\s+", "", str(values["formula"]))).reduced_formula
    except ValueError as error:
        raise UnknownElementError(
            f"{where}: {values['formula']!r} is no formula", "chemical symbols and numbers"
        ) from error
    labels = {}
    for name in LABEL_UNITS:
        value = values.get(name)
        if value in (None, "", "-", "–", "N/A", "n/a"):
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidLabelError(
                f"{where}: {name} is {value!r}", "a number or an empty cell", "mend the table"
            )
        labels[name] = convert(float(value), units.get(name, LABEL_UNITS[name]), name)
    try:
        return TableRow(
            number=str(values.get("index") or number),
            formula=formula,
            space_group_number=parse_space_group(values["space_group"]),
            miller_index=_miller_index(values["miller_index"]),
            labels=labels,
        )
    except (LearnerError, SurfaceError) as error:
        raise LearnerError(f"{where}: {error.found}", error.expected, "mend the table") from error


def _miller_index(value: Any) -> tuple[int, int, int]:
    # A spreadsheet makes the number 1 of 001.
    return parse_miller_index(f"{value:03d}" if isinstance(value, int) else str(value))
