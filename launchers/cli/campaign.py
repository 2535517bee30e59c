"""``surfalign status``, ``retry``, ``cancel``, ``pause``, ``resume``, ``results``: a campaign under way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from surfalign.errors import ConfigurationError
from surfalign.launchers.campaign import control
from surfalign.launchers.campaign.control import Selection
from surfalign.launchers.cli.build import bring_up_to_date
from surfalign.launchers.cli.console import output_console
from surfalign.launchers.cluster.launcher import Cause, open_launcher
from surfalign.launchers.cluster.profiles import load_profile
from surfalign.launchers.database.server import open_database
from surfalign.settings import load_settings
from surfalign.stores.query import results as stored
from surfalign.stores.query.exports import write_json
from surfalign.workflows.routing import STEPS

if TYPE_CHECKING:
    from surfalign.launchers.campaign.control import Selection
    from surfalign.launchers.cluster.launcher import Launcher
    from surfalign.launchers.cluster.profiles import Profile
    from surfalign.stores.database import Database

ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        help="Profile: a name in surfalign.yaml, or a YAML file; not needed where there is only one.",
    ),
]
StepOption = Annotated[
    list[str] | None, typer.Option("--step", help="Kind of step, e.g. 'slab relaxation'.")
]
FormulaOption = Annotated[
    list[str] | None, typer.Option("--formula", help="Reduced formula, e.g. MgO.")
]
SurfaceOption = Annotated[
    list[str] | None, typer.Option("--surface", help="Name of a surface, e.g. 'MgO(100)-A'.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (status, retry, cancel, pause, resume, results):
        app.command()(command)


def status(
    profile: ProfileOption = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every few seconds.")] = False,
    surfaces: Annotated[
        bool, typer.Option("--surfaces", help="List the surfaces, each with its state.")
    ] = False,
    state: Annotated[
        str | None,
        typer.Option("--state", help="List only surfaces that are waiting, running, done, failed."),
    ] = None,
    campaign: Annotated[
        str | None, typer.Option("--campaign", help="List only surfaces of this campaign.")
    ] = None,
    interval: Annotated[float, typer.Option("--interval", min=0.1, help="Seconds to wait.")] = 10.0,
    as_json: JsonOption = False,
) -> None:
    """Show where the campaign stands: steps, surfaces, failures by cause, rate, what remains.

    Remaining node hours and the end are estimated from the jobs that finished last.

    Example: surfalign status --profile cluster --watch

    Example: surfalign status --state failed --json
    """
    listing = surfaces or state is not None or campaign is not None
    with _opened(profile) as (launcher, database, chosen), ThreadPoolExecutor(1) as pool:
        # The database counts while Python still reads modules: half a second for a person who waits.
        counts = None if listing else pool.submit(launcher.counts)
        from surfalign.launchers.cli.tables import campaign as tables

        console = output_console()
        while True:
            with database.errors_named():
                if counts is None:
                    tables.print_surfaces(launcher, database, campaign, state, as_json, console)
                else:
                    tables.print_status(
                        launcher, database, chosen, counts.result(), as_json, console
                    )
            if not watch:
                return
            time.sleep(interval)
            counts = None if listing else pool.submit(launcher.counts)
            if console.is_terminal:
                console.clear()


def retry(
    profile: ProfileOption = None,
    cause: Annotated[
        list[str] | None,
        typer.Option("--cause", help="Only jobs that failed so, e.g. walltime; repeatable."),
    ] = None,
    step: StepOption = None,
    formula: FormulaOption = None,
    surface: SurfaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run failed and cancelled jobs again, all or some; those behind them follow.

    What a queue asks for is read from the profile at each try: give a longer walltime there first.

    Example: surfalign retry --cause walltime --step 'slab relaxation'
    """
    selection = _selection(cause, step, formula, surface)
    _act(profile, selection, control.retry, "to be run again", as_json)


def cancel(
    profile: ProfileOption = None,
    step: StepOption = None,
    formula: FormulaOption = None,
    surface: SurfaceOption = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before all are cancelled.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """End jobs that are not done, in SLURM, too; what is done stays. retry takes them up again.

    Example: surfalign cancel --formula BaO
    """
    selection = _selection(None, step, formula, surface)
    if selection.everything and not yes:
        typer.confirm("Cancel all jobs of the campaign that are not done?", abort=True)
    _act(profile, selection, control.cancel, "cancelled", as_json)


def pause(
    profile: ProfileOption = None,
    step: StepOption = None,
    formula: FormulaOption = None,
    surface: SurfaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold jobs that have not started; those that run go on.

    Example: surfalign pause
    """
    selection = _selection(None, step, formula, surface)
    _act(profile, selection, control.pause, "held", as_json)


def resume(
    profile: ProfileOption = None,
    step: StepOption = None,
    formula: FormulaOption = None,
    surface: SurfaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Release what was paused.

    Example: surfalign resume
    """
    selection = _selection(None, step, formula, surface)
    _act(profile, selection, control.resume, "released", as_json)


def results(
    profile: ProfileOption = None,
    expression: Annotated[
        str | None,
        typer.Argument(metavar="EXPR", help="Query, as surfalign query takes it; all without."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Build the results of the campaign and show them, failed ones with their causes.

    Example: surfalign results --profile cluster 'state = failed'
    """
    from surfalign.launchers.cli.tables.levels import results_table

    with _opened(profile) as (launcher, database, _), database.errors_named():
        report = bring_up_to_date(database, launcher)
        found = stored.find(database, expression, limit=limit)
        if as_json:
            write_json(found, typer.get_text_stream("stdout"))
            return
        output_console().print(results_table(found))
        total = stored.count(database, expression)
    typer.echo(f"{min(limit, total)} of {total} results; {report['written']} new or changed")


def _selection(
    cause: list[str] | None,
    step: list[str] | None,
    formula: list[str] | None,
    surface: list[str] | None,
) -> Selection:
    for kind, given, known in (
        ("cause", cause, [member.value for member in Cause]),
        ("kind of step", step, list(STEPS)),
    ):
        for name in given or ():
            if name not in known:
                raise ConfigurationError(
                    f"unknown {kind} '{name}'", f"one of {', '.join(known)}", "correct it"
                )
    return Selection(
        causes=cause or (), steps=step or (), formulas=formula or (), surfaces=surface or ()
    )


def _act(
    profile: str | None,
    selection: Selection,
    action: Callable[[Launcher, Selection], int],
    verb: str,
    as_json: bool,
) -> None:
    """Act on the jobs that are meant and say how many there were."""
    with _opened(profile) as (launcher, database, _), database.errors_named():
        number = action(launcher, selection)
    typer.echo(json.dumps({"jobs": number}) if as_json else f"{number} jobs {verb}")


@contextmanager
def _opened(profile: str | None) -> Iterator[tuple[Launcher, Database, Profile]]:
    chosen = load_profile(profile or _only_profile())
    if chosen.launcher == "local":
        raise ConfigurationError(
            f"profile '{chosen.name}' runs jobs at once (launcher local)",
            "a profile with a workflow manager",
            "look at local results with surfalign query",
        )
    with (
        open_database(chosen.settings()) as database,
        database.errors_named(),
        open_launcher(chosen) as launcher,
    ):
        yield launcher, database, chosen


def _only_profile() -> str:
    """Return the name of the only profile of the settings."""
    names = list(load_settings().profiles)
    if len(names) != 1:
        raise ConfigurationError(
            f"{len(names)} profiles are in the settings ({', '.join(names) or 'none'})",
            "the name of one",
            "give it with --profile",
        )
    return names[0]
