"""``surfalign run``: from crystals to ionization potentials and electron affinities."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import (
    Cores,
    EngineName,
    EngineOptions,
    FileOrientations,
    FitVolume,
    Functional,
    JsonFile,
    MaxIndex,
    Orientations,
    QualityName,
    Relax,
    WithOxygen,
    parse_options,
)
from surfalign.launchers.cli.output import is_stdout, make_folders, output_console
from surfalign.launchers.cli.progress import RunProgress

with imported_when_used():
    from surfalign import settings
    from surfalign.launchers.cli import query, wanted_crystals
    from surfalign.launchers.cli.tables import levels
    from surfalign.launchers.database import server
    from surfalign.launchers.local import run_crystals, shares
    from surfalign.workflows import wanted_surfaces
    from surfalign.workflows.engines import engine as engines

if TYPE_CHECKING:
    from surfalign.crystals.crystal import Crystal
    from surfalign.stores.database import Database
    from surfalign.stores.documents import SurfaceLevelsDocument
    from surfalign.workflows.flows import BandAlignmentMaker

commands = typer.Typer()


@commands.command()
def run(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET...",
            help="Library names (surfalign crystals), structure files, mp-IDs, optimade:PROVIDER/ID.",
        ),
    ],
    hkl: Orientations = None,
    hkl_of_file: FileOrientations = None,
    max_index: MaxIndex = None,
    surface: Annotated[
        list[str] | None,
        typer.Option(help="Only the surface of this name; repeatable.", metavar="NAME"),
    ] = None,
    oxygen: WithOxygen = False,
    functional: Functional = "ddh",
    quality: QualityName = "standard",
    fit_volume: FitVolume = False,
    relax: Relax = True,
    cores: Cores = None,
    force: Annotated[
        bool, typer.Option("--force", help="Compute again what is stored already.")
    ] = False,
    json_file: JsonFile = None,
    figure: Annotated[
        Path | None, typer.Option(help="Write figures (PNG) to this folder.", metavar="DIR")
    ] = None,
    engine: EngineName = "gpaw",
    option: EngineOptions = None,
) -> None:
    """Compute IP and EA of the surfaces of crystals and store them with their checks.

    Example: surfalign run MgO --quality quick

    Example: surfalign run TiO2-rutile --hkl 1,1,0 --hkl 1,0,0 --json levels.json --figure figures

    Example: surfalign run my-crystal.cif --max-index 1 --functional hse06

    Example: surfalign run SrTiO3 --surface "SrTiO3(100)-C-SrO/TiO2-1" --no-relax
    """
    console = Console(stderr=True)
    make_folders(json_file, figure)
    if cores is not None:
        os.environ["SURFALIGN_CORES"] = str(cores)
    crystals = [wanted_crystals.load_with_notes(target) for target in targets]
    chosen_engine = engines.get_engine(
        engine,
        quality=quality,
        functional=functional,
        equation_of_state=fit_volume,
        **parse_options(option or ()),
    )
    makers = [
        wanted_surfaces.checked_maker(
            crystal,
            chosen_engine,
            miller_indices=wanted_crystals.wanted_indices(crystal, hkl, hkl_of_file),
            max_index=max_index,
            surface_names=surface,
            relax_slabs=relax,
            reuse=not force,
            oxygen=oxygen,
        )
        for crystal in crystals
    ]

    with server.open_database(
        announce=lambda line: console.print(line, soft_wrap=True)
    ) as database:
        documents = _run_all(makers, crystals, database, console)
    _report(documents, json_file, figure, console)
    if any(document.error is not None for document in documents):
        raise typer.Exit(1)


def _run_all(
    makers: list[BandAlignmentMaker],
    crystals: list[Crystal],
    database: Database,
    console: Console,
) -> list[SurfaceLevelsDocument]:
    current = settings.load_settings()
    with RunProgress(console, total=len(crystals)) as progress:
        outcomes = run_crystals.run_crystals(
            makers,
            crystals,
            database,
            current.data_directory / "runs",
            machine=shares.Share.of_all(current),
            on_event=progress.event,
            on_outcome=lambda outcome: progress.finish(_reused_line(outcome)),
        )
    return [document for outcome in outcomes for document in outcome.documents]


def _reused_line(outcome: run_crystals.CrystalOutcome) -> str:
    """Say what was taken over from an earlier run, in rich's markup; empty for nothing."""
    names = [d.surface_name for d in outcome.documents if d.identifier in outcome.reused]
    if not names:
        return ""
    return (
        f"{escape(', '.join(names))}: reused, computed before with the same settings "
        "(--force recomputes)"
    )


def _report(
    documents: list[SurfaceLevelsDocument],
    json_file: Path | None,
    figure: Path | None,
    console: Console,
) -> None:
    if json_file is not None:
        query.write_results(documents, json_file)
    if not is_stdout(json_file):
        output_console().print(levels.results_table(documents))
    if figure is not None:
        # matplotlib loads slowly and may write a cache of fonts: only for who wants pictures.
        from surfalign.launchers.figures.levels import save_figures

        for path in save_figures(documents, figure):
            console.print(f"figure: {path}", soft_wrap=True)
