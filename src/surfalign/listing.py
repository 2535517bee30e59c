"""Lists that show themselves as a table, in a terminal and in a notebook."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from html import escape
from typing import ClassVar, TypeVar

Item = TypeVar("Item")
#: Rows that are shown.
SHOWN = 40


class Listing(list[Item]):
    """A list with a row for each item; the numbers stand in the items.

    Attributes
    ----------
    columns
        Headings, with their units.
    """

    columns: ClassVar[tuple[str, ...]]

    def headings(self) -> tuple[str, ...]:
        """Return the headings of this list."""
        return self.columns

    @abstractmethod
    def row(self, item: Item) -> Sequence[str]:
        """Return the cells of an item."""

    def __repr__(self) -> str:
        rows = [self.headings(), *map(self.row, self[:SHOWN])]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join([cells[0].ljust(widths[0]), *map(str.rjust, cells[1:], widths[1:])]).rstrip()
            for cells in rows
        ]
        return "\n".join([*lines, *self._rest()])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.headings())
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in self.row(item))}</tr>"
            for item in self[:SHOWN]
        )
        rest = "".join(f"<p>{line}</p>" for line in self._rest())
        return f"<table><tr>{head}</tr>{body}</table>{rest}"

    def _rest(self) -> list[str]:
        return [f"... and {len(self) - SHOWN} more"] if len(self) > SHOWN else []


def fixed(value: float | None, decimals: int = 2) -> str:
    """Write a number; a dash where there is none."""
    return "–" if value is None else f"{value:.{decimals}f}"
