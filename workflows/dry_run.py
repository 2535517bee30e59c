"""Write the inputs of everything that a crystal's flow would run, without running anything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from pymatgen.core import Structure

from surfalign.errors import ConfigurationError
from surfalign.physics.phases.oxygen_reference import reference_molecules
from surfalign.stores.documents import Functional, SurfaceDescription
from surfalign.workflows.engines.engine import Engine
from surfalign.workflows.engines.step_resources import StepResources


@runtime_checkable
class WritesInputs(Protocol):
    """A maker of an engine that is started from files."""

    def write_inputs(self, structure: Structure, folder: Path) -> StepResources:
        """Write the inputs of the step into ``folder``; return what it will need."""
        ...


@dataclass(frozen=True)
class StepInputs:
    """A step whose inputs were written.

    Parameters
    ----------
    step
        Name of the step, e.g. ``MgO(100)-A slab potential``.
    folder
        Where its inputs are.
    n_atoms
        Atoms of its cell.
    resources
        What it will need.
    """

    step: str
    folder: Path
    n_atoms: int
    resources: StepResources


def write_inputs(
    engine: Engine,
    structure: Structure,
    surfaces: Iterable[SurfaceDescription],
    folder: Path,
    *,
    relax_slabs: bool = True,
) -> list[StepInputs]:
    """Write the inputs of all steps of one crystal.

    Slabs are cut from the given crystal, and relaxed geometries stand as they are given: nothing has
    run that would know better.

    Parameters
    ----------
    engine
        The engine.
    structure
        The crystal.
    surfaces
        Its surfaces.
    folder
        Where to write; made if need be.
    relax_slabs
        Whether the slabs are relaxed.

    Raises
    ------
    ConfigurationError
        When the engine is not started from files, or the folder holds something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(
            f"{folder} is not an empty folder", "a folder that is new or empty", "name another one"
        )
    steps = [("bulk", engine.bulk_maker, structure, folder / "bulk")]
    if engine.functional == Functional.DDH:
        steps.append(("dielectric", engine.dielectric_maker, structure, folder / "dielectric"))
    steps.append(("band edges", engine.band_edges_maker, structure, folder / "band_edges"))
    for surface in surfaces:
        index = "".join(str(i) for i in surface.miller_index)
        place = folder / f"{surface.formula}-{index}-{surface.termination}-{surface.identifier[:8]}"
        bulk, slab = surface.oriented_bulk, surface.slab
        steps.append(
            (
                f"{surface.name} oriented bulk",
                engine.oriented_bulk_maker,
                bulk,
                place / "oriented_bulk",
            )
        )
        if relax_slabs:
            name = f"{surface.name} slab relaxation"
            steps.append((name, engine.slab_relax_maker, slab, place / "slab_relaxation"))
        name = f"{surface.name} slab potential"
        steps.append((name, engine.slab_potential_maker, slab, place / "slab_potential"))
    if any(surface.excess_oxygen for surface in surfaces):
        for name, box in reference_molecules().items():
            place = folder / name.replace(" ", "_")
            steps.append((name, engine.slab_potential_maker, box, place))
    written = []
    for name, maker, cell, place in steps:
        if not isinstance(maker, WritesInputs):
            raise ConfigurationError(
                f"the engine {engine.name} is not started from input files",
                "an engine that writes its inputs, e.g. vasp",
                "name one with --engine",
            )
        written.append(StepInputs(name, place, len(cell), maker.write_inputs(cell, place)))
    return written
