"""``surfalign inputs``: every input file that a crystal would need, with its estimated cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from surfalign.launchers.cli.lazy import imported_when_used
from surfalign.launchers.cli.options import (
    EngineName,
    FileOrientations,
    Json,
    MaxIndex,
    Orientations,
    QualityName,
    Relax,
    WithOxygen,
)
from surfalign.launchers.cli.output import output_console, print_json

with imported_when_used():
    from surfalign.launchers.cli import wanted_crystals
    from surfalign.workflows import dry_run as dry_runs
    from surfalign.workflows import surface_jobs
    from surfalign.workflows.engines import engine as engines
    from surfalign.workflows.engines import functionals

if TYPE_CHECKING:
    from surfalign.workflows.dry_run import StepInputs

commands = typer.Typer()


@commands.command()
def inputs(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="Library name (surfalign crystals), structure file, mp-ID, optimade:PROVIDER/ID.",
        ),
    ],
    dry_run: Annotated[
        Path,
        typer.Option(
            "--dry-run", metavar="DIR", help="New folder for the input files; nothing is run."
        ),
    ],
    hkl: Orientations = None,
    hkl_of_file: FileOrientations = None,
    max_index: MaxIndex = None,
    oxygen: WithOxygen = False,
    protocol: Annotated[
        str, typer.Option(help="jacs2024 (dielectric-dependent hybrid) or hse06.")
    ] = "jacs2024",
    quality: QualityName = "standard",
    self_consistent: Annotated[
        bool,
        typer.Option("--self-consistent", help="Take the band gap of the self-consistent hybrid."),
    ] = False,
    hubbard_u: Annotated[
        bool,
        typer.Option("--hubbard-u", help="Hubbard U on d and f shells (vise's values of 2020)."),
    ] = False,
    spin_orbit: Annotated[
        str | None,
        typer.Option(
            help="Spin-orbit coupling in the band edges: off, on, or heavy (for Pb, Bi, ... only)."
        ),
    ] = None,
    potcar_functional: Annotated[
        str | None, typer.Option(help="Set of POTCAR files: PBE_54 or PBE_64.")
    ] = None,
    one_shot: Annotated[
        str | None,
        typer.Option(help="Hybrid on fixed orbitals (Eigenval) or diagonalised once (Subrot)."),
    ] = None,
    dispersion: Annotated[
        str | None, typer.Option(help="Dispersion forces, for layered crystals: off or d3bj.")
    ] = None,
    relax: Relax = True,
    as_json: Json = False,
    engine: EngineName = "vasp",
) -> None:
    """Write the input files of all steps (potentials by name) and estimate their cost.

    Example: surfalign inputs MgO --engine vasp --dry-run mgo-inputs

    Example: surfalign inputs PbO-litharge --spin-orbit heavy --protocol hse06 --dry-run pbo --json
    """
    options: dict[str, Any] = {
        "self_consistent": self_consistent or None,
        "hubbard_u": hubbard_u or None,
        "spin_orbit": spin_orbit,
        "potcar_functional": potcar_functional,
        "one_shot": one_shot,
        "dispersion": dispersion,
    }
    chosen = engines.get_engine(
        engine,
        quality=quality,
        functional=functionals.protocol(protocol).functional,
        **{name: value for name, value in options.items() if value is not None},
    )
    crystal = wanted_crystals.load_with_notes(target)
    indices = wanted_crystals.wanted_indices(crystal, hkl, hkl_of_file)
    if not indices and max_index is None and crystal.default_orientation is not None:
        indices = [crystal.default_orientation]
    surfaces = surface_jobs.describe_surfaces(
        crystal.structure,
        source=crystal.source,
        miller_indices=indices,
        max_index=max_index,
        slab_thickness=chosen.slab_thickness,
        vacuum_thickness=chosen.vacuum_thickness,
        oxygen=oxygen,
    )
    written = dry_runs.write_inputs(chosen, crystal.structure, surfaces, dry_run, relax_slabs=relax)
    if as_json:
        print_json([_plain(step) for step in written])
    else:
        _print_table(written, dry_run)


def _plain(step: StepInputs) -> dict[str, object]:
    return {
        "step": step.step,
        "folder": str(step.folder),
        "n_atoms": step.n_atoms,
        **step.resources.plain(),
    }


def _print_table(written: list[StepInputs], folder: Path) -> None:
    table = Table("step", title=f"Inputs in {folder}; costs are estimates, within a factor of 3")
    for name in ("atoms", "kind", "processors", "memory GB", "wall time h", "core h", "GPU h"):
        table.add_column(name, justify="right")
    for step in written:
        needs = step.resources
        gpu = needs.kind == "gpu"
        table.add_row(
            step.step,
            str(step.n_atoms),
            needs.kind,
            str(needs.gpus or needs.cores),
            f"{needs.memory:.1f}",
            f"{needs.wall_time / 3600:.1f}",
            "" if gpu else f"{needs.core_hours:.2f}",
            f"{needs.core_hours:.2f}" if gpu else "",
        )
    table.add_section()
    cost = {kind: sum(s.resources.core_hours for s in written if s.resources.kind == kind)
            for kind in ("cpu", "gpu")}  # fmt: skip
    table.add_row("total", "", "", "", "", "", f"{cost['cpu']:.2f}", f"{cost['gpu']:.2f}")
    output_console().print(table)
