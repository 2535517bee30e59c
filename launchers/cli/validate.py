"""``surfalign validate``: computed bulk properties beside references."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from surfalign.launchers.cli.console import output_console
from surfalign.launchers.cli.options import Cores, EngineName, Functional, QualityName
from surfalign.workflows.engines.engine import get_engine
from surfalign.workflows.gap_validation import (
    GapRecord,
    compute_entries,
    markdown_table,
    read_entries,
    summarise,
    summary_sentence,
    table_cells,
)

EXAMPLE = """

Examples:

    surfalign validate gaps oxides.json.gz --only mp-1265,mp-2605 --json gaps.json

    surfalign validate gaps structures.json --functional hse06 --quality quick
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = typer.Typer(
        help="Compare computed bulk properties with references.", no_args_is_help=True
    )
    group.command("gaps", help=(gaps.__doc__ or "") + EXAMPLE)(gaps)
    app.add_typer(group, name="validate")


def gaps(
    file: Annotated[
        Path, typer.Argument(help="JSON (.gz): crystals, with reference gaps where known.")
    ],
    only: Annotated[
        str | None, typer.Option(help="Entries to compute, comma-separated.", metavar="ID,...")
    ] = None,
    quality: QualityName = "standard",
    functional: Functional = "ddh",
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write results here after each entry, and resume from it."),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the table as Markdown to this file.")
    ] = None,
    cores: Cores = None,
    engine: EngineName = "gpaw",
) -> None:
    """Compute dielectric constants and band gaps of bulk crystals, beside references where known.

    Structures are taken as they are. An entry that fails is reported and the others go on; the exit
    status is then not zero.
    """
    if cores is not None:
        os.environ["SURFALIGN_CORES"] = str(cores)
    makers = get_engine(engine, quality=quality, functional=functional)
    entries = read_entries(file, [part.strip() for part in (only or "").split(",") if part.strip()])
    console = Console(stderr=True)
    with _Progress(console, len(entries)) as progress:
        records = compute_entries(entries, makers, json_file, progress.finish)
    output = output_console()
    output.print(_table(records))
    output.print(summary_sentence(summarise(records)), soft_wrap=True)
    if markdown is not None:
        markdown.write_text(markdown_table(records))
    if any(record.error is not None for record in records):
        raise typer.Exit(1)


class _Progress(logging.Handler):
    """One live line with the engine's reports; one lasting line for each entry."""

    def __init__(self, console: Console, total: int) -> None:
        super().__init__(level=logging.INFO)
        self.console = console
        self.total = total
        self._done = 0
        self._status = console.status("starting")

    def __enter__(self) -> _Progress:
        self._logger = logging.getLogger("surfalign.progress")
        self._logger.addHandler(self)
        self._logger.setLevel(logging.INFO)
        self._logger.propagate = False
        if self.console.is_terminal:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
        self._status.stop()

    def emit(self, record: logging.LogRecord) -> None:
        """Show what the engine is doing."""
        self._status.update(f"{self._done + 1}/{self.total} {escape(record.getMessage())}")

    def finish(self, record: GapRecord, reused: bool) -> None:
        """Show that an entry ended."""
        self._done += 1
        if record.error is not None:
            outcome = f"[red]{record.error.error}[/]: {escape(record.error.message)}"
        else:
            outcome = f"gap {record.band_gap:.2f} eV" + (", reused" if reused else "")
        where = f"{self._done}/{self.total} {record.formula} {record.identifier}"
        self.console.print(f"{escape(where)}: {outcome}", soft_wrap=True)


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
        table.add_row(*(escape(cell) for cell in table_cells(record)), style=style)
    return table
