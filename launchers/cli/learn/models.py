"""``surfalign learn models`` and ``rollback``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import Directory, Json
from surfalign.launchers.cli.output import output_console, print_json

with imported_when_used():
    from surfalign.launchers.cli.learn import sources
    from surfalign.launchers.cli.tables import cards as tables
    from surfalign.ml.models import listed_versions, shipped_model

commands = typer.Typer()


@commands.command()
def models(
    name: Annotated[str | None, typer.Argument(help="Only this model.")] = None,
    as_json: Json = False,
    directory: Directory = None,
) -> None:
    """List all versions of the models with their data and errors.

    What is damaged is named on the standard error, and the command then ends with status 1.

    Example: surfalign learn models --json
    """
    if name is not None:
        found, _ = sources.model(directory, name)
    else:
        found = sources.registry(directory)
    names = [name] if name is not None else found.names()
    if name is not None and not found.versions(name):
        found.card(name)  # says which models there are
    listed = list(listed_versions.listed_versions(found, names))
    if as_json:
        print_json([asdict(one.card) | {"champion": one.champion} for one in listed if one.card])
    elif names:
        output_console().print(tables.versions_table(listed))
    else:
        typer.echo(f"No model in {found.directory}; train one: surfalign learn train --help")
        typer.echo(
            f"Until then {shipped_model.NAME} predicts, which comes with surfalign: surfalign learn models "
            f"{shipped_model.NAME}"
        )
    damaged = [one.problem for one in listed if one.problem]
    for problem in damaged:
        typer.echo(f"{type(problem).__name__}: {problem}", err=True)
    if damaged:
        raise typer.Exit(1)


@commands.command()
def rollback(
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    to: Annotated[
        str | None, typer.Option("--to", help="Version; by default the champion before.")
    ] = None,
    directory: Directory = None,
) -> None:
    """Make an earlier version of a model predict again.

    Example: surfalign learn rollback jarvis
    """
    champion = sources.registry(directory).rollback(name, to)
    typer.echo(f"{name} predicts with {champion.version}")
