"""``surfalign run``: from oxides to ionization potentials and electron affinities."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from surfalign.errors import ConfigurationError
from surfalign.launchers.cli.options import (
    Cores,
    EngineName,
    EngineOptions,
    FitVolume,
    Functional,
    MaxIndex,
    Orientations,
    QualityName,
    Relax,
)
from surfalign.launchers.cli.output_folders import make_folders

if TYPE_CHECKING:
    from rich.console import Console

    from surfalign.crystals.crystal import Crystal
    from surfalign.stores.database import Database
    from surfalign.stores.documents import SurfaceLevelsDocument
    from surfalign.workflows.engines.engine import Engine
    from surfalign.workflows.flows import BandAlignmentMaker

EXAMPLE = """

Examples:

    surfalign run MgO --quality quick

    surfalign run TiO2-rutile --hkl 1,1,0 --hkl 1,0,0 --json levels.json --figure figures

    surfalign run my-oxide.cif --max-index 1 --functional hse06

    surfalign run SrTiO3 --surface "SrTiO3(100)-C-SrO/TiO2-1" --no-relax
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run", help=(run.__doc__ or "") + EXAMPLE)(run)


def run(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET...",
            help="Library names (surfalign oxides), structure files, mp-IDs, optimade:PROVIDER/ID.",
        ),
    ],
    hkl: Orientations = None,
    max_index: MaxIndex = None,
    surface: Annotated[
        list[str] | None,
        typer.Option(help="Only the surface of this name; repeatable.", metavar="NAME"),
    ] = None,
    functional: Functional = "ddh",
    quality: QualityName = "standard",
    fit_volume: FitVolume = False,
    relax: Relax = True,
    cores: Cores = None,
    force: Annotated[bool, typer.Option("--force", help="Recompute what is stored.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the results to FILE; - is the output.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Write figures (PNG) to this directory.", metavar="DIR")
    ] = None,
    engine: EngineName = "gpaw",
    option: EngineOptions = None,
) -> None:
    """Compute IP and EA of the surfaces of oxides, and store them with their checks."""
    from rich.console import Console

    from surfalign.crystals.sources import load_crystal
    from surfalign.launchers.cli.engine_options import parse_options
    from surfalign.workflows.engines.engine import get_engine

    console = Console(stderr=True)
    _make_output_folders(json_file, figure)
    indices = [parse_miller_index(text) for text in hkl or ()]
    if cores is not None:
        os.environ["SURFALIGN_CORES"] = str(cores)
    crystals = [load_crystal(target) for target in targets]
    for crystal in crystals:
        for note in crystal.notes:
            console.print(f"[dim]{crystal.name}: {note}[/]", soft_wrap=True)
    chosen_engine = get_engine(
        engine,
        quality=quality,
        functional=functional,
        equation_of_state=fit_volume,
        **parse_options(option or ()),
    )
    makers = [
        _maker(crystal, chosen_engine, indices, max_index, surface, relax, not force)
        for crystal in crystals
    ]
    from surfalign.launchers.server import open_database

    with open_database(announce=lambda line: console.print(line, soft_wrap=True)) as database:
        documents = _run_all(makers, crystals, database, console)
    _report(documents, json_file, figure, console)
    if any(document.error is not None for document in documents):
        raise typer.Exit(1)


def _make_output_folders(json_file: Path | None, figure: Path | None) -> None:
    """Make the folders of the outputs before anything is computed for them."""
    folders = [figure] if figure else []
    if json_file is not None and str(json_file) != "-":
        folders.append(json_file.expanduser().parent)
    make_folders(folders)


def parse_miller_index(text: str) -> tuple[int, int, int]:
    """Read ``1,1,0``, ``1 1 0`` or ``110``.

    Raises
    ------
    ConfigurationError
        When the text is no orientation.
    """
    parts = text.replace(",", " ").split()
    if len(parts) == 1 and parts[0].lstrip("-").isdigit() and len(parts[0]) == 3:
        parts = list(parts[0])
    try:
        h, k, l = (int(part) for part in parts)
    except ValueError:
        h = k = l = 0
    if (h, k, l) == (0, 0, 0):
        raise ConfigurationError(
            f"'{text}' is no orientation", "three integers, not all zero", "write --hkl 1,1,0"
        )
    return h, k, l


def _index_in_name(name: str) -> tuple[int, int, int]:
    """Return the orientation that the name of a surface, e.g. ``MgO(1-10)-A``, holds."""
    found = re.search(r"\(((?:-?\d){3}|-?\d+(?:,-?\d+){2})\)-[ABC]", name)
    if found is None:
        raise ConfigurationError(
            f"'{name}' is no name of a surface",
            "a name such as MgO(100)-A",
            "copy one from 'surfalign surfaces TARGET'",
        )
    text = found.group(1)
    h, k, l = re.findall(r"-?\d+", text) if "," in text else re.findall(r"-?\d", text)
    return int(h), int(k), int(l)


def _maker(
    crystal: Crystal,
    engine: Engine,
    indices: list[tuple[int, int, int]],
    max_index: int | None,
    names: list[str] | None,
    relax: bool,
    reuse: bool,
) -> BandAlignmentMaker:
    """Build the flow's maker and check, before anything is computed, that the surfaces exist."""
    from surfalign.workflows.flows import BandAlignmentMaker, named_surfaces
    from surfalign.workflows.jobs import describe_surfaces

    chosen = indices
    if names and not indices and max_index is None:
        chosen = [_index_in_name(name) for name in names]
    elif not indices and max_index is None and crystal.default_orientation is not None:
        chosen = [crystal.default_orientation]
    found = describe_surfaces(
        crystal.structure,
        source=crystal.source,
        miller_indices=chosen,
        max_index=max_index,
        slab_thickness=engine.slab_thickness,
        vacuum_thickness=engine.vacuum_thickness,
    )
    named_surfaces(found, names)
    return BandAlignmentMaker(
        engine=engine,
        miller_indices=chosen or None,
        max_index=max_index,
        surface_names=names,
        relax_slabs=relax,
        reuse=reuse,
    )


def _run_all(
    makers: list[BandAlignmentMaker],
    crystals: list[Crystal],
    database: Database,
    console: Console,
) -> list[SurfaceLevelsDocument]:
    from surfalign.launchers.cli.progress import RunProgress
    from surfalign.launchers.session import run_crystals
    from surfalign.launchers.shares import Share
    from surfalign.settings import load_settings
    from surfalign.workflows.engines.gpaw.resources import available_cores, memory_limit

    settings = load_settings()
    with RunProgress(console, total=len(crystals)) as progress:
        outcomes = run_crystals(
            makers,
            crystals,
            database,
            settings.data_directory / "runs",
            machine=Share(available_cores(settings), memory_limit(settings)),
            on_event=progress.event,
            on_outcome=progress.finish,
        )
    return [document for outcome in outcomes for document in outcome.documents]


def _report(
    documents: list[SurfaceLevelsDocument],
    json_file: Path | None,
    figure: Path | None,
    console: Console,
) -> None:
    from surfalign.launchers.cli.tables import output_console, results_table
    from surfalign.stores.exports import write_json, write_json_file

    if str(json_file) == "-":
        write_json(documents, typer.get_text_stream("stdout"))
    else:
        output_console().print(results_table(documents))
    if json_file is not None and str(json_file) != "-":
        write_json_file(documents, json_file)
    if figure is not None:
        from surfalign.launchers.figures import save_figures

        for path in save_figures(documents, figure):
            console.print(f"figure: {path}", soft_wrap=True)
