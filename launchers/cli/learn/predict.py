"""``surfalign learn predict``: levels of surfaces in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli import options
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.output import is_stdout, make_folders, output_console, write_json

with imported_when_used():
    from surfalign.launchers.cli import wanted_crystals
    from surfalign.launchers.cli.learn import sources
    from surfalign.ml.data import from_crystal, from_slab_files
    from surfalign.ml.models import prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from surfalign.ml.data.records import SurfaceRecord
    from surfalign.ml.models.prediction import Predictions

commands = typer.Typer()


@commands.command()
def predict(
    structure: options.BulkCrystal = None,
    slabs: options.UnlabelledSlabs = None,
    hkl: options.OnlyOrientations = None,
    hkl_of_file: options.FileOrientations = None,
    max_index: options.LargestIndex = 1,
    model: options.Model = None,
    version: Annotated[
        str | None, typer.Option("--version", help="Version; by default the champion.")
    ] = None,
    json_file: options.JsonFile = None,
    directory: options.Directory = None,
) -> None:
    """Predict IP and EA of relaxed surfaces from unrelaxed ones.

    For a bulk crystal the nonpolar surfaces are enumerated first. Each prediction has an interval that
    covers nine of ten surfaces, and a flag that tells whether the surface is like those that the model
    learned from.

    Example: surfalign learn predict TiO2-rutile --hkl 1,1,0

    Example: surfalign learn predict --slabs slabs.json.gz --json predictions.json
    """
    make_folders(json_file)
    records = surfaces(structure, slabs, hkl, max_index, hkl_of_file)
    models, name = sources.model(directory, model)
    predictions = prediction.predict_records(records, models, name, version)
    write_json([prediction.as_dict() for prediction in predictions], json_file)
    if not is_stdout(json_file):
        fidelity = models.card(name, version).fidelity
        output_console().print(table(predictions, f"{predictions[0].model}, predicts {fidelity}"))


def surfaces(
    structure: str | None,
    slabs: Path | None,
    hkl: Sequence[str] | None,
    max_index: int = 1,
    hkl_of_file: Sequence[str] | None = None,
) -> list[SurfaceRecord]:
    """Return the slabs of a file, or those of a bulk crystal.

    Raises
    ------
    ConfigurationError
        When both or neither are named.
    SurfaceError
        When the crystal has no nonpolar surface, or a wanted orientation has none.
    """
    if (structure is None) == (slabs is None):
        raise ConfigurationError(
            "a crystal and a file of slabs are named"
            if structure
            else "neither a crystal nor a file of slabs is named",
            "a crystal (MgO, a.cif) or --slabs FILE",
            "name one of them",
        )
    if slabs is not None:
        if hkl or hkl_of_file:
            raise ConfigurationError(
                "orientations beside a file of slabs",
                "slabs, which have their orientation, or a crystal with orientations",
                "leave --hkl and --hkl-of-file out",
            )
        return from_slab_files.read_slab_file(slabs)
    crystal = wanted_crystals.load_with_notes(str(structure))
    indices = wanted_crystals.wanted_indices(crystal, hkl, hkl_of_file)
    return from_crystal.crystal_surfaces(crystal, indices, max_index)


def table(predictions: Predictions, caption: str) -> Table:
    """Return the predictions as a table."""
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
