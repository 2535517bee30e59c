"""``surfalign explore``: the loop that chooses, computes, learns and reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from surfalign.errors import DocumentNotFoundError
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import Json
from surfalign.launchers.cli.output import print_json

with imported_when_used():
    from surfalign.launchers.database import server
    from surfalign.launchers.explore import configuration as configurations
    from surfalign.launchers.explore import loop as loops
    from surfalign.launchers.explore import report as reports
    from surfalign.launchers.explore import state_store

if TYPE_CHECKING:
    from surfalign.launchers.explore.configuration import ExploreConfiguration
    from surfalign.launchers.explore.state_store import LoopRecords

commands = typer.Typer(
    name="explore",
    help="Choose, compute and learn in rounds, unattended, within a budget.",
    no_args_is_help=True,
)

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of the loop.")]


@commands.command()
def start(
    config: Config,
    rounds: Annotated[
        int | None, typer.Option("--rounds", min=1, help="End after this number of rounds.")
    ] = None,
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            help="Do not wait for queues: finish what is computed, submit the next batch, end. On this "
            "machine: one round.",
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after a pause; failures up to now are forgiven.")
    ] = False,
) -> None:
    """Run the loop until its budget is spent; after an interruption it goes on where it was.

    Each round builds the results, retrains the model, scores the pool, chooses and computes a batch,
    compares what was predicted with what came out, and leaves a report. The loop pauses when too much
    fails. It may be killed at any time: nothing is computed twice.

    Example: surfalign explore start explore.yaml

    Example: surfalign explore start explore.yaml --rounds 1
    """
    chosen = configurations.read_configuration(config)
    console = Console(stderr=True)
    options = loops.LoopOptions(
        rounds=1 if once and chosen.is_here and rounds is None else rounds,
        wait=not once,
        resume=resume,
    )
    state = loops.run_loop(
        chosen, options, on_event=lambda line: console.print(line, soft_wrap=True, markup=False)
    )
    typer.echo(f"{state.name}: {state.condition.value}: {reports.reason_of(state, running=False)}")
    if state.condition.value == "paused":
        raise typer.Exit(1)


@commands.command()
def status(config: Config, as_json: Json = False) -> None:
    """Show where the loop stands.

    Example: surfalign explore status explore.yaml --json
    """
    with _records(config) as (records, _):
        record = reports.status_record(records.state(), records.rounds(), records.is_running())
    if as_json:
        print_json(record)
        return
    for name, value in record.items():
        shown = f"{value:.3g}" if isinstance(value, float) else value
        typer.echo(f"{name.replace('_', ' ')}: {'–' if value in (None, '') else shown}")


@commands.command()
def stop(config: Config) -> None:
    """Ask the running loop to end; start goes on from there.

    On this machine the calculation that runs is given up and begun anew later; what is in queues goes
    on.

    Example: surfalign explore stop explore.yaml
    """
    with _records(config) as (records, _):
        running = records.is_running()
        if running:
            records.ask_to_stop()
    typer.echo("It ends at its next event." if running else "No process runs this loop.")


@commands.command()
def report(
    config: Config,
    number: Annotated[
        int | None, typer.Option("--round", min=1, help="One round; all of them by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what the rounds chose, what was predicted before, and what came out.

    Example: surfalign explore report explore.yaml

    Example: surfalign explore report explore.yaml --round 3 --json
    """
    with _records(config) as (records, chosen):
        rounds = records.rounds()
    if number is not None:
        rounds = [done for done in rounds if done.number == number]
        if not rounds:
            raise DocumentNotFoundError(
                f"the loop '{chosen.name}' has no round {number}",
                "the number of a round",
                "list them: surfalign explore report CONFIG",
            )
    if as_json:
        print_json([done.model_dump(mode="json") for done in rounds])
    elif number is not None:
        typer.echo(reports.round_report(rounds[0], chosen.name))
    else:
        typer.echo(reports.loop_report(rounds, chosen.name))


@contextmanager
def _records(config: Path) -> Iterator[tuple[LoopRecords, ExploreConfiguration]]:
    """Open what is stored of a loop."""
    chosen = configurations.read_configuration(config)
    with server.open_database(loops.loop_settings(chosen)) as database, database.errors_named():
        yield state_store.LoopRecords(database, chosen.name), chosen
