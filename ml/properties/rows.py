"""One line of a table: its structure or formula, its contents, and the numbers among them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from surfalign.errors import InvalidLabelError, MixedLevelsError

_EMPTY = ("", "-", "–", "na", "n/a", "none", "null")


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes
    ----------
    name
        What the table calls it; its place where it says nothing.
    place
        Where it stands, for messages, e.g. ``row 3 of gaps.csv``.
    facts
        Column to content.
    units
        Column to the unit that the table states.
    structure
        The structure; None where the row has only a formula.
    formula
        Its formula where it has no structure.
    """

    name: str
    place: str
    facts: dict[str, Any]
    units: dict[str, str] = field(default_factory=dict)
    structure: Structure | None = None
    formula: str = ""

    def number(self, column: str) -> float | None:
        """Return the number of a column; None where the row has none.

        Raises
        ------
        MixedLevelsError
            When there is one for each atom.
        InvalidLabelError
            When there is something else.
        """
        content = self.facts.get(column)
        if isinstance(content, list | np.ndarray) and np.ndim(content):
            raise MixedLevelsError(
                f"{column} of {self.place} holds {len(content)} numbers",
                "one number, for the property is declared for a whole structure",
                "declare level: atom, or give one number",
            )
        if content is None or (isinstance(content, str) and content.strip().lower() in _EMPTY):
            return None
        try:
            if isinstance(content, bool):
                raise ValueError("a truth value")
            return float(content)
        except (TypeError, ValueError) as error:
            raise InvalidLabelError(
                f"{column} of {self.place} is {content!r}",
                "a number",
                "correct it, or leave the cell empty",
            ) from error

    def numbers(self, column: str, n_sites: int) -> NDArray[np.float64] | None:
        """Return the numbers of a column, one for each atom, shape (n_sites,); NaN where an atom has none.

        Parameters
        ----------
        column
            Its name.
        n_sites
            Atoms of the structure.

        Returns
        -------
        array or None
            None where the row has no number.

        Raises
        ------
        MixedLevelsError
            When there is one for the whole structure.
        InvalidLabelError
            When there are not as many numbers as atoms, or something else.
        """
        content = self.facts.get(column)
        if content is None or (isinstance(content, str) and content.strip().lower() in _EMPTY):
            return None
        if not np.ndim(content):
            raise MixedLevelsError(
                f"{column} of {self.place} is {content!r}, which belongs to the whole structure",
                f"a list of {n_sites} numbers, one for each atom, for the property is declared for atoms",
                "give numbers of atoms in JSON or extXYZ, or declare another level",
            )
        if len(content) != n_sites:
            raise InvalidLabelError(
                f"{column} of {self.place} holds {len(content)} numbers, and the structure {n_sites} atoms",
                "one number for each atom, null or NaN where there is none",
                "complete the list",
            )
        try:
            values = np.array([np.nan if one is None else one for one in content], dtype=float)
            if values.ndim > 1:
                raise ValueError(f"{values.shape[1]} for each atom")
        except (TypeError, ValueError) as error:
            raise InvalidLabelError(
                f"{column} of {self.place} holds no numbers of atoms: {error}",
                "one number for each atom, null or NaN where there is none",
                "correct the list",
            ) from error
        return None if np.isnan(values).all() else values
