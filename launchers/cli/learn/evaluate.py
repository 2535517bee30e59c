"""``surfalign learn evaluate``: errors on formulas that a model has not seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from surfalign.launchers.cli.console import output_console
from surfalign.launchers.cli.learn import options
from surfalign.launchers.cli.learn.options import (
    Changes,
    Configuration,
    Datasets,
    Directory,
    Kind,
    MinGap,
    Model,
    Query,
    Seed,
    Slabs,
    Workers,
)
from surfalign.launchers.cli.tables.cards import number
from surfalign.launchers.figures.learner import save_parity
from surfalign.ml.ensemble import crossvalidation
from surfalign.ml.ensemble.crossvalidation import HeldOut


def register(commands: typer.Typer) -> None:
    """Add the command."""
    commands.command("evaluate")(evaluate)


def evaluate(
    model: Model = None,
    slabs: Slabs = None,
    datasets: Datasets = None,
    query: Query = None,
    min_gap: MinGap = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            help="Train anew and hold out by formula, chemical-system or element; no model is used.",
        ),
    ] = None,
    kind: Kind = "lsoap",
    config: Configuration = None,
    changes: Changes = None,
    seed: Seed = 0,
    workers: Workers = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the errors and predictions to this file.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Draw predictions against labels, PNG.")
    ] = None,
    directory: Directory = None,
) -> None:
    """Measure errors, coverage of the intervals and worth of the domain flag.

    By default the members of a model predict the formulas that they have not seen. With --split, new
    models are trained on the rest of each fold and predict it with intervals and domain flag: the honest
    measure of these, and slower.

    Example: surfalign learn evaluate --slabs slabs.json.gz --split formula --kind composition
    """
    dataset = options.gather(slabs, datasets, query, min_gap=min_gap)
    options.say_what_is_left_out(dataset)
    if split is not None:
        found = crossvalidation.hold_out_folds(
            dataset,
            options.recipe(kind, config, changes, seed, workers),
            split,
            scratch=options.scratch_directory(),
            on_progress=options.Lines(),
        )
    else:
        models = options.registry(directory)
        ensemble, _ = models.load(options.model_name(models, model))
        found = crossvalidation.blind(ensemble, dataset)
    summary = crossvalidation.summarise(found)
    if json_file is not None:
        rows = [crossvalidation.as_dict(held) for held in found]
        json_file.write_text(json.dumps({"summary": summary, "surfaces": rows}, indent=1) + "\n")
    if figure is not None:
        save_parity(found, figure)
    output_console().print(_table(summary, found))


def _table(summary: dict[str, dict[str, Any]], found: list[HeldOut]) -> Any:
    table = Table(caption=f"{len(found)} surfaces, on formulas that were held out")
    table.add_column("Property", no_wrap=True)
    for name in ("Surfaces", "MAE", "RMSE", "90 % intervals\ncover", "MAE inside",
                 "MAE outside\nof the domain", "Outside"):  # fmt: skip
        table.add_column(name, justify="right")
    for name, m in summary.items():
        cover = "–" if m["coverage"] is None else f"{100 * m['coverage']:.1f} %"
        table.add_row(
            name, str(m["n"]), number(m["mae"]), number(m["rmse"]), cover,
            number(m["mae_in_domain"]), number(m["mae_out_of_domain"]), str(m["n_out_of_domain"]),
        )  # fmt: skip
    return table
