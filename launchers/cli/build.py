"""``surfalign build`` and ``results``: bring the results up to date with the finished jobs."""

from __future__ import annotations

from typing import Annotated

import typer

from surfalign.launchers.cli.campaign import opened_campaign
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import Expression, Json, JsonFile, OneProfile
from surfalign.launchers.cli.output import make_folders, output_console, print_json
from surfalign.launchers.cli.query import write_results
from surfalign.launchers.cluster.launcher import open_launcher
from surfalign.launchers.cluster.profiles import load_profile
from surfalign.launchers.database.server import open_database

with imported_when_used():
    from surfalign.launchers.campaign import results as campaign_results
    from surfalign.launchers.cli.tables import levels
    from surfalign.stores.query import results as stored

commands = typer.Typer()


@commands.command()
def build(
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="PROFILE",
            help="Profile of a campaign: its failed jobs become failed results, too.",
        ),
    ] = None,
    recompute: Annotated[
        bool,
        typer.Option("--recompute", help="Compute all levels again from the stored potentials."),
    ] = False,
    compare_all: Annotated[
        bool,
        typer.Option(
            "--all", help="Compare all results with their jobs, as after an edit by hand."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the results up to date with the finished jobs, for example of a campaign.

    Only new and changed outputs are looked at: a second pass writes nothing. Levels are computed again from
    the stored potentials where a step was repeated or a formula was corrected. surfalign run does this by
    itself.

    Example: surfalign build --profile cluster
    """
    chosen = load_profile(profile) if profile else None
    settings = chosen.settings() if chosen else None
    with (
        open_database(settings, announce=lambda line: typer.echo(line, err=True)) as database,
        database.errors_named(),
    ):
        if chosen is None or chosen.launcher == "local":
            report = campaign_results.bring_up_to_date(
                database, recompute=recompute, compare_all=compare_all
            )
        else:
            with open_launcher(chosen) as launcher:
                report = campaign_results.bring_up_to_date(
                    database, launcher, recompute=recompute, compare_all=compare_all
                )
    if as_json:
        print_json(report)
        return
    typer.echo(f"Results: {report['written']} written, {report['results']} in all")
    if report.get("failures"):
        typer.echo(f"{report['failures']} failed results written")
    if report.get("flows_released"):
        typer.echo(f"{report['flows_released']} waiting flows submitted")


@commands.command()
def results(
    profile: OneProfile = None,
    expression: Expression = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this number.")] = 100,
    json_file: JsonFile = None,
) -> None:
    """Build the results of a campaign and show them, failed ones with their causes.

    Example: surfalign results --profile cluster 'state = failed'
    """
    make_folders(json_file)
    with opened_campaign(profile) as (launcher, database, _), database.errors_named():
        report = campaign_results.bring_up_to_date(database, launcher)
        found = stored.find(database, expression, limit=limit)
        if json_file is not None:
            write_results(found, json_file)
            return
        output_console().print(levels.results_table(found))
        total = stored.count(database, expression)
    typer.echo(f"{min(limit, total)} of {total} results; {report['written']} new or changed")
