"""``surfalign learn retrain``: the nightly contest."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from surfalign.launchers.cli.learn import options
from surfalign.launchers.cli.learn.options import (
    Changes,
    Configuration,
    Datasets,
    Directory,
    Kind,
    MinGap,
    Query,
    Seed,
    Slabs,
    Workers,
)
from surfalign.ml.data.datasets import write_dataset
from surfalign.ml.models import retraining


def register(commands: typer.Typer) -> None:
    """Add the command."""
    commands.command("retrain")(retrain)


def retrain(
    model: Annotated[str, typer.Option("--model", help="Name of the model.")] = "default",
    slabs: Slabs = None,
    datasets: Datasets = None,
    query: Query = None,
    min_gap: MinGap = None,
    kind: Kind = "lsoap",
    config: Configuration = None,
    changes: Changes = None,
    seed: Seed = 0,
    workers: Workers = None,
    force: Annotated[bool, typer.Option("--force", help="Train although nothing changed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
    directory: Directory = None,
) -> None:
    """Freeze the data of today, train a challenger and promote it only if it deserves it.

    Champion and challenger are compared on surfaces that neither has seen (paired bootstrap over
    formulas). The challenger is promoted when it is significantly better, or equal with more data. The
    report is dated; every version and every data set is kept.

    Example: surfalign learn retrain --model nightly --query 'functional = ddh'
    """
    chosen = options.recipe(kind, config, changes, seed, workers)
    dataset = options.gather(slabs, datasets, query, min_gap=min_gap)
    options.say_what_is_left_out(dataset)
    models = options.registry(directory)
    frozen = models.data_folder(model) / f"{dataset.digest[:16]}.dataset.json.gz"
    if not frozen.is_file():
        write_dataset(dataset, frozen)
    outcome = retraining.retrain(
        models,
        model,
        dataset,
        chosen,
        scratch=options.scratch_directory(),
        force=force,
        on_progress=options.Lines(),
    )
    if as_json:
        plain = asdict(outcome) | {"report": str(outcome.report), "dataset": str(frozen)}
        typer.echo(json.dumps(plain, indent=1))
    else:
        typer.echo(outcome.report.read_text())
        typer.echo(f"Report: {outcome.report}", err=True)
