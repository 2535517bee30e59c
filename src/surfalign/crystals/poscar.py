"""POSCAR files, which must name their elements and agree with themselves."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
from monty.io import zopen
from pymatgen.core import Element, Structure

from surfalign.errors import ContradictoryFileError, InvalidStructureError

#: Control characters that no text holds; form feeds and tabs are let through.
_BINARY = re.compile(r"[\x00-\x08\x0e-\x1f]")


def read_poscar(path: Path) -> Structure:
    """Read a POSCAR or CONTCAR file, plain or compressed.

    Raises
    ------
    InvalidStructureError
        When it holds binary data, or names no elements, as files of VASP 4 do.
    ContradictoryFileError
        When the numbers of names and of counts differ, or names behind coordinates differ from those
        above.
    """
    from pymatgen.io.vasp.inputs import BadPoscarWarning, Poscar

    with zopen(path, mode="rt", encoding="utf-8", errors="replace") as stream:
        text = stream.read()
    if _BINARY.search(text):
        # Words of it may look like names and counts, which would then be shown to people.
        raise InvalidStructureError(
            "it holds binary data",
            "a POSCAR file, which is text",
            "check how it was copied or packed",
        )
    lines = text.splitlines()
    names, counts, first = _header(lines)
    if names:
        _check_names(lines, names, counts, first)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        structure: Structure = Poscar.from_str("\n".join(_with_positive_scale(lines))).structure
    invented = [
        w for w in caught if w.category is BadPoscarWarning and "Elements" in str(w.message)
    ]
    if invented:
        raise InvalidStructureError(
            "the POSCAR names no elements",
            "a line of element names above the line of counts, as VASP 5 and later write it",
            "add the names, in the order of the POTCAR",
        )
    for warning in caught:
        # Which atoms a relaxation held does not matter to the crystal.
        if "elective dynamics" not in str(warning.message):
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    return structure


def _header(lines: list[str]) -> tuple[list[str], list[int], int]:
    """Return names, counts, and the line on which the coordinates begin.

    Long lists go on over several lines, the names before the counts.
    """
    names: list[str] = []
    counts: list[int] = []
    first = 5
    for line in lines[5:]:
        words = line.split("!")[0].split()
        if words and all(word.isdigit() for word in words):
            counts += map(int, words)
        elif counts or not words:
            break
        else:
            names += [re.split(r"[/_]", word)[0] for word in words]
        first += 1
    selective = first < len(lines) and lines[first].strip()[:1] in ("s", "S")
    return names, counts, first + 1 + selective


def _check_names(lines: list[str], names: list[str], counts: list[int], first: int) -> None:
    # Other text in this place is no list of names, and the reader says so.
    if counts and len(names) != len(counts) and Element.is_valid_symbol(names[0]):
        raise ContradictoryFileError(
            f"the POSCAR has {len(names)} names ({' '.join(names)}) and {len(counts)} counts",
            "one count for each name",
            "correct the one that is wrong",
        )
    wanted = [name for name, count in zip(names, counts, strict=False) for _ in range(count)]
    for name, line in zip(wanted, lines[first:], strict=False):
        behind = next((w for w in line.split()[3:] if w not in ("T", "F")), "")
        symbol = re.split(r"[/_\d]", behind)[0]
        if Element.is_valid_symbol(symbol) and Element.is_valid_symbol(name) and symbol != name:
            raise ContradictoryFileError(
                f"the POSCAR says {name} above the coordinates and {symbol} behind {line.split()[:3]}",
                "the same element",
                "correct the one that is wrong",
            )


def _with_positive_scale(lines: list[str]) -> list[str]:
    """Write a negative scale, which is the volume, as the factor that it means.

    pymatgen (2026) would multiply Cartesian coordinates by the volume itself.
    """
    words = lines[1].split() if len(lines) > 4 else []
    if len(words) != 1 or not words[0].startswith("-"):
        return lines
    axes = np.array([[float(word) for word in line.split()[:3]] for line in lines[2:5]])
    factor = (-float(words[0]) / abs(np.linalg.det(axes))) ** (1 / 3)
    return [lines[0], repr(float(factor)), *lines[2:]]
