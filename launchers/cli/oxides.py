"""``surfalign oxides``: the built-in library of textbook oxides."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from surfalign.crystals.library import LibraryEntry, library
from surfalign.launchers.cli.options import JsonFile
from surfalign.launchers.cli.output import make_folders, output_console, write_json

commands = typer.Typer()


#: Terminals of this many columns hold whole citations; narrower ones get author and year.
WIDE = 140


@commands.command()
def oxides(
    text: Annotated[
        str,
        typer.Option(
            "--filter", help="An element (Ti), or part of a name, phase or space group (rutile)."
        ),
    ] = "",
    json_file: JsonFile = None,
) -> None:
    """List the built-in oxides: phase, lattice, cleavage plane and literature source.

    surfalign run takes these names. Lattice parameters are measured, in the axes of the source. The
    cleavage plane is in the standard conventional cell, like --hkl.

    Example: surfalign oxides --filter perovskite
    """
    make_folders(json_file)
    entries = [entry for entry in library().values() if matches(entry, text)]
    if json_file is not None:
        write_json([as_dict(entry) for entry in entries], json_file)
        return

    console = output_console()
    if not entries:
        console.print(f"No oxide of the library matches {escape(repr(text))}.")
        raise typer.Exit(1)
    console.print(_table(entries, full_sources=console.width >= WIDE))


def matches(entry: LibraryEntry, text: str) -> bool:
    """Tell whether an entry holds the element ``text``, or ``text`` is part of what names it."""
    elements = {site.element for site in entry.sites}
    if text in elements or not text:
        return True
    words = (entry.name, entry.formula, entry.phase, entry.space_group_symbol, *entry.aliases)
    # A capitalised symbol means the element: Sn is not part of "snow".
    return len(text) > 2 and any(text.casefold() in word.casefold() for word in words)


def as_dict(entry: LibraryEntry) -> dict[str, Any]:
    """Return an entry for scripts: lengths in angstrom, angles in degree."""
    names = ("a", "b", "c", "alpha", "beta", "gamma")
    return {
        "name": entry.name,
        "formula": entry.formula,
        "phase": entry.phase,
        "space_group_number": entry.space_group_number,
        "space_group_symbol": entry.space_group_symbol,
        "setting": entry.setting,
        "lattice": dict(zip(names, entry.lattice_parameters, strict=True)),
        "sites": [
            {"element": site.element, "wyckoff": site.wyckoff, "coordinates": site.coordinates}
            for site in entry.sites
        ],
        "n_atoms": entry.n_atoms,
        "surface": entry.surface,
        "default_phase": entry.default,
        "aliases": entry.aliases,
        "source": entry.reference.text,
        "doi": entry.reference.doi,
        "note": entry.note,
    }


def _table(entries: Iterable[LibraryEntry], *, full_sources: bool) -> Table:
    rows = list(entries)
    table = Table(title=f"{len(rows)} oxides", caption="surfalign run NAME computes one")
    table.add_column("Name", no_wrap=True)
    table.add_column("Phase")
    table.add_column("Space group", no_wrap=True)
    table.add_column("Lattice (Å, °)")
    table.add_column("Plane", no_wrap=True)
    table.add_column("Source")
    for entry in rows:
        table.add_row(
            entry.name,
            escape(entry.phase),
            f"{entry.space_group_symbol} ({entry.space_group_number})",
            _lattice(entry),
            "–" if entry.surface is None else "(" + " ".join(map(str, entry.surface)) + ")",
            escape(entry.reference.text if full_sources else short_source(entry)),
        )
    return table


def short_source(entry: LibraryEntry) -> str:
    """Return the first author's family name and the year."""
    text = entry.reference.text
    author = re.split(r",| and | et al", text)[0].split()[-1]
    year = re.findall(r"\b(?:19|20)\d\d\b", text)[-1]
    return f"{author} {year}"


def _lattice(entry: LibraryEntry) -> str:
    """Write the lattice parameters that the crystal system leaves free."""
    a, b, c, alpha, beta, gamma = entry.lattice_parameters
    parts = [f"a {a:g}"]
    if b != a:
        parts.append(f"b {b:g}")
    if c != a:
        parts.append(f"c {c:g}")
    for name, angle in (("α", alpha), ("β", beta), ("γ", gamma)):
        if angle not in (90.0, 120.0):
            parts.append(f"{name} {angle:g}")
    return ", ".join(parts)
