"""``surfalign phases``: the terminations of a face in oxygen gas."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import Flagged, JsonFile, Mixed, Where
from surfalign.launchers.cli.output import is_stdout, make_folders, output_console, write_json

with imported_when_used():
    from surfalign.launchers.cli import wanted_crystals
    from surfalign.launchers.cli.tables import phases as tables
    from surfalign.launchers.database import server
    from surfalign.settings import load_settings
    from surfalign.stores.shapes import oxygen_phases, records, selection

commands = typer.Typer()


@commands.command()
def phases(
    target: Annotated[
        str, typer.Argument(metavar="CRYSTAL", help="Library name, structure file, or database id.")
    ],
    hkl: Annotated[
        str | None, typer.Option("--hkl", metavar="H,K,L", help="Orientation, e.g. 1,1,0.")
    ] = None,
    where: Where = None,
    low: Annotated[
        float, typer.Option("--from", help="Lowest chemical potential of oxygen (eV).")
    ] = -4.0,
    high: Annotated[float, typer.Option("--to", help="Highest (eV).")] = 0.0,
    correction: Annotated[
        float | None,
        typer.Option(
            "--oxygen-correction",
            metavar="EV",
            min=-3.0,
            max=3.0,
            help="Added to the stored energy of half an O2 molecule, e.g. of another reference (eV); by "
            "default what the settings say.",
        ),
    ] = None,
    flagged: Flagged = False,
    mixed: Mixed = False,
    json_file: JsonFile = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", metavar="DIR", help="Draw the diagram here (PNG).")
    ] = None,
) -> None:
    """Show which termination of a face is stable at which chemical potential of oxygen, and its IP.

    Reduced and oxidised terminations are computed by 'surfalign run CRYSTAL --hkl H,K,L --oxygen'. Zero is
    half an O2 molecule at rest; its energy comes from H2O and H2.

    Example: surfalign phases SnO2 --hkl 1,1,0 --figure figures
    """
    make_folders(json_file, figure)
    if hkl is None:
        raise ConfigurationError(
            "no orientation was given",
            "one, as --hkl H,K,L",
            f"surfalign phases {target} --hkl 1,1,0",
        )
    crystal = wanted_crystals.load_with_notes(target)
    index = wanted_crystals.wanted_indices(crystal, [hkl], None)[0]
    with server.open_database(announce=lambda line: typer.echo(line, err=True)) as database:
        found = selection.select(database, crystal, where, flagged=flagged, mixed=mixed)
    if correction is None:
        correction = load_settings().oxygen_correction
    made = oxygen_phases.oxygen_phases(found, index, correction=correction, low=low, high=high)
    write_json(records.phases_record(made), json_file)
    if not is_stdout(json_file):
        output_console().print(tables.phases_report(made))
    if figure is not None:
        # matplotlib loads slowly and may write a cache of fonts: only for who wants pictures.
        from surfalign.launchers.figures.phases import save_phases

        typer.echo(f"figure: {save_phases(made, figure)}", err=True)
