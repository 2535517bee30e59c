"""The console of the standard output; apart from the tables, which load pymatgen with the records."""

from __future__ import annotations

import sys

from rich.console import Console

#: Columns where the output is no terminal, so that a file holds whole rows.
FILE_WIDTH = 200


def output_console() -> Console:
    """Return the console of the standard output."""
    return Console(width=None if sys.stdout.isatty() else FILE_WIDTH)
