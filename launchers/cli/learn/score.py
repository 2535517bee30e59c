"""``surfalign learn score``: a whole model on labelled surfaces that it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surfalign.launchers.cli import options
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.output import is_stdout, make_folders, output_console, write_json

with imported_when_used():
    from surfalign.launchers.cli.learn import sources
    from surfalign.launchers.cli.tables import errors
    from surfalign.launchers.figures import learner_errors
    from surfalign.ml.assessment import held_out
    from surfalign.ml.assessment import score as scoring

commands = typer.Typer()


@commands.command()
def score(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA...",
            help="Files of 'learn freeze', results (.jsonl), or JSON lists of slabs.",
        ),
    ],
    version: Annotated[
        str | None, typer.Option("--version", help="Version; by default the champion.")
    ] = None,
    json_file: options.JsonFile = None,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", metavar="FILE", help="Draw predictions and errors (PNG)."),
    ] = None,
    directory: options.Directory = None,
) -> None:
    """Score a whole model on labelled surfaces of formulas that it never learned from.

    MAE, RMSE, bias, R2, coverage and width of the intervals, and the worth of the domain flag, each with a 95 %
    interval from a bootstrap over formulas; by element and by anion as well. Formulas that the model learned
    from are named and left out.

    Example: surfalign learn score jarvis new.dataset.json.gz --figure score.png
    """
    make_folders(json_file)
    models, name = sources.model(directory, model)
    ensemble, card = models.load(name, version)
    dataset = sources.labelled_data(data)
    sources.say_what_is_left_out(dataset)
    result = scoring.score_model(ensemble, card.formulas, dataset)
    if result.seen:
        typer.echo(
            f"left out, for {card.name} {card.version} learned from them: {', '.join(result.seen)}",
            err=True,
        )
    if not result.knows_its_formulas:
        typer.echo(
            f"{card.name} {card.version} does not say which formulas it learned from: make sure that "
            "these are none of them",
            err=True,
        )
    plain = {"model": f"{card.name} {card.version}", "dataset": dataset.digest} | result.as_dict()
    rows = [held_out.as_dict(held) for held in result.found]
    write_json(plain | {"surfaces": rows}, json_file)
    if figure is not None:
        learner_errors.save_score(result, figure)
    if not is_stdout(json_file):
        console = output_console()
        what = f"{card.name} {card.version}, whole, on formulas that it never learned from"
        console.print(errors.errors_table(plain["summary"], what))
        console.print(errors.groups_table(plain["by_anion"], "By anion (surfaces with a gap)"))
        console.print(errors.groups_table(plain["by_element"], "By element (surfaces with a gap)"))
