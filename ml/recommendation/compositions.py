"""Oxides of two cations, read from formulas, and the oxidation states of cations."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pymatgen.core import Composition, Element

from surfalign.errors import DamagedFileError, EmptyDatasetError
from surfalign.files import require_file

NOT_READ = "no formula"
NOT_TERNARY = "not an oxide of two cations"
#: More atoms of one cation than this in a formula unit are no small stoichiometry any more.
MOST_ATOMS = 12
TOO_LARGE = f"more than {MOST_ATOMS} atoms of one cation in the formula"


@dataclass(frozen=True, order=True)
class TernaryOxide:
    """A formula unit of two cations and oxygen, the cations in alphabetical order.

    Attributes
    ----------
    cations
        Symbols.
    numbers
        Atoms of each cation in the reduced formula.
    n_oxygen
        Atoms of oxygen in it.
    """

    cations: tuple[str, str]
    numbers: tuple[int, int]
    n_oxygen: int

    @property
    def formula(self) -> str:
        """Reduced formula as pymatgen writes it, e.g. ``SrTiO3``."""
        amounts = dict(zip(self.cations, self.numbers, strict=True)) | {"O": self.n_oxygen}
        return str(Composition(amounts).reduced_formula)

    @classmethod
    def of(cls, composition: Composition) -> TernaryOxide | str:
        """Return the oxide of a composition, or the reason why it is none."""
        amounts = composition.reduced_composition.get_el_amt_dict()
        oxygen = amounts.pop("O", 0)
        if len(amounts) != 2 or oxygen == 0 or any(n % 1 for n in (oxygen, *amounts.values())):
            return NOT_TERNARY
        (first, n_first), (second, n_second) = sorted(amounts.items())
        if max(n_first, n_second) > MOST_ATOMS:
            return TOO_LARGE
        return cls((first, second), (int(n_first), int(n_second)), int(oxygen))


@dataclass(frozen=True)
class KnownOxides:
    """What a list of formulas holds.

    Attributes
    ----------
    oxides
        Oxides of two cations, each once, sorted.
    left_out
        Reason to the number of lines that are none.
    """

    oxides: tuple[TernaryOxide, ...]
    left_out: dict[str, int]


def known_oxides(formulas: Iterable[str]) -> KnownOxides:
    """Read formulas; those that are no oxide of two cations are counted by reason.

    Raises
    ------
    EmptyDatasetError
        When none is an oxide of two cations.
    """
    found: set[TernaryOxide] = set()
    left_out: Counter[str] = Counter()
    for text in formulas:
        oxide = _read(text)
        if isinstance(oxide, str):
            left_out[oxide] += 1
        else:
            found.add(oxide)
    if not found:
        raise EmptyDatasetError(
            f"no oxide of two cations in the list ({dict(left_out) or 'it is empty'})",
            "formulas such as SrTiO3, one a line",
            "name a file that holds some",
        )
    return KnownOxides(tuple(sorted(found)), dict(left_out))


def read_formulas(path: Path) -> list[str]:
    """Read one formula a line, or the column ``formula`` of a CSV file.

    Raises
    ------
    MissingFileError
        When the file is not there.
    DamagedFileError
        When it is no text, or a table without such a column.
    """
    require_file(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DamagedFileError(
            f"{path} is no text", "formulas, one a line, or CSV", "correct the file"
        ) from error
    if not any("," in line for line in lines[:1]):
        return [line.strip() for line in lines if line.strip() and line.strip() != "formula"]
    rows = csv.DictReader(lines)
    if "formula" not in (rows.fieldnames or ()):
        raise DamagedFileError(
            f"{path} has the columns {', '.join(rows.fieldnames or ())}",
            "a column named formula",
            "rename the column that holds the formulas",
        )
    return [row["formula"] or "" for row in rows]


@cache
def oxidation_states(element: str) -> tuple[int, ...]:
    """Return the positive oxidation states that an element is known to take in solids."""
    known = Element(element)
    return tuple(
        sorted(s for s in {*known.common_oxidation_states, *known.icsd_oxidation_states} if s > 0)
    )


def _read(text: str) -> TernaryOxide | str:
    try:
        composition = Composition(text)
    except (ValueError, KeyError):
        return NOT_READ
    # pymatgen takes unknown symbols for place holders.
    if not composition or not all(isinstance(e, Element) for e in composition.elements):
        return NOT_READ
    return TernaryOxide.of(composition)
