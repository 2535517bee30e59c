"""``surfalign schedule`` and ``nightly``: work that is done every night."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surfalign.errors import ConfigurationError
from surfalign.files import write_whole
from surfalign.launchers.nightly import schedulers as schedules
from surfalign.launchers.nightly.runs import run_nightly
from surfalign.settings import load_settings

commands = typer.Typer()


TaskArgument = Annotated[
    str, typer.Argument(metavar="TASK", help="Task: build, retrain or explore.")
]


@commands.command()
def schedule(
    task: TaskArgument,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="-- ARGS", help="Arguments of the task's command.")
    ] = None,
    at: Annotated[str, typer.Option("--at", help="Local time of the run, HH:MM.")] = "02:00",
    via: Annotated[
        str, typer.Option("--via", help="Scheduler: scrontab, cron or systemd.")
    ] = "cron",
    profile: Annotated[
        str | None, typer.Option("--profile", help="Profile of the campaign (build only).")
    ] = None,
    partition: Annotated[
        str | None, typer.Option("--partition", help="Partition (scrontab only).")
    ] = None,
    time_limit: Annotated[
        str, typer.Option("--time-limit", help="Walltime H:MM:SS (scrontab only).")
    ] = "4:00:00",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the entry to a file.")
    ] = None,
    install: Annotated[
        bool,
        typer.Option("--install", help="Install the entry in your table, or enable the timer."),
    ] = False,
) -> None:
    """Write the entry that runs a task every night: build the results, retrain the model, or explore.

    Each run takes a lock, writes a log and leaves a dated report; surfalign status shows a failed run. The
    entry finds the same database as this shell; an address that this shell alone knows is refused.

    Example: surfalign schedule build --profile cluster --at 02:00 --via scrontab --install

    Example: surfalign schedule explore --at 05:00 --via cron -- explore.yaml
    """
    if profile and task != "build":
        raise ConfigurationError(
            f"--profile with the task {task}", "a task that has one", "leave it out"
        )
    extra = [
        *(["--profile", _lasting(profile)] if profile else []),
        *map(_lasting, arguments or []),
    ]
    wanted = schedules.entry(task, at, extra, partition, time_limit)
    text = schedules.text(wanted, via)
    where = wanted.address
    typer.echo(f"Database: {where.shown or 'local'} (named by {where.source})", err=True)
    if output is not None:
        write_whole(output, text)
        typer.echo(f"Wrote {output}", err=True)
    elif not install:
        typer.echo(text, nl=False)
    if install:
        typer.echo(f"Installed: {schedules.install(wanted, via)}", err=True)


@commands.command()
def nightly(
    task: TaskArgument,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="-- ARGS", help="Arguments of the task's command.")
    ] = None,
) -> None:
    """Run a nightly task now, as the scheduler does: with lock, log and report.

    Example: surfalign nightly build -- --profile cluster
    """
    night = run_nightly(task, arguments or [], load_settings())
    typer.echo(f"{night.summary} (log: {night.log_file})")
    if not night.ok:
        raise typer.Exit(1)


def _lasting(argument: str) -> str:
    """Return a profile, or another file, as it can be found from any directory."""
    path = Path(argument)
    return str(path.absolute()) if path.is_file() else argument
