"""``surfalign learn train``."""

from __future__ import annotations

from typing import Annotated

import typer

from surfalign.launchers.cli import options
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.output import output_console
from surfalign.launchers.cli.progress import Lines

with imported_when_used():
    from surfalign.launchers.cli.learn import sources
    from surfalign.launchers.cli.tables import cards
    from surfalign.ml.models import retraining

commands = typer.Typer()


@commands.command()
def train(
    model: options.NewModel = "default",
    slabs: options.Slabs = None,
    datasets: options.Datasets = None,
    query: options.Query = None,
    tables: options.Tables = None,
    properties: options.Properties = None,
    crystals: options.FormulaCrystals = None,
    learned: options.LearnedProperties = None,
    min_gap: options.MinGap = None,
    kind: options.Kind = options.DEFAULT_KIND,
    config: options.Configuration = None,
    changes: options.Changes = None,
    seed: options.Seed = 0,
    workers: options.Workers = None,
    promote: Annotated[
        bool, typer.Option("--promote/--no-promote", help="Make the new version the champion.")
    ] = True,
    directory: options.Directory = None,
) -> None:
    """Train a new version of a model and make it the champion.

    Without a source it learns from the results of the store. IP and EA are learned, or any property that a file
    of properties declares by name, unit, level and scale (docs/how-to/learn-any-property). A training that was killed goes on where it
    stopped when the same command is given again.

    Example: surfalign learn train --slabs slabs.json.gz --model jarvis

    Example: surfalign learn train --table eps.csv --properties eps.yaml --model eps
    """
    chosen = sources.recipe(kind, config, changes, seed, workers, learned)
    given = sources.Tables(tables or (), properties, crystals)
    dataset = sources.gather(slabs, datasets, query, given, min_gap=min_gap)
    sources.say_what_is_left_out(dataset)
    models = sources.registry(directory)
    card = retraining.train_version(
        models,
        model,
        dataset,
        chosen,
        scratch=sources.scratch_directory(),
        on_progress=Lines(),
    )
    if promote:
        models.promote(model, card.version)
    output_console().print(cards.metrics_table(card))
