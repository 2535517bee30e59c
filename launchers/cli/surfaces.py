"""``surfalign surfaces``: the nonpolar surfaces of a crystal, before any calculation."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from surfalign.errors import TimeLimitError
from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import (
    FileOrientations,
    JsonFile,
    LargestIndex,
    OnlyOrientations,
    WithOxygen,
)
from surfalign.launchers.cli.output import is_stdout, make_folders, write_json

with imported_when_used():
    from surfalign.launchers.cli import wanted_crystals
    from surfalign.launchers.cli.tables import surface_records
    from surfalign.launchers.cli.tables import surfaces as tables
    from surfalign.physics.lattice import orientations
    from surfalign.workflows.planning import orientation_survey

if TYPE_CHECKING:
    from surfalign.physics.lattice.orientations import MillerIndex

commands = typer.Typer()


@commands.command()
def surfaces(
    target: Annotated[
        str, typer.Argument(help="Library name (MgO), structure file, or database id.")
    ],
    max_index: LargestIndex = 1,
    hkl: OnlyOrientations = None,
    hkl_of_file: FileOrientations = None,
    thickness: Annotated[
        float, typer.Option("--slab-thickness", help="Least thickness of the slabs (angstrom).")
    ] = 20.0,
    vacuum: Annotated[
        float, typer.Option("--vacuum-thickness", help="Thickness of the vacuum (angstrom).")
    ] = 15.0,
    area_ratio: Annotated[
        float | None,
        typer.Option(
            "--max-area-ratio", help="Largest in-plane cell, in multiples of the smallest."
        ),
    ] = None,
    oxygen: WithOxygen = False,
    include_rejected: Annotated[
        bool, typer.Option("--include-rejected", help="Also list the cuts without a slab, and why.")
    ] = False,
    time_limit: Annotated[
        float, typer.Option("--time-limit", min=0.1, help="Longest search (s).")
    ] = 60.0,
    json_file: JsonFile = None,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", metavar="DIR", help="Draw each slab into this folder (PNG)."),
    ] = None,
) -> None:
    """List all nonpolar, stoichiometric, symmetric slabs of a crystal.

    Termination A: every atomic plane is stoichiometric. B: charged planes in a symmetric sequence. C: half
    of the outermost plane is removed in stripes (corrugated). "No bond cut" marks faces between the layers of a
    crystal, in a van der Waals gap. Miller indices refer to the standard
    conventional cell; a note says where a file has other axes.

    Example: surfalign surfaces SrTiO3 --max-index 1 --figure pictures

    Example: surfalign surfaces SnO2 --hkl 1,1,0 --oxygen
    """
    make_folders(json_file, figure)
    crystal = wanted_crystals.load_with_notes(target)
    indices = wanted_crystals.wanted_indices(crystal, hkl, hkl_of_file)
    found, left = orientation_survey.survey_orientations(
        crystal.structure,
        indices,
        max_index=max_index,
        slab_thickness=thickness,
        vacuum_thickness=vacuum,
        max_area_ratio=area_ratio or math.inf,
        seconds=time_limit,
        oxygen=oxygen,
        describe=None
        if json_file is None
        else partial(surface_records.as_dict, source=crystal.source),
    )
    surveys = [one.survey for one in found]
    paths: list[Path] = []
    if figure is not None:
        # matplotlib loads slowly and may write a cache of fonts: only for who wants pictures.
        from surfalign.launchers.figures.slabs import save_side_views

        paths = save_side_views([slab for survey in surveys for slab in survey.slabs], figure)
    if json_file is not None:
        records = [record for one in found for record in one.records]
        if include_rejected:
            records += [
                record for survey in surveys for record in surface_records.rejected_records(survey)
            ]
        records += [surface_records.left_record(index, time_limit) for index in left]
        write_json(records, json_file)
    if not is_stdout(json_file):
        losses = [loss for one in found for loss in one.losses]
        tables.show_surfaces(surveys, losses, include_rejected, paths)
    if left:
        raise _unfinished(left, len(found), time_limit)


def _unfinished(left: list[MillerIndex], n_found: int, seconds: float) -> TimeLimitError:
    names = [orientations.format_miller_index(index) for index in left[:8]]
    if len(left) > len(names):
        names.append("...")
    return TimeLimitError(
        f"the search took longer than {seconds:g} s; not searched: {', '.join(names)}",
        f"all orientations ({n_found} are complete and were listed)",
        "give a longer --time-limit, single orientations with --hkl, or --max-area-ratio",
    )
