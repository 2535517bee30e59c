"""``surfalign import-vasp``: finished VASP calculations of a group become results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import JsonFile
from surfalign.launchers.cli.output import is_stdout, make_folders, output_console, write_json

with imported_when_used():
    from surfalign.launchers.database import server
    from surfalign.workflows.engines.vasp.imports import results, storing

if TYPE_CHECKING:
    from surfalign.workflows.engines.vasp.imports.results import ImportReport

commands = typer.Typer()


@commands.command("import-vasp")
def import_vasp(
    directories: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Folders; their subfolders are searched, too."),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be imported; store nothing.")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Turn finished VASP calculations of bulk and slabs into stored results.

    Any layout of folders will do. Pairs that do not fit together are refused, with the reason. The files
    stay where they are. A second import adds nothing. Exits with 1 when no pair was found.

    Example: surfalign import-vasp /data/oxides --dry-run

    Example: surfalign import-vasp bulk/ slabs/ --json report.json
    """
    for directory in directories:
        if not directory.is_dir():
            raise ConfigurationError(
                f"{directory} is no folder", "folders of finished calculations", "correct the path"
            )
    make_folders(json_file)
    console = Console(stderr=True)
    report, is_new = _read(directories, dry_run, console)
    record = _record(report, is_new, dry_run)
    write_json(record, json_file)
    if not is_stdout(json_file):
        _print(record)
    if not report.results:
        raise typer.Exit(1)


def _read(
    directories: list[Path], dry_run: bool, console: Console
) -> tuple[ImportReport, set[str]]:
    """Read the folders and store what is new; return the report and the new uuids."""
    with console.status("") as status:
        report = results.read_folders(directories, status.update)
    with server.open_database(
        announce=lambda line: console.print(line, soft_wrap=True)
    ) as database:
        is_new = {result.uuid for result in storing.new_results(report.results, database)}
        if not dry_run:
            storing.store_results(report.results, database)
    return report, is_new


def _record(report: ImportReport, is_new: set[str], dry_run: bool) -> dict[str, Any]:
    """The report as plain JSON."""
    action = {True: "would be imported" if dry_run else "imported", False: "known already"}
    return {
        "results": [
            {
                "identifier": result.levels.identifier,
                "surface_name": result.levels.surface_name,
                "functional": result.levels.functional,
                "ionization_potential_eV": result.levels.ionization_potential,
                "electron_affinity_eV": result.levels.electron_affinity,
                "state": result.levels.state.value,
                "failed_checks": result.levels.failed_checks,
                "action": action[result.uuid in is_new],
                "directories": {
                    step: str(c.directory) for step, c in result.pair.calculations.items()
                },
            }
            for result in report.results
        ],
        "refused": [
            {"directories": [str(d) for d in refusal.directories], "reason": refusal.reason}
            for refusal in report.refusals
        ],
        "unused": [str(directory) for directory in report.unused],
    }


def _print(record: dict[str, Any]) -> None:
    console = output_console()
    table = Table(title=f"{len(record['results'])} results")
    for column in ("Surface", "Functional", "IP (eV)", "EA (eV)", "State", "", "Slab"):
        table.add_column(column)
    for row in record["results"]:
        table.add_row(
            escape(row["surface_name"]),
            row["functional"],
            f"{row['ionization_potential_eV']:.2f}",
            f"{row['electron_affinity_eV']:.2f}",
            ", ".join([row["state"], *row["failed_checks"]]),
            row["action"],
            escape(row["directories"]["slab_potential"]),
        )
    console.print(table)
    for row in record["refused"]:
        where = " and ".join(row["directories"])
        console.print(
            f"[yellow]refused[/] {escape(where)}: {escape(row['reason'])}", soft_wrap=True
        )
    for directory in record["unused"]:
        console.print(f"[dim]not needed: {escape(directory)}[/]", soft_wrap=True)
