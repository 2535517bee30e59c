"""The ``surfalign`` command: the table of all commands, and one place that handles errors."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from surfalign import __version__
from surfalign.errors import MissingDependencyError, SurfalignError
from surfalign.launchers.cli.lazy import lazy_group

#: The commands under the headings of the help; a module is imported when its command is called.
COMMANDS = {
    "Surfaces and their levels": {
        "run": (
            "run",
            "Compute IP and EA of the surfaces of crystals and store them with their checks.",
        ),
        "surfaces": (
            "surfaces",
            "List all nonpolar, stoichiometric, symmetric slabs of a crystal.",
        ),
        "plan": (
            "plan",
            "Choose the surfaces of a campaign: filter, remove duplicates, balance over formulas.",
        ),
        "crystals": (
            "crystals",
            "List the built-in crystals: phase, lattice, cleavage plane and literature source.",
        ),
        "oxides": ("crystals", "List the built-in oxides, as surfalign crystals --anion O does."),
    },
    "Results": {
        "query": ("query", "Find stored results."),
        "show": ("query", "Show one result: levels, checks, method, cost."),
        "export": ("query", "Write stored results to a file."),
        "screen": ("screen", "Rank surfaces by the probability that they meet a rule."),
        "junction": (
            "junction",
            "Align the bands of two surfaces by Anderson's rule, with the probability of each type.",
        ),
        "shape": (
            "shape",
            "Show the equilibrium shape of a crystal, its faces' shares, and the levels averaged over it.",
        ),
        "phases": (
            "phases",
            "Show which termination of a face is stable at which chemical potential of oxygen, and its IP.",
        ),
        "build": (
            "build",
            "Bring the results up to date with the finished jobs, for example of a campaign.",
        ),
        "publish": (
            "publish",
            "Write public results as a data set for others: data, structures, checksums, descriptions.",
        ),
        "import-crate": (
            "publish",
            "Bring a published data set into an empty store, after comparing its files with their checksums.",
        ),
        "register": (
            "register",
            "Store measured levels, or levels computed by others, beside the computed ones.",
        ),
        "serve": ("serve", "Show results, predictions and campaigns as web pages on this machine."),
        "share": (
            "share",
            "Say who may see results, from when on, and under which licence.",
        ),
        "access": ("access", "Access tokens for those who reach serve from elsewhere."),
        "db": ("database", "The results database: the local server, or the configured one."),
    },
    "Campaigns on clusters": {
        "submit": ("submit", "Submit surfaces to the queues of a profile."),
        "worker": (
            "worker",
            "Hand the jobs of a campaign to SLURM, find lost jobs and start them again.",
        ),
        "status": (
            "campaign",
            "Show the status of a campaign: jobs, surfaces, failures by cause, rate, what remains.",
        ),
        "retry": (
            "campaign",
            "Run failed and cancelled jobs again; the jobs that wait for them follow.",
        ),
        "cancel": (
            "campaign",
            "End jobs that are not done, also in SLURM; retry starts them again.",
        ),
        "pause": ("campaign", "Hold jobs that have not started; running jobs go on."),
        "resume": ("campaign", "Release paused jobs."),
        "results": (
            "build",
            "Build the results of a campaign and show them, failed ones with their causes.",
        ),
        "schedule": (
            "schedule",
            "Write the entry that runs a task every night: build the results, retrain the model, or explore.",
        ),
        "nightly": (
            "schedule",
            "Run a nightly task now, as the scheduler does: with lock, log and report.",
        ),
    },
    "VASP": {
        "inputs": (
            "inputs",
            "Write the input files of all steps (potentials by name) and estimate their cost.",
        ),
        "import-vasp": (
            "import_vasp",
            "Turn finished VASP calculations of bulk and slabs into stored results.",
        ),
    },
    "Learning": {
        "learn": (
            "learn",
            "Learn IP and EA of relaxed surfaces from unrelaxed ones, and predict them.",
        ),
        "explore": (
            "explore",
            "Choose, compute and learn in rounds, unattended, within a budget.",
        ),
        "recommend": (
            "recommend",
            "Recommend oxides of two cations that are not in a list of known ones.",
        ),
    },
    "Trust": {
        "validate": ("validate", "Compare what was computed with references and with experiment."),
        "doctor": (
            "doctor",
            "Check this installation: what works, what is missing, and the command that repairs it.",
        ),
    },
}

#: Who needs the packages of an extra, by the names that are imported, and the extra.
_EXTRAS = (
    (
        "the learner",
        "ml",
        (
            "dscribe",
            "numba",
            "openpyxl",
            "pytorch_lightning",
            "safetensors",
            "sklearn",
            "tensorly",
            "torch",
            "vesin",
        ),
    ),
    ("publish", "publish", ("mlcroissant", "pyarrow", "rocrate")),
    ("access from elsewhere", "web", ("argon2", "itsdangerous")),
    (
        "serve",
        "web",
        (
            "fastapi",
            "jinja2",
            "lark",
            "optimade",
            "plotly",
            "python_multipart",
            "starlette",
            "uvicorn",
        ),
    ),
)

app = typer.Typer(
    name="surfalign",
    cls=lazy_group("surfalign.launchers.cli", COMMANDS),
    help="Ionization potentials and electron affinities of the surfaces of crystals.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:
    if value:
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
    """Ionization potentials and electron affinities of the surfaces of crystals."""
    if full_trace:
        os.environ["SURFALIGN_FULL_TRACE"] = "1"


def main() -> None:
    """Run the command line; every error ends in one message and a non-zero exit."""
    logging.captureWarnings(True)
    try:
        app()
    except SurfalignError as error:
        _end(error)
    except Exception as error:
        named = _named(error)
        if named is None:
            raise
        _end(named.with_traceback(error.__traceback__))
    except KeyboardInterrupt:
        typer.echo(
            "Interrupted; what was finished is stored. Run the same command to go on.", err=True
        )
        sys.exit(130)


def _end(error: SurfalignError) -> NoReturn:
    """Print an error and end with status 1; with --full-trace raise it."""
    if os.environ.get("SURFALIGN_FULL_TRACE"):
        raise error from error.__cause__
    console = Console(stderr=True)
    console.print(f"[bold red]{type(error).__name__}[/]: {escape(str(error))}", soft_wrap=True)
    console.print("[dim]surfalign --full-trace ... shows where it came from.[/]")
    sys.exit(1)


def _named(error: Exception) -> SurfalignError | None:
    """Return what an error of the database, or a package that is absent, means; None for other errors."""
    if isinstance(error, ModuleNotFoundError):
        for who, extra, packages in _EXTRAS:
            if error.name in packages:
                return MissingDependencyError(
                    f"{who} needs {error.name}, which is not installed",
                    f"the optional packages of surfalign[{extra}]",
                    f"{sys.executable} -m pip install 'surfalign[{extra}]'",
                )
    if "pymongo" not in sys.modules:
        return None
    from bson.errors import BSONError
    from pymongo.errors import PyMongoError

    from surfalign.stores.connection.errors import named

    return named(error) if isinstance(error, PyMongoError | BSONError) else None


if __name__ == "__main__":
    main()
