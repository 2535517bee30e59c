"""``surfalign db``: the results database."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

import typer
from pydantic import SecretStr
from pymongo.errors import PyMongoError
from rich.markup import escape
from rich.table import Table

from surfalign.errors import ConfigurationError, DatabaseError
from surfalign.launchers.cli.options import Json
from surfalign.launchers.cli.output import output_console, print_json
from surfalign.launchers.cluster.profiles import load_profile
from surfalign.launchers.database import server
from surfalign.settings import Settings, address_source, load_settings
from surfalign.stores.connection.addresses import address_of
from surfalign.stores.database import JOBS, Database, connect

commands = typer.Typer(
    name="db",
    help="The results database: the local server, or the configured one.",
    no_args_is_help=True,
)


@commands.command()
def start() -> None:
    """Start the local database server and print its address.

    Other commands start it when they need it. It runs until surfalign db stop or a reboot. Its only user is
    surfalign; the password is in the file server.password of its folder.

    Example: surfalign db start
    """
    settings = load_settings()
    if settings.database_uri is not None:
        raise ConfigurationError(
            f"the settings name a database ({address_of(settings).shown}), so no local one is used",
            "no database_uri",
            "unset SURFALIGN_DATABASE_URI (or database_uri in the settings file)",
        )
    server.start(settings)
    typer.echo(server.status(settings).uri)


@commands.command()
def stop() -> None:
    """Stop the local database server; the data stay.

    Example: surfalign db stop
    """
    stopped = server.stop()
    typer.echo("Stopped the local database." if stopped else "No local database was running.")


@commands.command()
def status(
    profile: Annotated[
        str | None,
        typer.Option("--profile", metavar="PROFILE", help="Show the database of this profile."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show which database is used, what names it and whether it answers; exit with 1 if not.

    Example: surfalign db status --json
    """
    if profile is None:
        settings = load_settings()
        source = address_source(settings)
    else:
        chosen = load_profile(profile)
        settings, source = chosen.settings(), chosen.address_source()
    report = _local(settings) if settings.database_uri is None else _configured(settings, source)
    if as_json:
        print_json(report)
    else:
        table = Table.grid(padding=(0, 2))
        for name, value in report.items():
            if value is not None:
                table.add_row(f"[bold]{name.replace('_', ' ')}[/]", escape(_text(value)))
        output_console().print(table)
    if not report["answering"]:
        raise typer.Exit(1)


def _local(settings: Settings) -> dict[str, Any]:
    """Report on the local server, which is not started for it."""
    found = server.status(settings)
    report: dict[str, Any] = {
        "kind": "local",
        "uri": found.uri,
        "database": settings.database_name,
        "running": found.running,
        "answering": found.answering,
        "process": found.pid,
        "port": found.port,
        "directory": str(found.directory),
        "log_file": str(found.log_file),
        "size_GB": round(found.size, 4),
    }
    if found.answering:
        uri = SecretStr(server.start(settings))  # it runs: this only returns its URI
        report |= _numbers(settings.model_copy(update={"database_uri": uri}))
    return report


def _configured(settings: Settings, source: str) -> dict[str, Any]:
    """Report on the configured database."""
    address = address_of(settings)
    report: dict[str, Any] = {
        "kind": "configured",
        "uri": address.shown,
        "database": address.name,
        "named_by": source,
        "answering": True,
    }
    try:
        report |= _numbers(settings)
    except DatabaseError as error:
        report |= {"answering": False, "problem": str(error)}
    return report


def _numbers(settings: Settings) -> dict[str, Any]:
    with connect(settings) as database:
        found = {"jobs": database.jobs.count(), "results": database.surface_levels.count()}
        return found if any(found.values()) else found | _elsewhere(database)


def _elsewhere(database: Database) -> dict[str, str]:
    """Say where results may be that seem lost: until version 0.2 the name in a URI was passed over."""
    usual = Settings.model_fields["database_name"].default
    with suppress(PyMongoError):  # another database may be nobody's business
        jobs = database.collection(JOBS).database.client[usual][JOBS].estimated_document_count()
        if jobs and database.name != usual:
            return {"note": f"the database '{usual}' of this server holds {jobs} jobs"}
    return {}


def _text(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
