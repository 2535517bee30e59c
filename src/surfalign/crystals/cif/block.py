"""The data block of a CIF file that holds the crystal, with its items by name."""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from gemmi import cif

from surfalign.errors import ContradictoryFileError, InvalidStructureError

#: Beginnings of the items that describe the crystal: such an item may not stand twice.
_CRYSTAL = ("_cell_", "_atom_site_", "_symmetry_", "_space_group_", "_chemical_formula_")
_DECOMPRESS = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
#: CIF is ASCII; these are what editors and web pages make of a minus sign, and marks of no meaning.
_TRANSLATION = str.maketrans("−–", "--", "\ufeff\x00\x1a")


@dataclass(frozen=True)
class CifBlock:
    """One data block.

    Attributes
    ----------
    name
        What stands behind ``data_``.
    columns
        Values by item, the item in lower case with ``_`` for ``.`` (so the names of the old and of the
        new dictionary are one); a single value is a column of one. ``?`` and ``.`` are None.
    """

    name: str
    columns: dict[str, list[str | None]]

    def column(self, *items: str) -> list[str | None]:
        """Return the values of the first of these items that is there."""
        return next((self.columns[item] for item in items if item in self.columns), [])

    def texts(self, *items: str) -> list[str]:
        """Return the values that are stated under any of these items."""
        values = (value for item in items for value in self.columns.get(item, []))
        return list(dict.fromkeys(value for value in values if value))

    def text(self, *items: str) -> str | None:
        """Return the first value that is stated."""
        return next(iter(self.texts(*items)), None)

    def number(self, *items: str) -> float | None:
        """Return the first number that is stated.

        Raises
        ------
        InvalidStructureError
            When the value is no number.
        """
        text = self.text(*items)
        return None if text is None else as_number(text, items[0])


def as_number(text: str, what: str) -> float:
    """Read a number, with or without its uncertainty: ``4.2112(3)``.

    Raises
    ------
    InvalidStructureError
        When it is none.
    """
    value = float(cif.as_number(text))
    if not math.isfinite(value):
        raise InvalidStructureError(
            f"{what} is {text!r}", "a number", "correct the file, or write ? for what is unknown"
        )
    return value


def read_crystal_block(path: Path) -> CifBlock:
    """Return the block of a file that holds atoms.

    Raises
    ------
    InvalidStructureError
        When the file is no CIF, or no block or several hold atoms.
    ContradictoryFileError
        When an item of the crystal is given two values.
    """
    content = path.read_bytes()
    if decompress := _DECOMPRESS.get(path.suffix.lower()):
        content = decompress(content)
    text = content.decode("utf-8", "replace").translate(_TRANSLATION)
    try:
        # What is wrong elsewhere in the file (an author named twice) does not matter here.
        document = cif.read_string(text.encode("ascii", "replace").decode(), check_level=0)
    except (ValueError, RuntimeError) as error:
        raise InvalidStructureError(
            f"it is no CIF file ({error})", "CIF, as its standard says"
        ) from error
    with_atoms = [block for block in map(_read_block, document) if _has_atoms(block)]
    if len(with_atoms) != 1:
        names = ", ".join(block.name for block in with_atoms)
        raise InvalidStructureError(
            f"it holds {len(with_atoms)} structures" + (f" ({names})" if names else ""),
            "one data block with atoms",
            "split the file" if with_atoms else "add the atom sites",
        )
    return with_atoms[0]


def _has_atoms(block: CifBlock) -> bool:
    return any(
        block.columns.get(f"_atom_site_{item}")
        for item in ("fract_x", "cartn_x", "label", "type_symbol")
    )


def _read_block(block: cif.Block) -> CifBlock:
    columns: dict[str, list[str | None]] = {}
    for item in block:
        if item.pair is not None:
            tag, raw = cast("tuple[str, str]", item.pair)
            _add(columns, tag, [_value(raw)])
        elif item.loop is not None:
            tags, values = item.loop.tags, item.loop.values
            for place, tag in enumerate(tags):
                _add(columns, tag, [_value(raw) for raw in values[place :: len(tags)]])
    return CifBlock(block.name.strip() or "unnamed", columns)


def _add(columns: dict[str, list[str | None]], tag: str, values: list[str | None]) -> None:
    item = tag.lower().replace(".", "_").rstrip("_")
    known = columns.setdefault(item, values)
    if known != values and item.startswith(_CRYSTAL):
        raise ContradictoryFileError(
            f"{tag} stands twice, with {known[0]} and with {values[0]}", "one value", "remove one"
        )


def _value(raw: str) -> str | None:
    return None if not raw or cif.is_null(raw) else str(cif.as_string(raw)).strip()
