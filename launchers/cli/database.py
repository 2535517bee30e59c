"""``surfalign db``: the results database."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr
from pymongo.errors import PyMongoError
from rich.markup import escape
from rich.table import Table

from surfalign.errors import ConfigurationError, DatabaseError
from surfalign.launchers.cli.options import Json
from surfalign.launchers.cli.output import output_console, print_json
from surfalign.launchers.cli.progress import Bar
from surfalign.launchers.cluster.profiles import load_profile
from surfalign.launchers.database import backup as backups
from surfalign.launchers.database import server
from surfalign.launchers.database.backup_file import Manifest
from surfalign.settings import Settings, address_source, load_settings
from surfalign.stores.blobs import open_blobs
from surfalign.stores.connection.addresses import address_of
from surfalign.stores.database import JOBS, Database, connect

#: Data beyond which the local server is no longer the right one (GB). A question that no index answers reads
#: 35 MB/s there: at this size it takes a minute, at twice this size longer than a client waits.
LARGEST_LOCAL = 2.0

_Profile = Annotated[
    str | None,
    typer.Option("--profile", metavar="PROFILE", help="The database of this profile."),
]

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
    profile: _Profile = None,
    as_json: Json = False,
) -> None:
    """Show which database is used, what names it and whether it answers; exit with 1 if not.

    Example: surfalign db status --json
    """
    settings = _settings(profile)
    source = address_source(settings) if profile is None else load_profile(profile).address_source()
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


@commands.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    profile: _Profile = None,
) -> None:
    """Write all documents and large arrays into one file, also while jobs write.

    What was stored before the backup began is in it. An earlier FILE stays until the new one is whole. Raw
    files of engines, trained models and the settings are not in it.

    Example: surfalign db backup oxides.backup
    """
    settings = _settings(profile)
    with _opened(settings) as database, open_blobs(settings) as blobs, Bar() as bar:
        manifest = backups.backup(database, file, blobs, bar)
    size = file.expanduser().stat().st_size / 1e6
    typer.echo(f"Wrote {_held(manifest)} to {file}: {size:.1f} MB", err=True)


@commands.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What db backup has written.")],
    profile: _Profile = None,
    merge: Annotated[
        bool,
        typer.Option(
            "--merge", help="Into a database with documents: add what is missing, change nothing."
        ),
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the file with its checksums, and no more.")
    ] = False,
) -> None:
    """Bring a backup into an empty database, after comparing it with its checksums.

    The next surfalign build looks at all jobs again.

    Example: surfalign db restore oxides.backup --check
    """
    if check:
        with Bar() as bar:
            held = _held(backups.check(file, bar))
        typer.echo(f"{file} is whole: {held}")
        return
    settings = _settings(profile)
    with _opened(settings) as database, open_blobs(settings) as blobs, Bar() as bar:
        written = backups.restore(database, file, blobs, bar, merge=merge)
        where = f"{database.name} at {database.address}"
    table = Table("collection", "documents written")
    for name, number in written.items():
        table.add_row(escape(name), str(number))
    output_console().print(table)
    typer.echo(f"Restored into {where}", err=True)


def _settings(profile: str | None) -> Settings:
    return load_settings() if profile is None else load_profile(profile).settings()


def _opened(settings: Settings) -> Database:
    return server.open_database(settings, announce=lambda line: typer.echo(line, err=True))


def _held(manifest: Manifest) -> str:
    arrays = f" and {manifest.arrays} arrays" if manifest.arrays else ""
    return f"{manifest.documents} documents{arrays}"


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
    if found.size > LARGEST_LOCAL:
        report["advice"] = (
            f"beyond {LARGEST_LOCAL:g} GB use a MongoDB (SURFALIGN_DATABASE_URI): surfalign db backup here, "
            "db restore there"
        )
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
