"""vasprun.xml as VASP really writes it: what pymatgen's reader trips over in complete files."""

from __future__ import annotations

import re
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

from pymatgen.io.vasp.outputs import Vasprun

#: A value of stars, which Fortran prints where a number needs more digits than its column has.
_STARS = re.compile(rb"(?<![^\s>])\*+(?![^\s<])")
_ELEMENT = re.compile(rb"<[iv]\b([^>]*)>([^<]*\*[^<]*)<")
#: Whole numbers that decide what a calculation is; stars there are no number to guess at.
_NEEDED = frozenset(
    {"NELM", "NSW", "IBRION", "ICHARG", "ISPIN", "ISIF", "ISMEAR", "NBANDS", "IALGO", "divisions"}
)


class CompleteVasprun(Vasprun):
    """pymatgen's reader, which also reads complete files whose numbers are stars.

    Whole numbers that nobody needs (``KINTER ******``) become zero, others become NaN; each is named in
    ``unreadable``. ``ALGO = 38``, which is allowed, stays a word.
    """

    unreadable: tuple[str, ...] = ()

    def _parse(self, stream: Any, *arguments: Any, **named: Any) -> None:
        try:
            super()._parse(stream, *arguments, **named)
        except ValueError:
            stream.seek(0)
            mended = BytesIO(self._without_stars(stream.read()))
            if not self.unreadable:
                raise
            super()._parse(mended, *arguments, **named)
        if "ALGO" in self.incar:
            self.incar.data["ALGO"] = str(self.incar["ALGO"])

    def _without_stars(self, content: bytes) -> bytes:
        found: dict[str, None] = {}

        def mended(match: re.Match[bytes]) -> bytes:
            attributes, values = match.groups()
            name = re.search(rb'name="\s*(\S*?)\s*"', attributes)
            label = name[1].decode() if name else "a number"
            whole = b'type="int"' in attributes
            if label in _NEEDED:
                raise ValueError(
                    f"it holds a number that cannot be read: {label} = {values.decode().strip()}"
                )
            if _STARS.search(values):
                found[label] = None
            return match[0].replace(values, _STARS.sub(b"0" if whole else b"nan", values))

        content = _ELEMENT.sub(mended, content)
        self.unreadable = tuple(found)
        return content


def read_vasprun(path: Path) -> CompleteVasprun:
    """Read a vasprun.xml without densities of states.

    Raises
    ------
    ValueError
        When it holds no ionic step, or stars where a number is needed; what else is raised where it is no
        whole XML is lxml's.
    """
    with warnings.catch_warnings():
        # Convergence is judged elsewhere, step by step.
        warnings.simplefilter("ignore")
        vasprun = CompleteVasprun(path, parse_dos=False, parse_potcar_file=False)
    if not vasprun.ionic_steps:
        raise ValueError("it holds no ionic step")
    return vasprun
