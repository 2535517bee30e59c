"""The calculations of each step of the flow, in order: the protocol, but for its band edges.

The functions take a runner, so that running, estimating and writing the inputs are the same walk.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pymatgen.core import Structure
from pymatgen.io.vasp import Kpoints

from surfalign.physics.slabs.faces import faces_are_equivalent
from surfalign.workflows.engines.vasp.inputs import kpoints, tags
from surfalign.workflows.engines.vasp.inputs.sets import input_set, plain
from surfalign.workflows.engines.vasp.inputs.settings import VaspSettings
from surfalign.workflows.engines.vasp.outputs.vasprun import read_vasprun
from surfalign.workflows.engines.vasp.running.handlers import Task
from surfalign.workflows.engines.vasp.running.runner import PlannedCalculation, Runner


def bulk(run: Runner, settings: VaspSettings, structure: Structure) -> Path:
    """Relax cell and ions twice, then take the energy.

    The basis belongs to the cell a relaxation starts from: the second one starts from the first's.
    """
    mesh = kpoints.bulk_mesh(structure, settings.k_spacing)
    relaxed = structure
    for name in ("relax1", "relax2"):
        inputs = tags.bulk_relaxation(settings, relaxed)
        folder = run.run(planned(name, "relaxation", settings, relaxed, inputs, mesh))
        relaxed = run.look(_final_structure(folder), relaxed)
    inputs = tags.bulk_static(settings, relaxed)
    return run.run(planned("static", "static", settings, relaxed, inputs, mesh))


def oriented_bulk(run: Runner, settings: VaspSettings, structure: Structure) -> Path:
    """Take the energy of a bulk cell oriented like the slab, with the slab's k-points in the plane."""
    mesh = kpoints.slab_mesh(structure, settings.k_spacing, periodic_normal=True)
    inputs = tags.bulk_static(settings, structure)
    return run.run(planned("static", "static", settings, structure, inputs, mesh))


def dielectric(run: Runner, settings: VaspSettings, structure: Structure) -> Path:
    """Compute the electronic dielectric tensor."""
    mesh = kpoints.bulk_mesh(structure, settings.dielectric_k_spacing)
    inputs = tags.dielectric(settings, structure)
    return run.run(planned("dfpt", "dfpt", settings, structure, inputs, mesh))


def slab_relaxation(run: Runner, settings: VaspSettings, slab: Structure) -> Path:
    """Relax the ions of a slab in its cell."""
    mesh = kpoints.slab_mesh(slab, settings.k_spacing)
    inputs = tags.slab_relaxation(settings, slab, dipole_centre(slab))
    return run.run(planned("relax", "slab_relaxation", settings, slab, inputs, mesh))


def slab_potential(run: Runner, settings: VaspSettings, slab: Structure) -> Path:
    """Compute the electrostatic potential of a slab."""
    mesh = kpoints.slab_mesh(slab, settings.k_spacing)
    inputs = tags.slab_potential(settings, slab, dipole_centre(slab))
    return run.run(
        planned("static", "slab_static", settings, slab, inputs, mesh, leaves=("LOCPOT",))
    )


def dipole_centre(slab: Structure) -> float | None:
    """Return the fractional height of a slab's centre of mass; None where its faces are equivalent.

    The slab may cross the cell's boundary: heights are averaged on a circle.
    """
    if faces_are_equivalent(slab):
        return None
    masses = np.array([float(site.specie.atomic_mass) for site in slab])
    phases = np.exp(2j * np.pi * slab.frac_coords[:, 2])
    return float(np.angle(np.sum(masses * phases)) / (2 * np.pi) % 1.0)


def planned(
    name: str,
    task: Task,
    settings: VaspSettings,
    structure: Structure,
    inputs: tags.Tags,
    points: Kpoints,
    leaves: tuple[str, ...] = (),
    **files: Path,
) -> PlannedCalculation:
    """Return a calculation of a structure with these tags and k-points."""
    return PlannedCalculation(
        name, input_set(structure, inputs, points, settings.potcar_functional), task, files, leaves
    )


def _final_structure(folder: Path) -> Callable[[], Structure]:
    return lambda: plain(read_vasprun(folder / "vasprun.xml").final_structure)
