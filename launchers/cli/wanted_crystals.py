"""Crystals that a command takes: loaded with a word on what is unusual, and their orientations."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from surfalign.crystals.crystal import Crystal
from surfalign.crystals.sources import load_crystal
from surfalign.physics.lattice.orientations import MillerIndex, parse_miller_index


def load_with_notes(target: str) -> Crystal:
    """Load a crystal, and print its notes to standard error."""
    crystal = load_crystal(target)
    console = Console(stderr=True)
    for note in crystal.notes:
        console.print(f"[dim]{escape(crystal.name)}: {escape(note)}[/]", soft_wrap=True)
    return crystal


def wanted_indices(
    crystal: Crystal, hkl: Sequence[str] | None, of_file: Sequence[str] | None
) -> list[MillerIndex]:
    """Return the orientations of ``--hkl`` and of ``--hkl-of-file``, in the standard cell.

    Raises
    ------
    SurfaceError
        When a text is no Miller index of such axes, or the crystal comes from no file.
    """
    hexagonal = (
        143 <= crystal.space_group_number <= 194
    )  # trigonal crystals have hexagonal axes here
    indices = [parse_miller_index(text, hexagonal=hexagonal) for text in hkl or ()]
    return indices + [crystal.from_file_index(parse_miller_index(text)) for text in of_file or ()]
