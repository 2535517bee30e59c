"""``surfalign learn evaluate``: errors on formulas that a model has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from surfalign.launchers.cli import options
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.output import is_stdout, make_folders, output_console, write_json
from surfalign.launchers.cli.progress import Lines

with imported_when_used():
    from surfalign.launchers.cli.learn import sources
    from surfalign.launchers.cli.tables import cards
    from surfalign.launchers.figures import learner
    from surfalign.ml.ensemble import crossvalidation

if TYPE_CHECKING:
    from surfalign.ml.ensemble.crossvalidation import HeldOut

commands = typer.Typer()


@commands.command()
def evaluate(
    model: options.Model = None,
    slabs: options.Slabs = None,
    datasets: options.Datasets = None,
    query: options.Query = None,
    min_gap: options.MinGap = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            help="Train new models and hold out by formula, chemical-system or element.",
        ),
    ] = None,
    kind: options.Kind = "lsoap",
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
    """Measure the errors, the coverage of the intervals and the worth of the domain flag.

    By default the members of a model predict the formulas that they have not seen. With --split, new
    models are trained without each fold and predict it, with intervals and domain flag. This is slower, and
    the honest measure of intervals and flag.

    Example: surfalign learn evaluate --slabs slabs.json.gz --split formula --kind composition
    """
    make_folders(json_file)
    dataset = sources.gather(slabs, datasets, query, min_gap=min_gap)
    sources.say_what_is_left_out(dataset)
    if split is not None:
        found = crossvalidation.hold_out_folds(
            dataset,
            sources.recipe(kind, config, changes, seed, workers),
            split,
            scratch=sources.scratch_directory(),
            on_progress=Lines(),
        )
    else:
        models = sources.registry(directory)
        ensemble, _ = models.load(model or models.latest())
        found = crossvalidation.blind(ensemble, dataset)
    summary = crossvalidation.summarise(found)
    rows = [crossvalidation.as_dict(held) for held in found]
    write_json({"summary": summary, "surfaces": rows}, json_file)
    if figure is not None:
        learner.save_parity(found, figure)
    if not is_stdout(json_file):
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
            name,
            str(m["n"]),
            *(cards.number(m[error]) for error in ("mae", "rmse")),
            cover,
            *(cards.number(m[error]) for error in ("mae_in_domain", "mae_out_of_domain")),
            str(m["n_out_of_domain"]),
        )
    return table
