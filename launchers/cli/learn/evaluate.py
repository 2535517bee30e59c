"""``surfalign learn evaluate``: errors on formulas that a model has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surfalign.launchers.cli import options
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.output import is_stdout, make_folders, output_console, write_json
from surfalign.launchers.cli.progress import Lines

with imported_when_used():
    from surfalign.launchers.cli.learn import sources
    from surfalign.launchers.cli.tables import errors
    from surfalign.launchers.figures import learner_errors
    from surfalign.ml.assessment import crossvalidation, held_out
    from surfalign.ml.assessment.metrics import summarise

commands = typer.Typer()


@commands.command()
def evaluate(
    model: options.Model = None,
    slabs: options.Slabs = None,
    datasets: options.Datasets = None,
    query: options.Query = None,
    tables: options.Tables = None,
    properties: options.Properties = None,
    crystals: options.FormulaCrystals = None,
    learned: options.LearnedProperties = None,
    min_gap: options.MinGap = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            help="Train new models and hold out by formula, chemical-system or element.",
        ),
    ] = None,
    kind: options.Kind = options.DEFAULT_KIND,
    config: options.Configuration = None,
    changes: options.Changes = None,
    seed: options.Seed = 0,
    workers: options.Workers = None,
    json_file: options.JsonFile = None,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", metavar="FILE", help="Draw predictions against labels (PNG)."),
    ] = None,
    directory: options.Directory = None,
) -> None:
    """Measure a model on its own data, each formula by members that have not seen it.

    By default single members of a model predict the formulas that they have not seen, without intervals. With
    --split, new models are trained without each fold and predict it whole, with intervals and domain flag;
    this is slower. To score a model on data that it never saw: surfalign learn score.

    Example: surfalign learn evaluate --slabs slabs.json.gz --split formula --kind composition
    """
    make_folders(json_file)
    given = sources.Tables(tables or (), properties, crystals)
    dataset = sources.gather(slabs, datasets, query, given, min_gap=min_gap)
    sources.say_what_is_left_out(dataset)
    if split is not None:
        found = crossvalidation.hold_out_folds(
            dataset,
            sources.recipe(kind, config, changes, seed, workers, learned),
            split,
            scratch=sources.scratch_directory(),
            on_progress=Lines(),
        )
        what = f"whole new models of kind {kind}, each on formulas that it was not trained on"
    else:
        models, name = sources.model(directory, model)
        ensemble, card = models.load(name)
        found = held_out.blind(ensemble, dataset)
        what = (
            f"single members of {card.name} {card.version}, each on formulas that it has not seen"
        )
    summary = summarise(found)
    rows = [held_out.as_dict(held) for held in found]
    write_json({"measured": what, "summary": summary, "surfaces": rows}, json_file)
    if figure is not None:
        learner_errors.save_parity(found, figure)
    if not is_stdout(json_file):
        output_console().print(errors.errors_table(summary, what))
