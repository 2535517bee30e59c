"""Items of a long JSON list, one at a time: a list of slabs, parsed whole, takes twenty times the memory of its text."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from surfalign.errors import DamagedFileError

_CHUNK = 1 << 20
#: How compressed files begin, and what opens them.
_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_DECODER = json.JSONDecoder()
#: White space of JSON.
_SPACE = " \t\n\r"
#: What may stand behind an item.
_ENDS = tuple(f"{_SPACE},]")


def iterate_list(path: Path) -> Iterator[Any]:
    """Yield the items of a file that holds one JSON list, plain or compressed by gzip, bzip2 or xz.

    Raises
    ------
    DamagedFileError
        When the file cannot be read, is truncated, or holds no JSON list.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(6)
        opener = next((o for b, o in _OPENERS.items() if beginning.startswith(b)), open)
        with opener(path, "rt", encoding="utf-8") as text:
            yield from _items(text)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise DamagedFileError(
            f"{path} cannot be read: {type(error).__name__}: {error}",
            "a whole JSON list, plain or gzipped",
            "correct the path or copy the file again",
        ) from error


def _items(text: IO[str]) -> Iterator[Any]:
    """Yield the items of an open list.

    Raises
    ------
    ValueError
        When it is no list, or not whole.
    """
    buffer, place, ended, expected = "", 0, False, "["
    while True:
        place = _after_space(buffer, place)
        sign = buffer[place : place + 1]
        if sign == "[" == expected:
            place, expected = place + 1, "an item or ]"
            continue
        if sign == "]" and expected in ("an item or ]", ", or ]"):
            if (buffer[place + 1 :] + text.read()).strip(_SPACE):
                raise ValueError("something behind the list")
            return
        if sign == "," and expected == ", or ]":
            place, expected = place + 1, "an item"
            continue
        if sign and expected.startswith("an item"):
            try:
                item, stop = _DECODER.raw_decode(buffer, place)
            except ValueError:
                # Not whole yet, or never.
                if ended:
                    raise
            else:
                # A number may go on where it is not followed by what ends it: 1. and 1.5e are read as 1 and 1.5.
                if ended or buffer[stop : stop + 1] in _ENDS:
                    yield item
                    place, expected = stop, ", or ]"
                    continue
        elif sign or ended:
            wanted = "no list" if expected == "[" else f"expected {expected}"
            raise ValueError(f"{wanted}, found {sign or 'the end'}")
        further = text.read(_CHUNK)
        buffer, place, ended = buffer[place:] + further, 0, not further


def _after_space(buffer: str, place: int) -> int:
    while buffer[place : place + 1] and buffer[place] in _SPACE:
        place += 1
    return place
