"""``surfalign validate``: computed bulk properties beside references."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import Cores, EngineName, Functional, JsonFile, QualityName
from surfalign.launchers.cli.output import is_stdout, make_folders, output_console
from surfalign.launchers.cli.progress import RunProgress

with imported_when_used():
    from surfalign.launchers.local import progress_reports
    from surfalign.workflows import gap_validation
    from surfalign.workflows.engines import engine as engines

if TYPE_CHECKING:
    from surfalign.workflows.gap_validation import GapRecord

commands = typer.Typer(
    name="validate",
    help="Compare computed bulk properties with references.",
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
        markdown.write_text(gap_validation.markdown_table(records))
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
    table.add_column("Oxide", no_wrap=True)
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
