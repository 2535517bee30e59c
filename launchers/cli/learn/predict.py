"""``surfalign learn predict``: levels of surfaces in seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from surfalign.crystals.sources import load_crystal
from surfalign.errors import ConfigurationError, SurfaceError, TerminationError
from surfalign.launchers.cli.learn import sources
from surfalign.launchers.cli.options import (
    BulkCrystal,
    Directory,
    JsonFile,
    LargestIndex,
    Model,
    OnlyOrientations,
    UnlabelledSlabs,
)
from surfalign.launchers.cli.output import is_stdout, make_folders, output_console, write_json
from surfalign.ml.data.candidate_surfaces import SLAB_THICKNESS, VACUUM_THICKNESS
from surfalign.ml.data.from_slab_files import read_slab_file
from surfalign.ml.data.records import SurfaceRecord, surface_record
from surfalign.ml.ensemble.ensemble import SurfaceEstimate
from surfalign.physics.orientations import nonpolar_orientations, parse_miller_index
from surfalign.physics.slabs import enumerate_slabs
from surfalign.physics.symmetry import symmetrize

commands = typer.Typer()


LEVELS = ("ionization_potential", "electron_affinity")


@commands.command()
def predict(
    structure: BulkCrystal = None,
    slabs: UnlabelledSlabs = None,
    hkl: OnlyOrientations = None,
    max_index: LargestIndex = 1,
    model: Model = None,
    version: Annotated[
        str | None, typer.Option("--version", help="Version; by default the champion.")
    ] = None,
    json_file: JsonFile = None,
    directory: Directory = None,
) -> None:
    """Predict IP and EA of relaxed surfaces from unrelaxed ones.

    For a bulk crystal the nonpolar surfaces are enumerated first. Each prediction has an interval that
    covers nine of ten surfaces, and a flag that tells whether the surface is like those that the model
    learned from.

    Example: surfalign learn predict TiO2-rutile --hkl 1,1,0

    Example: surfalign learn predict --slabs slabs.json.gz --json predictions.json
    """
    make_folders(json_file)
    records = surfaces(structure, slabs, hkl, max_index)
    models = sources.registry(directory)
    name = sources.model_name(models, model)
    ensemble, card = models.load(name, version)
    estimates = ensemble.predict([record.structure for record in records])
    source = f"{card.name} {card.version}"
    write_json([as_dict(r, e, source) for r, e in zip(records, estimates, strict=True)], json_file)
    if not is_stdout(json_file):
        output_console().print(table(records, estimates, f"{source}, predicts {card.fidelity}"))


def surfaces(
    structure: str | None, slabs: Path | None, hkl: Sequence[str] | None, max_index: int = 1
) -> list[SurfaceRecord]:
    """Return the slabs of a file, or those of a bulk crystal.

    Raises
    ------
    ConfigurationError
        When both or neither are named.
    SurfaceError
        When the crystal has no nonpolar surface, or a wanted orientation has none.
    """
    if (structure is None) == (slabs is None):
        raise ConfigurationError(
            "a crystal and a file of slabs are named"
            if structure
            else "neither a crystal nor a file of slabs is named",
            "a crystal (MgO, a.cif) or --slabs FILE",
            "name one of them",
        )
    if slabs is not None:
        return read_slab_file(slabs)
    return _crystal_surfaces(str(structure), list(hkl or []), max_index)


def _crystal_surfaces(target: str, hkl: Sequence[str], max_index: int) -> list[SurfaceRecord]:
    """Enumerate what ``surfalign run`` would compute, in thinner slabs."""
    crystal = load_crystal(target)
    symmetric = symmetrize(crystal.structure)
    indices = [parse_miller_index(text) for text in hkl] or [
        orientation.miller_index for orientation in nonpolar_orientations(symmetric, max_index)
    ]
    found = []
    for index in indices:
        try:
            slabs = enumerate_slabs(
                symmetric,
                index,
                slab_thickness=SLAB_THICKNESS,
                vacuum_thickness=VACUUM_THICKNESS,
            )
        except TerminationError:
            if hkl:
                raise
            continue
        found += [
            surface_record(
                slab.name,
                slab.slab,
                crystal.source,
                miller_index=slab.miller_index,
                space_group_number=slab.space_group_number,
            )
            for slab in slabs
        ]
    if not found:
        raise SurfaceError(
            f"{crystal.formula} has no nonpolar surface up to index {max_index}",
            "an orientation with a nonpolar, stoichiometric slab",
            "look at `surfalign surfaces`, or raise --max-index",
        )
    return found


def as_dict(record: SurfaceRecord, estimate: SurfaceEstimate, model: str) -> dict[str, Any]:
    """Return a prediction for scripts; levels in eV, an unknown bound is null."""
    return {
        "name": record.name,
        **{name: value for name, value in estimate.values.items() if name in LEVELS},
        "interval_90": {
            name: [bound if math.isfinite(bound) else None for bound in bounds]
            for name, bounds in estimate.interval_90.items()
            if name in LEVELS
        },
        "in_domain": estimate.in_domain,
        "domain_score": estimate.domain_score,
        "unknown_elements": list(estimate.unknown_elements),
        "other": {name: value for name, value in estimate.values.items() if name not in LEVELS},
        "miller_index": record.miller_index,
        "model": model,
    }


def table(
    records: Sequence[SurfaceRecord], estimates: Sequence[SurfaceEstimate], caption: str
) -> Table:
    """Return the predictions as a table."""
    shown = Table(caption=escape(caption))
    shown.add_column("Surface", no_wrap=True)
    for name in ("IP\n(eV)", "90 %", "EA\n(eV)", "90 %"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("Domain")
    for record, estimate in zip(records, estimates, strict=True):
        cells = []
        for name in LEVELS:
            value = estimate.values.get(name)
            low, high = estimate.interval_90.get(name, (-math.inf, math.inf))
            cells.append("–" if value is None else f"{value:.2f}")
            cells.append(f"{low:.2f} to {high:.2f}" if math.isfinite(low) else "too few data")
        shown.add_row(escape(record.name), *cells, _domain(estimate))
    return shown


def _domain(estimate: SurfaceEstimate) -> str:
    if estimate.unknown_elements:
        return f"[red]outside: {', '.join(estimate.unknown_elements)}[/]"
    return "[green]inside[/]" if estimate.in_domain else "[yellow]outside[/]"
