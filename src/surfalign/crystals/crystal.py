"""A bulk crystal that surfaces are cut from, with what is known of its origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from surfalign.errors import SurfaceError

if TYPE_CHECKING:
    from pymatgen.core import Structure


@dataclass(frozen=True)
class Crystal:
    """A bulk crystal in its primitive standard cell.

    Parameters
    ----------
    structure
        Idealised primitive cell of spglib's standard cell, without oxidation states.
    formula
        Reduced formula, e.g. ``TiO2``.
    name
        Name for people and files, e.g. ``TiO2-rutile``.
    source
        Where it came from: ``library:MgO``, ``file:x.cif``, ``mp:mp-1265``,
        ``optimade:PROVIDER/ID``.
    space_group_symbol
        International (Hermann-Mauguin) symbol.
    space_group_number
        Number of the space group.
    default_orientation
        Miller index of the textbook cleavage plane, in the standard conventional cell; None where
        none is known.
    citation
        Reference of the structure; empty where the file gives none.
    notes
        What a user should know: the chosen phase, a large cell, known difficulties, what is unusual
        about the file.
    file_to_standard
        Matrix P with x_standard = P x_file for the axes of the file that it was read from; None where
        it was not.
    """

    structure: Structure
    formula: str
    name: str
    source: str
    space_group_symbol: str
    space_group_number: int
    default_orientation: tuple[int, int, int] | None = None
    citation: str = ""
    notes: tuple[str, ...] = ()
    file_to_standard: tuple[tuple[float, float, float], ...] | None = None

    def from_file_index(self, miller_index: tuple[int, int, int]) -> tuple[int, int, int]:
        """Translate a Miller index in the cell of the file to the standard conventional cell.

        Raises
        ------
        SurfaceError
            When the crystal comes from no file.
        """
        if self.file_to_standard is None:
            raise SurfaceError(
                f"{self.name} ({self.source}) comes from no file, whose axes an index could count in",
                "an index in the standard conventional cell",
                "write --hkl",
            )
        # numpy is loaded here: the command line names crystals without it.
        from surfalign.crystals.file_axes import to_standard

        return to_standard(self.file_to_standard, miller_index)

    def __repr__(self) -> str:
        return (
            f"Crystal({self.name!r}, {self.space_group_symbol}, {len(self.structure)} atoms in the "
            f"primitive cell, source={self.source!r})"
        )
