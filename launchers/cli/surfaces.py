"""``surfalign surfaces``: the nonpolar surfaces of a crystal, before any calculation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from surfalign.physics.coordination import SurfaceCoordination
    from surfalign.physics.slabs import OrientationSurvey, SurfaceSlab


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="surfaces")(surfaces)


def surfaces(
    target: Annotated[
        str, typer.Argument(help="Library name (MgO), structure file, or database id.")
    ],
    max_index: Annotated[int, typer.Option("--max-index", min=1, help="Largest Miller index.")] = 1,
    hkl: Annotated[
        list[str] | None,
        typer.Option("--hkl", help="Only this orientation, e.g. 1,1,0; repeatable."),
    ] = None,
    thickness: Annotated[
        float, typer.Option("--slab-thickness", help="Least thickness of the slabs, angstrom.")
    ] = 20.0,
    vacuum: Annotated[float, typer.Option("--vacuum-thickness", help="Vacuum, angstrom.")] = 15.0,
    area_ratio: Annotated[
        float | None,
        typer.Option("--max-area-ratio", help="Largest in-plane cell, in units of the smallest."),
    ] = None,
    include_rejected: Annotated[
        bool, typer.Option("--include-rejected", help="Also list the cuts without a slab, and why.")
    ] = False,
    json_file: Annotated[
        str | None, typer.Option("--json", help="Write JSON to this file; - for standard output.")
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", help="Draw a side view of each slab into this folder."),
    ] = None,
) -> None:
    """List all nonpolar, stoichiometric, symmetric slabs of a crystal.

    Type A: every atomic plane is stoichiometric; B: charged planes in a symmetric sequence; C: half of
    the outermost plane removed in stripes (corrugated). Miller indices refer to the standard
    conventional cell.

    Example: surfalign surfaces SrTiO3 --max-index 1 --figure pictures
    """
    from surfalign.crystals.sources import load_crystal
    from surfalign.physics.coordination import surface_coordination

    crystal = load_crystal(target)
    surveys = survey(crystal.structure, max_index, hkl or [], thickness, vacuum, area_ratio)
    slabs = [slab for found in surveys for slab in found.slabs]
    losses = [surface_coordination(slab) for slab in slabs]
    paths: list[Path] = []
    if figure is not None:
        from surfalign.launchers.side_views import save_side_views

        paths = save_side_views(slabs, figure)
    if json_file is not None:
        records = [as_dict(s, c, crystal.source) for s, c in zip(slabs, losses, strict=True)]
        if include_rejected:
            records += [record for found in surveys for record in rejected_records(found)]
        _write_json(records, json_file)
    if json_file != "-":
        _show(surveys, losses, include_rejected, paths)


def survey(
    structure: Any,
    max_index: int,
    hkl: list[str],
    thickness: float,
    vacuum: float,
    area_ratio: float | None,
) -> list[OrientationSurvey]:
    """Survey the wanted orientations of a structure, polar ones included."""
    from surfalign.physics.orientations import unique_orientations
    from surfalign.physics.slabs import survey_orientation
    from surfalign.physics.symmetry import symmetrize

    crystal = symmetrize(structure)
    if hkl:
        indices = [_parse(text) for text in hkl]
    else:
        orientations = unique_orientations(crystal, max_index)
        limit = (area_ratio or float("inf")) * min(o.area for o in orientations)
        indices = [o.miller_index for o in orientations if o.area <= limit * (1 + 1e-6)]
    return [
        survey_orientation(crystal, index, slab_thickness=thickness, vacuum_thickness=vacuum)
        for index in indices
    ]


def as_dict(surface: SurfaceSlab, loss: SurfaceCoordination, source: str) -> dict[str, Any]:
    """Return a surface for scripts; lengths in angstrom, names as in the stored documents."""
    from dataclasses import asdict

    return {
        "state": "slab",
        "identifier": surface.identifier,
        "name": surface.name,
        "formula": surface.formula,
        "space_group_symbol": surface.space_group_symbol,
        "space_group_number": surface.space_group_number,
        "source": source,
        "miller_index": list(surface.miller_index),
        "termination": surface.polarity,
        "termination_label": surface.label,
        "bulk_repeat": surface.bulk_repeat,
        "slab_thickness": surface.slab_thickness,
        "vacuum_thickness": surface.vacuum_thickness,
        "area": surface.area,
        "n_atoms": surface.n_atoms,
        "gap": surface.termination.gap,
        "supercell": surface.pattern.supercell.tolist() if surface.pattern else [[1, 0], [0, 1]],
        "broken_bonds_per_area": loss.broken_bonds_per_area,
        "lowest_coordination_ratio": loss.lowest_ratio,
        "coordination": [asdict(atom) for atom in loss.atoms],
        "estimated_cpu_time": estimated_cpu_time(surface.n_atoms),
        "slab": surface.slab.as_dict(),
        "oriented_bulk": surface.oriented_bulk.as_dict(),
    }


def rejected_records(found: OrientationSurvey) -> list[dict[str, Any]]:
    """Return the rejected cuts of an orientation for scripts."""
    return [
        {
            "state": "rejected",
            "miller_index": list(found.miller_index),
            "termination_label": cut.label,
            "height": cut.height,
            "reason": cut.reason.value,
            "explanation": cut.explanation,
        }
        for cut in found.rejected
    ]


def estimated_cpu_time(n_atoms: int) -> float:
    """Estimate the CPU seconds of one potential of a slab; right to a factor of three or so.

    From one measured GPAW calculation with plane waves, TiO2(110) with 24 atoms in 193 s, growing
    with the power 2.5 of the number of atoms.
    """
    return float(193.0 * (n_atoms / 24.0) ** 2.5)


def _parse(text: str) -> tuple[int, int, int]:
    from surfalign.errors import SurfaceError

    try:
        h, k, l = (int(part) for part in text.split(","))
    except ValueError:
        raise SurfaceError(
            f"{text!r} is no Miller index", "three integers, e.g. 1,1,0", "Correct --hkl"
        ) from None
    return h, k, l


def _write_json(records: list[dict[str, Any]], path: str) -> None:
    import json

    text = json.dumps(records, indent=1)
    if path == "-":
        typer.echo(text)
    else:
        Path(path).write_text(text + "\n", encoding="utf-8")


def _show(
    surveys: list[OrientationSurvey],
    losses: list[SurfaceCoordination],
    include_rejected: bool,
    paths: list[Path],
) -> None:
    from surfalign.launchers.cli.tables import output_console
    from surfalign.physics.orientations import format_miller_index

    console = output_console()
    console.print(_table(surveys, losses))
    polar = [format_miller_index(found.miller_index) for found in surveys if not found.nonpolar]
    if polar:
        console.print(f"Polar orientations, without a nonpolar slab: {', '.join(polar)}")
    if include_rejected and any(found.rejected for found in surveys):
        console.print(_rejected_table(surveys))
    if paths:
        console.print(f"{len(paths)} pictures in {paths[0].parent}", soft_wrap=True)


def _table(surveys: list[OrientationSurvey], losses: list[SurfaceCoordination]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(caption="CPU time: one slab potential, to a factor of three or so")
    table.add_column("Surface", no_wrap=True)
    table.add_column("Type")
    for name in ("Atoms", "Area\n(Å²)", "Thickness\n(Å)", "Repeat\n(Å)", "Broken bonds\n(1/Å²)"):
        table.add_column(name, justify="right")
    table.add_column("Barest atom")
    table.add_column("CPU time\n(h)", justify="right")
    table.add_column("Identifier", no_wrap=True)
    slabs = [slab for found in surveys for slab in found.slabs]
    for slab, loss in zip(slabs, losses, strict=True):
        barest = loss.atoms[0] if loss.atoms else None
        table.add_row(
            escape(slab.name),
            slab.polarity,
            str(slab.n_atoms),
            f"{slab.area:.1f}",
            f"{slab.slab_thickness:.1f}",
            f"{slab.bulk_repeat:.2f}",
            f"{loss.broken_bonds_per_area:.3f}",
            f"{barest.element} {barest.surface:.1f} of {barest.bulk:.1f}" if barest else "–",
            f"{estimated_cpu_time(slab.n_atoms) / 3600:.2g}",
            slab.identifier,
        )
    return table


def _rejected_table(surveys: list[OrientationSurvey]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from surfalign.physics.orientations import format_miller_index

    table = Table(title="Rejected cuts")
    table.add_column("Orientation")
    table.add_column("Outermost planes", no_wrap=True)
    table.add_column("Reason", no_wrap=True)
    table.add_column("Why")
    for found in surveys:
        for cut in found.rejected:
            table.add_row(
                format_miller_index(found.miller_index),
                escape(cut.label),
                cut.reason.value,
                escape(cut.explanation),
            )
    return table
