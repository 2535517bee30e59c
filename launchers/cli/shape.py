"""``surfalign shape``: the equilibrium shape of a crystal from its stored surfaces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import Flagged, JsonFile, LargestIndex, Mixed, Where
from surfalign.launchers.cli.output import is_stdout, make_folders, output_console, write_json

with imported_when_used():
    from surfalign.launchers.cli import wanted_crystals
    from surfalign.launchers.cli.tables import shapes as tables
    from surfalign.launchers.database import server
    from surfalign.stores.shapes import records, selection
    from surfalign.stores.shapes import shape as shapes

commands = typer.Typer()


@commands.command()
def shape(
    target: Annotated[
        str, typer.Argument(metavar="CRYSTAL", help="Library name, structure file, or database id.")
    ],
    where: Where = None,
    max_index: LargestIndex = 1,
    temperature: Annotated[
        float,
        typer.Option("--temperature", min=0, help="Of the weights of terminations (K)."),
    ] = 300.0,
    flagged: Flagged = False,
    mixed: Mixed = False,
    json_file: JsonFile = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", metavar="DIR", help="Draw the shape here (PNG).")
    ] = None,
) -> None:
    """Show the equilibrium shape of a crystal, its faces' shares, and the levels averaged over it.

    The shape is made of the surface energies in the store. What is missing is listed: each orientation up to
    the largest index without a result, with the surface energy below which it would show.

    Example: surfalign shape SnO2 --where 'quality = quick' --figure figures
    """
    make_folders(json_file, figure)
    crystal = wanted_crystals.load_with_notes(target)
    with server.open_database(announce=lambda line: typer.echo(line, err=True)) as database:
        found = selection.select(database, crystal, where, flagged=flagged, mixed=mixed)
    made = shapes.crystal_shape(found, max_index=max_index, temperature=temperature)
    write_json(records.shape_record(made), json_file)
    if not is_stdout(json_file):
        output_console().print(tables.shape_report(made))
    if figure is not None:
        # matplotlib loads slowly and may write a cache of fonts: only for who wants pictures.
        from surfalign.launchers.figures.shapes import save_shape

        typer.echo(f"figure: {save_shape(made, figure)}", err=True)
