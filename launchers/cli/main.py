"""The ``surfalign`` command: registers the nouns and handles errors in one place.

Commands import what they need inside their bodies, so that ``surfalign --help`` loads neither torch
nor atomate2.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from typing import Annotated

import typer

from surfalign.errors import SurfalignError

app = typer.Typer(
    name="surfalign",
    help="Ionization potentials and electron affinities of oxide surfaces.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: The modules of the commands, under the headings of the help; each has ``register(app)``.
HEADINGS = {
    "Surfaces and their levels": ("run", "surfaces", "plan", "oxides"),
    "Results": ("query", "build", "database"),
    "Campaigns on clusters": ("submit", "worker", "campaign", "schedule"),
    "VASP": ("inputs", "import_vasp"),
    "Learning": ("learn",),
    "Trust": ("validate", "doctor"),
}


def _register(heading: str, module: str) -> None:
    """Add the commands of a module and put them under their heading."""
    known = len(app.registered_commands), len(app.registered_groups)
    importlib.import_module(f"surfalign.launchers.cli.{module}").register(app)
    for command in app.registered_commands[known[0] :]:
        command.rich_help_panel = heading
    for group in app.registered_groups[known[1] :]:
        group.rich_help_panel = heading


for _heading, _modules in HEADINGS.items():
    for _module in _modules:
        _register(_heading, _module)


def _show_version(value: bool) -> None:
    if value:
        from surfalign import __version__

        typer.echo(f"surfalign {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    full_trace: Annotated[
        bool, typer.Option("--full-trace", help="Show the whole traceback of an error.")
    ] = False,
) -> None:
    """Ionization potentials and electron affinities of oxide surfaces."""
    if full_trace:
        os.environ["SURFALIGN_FULL_TRACE"] = "1"


def main() -> None:
    """Run the command line; every error ends in one message and a non-zero exit."""
    logging.captureWarnings(True)
    try:
        app()
    except SurfalignError as error:
        if os.environ.get("SURFALIGN_FULL_TRACE"):
            raise
        from rich.console import Console
        from rich.markup import escape

        console = Console(stderr=True)
        console.print(f"[bold red]{type(error).__name__}[/]: {escape(str(error))}", soft_wrap=True)
        console.print("[dim]surfalign --full-trace ... shows where it came from.[/]")
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo(
            "Interrupted; what was finished is stored. Run the same command to go on.", err=True
        )
        sys.exit(130)


if __name__ == "__main__":
    main()
