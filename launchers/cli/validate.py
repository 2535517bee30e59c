"""``surfalign validate``: what was computed beside references and experiment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from surfalign.files import write_whole
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import (
    Cores,
    EngineName,
    Flagged,
    Functional,
    JsonFile,
    Mixed,
    QualityName,
    Where,
)
from surfalign.launchers.cli.output import is_stdout, make_folders, output_console, write_json
from surfalign.launchers.cli.progress import RunProgress

with imported_when_used():
    from surfalign.launchers.cli.tables import junctions as tables
    from surfalign.launchers.database import server
    from surfalign.launchers.figures import measured as figures
    from surfalign.launchers.local import progress_reports
    from surfalign.stores.measured import comparison, measured_levels, registration
    from surfalign.stores.query import language, results
    from surfalign.workflows import gap_validation
    from surfalign.workflows.engines import engine as engines

if TYPE_CHECKING:
    from surfalign.stores.measured.comparison import ComparisonReport
    from surfalign.workflows.gap_validation import GapRecord

commands = typer.Typer(
    name="validate",
    help="Compare what was computed with references and with experiment.",
    no_args_is_help=True,
)


@commands.command()
def gaps(
    file: Annotated[
        Path, typer.Argument(help="JSON (.gz) of crystals, with reference gaps where known.")
    ],
    only: Annotated[
        str | None, typer.Option(help="Entries to compute, separated by commas.", metavar="ID,...")
    ] = None,
    quality: QualityName = "standard",
    functional: Functional = "ddh",
    json_file: JsonFile = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the table as Markdown to this file.")
    ] = None,
    cores: Cores = None,
    engine: EngineName = "gpaw",
) -> None:
    """Compute dielectric constants and band gaps of bulk crystals and compare them with references.

    Structures are taken as they are. An entry that fails is reported and the others go on; the command
    then exits with 1. With --json FILE the file is written after each entry, and a second run takes
    up from it.

    Example: surfalign validate gaps oxides.json.gz --only mp-1265,mp-2605 --json gaps.json

    Example: surfalign validate gaps structures.json --functional hse06 --quality quick
    """
    if cores is not None:
        os.environ["SURFALIGN_CORES"] = str(cores)
    make_folders(json_file)
    makers = engines.get_engine(engine, quality=quality, functional=functional)
    entries = gap_validation.read_entries(
        file, [part.strip() for part in (only or "").split(",") if part.strip()]
    )
    console = Console(stderr=True)
    earlier = None if is_stdout(json_file) else json_file
    with (
        RunProgress(console, len(entries)) as progress,
        progress_reports.engine_reports(progress.event),
    ):
        records = gap_validation.compute_entries(
            entries, makers, earlier, lambda *ended: progress.finish(_outcome(*ended))
        )
    if is_stdout(json_file):
        typer.echo(gap_validation.records_json(records))
    else:
        output = output_console()
        output.print(_table(records))
        output.print(
            gap_validation.summary_sentence(gap_validation.summarise(records)), soft_wrap=True
        )
    if markdown is not None:
        write_whole(markdown, gap_validation.markdown_table(records))
    if any(record.error is not None for record in records):
        raise typer.Exit(1)


def _outcome(record: GapRecord, reused: bool) -> str:
    """Say in a line of rich's markup how an entry ended."""
    if record.error is not None:
        outcome = f"[red]{record.error.error}[/]: {escape(record.error.message)}"
    else:
        outcome = f"gap {record.band_gap:.2f} eV" + (", reused" if reused else "")
    return f"{escape(record.formula)} {escape(record.identifier)}: {outcome}"


def _table(records: list[GapRecord]) -> Table:
    first = records[0] if records else None
    caption = f"{first.functional}, {first.quality}, {first.engine}" if first else None
    table = Table(title="Bulk gaps and dielectric constants", caption=caption)
    table.add_column("Crystal", no_wrap=True)
    table.add_column("Entry", no_wrap=True)
    for name in (
        "ε∞",
        "ref.",
        "diff.",
        "α",
        "One-shot\n(eV)",
        "Self-\ncons.\n(eV)",
        "Gap\n(eV)",
        "ref.\n(eV)",
        "diff.\n(eV)",
        "CPU\n(s)",
    ):
        table.add_column(name, justify="right")
    for record in records:
        style = "dim" if record.error is not None else None
        table.add_row(*(escape(cell) for cell in gap_validation.table_cells(record)), style=style)
    return table


@commands.command()
def levels(
    where: Where = None,
    flagged: Flagged = False,
    mixed: Mixed = False,
    json_file: JsonFile = None,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw computed against measured levels in this folder."),
    ] = None,
) -> None:
    """Compare stored IP and EA with measured ones, surface by surface.

    Formula, polymorph and orientation must be those that were measured; what has no partner is listed with
    the reason.

    Example: surfalign validate levels --where 'functional = ddh' --figure .

    Example: surfalign validate levels --flagged --json levels.json
    """
    language.to_filter(where or "")
    make_folders(json_file, figure)
    with server.open_database(announce=lambda line: typer.echo(line, err=True)) as database:
        registered = results.find(database, "origin = measured")
        report = comparison.compare(
            [*measured_levels.measured_levels(), *registration.measurements(registered)],
            results.find(database, where),
            flagged=flagged,
            mixed=mixed,
        )
    write_json(comparison.as_dict(report), json_file)
    if not is_stdout(json_file):
        _show_levels(report)
    if figure is not None and report.compared:
        path = figures.save_parity(report, figure / "measured-levels.png")
        typer.echo(f"Wrote {path}", err=True)
    if not report.compared:
        typer.echo("No stored surface was measured; nothing is compared.", err=True)
        raise typer.Exit(1)


def _show_levels(report: ComparisonReport) -> None:
    output = output_console()
    if report.compared:
        output.print(tables.comparison_table(report))
    output.print(tables.partnerless_table(report.without_result))
    if report.without_measurement:
        names = ", ".join(report.without_measurement)
        output.print(f"Stored, without a measurement: {escape(names)}", soft_wrap=True)
    if len(report.methods) > 1:
        names = ", ".join(report.methods)
        output.print(f"[yellow]Results of {len(report.methods)} methods: {escape(names)}[/]")
    for sentence in filter(
        None, (tables.summary_sentence(report, name) for name in comparison.LEVELS)
    ):
        output.print(sentence, soft_wrap=True)
