"""``surfalign learn explain``: which atoms and which inputs set IP and EA, or another property."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli import options
from surfalign.launchers.cli.lazy import imported_when_used

with imported_when_used():
    from surfalign.launchers.cli.learn import predict, sources
    from surfalign.launchers.figures import learner
    from surfalign.ml.models import prediction

commands = typer.Typer()


@commands.command()
def explain(
    structure: options.BulkCrystal = None,
    slabs: options.UnlabelledSlabs = None,
    table: options.UnlabelledTable = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="Only this structure of --slabs or --table; repeatable."),
    ] = None,
    hkl: options.OnlyOrientations = None,
    hkl_of_file: options.FileOrientations = None,
    figure: Annotated[Path, typer.Option("--figure", help="Folder for the pictures.")] = Path(
        "attention"
    ),
    model: options.Model = None,
    directory: options.Directory = None,
) -> None:
    """Draw structures with their atoms coloured by the attention, and what the inputs do, for each property.

    A network has attention, a Gaussian process has inputs, a mixed model has both. Of single atoms there are inputs only.

    Example: surfalign learn explain TiO2-rutile --hkl 1,1,0 --figure attention
    """
    models, name = sources.model(directory, model)
    ensemble, card = models.load(name)
    given = predict.Given(structure, slabs, table, hkl or (), hkl_of_file or ())
    records = given.records(ensemble.level)
    if names:
        unknown = set(names) - {record.name for record in records}
        if unknown:
            raise ConfigurationError(
                f"there is no slab {', '.join(sorted(unknown))}",
                "names of the file",
                "correct --name",
            )
        records = [record for record in records if record.name in names]
    structures = [record.structure for record in records]
    estimates, effects = ensemble.predict(structures), ensemble.input_effects(structures)
    if not any(estimate.attention for estimate in estimates) and not any(effects):
        raise ConfigurationError(
            f"{card.name} {card.version} is of kind {card.kind}, which gives {ensemble.level}s "
            "neither attention nor physical inputs",
            "a model of kind gaussian-process or mixed, or lsoap of slabs or crystals",
            "train one: surfalign learn train --kind mixed",
        )
    shown = prediction.shown_of(tuple(map(ensemble.property_of, estimates[0].values)))
    for record, estimate, own in zip(records, estimates, effects, strict=True):
        if estimate.attention:
            typer.echo(str(learner.save_attention(record, estimate, shown, figure)))
        if own:
            typer.echo(str(learner.save_input_effects(record, estimate, shown, own, figure)))
