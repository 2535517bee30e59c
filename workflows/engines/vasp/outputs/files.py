"""The files of a folder in which VASP has run, compressed or suffixed, and what they are called in errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monty.io import zopen

from surfalign.errors import EngineError, EngineKilledError

_COMPRESSIONS = ("", ".gz", ".bz2", ".xz", ".z", ".Z")
#: Copies that custodian makes of inputs, and of the files of a run that failed.
_NOT_RESULTS = (".orig", ".spec", ".tar", ".tmp", ".lock")


def find_file(directory: Path, name: str) -> Path | None:
    """Return the file of a name, compressed or suffixed, of the last run in a folder."""
    for compression in _COMPRESSIONS:
        if (path := directory / f"{name}{compression}").is_file():
            return path
    suffixed = [
        path
        for path in directory.glob(f"{name}.*")
        if path.is_file() and not any(part in path.name for part in _NOT_RESULTS)
    ]
    return max(suffixed, key=lambda path: path.name, default=None)


def text_of(path: Path) -> str:
    """Return the text of a file, compressed or not."""
    with zopen(path, mode="rt", encoding="utf-8", errors="replace") as file:
        return str(file.read())


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Give whatever a parser of pymatgen raises on a broken file one name."""
    try:
        yield
    # Its parsers raise whatever a missing line leads to: lxml's errors, IndexError, KeyError, ...
    except Exception as error:
        what = f"({type(error).__name__}: {error})"
        if _is_whole(path, error):
            raise EngineError(
                f"{path} is complete, but holds what cannot be read {what}",
                "numbers where VASP prints numbers",
                "look at the file there; the calculation itself may be good",
            ) from error
        raise EngineKilledError(
            f"{path} cannot be read to its end {what}",
            "the complete file of a run that came to its end",
            "run this calculation again",
        ) from error


def _is_whole(path: Path, error: Exception) -> bool:
    """Whether a vasprun.xml that cannot be read was written to its end; lxml's errors are SyntaxErrors."""
    if "vasprun" not in path.name or isinstance(error, SyntaxError):
        return False
    try:
        return text_of(path).rstrip().endswith("</modeling>")
    except (OSError, EOFError):  # a compressed file that breaks off
        return False
