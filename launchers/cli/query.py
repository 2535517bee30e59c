"""``surfalign query``, ``show`` and ``export``: reading what is stored."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import Expression, Json, JsonFile
from surfalign.launchers.cli.output import is_stdout, make_folders, output_console, print_json

with imported_when_used():
    from surfalign.launchers.cli.tables import levels
    from surfalign.launchers.database import server
    from surfalign.stores.query import exports, language, results

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from surfalign.stores.database import Database
    from surfalign.stores.documents import SurfaceLevelsDocument
    from surfalign.stores.query.exports import ExportFormat

commands = typer.Typer()


#: Rows of one table: what is shown without --limit, and at a time with --limit 0.
PAGE = 100


@commands.command()
def query(
    expression: Expression = None,
    json_file: JsonFile = None,
    full: Annotated[
        bool, typer.Option("--full", help="Put structures and potential curves into the JSON, too.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=0, help=f"Show at most this number (a table: {PAGE}); 0 shows all."),
    ] = None,
    sort: Annotated[str | None, typer.Option(help="Field to sort by.")] = None,
    descending: Annotated[
        bool, typer.Option("--descending", help="Sort from large to small.")
    ] = False,
) -> None:
    """Find stored results.

    Flagged results show their failed checks, failed results their error.

    Example: surfalign query 'formula in (MgO, CaO) and not state = failed' --sort band_gap

    Example: surfalign query 'miller_index = (1,1,0) and electron_affinity < 0 eV' --json -
    """
    _check(expression, sort)
    make_folders(json_file)
    with _database() as database:
        shown = PAGE if limit is None and json_file is None else limit or None
        found = results.find(
            database, expression, sort=sort, descending=descending, limit=shown, full=full
        )
        if json_file is None:
            _print_pages(found)
            _say_what_is_left(results.count(database, expression), shown, database)
        else:
            write_results(found, json_file, full=full)
        _say_methods(results.methods(database, expression))


@commands.command()
def show(
    identifier: Annotated[
        str,
        typer.Argument(metavar="ID", help="Identifier of a result; a unique beginning is enough."),
    ],
    as_json: Json = False,
) -> None:
    """Show one result: levels, checks, method, cost.

    Example: surfalign show 7f3a2b --json
    """
    with _database() as database:
        document = results.get(database, identifier)
    if as_json:
        print_json(results.json_record(document))
    else:
        output_console().print(levels.details(document))


@commands.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    expression: Expression = None,
    format: Annotated[
        str | None,
        typer.Option(help="csv, json, parquet or extxyz; by default the ending of FILE."),
    ] = None,
) -> None:
    """Write stored results to a file.

    csv and parquet hold numbers and texts, json everything, extxyz the slabs with their levels.

    Example: surfalign export levels.csv 'state = passed'
    """
    chosen = _format(file, format)
    _check(expression, None)
    with _database() as database:
        found = results.find(database, expression, full=chosen.needs_structures)
        written = exports.export(found, file, chosen)
        matched = results.count(database, expression)
        _say_methods(results.methods(database, expression))
    typer.echo(f"Wrote {_results(written)} to {file}", err=True)
    if written < matched:
        typer.echo(f"{_results(matched - written)} left out, without a slab", err=True)


def write_results(
    documents: Iterable[SurfaceLevelsDocument], json_file: Path, *, full: bool = True
) -> None:
    """Write results where ``--json FILE`` says."""
    if is_stdout(json_file):
        exports.write_json(documents, typer.get_text_stream("stdout"), full)
    else:
        written = exports.write_json_file(documents, json_file, full)
        typer.echo(f"Wrote {_results(written)} to {json_file}", err=True)


def _database() -> Database:
    return server.open_database(announce=lambda line: typer.echo(line, err=True))


def _check(expression: str | None, sort: str | None) -> None:
    """Refuse a query that cannot be understood before a server is started for it."""
    language.to_filter(expression or "")
    if sort is not None:
        language.known_field(sort)


def _format(file: Path, name: str | None) -> ExportFormat:
    text = (name or file.suffix.removeprefix(".")).lower()
    try:
        return exports.ExportFormat("extxyz" if text == "xyz" else text)
    except ValueError as error:
        raise ConfigurationError(
            f"{text!r} is no format of an export",
            f"one of {', '.join(exports.ExportFormat)}",
            "surfalign export FILE --format csv",
        ) from error


def _print_pages(found: Iterator[SurfaceLevelsDocument]) -> None:
    """Print a table a page, so that any number of results passes through."""
    console = output_console()
    while page := list(islice(found, PAGE)):
        console.print(levels.results_table(page, identifiers=True))


def _say_what_is_left(matched: int, shown: int | None, database: Database) -> None:
    if matched == 0:
        # Of another database than was meant, often enough.
        where = f"{database.name} at {database.address}"
        typer.echo(f"No results. Database: {where} (surfalign db status)", err=True)
    elif shown is not None and matched > shown:
        typer.echo(f"{shown} of {_results(matched)}; --limit 0 shows all.", err=True)


def _say_methods(counts: dict[str, int]) -> None:
    """Name the methods where there are several: their levels do not compare."""
    if len(counts) > 1:
        names = ", ".join(f"{number} of {label}" for label, number in counts.items())
        first = next(iter(counts))
        typer.echo(
            f"These results are of {len(counts)} methods, whose levels do not compare: {names}. "
            f'For one: functional = "{first}"',
            err=True,
        )


def _results(number: int) -> str:
    return f"{number} result{'' if number == 1 else 's'}"
