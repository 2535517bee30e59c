"""``surfalign learn retrain``: the nightly contest."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from surfalign.launchers.cli import options
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.output import print_json
from surfalign.launchers.cli.progress import Lines

with imported_when_used():
    from surfalign.launchers.cli.learn import sources
    from surfalign.ml.data import datasets as data
    from surfalign.ml.models import retraining

commands = typer.Typer()


@commands.command()
def retrain(
    model: options.NewModel = "default",
    slabs: options.Slabs = None,
    datasets: options.Datasets = None,
    query: options.Query = None,
    tables: options.Tables = None,
    properties: options.Properties = None,
    crystals: options.FormulaCrystals = None,
    learned: options.LearnedProperties = None,
    min_gap: options.MinGap = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            help="Kind of the challenger; by default that of the champion, at first mixed.",
        ),
    ] = None,
    config: options.Configuration = None,
    changes: options.Changes = None,
    seed: options.Seed = 0,
    workers: options.Workers = None,
    force: Annotated[
        bool, typer.Option("--force", help="Train even if the data did not change.")
    ] = False,
    as_json: options.Json = False,
    directory: options.Directory = None,
) -> None:
    """Train a challenger on the data of today and promote it only if it deserves it.

    Champion and challenger are compared on surfaces that neither has seen (paired bootstrap over
    formulas). The challenger is promoted when it is significantly better, or as good with more data. The
    report is dated; every version and every data set is kept. Another --kind enters the contest once: if it
    wins, the nights after train its kind.

    Example: surfalign learn retrain --model nightly --query 'functional = ddh'
    """
    models = sources.registry(directory)
    kind = kind or (models.card(model).kind if models.champion(model) else options.DEFAULT_KIND)
    chosen = sources.recipe(kind, config, changes, seed, workers, learned)
    given = sources.Tables(tables or (), properties, crystals)
    dataset = sources.gather(slabs, datasets, query, given, min_gap=min_gap)
    sources.say_what_is_left_out(dataset)
    frozen = models.data_folder(model) / f"{dataset.digest[:16]}.dataset.json.gz"
    if not frozen.is_file():
        data.write_dataset(dataset, frozen)
    outcome = retraining.retrain(
        models,
        model,
        dataset,
        chosen,
        scratch=sources.scratch_directory(),
        force=force,
        on_progress=Lines(),
    )
    if as_json:
        plain = asdict(outcome) | {"report": str(outcome.report), "dataset": str(frozen)}
        print_json(plain)
    else:
        typer.echo(outcome.report.read_text())
        typer.echo(f"Report: {outcome.report}", err=True)
