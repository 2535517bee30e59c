"""``surfalign publish`` and ``import-crate``: data sets for others, and back into a store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import Where
from surfalign.launchers.cli.progress import Bar

with imported_when_used():
    from surfalign.launchers.database import server
    from surfalign.stores.publication import crate, description, importing
    from surfalign.stores.query import language

if TYPE_CHECKING:
    from surfalign.stores.database import Database
    from surfalign.stores.publication.description import Description
    from surfalign.stores.publication.selection import Selection

commands = typer.Typer()


@commands.command()
def publish(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder of the data set.")],
    where: Where = None,
    title: Annotated[str, typer.Option("--title", help="Name of the data set.")] = (
        "Ionization potentials and electron affinities of oxide surfaces"
    ),
    text: Annotated[
        str, typer.Option("--text", help="What it is, in a sentence or some.")
    ] = "Levels of oxide surfaces against vacuum, with their checks, settings and structures.",
    creator: Annotated[
        list[str] | None,
        typer.Option("--creator", metavar="NAME", help="Who made it: 'Family, Given'; repeatable."),
    ] = None,
    version: Annotated[str, typer.Option("--version", help="Version of the data set.")] = "1.0.0",
    doi: Annotated[str, typer.Option("--doi", help="DOI of the data set, where it has one.")] = "",
    only_public: Annotated[
        bool,
        typer.Option(
            "--only-public", help="Leave out what is private or under embargo, and go on."
        ),
    ] = False,
) -> None:
    """Write public results as a data set for others: data, structures, checksums, descriptions.

    The folder is an RO-Crate with Croissant and DataCite descriptions. What is private or under embargo is refused;
    share says what is public, and under which licence.

    Example: surfalign publish --where 'state = passed' --out oxides --creator 'Kiyohara, Shin'
    """
    language.to_filter(where or "")

    def described(selection: Selection) -> Description:
        return description.Description(
            title=title,
            creators=tuple(creator or [description.UNKNOWN]),
            licence=selection.licence,
            version=version,
            published=datetime.now(UTC).date(),
            text=text,
            doi=doi,
            citations=selection.citations,
            dois=selection.dois,
        )

    with _database() as database, Bar() as bar:
        selection = crate.publish(
            database, where or "", out, described, bar, only_public=only_public
        )
    for reason, number in selection.left_out.items():
        typer.echo(f"Left out: {number} {reason}", err=True)
    typer.echo(f"Wrote {selection.number} results under {selection.licence} to {out}", err=True)


@commands.command("import-crate")
def import_crate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What publish has written.")],
    merge: Annotated[
        bool,
        typer.Option("--merge", help="Into a store with results: add others, change none."),
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the files with their checksums, and no more.")
    ] = False,
) -> None:
    """Bring a published data set into an empty store, after comparing its files with their checksums.

    Example: surfalign import-crate oxides
    """
    if check:
        with Bar() as bar:
            importing.verify(folder, bar)
        typer.echo(f"{folder} is as it was published")
        return
    with _database() as database, Bar() as bar:
        written = importing.import_crate(database, folder, bar, merge=merge)
        where = f"{database.name} at {database.address}"
    typer.echo(f"Wrote {written} results into {where}", err=True)


def _database() -> Database:
    return server.open_database(announce=lambda line: typer.echo(line, err=True))
