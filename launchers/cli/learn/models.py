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
    from surfalign.ml.models import shipped_model

commands = typer.Typer()


@commands.command()
def models(
    name: Annotated[str | None, typer.Argument(help="Only this model.")] = None,
    as_json: Json = False,
    directory: Directory = None,
) -> None:
    """List all versions of the models with their data and errors.

    Example: surfalign learn models --json
    """
    if name is not None:
        found, _ = sources.model(directory, name)
    else:
        found = sources.registry(directory)
    names = [name] if name is not None else found.names()
    if name is not None and not found.versions(name):
        found.card(name)  # says which models there are
    if as_json:
        cards = []
        for model in names:
            champion = found.champion(model)
            for version in found.versions(model):
                is_champion = champion is not None and champion.version == version
                cards.append(asdict(found.card(model, version)) | {"champion": is_champion})
        print_json(cards)
    elif names:
        output_console().print(tables.versions_table(found, names))
    else:
        typer.echo(f"No model in {found.directory}; train one: surfalign learn train --help")
        typer.echo(
            f"Until then {shipped_model.NAME} predicts, which comes with surfalign: surfalign learn models "
            f"{shipped_model.NAME}"
        )


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
