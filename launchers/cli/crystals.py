"""``surfalign crystals``: the built-in library of textbook crystals."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from surfalign.crystals.chemistry.anions import ANION_NAMES
from surfalign.crystals.library import LibraryEntry, library
from surfalign.errors import ConfigurationError
from surfalign.launchers.cli.options import JsonFile
from surfalign.launchers.cli.output import make_folders, output_console, write_json

commands = typer.Typer()


#: Terminals of this many columns hold whole citations; narrower ones get author and year.
WIDE = 140


_Filter = Annotated[
    str,
    typer.Option(
        "--filter", help="An element (Ti), or part of a name, phase or space group (rutile)."
    ),
]


@commands.command()
def crystals(
    anion: Annotated[
        str,
        typer.Option(
            help="Only compounds of this anion, alone or with others: S for sulfides and oxysulfides."
        ),
    ] = "",
    text: _Filter = "",
    json_file: JsonFile = None,
) -> None:
    """List the built-in crystals: phase, lattice, cleavage plane and literature source.

    surfalign run takes these names. Lattice parameters are measured, in the axes of the source. The
    cleavage plane is in the standard conventional cell, like --hkl.

    Example: surfalign crystals --anion S --filter wurtzite
    """
    make_folders(json_file)
    entries = [entry for entry in of_anion(anion) if matches(entry, text)]
    if json_file is not None:
        write_json([as_dict(entry) for entry in entries], json_file)
        return

    console = output_console()
    if not entries:
        console.print(f"No {_noun(anion)} of the library matches {escape(repr(text))}.")
        raise typer.Exit(1)
    console.print(_table(entries, _noun(anion), full_sources=console.width >= WIDE))


@commands.command()
def oxides(text: _Filter = "", json_file: JsonFile = None) -> None:
    """List the built-in oxides, as surfalign crystals --anion O does.

    Example: surfalign oxides --filter perovskite
    """
    crystals("O", text, json_file)


def of_anion(anion: str) -> list[LibraryEntry]:
    """Return the entries of the library that hold an anion; all for an empty text.

    Raises
    ------
    ConfigurationError
        When it is no anion that surfalign has rules for.
    """
    if anion and anion not in ANION_NAMES:
        raise ConfigurationError(
            f"{anion!r} is no anion that surfalign knows",
            f"one of {', '.join(ANION_NAMES)}",
            "write its symbol, such as --anion S",
        )
    return [entry for entry in library().values() if not anion or anion in entry.anions]


def _noun(anion: str) -> str:
    return ANION_NAMES[anion] if anion else "crystal"


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
        "anions": entry.anions,
        "n_atoms": entry.n_atoms,
        "surface": entry.surface,
        "default_phase": entry.default,
        "aliases": entry.aliases,
        "source": entry.reference.text,
        "doi": entry.reference.doi,
        "note": entry.note,
    }


def _table(entries: Iterable[LibraryEntry], noun: str, *, full_sources: bool) -> Table:
    rows = list(entries)
    title = f"{len(rows)} {noun}{'s' if len(rows) > 1 else ''}"
    table = Table(title=title, caption="surfalign run NAME computes one")
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
