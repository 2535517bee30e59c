"""``surfalign status``, ``retry``, ``cancel``, ``pause`` and ``resume``: a campaign under way."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from surfalign.errors import ConfigurationError
from surfalign.launchers.campaign import control
from surfalign.launchers.cli.options import Json, OneProfile
from surfalign.launchers.cli.output import output_console, print_json
from surfalign.launchers.cluster.launcher import Cause, open_launcher
from surfalign.launchers.cluster.profiles import load_profile
from surfalign.launchers.database.server import open_database
from surfalign.settings import load_settings
from surfalign.workflows.routing import STEPS

if TYPE_CHECKING:
    from surfalign.launchers.cluster.launcher import Launcher
    from surfalign.launchers.cluster.profiles import Profile
    from surfalign.stores.database import Database

commands = typer.Typer()

Causes = Annotated[
    list[str] | None,
    typer.Option(
        "--cause", help="Only jobs that failed for this cause, e.g. walltime; repeatable."
    ),
]
Steps = Annotated[
    list[str] | None,
    typer.Option("--step", help="Only this kind of step, e.g. 'slab relaxation'; repeatable."),
]
Formulas = Annotated[
    list[str] | None,
    typer.Option("--formula", help="Only this reduced formula, e.g. MgO; repeatable."),
]
Surfaces = Annotated[
    list[str] | None,
    typer.Option("--surface", help="Only the surface of this name, e.g. 'MgO(100)-A'; repeatable."),
]
Confirmed = Annotated[bool, typer.Option("--yes", help="Do not ask before all jobs are meant.")]


@commands.command()
def status(
    profile: OneProfile = None,
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
    interval: Annotated[
        float, typer.Option("--interval", min=0.1, help="Seconds between two looks of --watch.")
    ] = 10.0,
    as_json: Json = False,
) -> None:
    """Show the status of a campaign: jobs, surfaces, failures by cause, rate, what remains.

    Remaining node hours and the end are estimated from the jobs that finished last.

    Example: surfalign status --profile cluster --watch

    Example: surfalign status --state failed --json
    """
    listing = surfaces or state is not None or campaign is not None
    with opened_campaign(profile) as (launcher, database, chosen), ThreadPoolExecutor(1) as pool:
        counts = None if listing else pool.submit(launcher.counts)
        # The database counts while Python still reads these: half a second for a person who waits.
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


@dataclass(frozen=True)
class Action:
    """A command that acts on jobs of a campaign.

    Parameters
    ----------
    act
        What is done to the jobs that are meant; returns how many there were.
    done
        What is said of them.
    help
        Help of the command.
    own_option
        Its option beside those that choose jobs: ``cause``, ``yes`` or none.
    """

    act: Callable[[Launcher, control.Selection], int]
    done: str
    help: str
    own_option: str = ""


ACTIONS = {
    "retry": Action(
        control.retry,
        "ready to run again",
        """Run failed and cancelled jobs again; the jobs that wait for them follow.

        What a queue asks for is read from the profile at each try: give a longer walltime there first.

        Example: surfalign retry --cause walltime --step 'slab relaxation'
        """,
        own_option="cause",
    ),
    "cancel": Action(
        control.cancel,
        "cancelled",
        """End jobs that are not done, also in SLURM; retry starts them again.

        Finished steps and their results stay.

        Example: surfalign cancel --formula BaO
        """,
        own_option="yes",
    ),
    "pause": Action(
        control.pause,
        "paused",
        """Hold jobs that have not started; running jobs go on.

        Example: surfalign pause
        """,
    ),
    "resume": Action(
        control.resume,
        "released",
        """Release paused jobs.

        Example: surfalign resume
        """,
    ),
}


def _add_command(name: str, action: Action) -> None:
    """Add the command of an action."""

    def command(
        profile: OneProfile = None,
        cause: Causes = None,
        step: Steps = None,
        formula: Formulas = None,
        surface: Surfaces = None,
        yes: Confirmed = False,
        as_json: Json = False,
    ) -> None:
        selection = _selection(cause, step, formula, surface)
        if action.own_option == "yes" and selection.everything and not yes:
            typer.confirm(f"{name.capitalize()} all jobs of the campaign?", abort=True)
        with opened_campaign(profile) as (launcher, database, _), database.errors_named():
            number = action.act(launcher, selection)
        if as_json:
            print_json({"jobs": number})
        else:
            typer.echo(f"{number} job{'' if number == 1 else 's'} {action.done}")

    # typer makes the options from the signature: each command shows those that it has.
    signature = inspect.signature(command, eval_str=True)
    foreign = {"cause", "yes"} - {action.own_option}
    shown = [p for p in signature.parameters.values() if p.name not in foreign]
    command.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
    commands.command(name, help=action.help)(command)


for _name, _action in ACTIONS.items():
    _add_command(_name, _action)


def _selection(
    cause: list[str] | None,
    step: list[str] | None,
    formula: list[str] | None,
    surface: list[str] | None,
) -> control.Selection:
    for kind, given, known in (
        ("cause", cause, [member.value for member in Cause]),
        ("kind of step", step, list(STEPS)),
    ):
        for name in given or ():
            if name not in known:
                raise ConfigurationError(
                    f"unknown {kind} '{name}'", f"one of {', '.join(known)}", "correct it"
                )
    return control.Selection(
        causes=cause or (), steps=step or (), formulas=formula or (), surfaces=surface or ()
    )


@contextmanager
def opened_campaign(profile: str | None) -> Iterator[tuple[Launcher, Database, Profile]]:
    """Open the launcher and the database of a profile; of the only one where none is named.

    Raises
    ------
    ConfigurationError
        When no profile is named and there are several, or it has no workflow manager.
    """
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
