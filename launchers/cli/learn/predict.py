"""``surfalign learn predict``: levels of surfaces in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from surfalign.launchers.cli.learn.options import Directory, Model
from surfalign.launchers.cli.options import LargestIndex, OnlyOrientations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from surfalign.ml.data.records import SurfaceRecord
    from surfalign.ml.models.prediction import Predictions


def register(commands: typer.Typer) -> None:
    """Add the command."""
    commands.command("predict")(predict)


def predict(
    structure: Annotated[
        str | None, typer.Argument(help="Bulk crystal: library name, structure file, database id.")
    ] = None,
    slabs: Annotated[
        Path | None, typer.Option("--slabs", help="Or a JSON list of slabs (key initial), .gz.")
    ] = None,
    hkl: OnlyOrientations = None,
    max_index: LargestIndex = 1,
    model: Model = None,
    version: Annotated[
        str | None, typer.Option("--version", help="Version; by default the champion.")
    ] = None,
    json_file: Annotated[
        str | None, typer.Option("--json", help="Write JSON to this file; - is the output.")
    ] = None,
    directory: Directory = None,
) -> None:
    """Predict IP and EA of relaxed surfaces from unrelaxed ones.

    Of a bulk crystal the nonpolar surfaces are enumerated first. Each prediction comes with an interval
    that covers nine of ten surfaces, and with a flag that tells whether the surface is like those that
    the model learned from.

    Example: surfalign learn predict TiO2-rutile --hkl 1,1,0

    Example: surfalign learn predict --slabs slabs.json.gz --json predictions.json
    """
    import json

    from surfalign.launchers.cli.console import output_console
    from surfalign.launchers.cli.learn import options
    from surfalign.ml.models.prediction import predict_records

    records = surfaces(structure, slabs, hkl, max_index)
    models = options.registry(directory)
    name = model or models.latest()
    predictions = predict_records(records, models, name, version)
    if json_file is not None:
        plain = [prediction.as_dict() for prediction in predictions]
        text = json.dumps(plain, indent=1, allow_nan=False)
        if json_file == "-":
            typer.echo(text)
        else:
            Path(json_file).write_text(text + "\n", encoding="utf-8")
    if json_file != "-":
        fidelity = models.card(name, version).fidelity
        output_console().print(table(predictions, f"{predictions[0].model}, predicts {fidelity}"))


def surfaces(
    structure: str | None, slabs: Path | None, hkl: Sequence[str] | None, max_index: int = 1
) -> list[SurfaceRecord]:
    """Return the slabs of a file, or those of a bulk crystal.

    Raises
    ------
    ConfigurationError
        When both or neither are named.
    SurfaceError
        When the crystal has no nonpolar surface, or a wanted orientation has none.
    """
    from surfalign.errors import ConfigurationError

    if (structure is None) == (slabs is None):
        raise ConfigurationError(
            "a crystal and a file of slabs are named"
            if structure
            else "neither a crystal nor a file of slabs is named",
            "a crystal (MgO, a.cif) or --slabs FILE",
            "name one of them",
        )
    if slabs is not None:
        from surfalign.ml.data.from_slab_files import read_slab_file

        return read_slab_file(slabs)
    from surfalign.crystals.sources import load_crystal
    from surfalign.launchers.cli.run import parse_miller_index
    from surfalign.ml.data.from_crystal import crystal_surfaces

    indices = [parse_miller_index(text) for text in hkl or ()]
    return crystal_surfaces(load_crystal(str(structure)), indices, max_index)


def table(predictions: Predictions, caption: str) -> Table:
    """Return the predictions as a table."""
    from rich.markup import escape
    from rich.table import Table

    shown = Table(caption=escape(caption))
    shown.add_column("Surface", no_wrap=True)
    for name in ("IP\n(eV)", "90 %", "EA\n(eV)", "90 %"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("Domain")
    for prediction in predictions:
        *cells, domain = map(escape, predictions.row(prediction))
        colour = "green" if domain == "inside" else "red" if ":" in domain else "yellow"
        shown.add_row(*cells, f"[{colour}]{domain}[/]")
    return shown
