"""``surfalign register``: levels that were measured, or computed by others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli.lazy import imported_when_used

with imported_when_used():
    from surfalign.launchers.database import server
    from surfalign.stores.measured import registration, templates

commands = typer.Typer()


@commands.command()
def register(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="YAML file with one entry, or a list.")
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            "--template",
            metavar="NAME",
            help="Print an entry with comments: ups, ipes, yield, computed, or one of your laboratory.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare FILE with its template, and store nothing.")
    ] = False,
    remove: Annotated[
        str | None,
        typer.Option(
            "--remove", metavar="ID", help="Delete the registered levels with this identifier."
        ),
    ] = None,
) -> None:
    """Store measured levels, or levels computed by others, beside the computed ones.

    They are found by origin (measured or foreign), and validate levels compares with the measured ones. The same
    entry is stored once.

    Example: surfalign register --template ups > my.yaml

    Example: surfalign register my.yaml
    """
    if [file, template, remove].count(None) != 2:
        raise ConfigurationError(
            "what to do is not clear",
            "a FILE, --template NAME or --remove ID",
            f"begin with: surfalign register --template {next(iter(templates.templates()))} > my.yaml",
        )
    if template is not None:
        typer.echo(templates.example(templates.find_template(template)), nl=False)
        return
    documents = registration.read_entries(file) if file is not None else []
    if not check:
        with server.open_database(announce=lambda line: typer.echo(line, err=True)) as database:
            if remove is not None:
                registration.remove(database, remove)
                typer.echo(f"Deleted {remove}")
                return
            new = registration.register(database, documents)
    for document in documents:
        state = "fits" if check else "stored" if document.identifier in new else "was there"
        typer.echo(f"{document.surface_name}: {state} ({document.identifier})")
        for warning in document.warnings:
            typer.echo(f"  {warning}", err=True)
