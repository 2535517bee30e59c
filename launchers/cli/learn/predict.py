"""``surfalign learn predict``: levels of surfaces in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    from surfalign.ml.properties import from_table

if TYPE_CHECKING:
    from surfalign.ml.data.records import SurfaceRecord
    from surfalign.ml.models.prediction import Predictions
    from surfalign.ml.properties.property import Level

commands = typer.Typer()


@commands.command()
def predict(
    structure: options.BulkCrystal = None,
    slabs: options.UnlabelledSlabs = None,
    table: options.UnlabelledTable = None,
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
    """Predict IP and EA of relaxed surfaces from unrelaxed ones, or what else a model learned.

    For a bulk crystal the nonpolar surfaces are enumerated first; a model of crystals predicts the crystal
    itself, one of atoms each of its atoms. Each prediction has an interval that
    covers nine of ten surfaces, and a flag that tells whether the surface is like those that the model
    learned from.

    Example: surfalign learn predict TiO2-rutile --hkl 1,1,0

    Example: surfalign learn predict --slabs slabs.json.gz --json predictions.json

    Example: surfalign learn predict --table new.csv --model eps
    """
    make_folders(json_file)
    models, name = sources.model(directory, model)
    level = models.card(name, version).level
    given = Given(structure, slabs, table, hkl or (), hkl_of_file or ())
    records = given.records(level, max_index)
    predictions = prediction.predict_records(records, models, name, version)
    write_json([prediction.as_dict() for prediction in predictions], json_file)
    if not is_stdout(json_file):
        fidelity = models.card(name, version).fidelity
        output_console().print(
            shown_table(predictions, f"{predictions[0].model}, predicts {fidelity}")
        )


@dataclass(frozen=True)
class Given:
    """What is to be predicted.

    Attributes
    ----------
    structure
        A bulk crystal.
    slabs
        A file of slabs.
    table
        A table of structures.
    hkl, hkl_of_file
        Orientations, for a crystal and a model of slabs.
    """

    structure: str | None
    slabs: Path | None
    table: Path | None
    hkl: Sequence[str] = ()
    hkl_of_file: Sequence[str] = ()

    def records(self, level: Level, max_index: int = 1) -> list[SurfaceRecord]:
        """Return the structures that a model of a level predicts.

        Raises
        ------
        ConfigurationError
            When several or none are named.
        MixedLevelsError
            When slabs are named for a model of crystals, or the other way round.
        SurfaceError
            When the crystal has no nonpolar surface, or a wanted orientation has none.
        """
        named = [
            what
            for what, one in (
                ("a crystal", self.structure),
                ("a file of slabs", self.slabs),
                ("a table", self.table),
            )
            if one is not None
        ]
        if len(named) != 1:
            raise ConfigurationError(
                f"{' and '.join(named)} are named"
                if named
                else "neither a crystal nor a file of slabs nor a table is named",
                "a crystal (MgO, a.cif), --slabs FILE or --table FILE",
                "name one of them",
            )
        if self.structure is not None:
            crystal = wanted_crystals.load_with_notes(self.structure)
            indices = wanted_crystals.wanted_indices(crystal, self.hkl, self.hkl_of_file)
            return from_crystal.structures_of(crystal, level, indices, max_index)
        if self.hkl or self.hkl_of_file:
            raise ConfigurationError(
                f"orientations beside {named[0]}",
                "slabs, which have their orientation, or a crystal with orientations",
                "leave --hkl and --hkl-of-file out",
            )
        if self.slabs is not None:
            return from_slab_files.read_slab_file(self.slabs)
        assert self.table is not None
        return from_table.table_structures(self.table, level)


def shown_table(predictions: Predictions, caption: str) -> Table:
    """Return the predictions as a table."""
    shown = Table(caption=escape(caption))
    first, *middle, last = predictions.headings()
    shown.add_column(escape(first), no_wrap=True)
    for name in middle:
        shown.add_column(escape(name.replace(" (", "\n(")), justify="right", no_wrap=True)
    shown.add_column(last)
    for prediction in predictions:
        *cells, domain = map(escape, predictions.row(prediction))
        colour = "green" if domain == "inside" else "red" if ":" in domain else "yellow"
        shown.add_row(*cells, f"[{colour}]{domain}[/]")
    return shown
