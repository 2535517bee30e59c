"""``surfalign build``: bring the results up to date with the outputs of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from surfalign.launchers.launcher import Launcher
    from surfalign.stores.database import Database


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="build")(build)


def build(
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile", help="Profile of a campaign: its failed jobs become failed results, too."
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
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Bring the results up to date with the outputs of jobs, e.g. of a campaign.

    Only what is new or changed is looked at and written: a second pass writes nothing. Levels are computed again from
    the stored potentials where a step was repeated or a formula mended. surfalign run does it by itself.

    Example: surfalign build --profile cluster
    """
    import json

    from surfalign.launchers.profiles import load_profile
    from surfalign.launchers.server import open_database

    chosen = load_profile(profile) if profile else None
    settings = chosen.settings() if chosen else None
    with (
        open_database(settings, announce=lambda line: typer.echo(line, err=True)) as database,
        database.errors_named(),
    ):
        if chosen is None or chosen.launcher == "local":
            report = bring_up_to_date(database, recompute=recompute, compare_all=compare_all)
        else:
            from surfalign.launchers.launcher import open_launcher

            with open_launcher(chosen) as launcher:
                report = bring_up_to_date(
                    database, launcher, recompute=recompute, compare_all=compare_all
                )
    if as_json:
        typer.echo(json.dumps(report, indent=1))
        return
    typer.echo(f"{report['written']} written, {report['results']} in all")
    if report.get("failures"):
        typer.echo(f"{report['failures']} failures noted")
    if report.get("flows_released"):
        typer.echo(f"{report['flows_released']} flows submitted that had waited")


def bring_up_to_date(
    database: Database,
    launcher: Launcher | None = None,
    *,
    recompute: bool = False,
    compare_all: bool = False,
) -> dict[str, int]:
    """Build the results, note the failures of a launcher, and submit what had waited; count each."""
    from surfalign.stores.builders import SurfaceLevelsBuilder

    builder = SurfaceLevelsBuilder(
        database.jobs, database.surface_levels, recompute_all=recompute, compare_all=compare_all
    )
    report = {"written": builder.run()}
    if launcher is not None:
        from surfalign.launchers.failures import report_failures
        from surfalign.launchers.submission import release

        report["failures"] = report_failures(launcher, database)
        report["flows_released"] = release(launcher, database)
    report["results"] = database.surface_levels.count()
    return report
