"""Tables of the surfaces of a crystal."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape
from rich.table import Table

from surfalign.launchers.cli.output import output_console
from surfalign.physics.lattice.orientations import format_miller_index
from surfalign.physics.slabs.cleavage import cuts_no_bond
from surfalign.physics.slabs.coordination import SurfaceCoordination
from surfalign.physics.slabs.enumeration import OrientationSurvey, SurfaceSlab
from surfalign.workflows.planning.cost import slab_cpu_time


def show_surfaces(
    surveys: list[OrientationSurvey],
    losses: list[SurfaceCoordination],
    include_rejected: bool,
    paths: list[Path],
) -> None:
    """Print what was found."""
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
    table = Table(
        caption="CPU time: one ground state of the slab by GPAW at standard, to a factor of two or so"
    )
    table.add_column("Surface", no_wrap=True)
    table.add_column("Termi-\nnation")
    for name in ("Atoms", "Area\n(Å²)", "Thickness\n(Å)", "Repeat\n(Å)", "Broken bonds\n(1/Å²)"):
        table.add_column(name, justify="right")
    table.add_column("Barest atom")
    table.add_column("CPU time\n(h)", justify="right")
    table.add_column("Identifier", no_wrap=True)
    slabs = [slab for found in surveys for slab in found.slabs]
    for slab, loss in zip(slabs, losses, strict=True):
        table.add_row(
            escape(slab.name),
            slab.termination_class,
            str(slab.n_atoms),
            f"{slab.area:.1f}",
            f"{slab.slab_thickness:.1f}",
            f"{slab.bulk_repeat:.2f}",
            f"{loss.broken_bonds_per_area:.3f}",
            _barest(slab, loss),
            f"{slab_cpu_time(slab.slab) / 3600:.2g}",
            slab.identifier,
        )
    return table


def _barest(slab: SurfaceSlab, loss: SurfaceCoordination) -> str:
    """Write which atom misses most of its neighbours; or that the cut lies between layers."""
    if cuts_no_bond(slab):
        return "no bond cut"
    if not loss.atoms:
        return "–"
    barest = loss.atoms[0]
    return f"{barest.element} {barest.surface:.1f} of {barest.bulk:.1f}"


def _rejected_table(surveys: list[OrientationSurvey]) -> Table:
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
