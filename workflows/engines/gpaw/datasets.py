"""PBEsol PAW datasets: none are shipped with GPAW, so each is generated once and kept.

The generator is GPAW's own, with GPAW's own parameters and with the core-valence exchange that hybrids
need. Files appear under their name only when complete, so concurrent processes may share the folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from surfalign.errors import EngineError, MissingDatasetError
from surfalign.settings import load_settings

FUNCTIONAL = "PBEsol"
#: Raised when the recipe below changes, so that old files are not used.
_RECIPE = 1

#: Elements with parameters in GPAW 26.7 (noble gases left out; no lanthanide but La, no actinide), and the
#: valence electrons of each.
_ELEMENTS = """
H 1 Li 1 Be 2 B 3 C 4 N 5 O 6 F 7 Na 7 Mg 10 Al 3 Si 4 P 5 S 6 Cl 7 K 9 Ca 10 Sc 11 Ti 12 V 13 Cr 6
Mn 15 Fe 8 Co 9 Ni 16 Cu 11 Zn 12 Ga 3 Ge 4 As 5 Se 6 Br 7 Rb 9 Sr 10 Y 11 Zr 12 Nb 13 Mo 14 Ru 16
Rh 15 Pd 16 Ag 17 Cd 12 In 13 Sn 14 Sb 15 Te 6 I 7 Cs 9 Ba 10 La 11 Hf 12 Ta 13 W 14 Re 13 Os 14 Ir
15 Pt 16 Au 11 Hg 18 Tl 13 Pb 14 Bi 15
"""
VALENCE_ELECTRONS = {
    element: int(number) for element, number in re.findall(r"(\w+) (\d+)", _ELEMENTS)
}
SUPPORTED_ELEMENTS = frozenset(VALENCE_ELECTRONS)


@dataclass(frozen=True)
class Dataset:
    """A dataset on disk.

    Parameters
    ----------
    element
        Chemical symbol.
    path
        The file.
    sha256
        Hash of the file.
    n_valence
        Valence electrons.
    """

    element: str
    path: Path
    sha256: str
    n_valence: float


def require_supported(elements: Iterable[str]) -> None:
    """Check that datasets can be had for all elements.

    Raises
    ------
    MissingDatasetError
        When an element has none.
    """
    missing = sorted(set(elements) - SUPPORTED_ELEMENTS)
    if missing:
        raise MissingDatasetError(
            f"there is no PAW dataset for {', '.join(missing)}",
            f"elements among {' '.join(sorted(SUPPORTED_ELEMENTS))}",
            "choose another crystal, or another engine",
        )


def dataset_directory() -> Path:
    """Return the folder of the datasets in force."""
    return load_settings().data_directory / "gpaw-datasets" / f"{FUNCTIONAL.lower()}-{_RECIPE}"


def datasets(elements: Iterable[str], directory: Path | None = None) -> dict[str, Dataset]:
    """Return the dataset of each element, generating those that are absent (child side).

    Raises
    ------
    MissingDatasetError
        When an element has no parameters.
    """
    wanted = sorted(set(elements))
    require_supported(wanted)
    directory = directory or dataset_directory()
    directory.mkdir(parents=True, exist_ok=True)
    found = {}
    for element in wanted:
        path = directory / f"{element}.{FUNCTIONAL}"
        if not path.is_file():
            _generate(element, path)
        found[element] = _read(element, path)
    return found


def _generate(element: str, path: Path) -> None:
    """Generate into a scratch folder and move the finished file to ``path``."""
    from gpaw.atom.configurations import parameters
    from gpaw.atom.generator import Generator

    home = Path.cwd()
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        os.chdir(scratch)  # the generator writes to the current directory
        try:
            generator = Generator(element, FUNCTIONAL, scalarrel=True, txt=None)
            generator.run(exx=True, write_xml=True, **parameters[element])
        finally:
            os.chdir(home)
        (Path(scratch) / path.name).replace(path)


def _read(element: str, path: Path) -> Dataset:
    content = path.read_bytes()
    match = re.search(rb'<atom [^>]*valence="([0-9.]+)"', content)
    if match is None:
        raise EngineError(
            f"{path} is not a PAW dataset", "a file with an <atom> element", "remove the file"
        )
    return Dataset(element, path, hashlib.sha256(content).hexdigest(), float(match[1]))
